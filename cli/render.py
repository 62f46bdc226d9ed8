"""What the terminal shows: answers, candidates, files, progress."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table
from rich.text import Text

from cli import texts
from core.answers import (
    Answer,
    AnswerEvent,
    Citation,
    Delta,
    Finished,
    Hit,
    LeftOut,
    Progress,
    ProgressCallback,
    Retrieval,
)
from core.documents import Chunk, DocumentRecord, IngestReport, KnowledgeBaseInfo
from core.errors import KnowGLMError
from core.messages import Language, Message

_EXCERPT_CHARS = 120


class Screen:
    """Writes results to standard output and everything else to standard error, in one language.

    Args:
        names_kb: places are shown with the name of their knowledge base.
    """

    def __init__(self, language: Language, *, names_kb: bool = False) -> None:
        self.language = language
        self._names_kb = names_kb
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, message: Message, **values: Any) -> None:
        """Print one line."""
        self._out.print(Text(self._text(message, **values)))

    def note(self, message: Message) -> None:
        """Print something the user should know, apart from the results."""
        self._err.print(Text(f"• {self._text(message)}", style="yellow"))

    def json(self, value: dict[str, Any]) -> None:
        """Print JSON, the only thing on standard output."""
        sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")

    def error(self, error: KnowGLMError) -> None:
        """Print what happened and what to do next."""
        self._err.print(Text(error.reason(self.language), style="bold red"))
        self._err.print(Text(error.advice(self.language)))

    def stream(self, events: Iterator[AnswerEvent], asked: str | None = None) -> Answer:
        """Print an answer while it is written, then its sources or the nearest misses, and the checks of it.

        Args:
            asked: the question; what was searched for instead is shown.
        """
        answer: Answer | None = None
        for event in events:
            if isinstance(event, Delta):
                self._out.print(Text(event.text), end="")
            elif isinstance(event, Finished):
                answer = event.answer
            elif asked is not None and event.retrieval.question != asked:
                self._out.print(Text(self._text(texts.REWRITTEN, question=event.retrieval.question), style="dim"))
        assert answer is not None  # noqa: S101 - every stream ends with Finished
        self._out.print()
        if answer.refused:
            self._misses(answer.retrieval)
        elif answer.mode == "none":
            self.candidates(answer.retrieval)
        else:
            self._sources(answer)
        return answer

    def candidates(self, retrieval: Retrieval) -> None:
        """Print every candidate with its scores and fate."""
        columns = (texts.COLUMN_RELEVANCE, texts.COLUMN_LEXICAL, texts.COLUMN_DENSE, texts.COLUMN_FATE)
        table = self._table("#", *columns, texts.COLUMN_PLACE, texts.COLUMN_TEXT)
        for hit in retrieval.hits:
            self._add_row(
                table,
                str(hit.rank),
                _percent(hit.relevance),
                _percent(hit.lexical),
                "–" if hit.dense is None else _percent(hit.dense),
                self._text(texts.DROPPED_BY[hit.dropped_by] if hit.dropped_by else texts.KEPT),
                self._place(hit.chunk),
                _excerpt(hit.chunk.text),
                is_dim=not hit.kept,
            )
        self._out.print(table)
        if not retrieval.hits:
            self.say(texts.NOTHING_NEAR)

    def knowledge_bases(self, infos: list[KnowledgeBaseInfo]) -> None:
        """Print the list of knowledge bases."""
        table = self._table(texts.COLUMN_NAME, texts.COLUMN_FILES, texts.COLUMN_CHUNKS, texts.COLUMN_EMBEDDING)
        for info in infos:
            self._add_row(table, info.name, str(info.documents), str(info.chunks), self._embedding(info))
        self._out.print(table)

    def files(self, documents: list[DocumentRecord]) -> None:
        """Print the documents of a knowledge base."""
        table = self._table(
            texts.COLUMN_NAME, texts.COLUMN_STATE, texts.COLUMN_PAGES, texts.COLUMN_CHUNKS, texts.COLUMN_REASON
        )
        for document in documents:
            pages = "–" if document.pages is None else str(document.pages)
            reason = self._text(document.reason) if document.reason else ""
            state = self._text(texts.STATES[document.state])
            self._add_row(table, document.name, state, pages, str(document.chunks), reason)
        self._out.print(table)

    def settings(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Print the settings of a knowledge base: each with its name, value, source, and what is saved of it."""
        table = self._table(texts.COLUMN_SETTING, texts.COLUMN_VALUE, texts.COLUMN_SOURCE, texts.COLUMN_SAVED)
        for row in rows:
            source = self._text(texts.SOURCES_OF_SETTINGS[row["source"]])
            self._add_row(table, row["name"], _setting(row["value"]), source, _setting(row["saved"]))
        self._out.print(table)

    def failures(self, report: IngestReport) -> None:
        """Print each file that failed with its reason and the next step, apart from the results."""
        for file in report.failed:
            self._err.print(Text(f"✗ {self._text(file.reason)}" if file.reason else file.name, style="red"))
            if file.cure:
                self._err.print(Text(f"  {self._text(file.cure)}"))

    def report(self, report: IngestReport) -> None:
        """Print what became of the files."""
        self.failures(report)
        counts = {outcome: sum(file.outcome == outcome for file in report.files) for outcome in texts.OUTCOMES}
        listed = ", ".join(f"{self._text(texts.OUTCOMES[name])} {count}" for name, count in counts.items() if count)
        self.say(texts.SUMMARY, files=len(report.files), outcomes=listed or "0", chunks=report.chunks)

    @contextmanager
    def progress(self) -> Iterator[ProgressCallback]:
        """Show a bar on the terminal while the block runs; nothing where standard error is no terminal."""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        bar = ProgressBar(*columns, console=self._err, transient=True, disable=not self._err.is_terminal)
        with bar:
            task = bar.add_task(self._text(texts.WORKING), total=None)

            def show(progress: Progress) -> None:
                label = progress.label or self._text(texts.WORKING)
                bar.update(task, completed=progress.done, total=progress.total, description=label)

            yield show

    def _sources(self, answer: Answer) -> None:
        if answer.citations:
            self._out.print(Text(self._text(texts.SOURCES), style="bold"))
        for citation in answer.citations:
            self._out.print(Text(f"[{citation.n}] {self._cited(citation)}", style="cyan"))
        self._checks(answer)
        self._timing(answer)

    def _checks(self, answer: Answer) -> None:
        """Print what the check of a model's answer found, and what was done to it."""
        if answer.mode != "llm":
            return
        lines = []
        if answer.grounding and answer.grounding.verdicts:
            lines.append(self._text(texts.GROUNDING, share=_percent(answer.grounding.score)))
            for verdict in answer.grounding.verdicts:
                if verdict.level != "supported":
                    lines.append(self._text(texts.UNSUPPORTED, sentence=answer.text[verdict.start : verdict.end]))
                    lines += [f"  {self._text(problem)}" for problem in verdict.problems]
        if answer.removed_citations:
            lines.append(self._text(texts.REMOVED_MARKS, numbers=", ".join(map(str, answer.removed_citations))))
        if answer.left_out != LeftOut():
            left = answer.left_out
            lines.append(self._text(texts.LEFT_OUT, turns=left.turns, passages=left.passages))
        for line in lines:
            self._out.print(Text(line, style="yellow"))

    def _misses(self, retrieval: Retrieval) -> None:
        misses = retrieval.nearest_misses
        if not misses:
            self.say(texts.NOTHING_NEAR)
            return
        self.say(texts.NEAREST, threshold=_percent(retrieval.settings.threshold))
        for hit in misses:
            self._out.print(Text(f"  {self._missed(hit)}", style="dim"))

    def _timing(self, answer: Answer) -> None:
        line = self._text(
            texts.TIMING,
            mode=self._text(texts.MODES[answer.mode]),
            seconds=answer.seconds,
            threshold=_percent(answer.retrieval.settings.threshold),
        )
        self._out.print(Text(line, style="dim"))

    def _cited(self, citation: Citation) -> str:
        return f"{self._place(citation.chunk)} · {_percent(citation.relevance)}"

    def _missed(self, hit: Hit) -> str:
        return f"{_percent(hit.relevance)} {self._place(hit.chunk)}: {_excerpt(hit.chunk.text)}"

    def _place(self, chunk: Chunk) -> str:
        counted = ((texts.PAGE, chunk.page), (texts.SLIDE, chunk.slide), (texts.ROW, chunk.row))
        numbers = [self._text(message, n=number) for message, number in counted if number is not None]
        kb = chunk.kb if self._names_kb else ""
        return " · ".join(part for part in (kb, chunk.source, chunk.sheet or "", *numbers, chunk.heading) if part)

    def _table(self, *columns: Message | str) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column if isinstance(column, str) else self._text(column), overflow="fold")
        return table

    def _add_row(self, table: Table, *cells: str, is_dim: bool = False) -> None:
        """Add a row of plain text: what users and documents write is never markup."""
        table.add_row(*(Text(cell) for cell in cells), style="dim" if is_dim else "")

    def _embedding(self, info: KnowledgeBaseInfo) -> str:
        return self._text(texts.DAMAGED) if info.is_damaged else info.embedding

    def _text(self, message: Message, **values: Any) -> str:
        return message.text(self.language, **values)


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _setting(value: float | str | None) -> str:
    if value is None or value == "":
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else _excerpt(str(value))


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT_CHARS else line[:_EXCERPT_CHARS] + "…"
