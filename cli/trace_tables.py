"""How traces and their replay look: stage by stage on the terminal, and as JSON whose names programs rely on."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from cli import texts, trace_texts
from cli.render import Screen
from core.answers import Answer, Hit, Passage, Retrieval
from core.documents import Chunk
from core.grounding import Grounding
from core.messages import Message
from core.traces import HitChange, ReplayReport, Trace, TraceSummary
from service.answers.trace_json import hit_json, retrieval_json

_NOTHING = "–"


class TraceScreen(Screen):
    """A screen for traces; what was sent and what was answered is printed as it is, all else fits the terminal."""

    def traces(self, summaries: Sequence[TraceSummary]) -> None:
        """Print the list of traces."""
        table = self._columns(trace_texts.COLUMN_ID, trace_texts.COLUMN_OUTCOME)
        self._flexible(table, trace_texts.COLUMN_KB, 1)
        self._flexible(table, trace_texts.COLUMN_QUESTION, 3)
        for summary in summaries:
            outcome = self._outcome(summary.mode, refused=summary.refused)
            self._add_row(table, summary.id, outcome, _names(summary.kbs), _line(summary.question))
        self._show(table)

    def trace(self, trace: Trace) -> None:
        """Print every stage of an answer."""
        answer, self._names_kb = trace.answer, len(trace.kbs) > 1
        self._line(trace_texts.HEADER, id=trace.id, time=_local(trace.created), kb=_names(trace.kbs) or _NOTHING)
        self._question(trace)
        self._settings(trace)
        self._retrieval(answer.retrieval)
        self._line(trace_texts.LEFT_OUT, turns=answer.left_out.turns, passages=answer.left_out.passages)
        self._stage(trace_texts.STAGE_PROMPT)
        self._verbatim(answer.prompt or self._text(trace_texts.NO_PROMPT))
        self._answer(answer)
        self._stage(trace_texts.STAGE_TIMES)
        searching = answer.retrieval.seconds
        self._line(trace_texts.TIMES, retrieval=searching, rest=answer.seconds - searching, total=answer.seconds)

    def replay(self, report: ReplayReport) -> None:
        """Print what has changed, and every stage of the retrieval as it is today."""
        trace, then = report.trace, report.trace.answer.retrieval
        self._names_kb = len(trace.kbs) > 1
        self._line(trace_texts.REPLAYED, id=trace.id, time=_local(trace.created), question=_line(then.question))
        if report.identical:
            self._line(trace_texts.IDENTICAL)
        else:
            counts: Counter[str] = Counter(kind for change in report.changes for kind in change.kinds)
            kinds = {kind: f"{self._text(text)} {counts[kind]}" for kind, text in trace_texts.CHANGES.items()}
            listed = " · ".join(text for kind, text in kinds.items() if counts[kind])
            self._line(trace_texts.DIFFERENT, count=len(report.changes), kinds=listed or _NOTHING)
        self._line(trace_texts.KB_CHANGED[report.kb_changed])
        for change in report.settings_changed:
            then_now = {"then": _number(change.then), "now": _number(change.now)}
            self._line(trace_texts.SETTING_CHANGED, name=change.name, **then_now)
        if report.changes:
            self._show(self._changes(report.changes))
        if not report.same_passages:
            self._line(trace_texts.PASSAGES_DIFFER)
            self._passages(then.passages)
        self._retrieval(report.retrieval)

    def _question(self, trace: Trace) -> None:
        self._stage(trace_texts.STAGE_QUESTION)
        for turn in trace.history:
            self._line(trace_texts.TURN, question=_line(turn.question), answer=_line(turn.answer))
        self._line(trace_texts.ASKED, question=trace.answer.question)
        if trace.answer.rewritten:
            self._line(trace_texts.REWRITTEN, question=trace.answer.rewritten)
        else:
            self._line(trace_texts.NOT_REWRITTEN)

    def _settings(self, trace: Trace) -> None:
        self._stage(trace_texts.STAGE_SETTINGS)
        settings = asdict(trace.answer.retrieval.settings) | dict(trace.settings)
        self._show(Text(" · ".join(f"{name} {_number(value)}" for name, value in settings.items())))

    def _retrieval(self, retrieval: Retrieval) -> None:
        """Print the stages from the legs to the budget."""
        hits, settings = retrieval.hits, retrieval.settings
        self._stage(trace_texts.STAGE_LEGS)
        lexical, dense = _leg_ranks(hits, lambda hit: hit.lexical or None), _leg_ranks(hits, lambda hit: hit.dense)
        self._line(trace_texts.LEGS, lexical=len(lexical), dense=len(dense))
        if dense:
            self._line(trace_texts.FUSION, lexical=1 - settings.dense_weight, dense=settings.dense_weight)
        else:
            self._line(trace_texts.LEXICAL_ALONE)
        self._show(self._candidates(hits, lexical, dense))
        self._stage(trace_texts.STAGE_FATES)
        fates = Counter(hit.dropped_by or "used" for hit in hits)
        counts = {fate: fates[fate] for fate in ("threshold", "duplicate", "top_k", "budget", "used")}
        limits = {"limit": settings.threshold, "top_k_limit": settings.top_k}
        self._line(trace_texts.SELECTION, all=len(hits), **counts, **limits)
        self._stage(trace_texts.STAGE_PASSAGES)
        self._passages(retrieval.passages)
        self._stage(trace_texts.STAGE_BUDGET)
        chars = sum(passage.end - passage.start for passage in retrieval.passages)
        self._line(trace_texts.BUDGET, chars=chars, limit=settings.context_chars)

    def _candidates(self, hits: Iterable[Hit], lexical: dict[int, int], dense: dict[int, int]) -> Table:
        legs = (texts.COLUMN_RELEVANCE, texts.COLUMN_LEXICAL, texts.COLUMN_DENSE)
        table = self._columns("#", *legs, texts.COLUMN_FATE)
        self._flexible(table, texts.COLUMN_PLACE, 2)
        self._flexible(table, texts.COLUMN_TEXT, 3)
        for hit in hits:
            self._add_row(
                table,
                str(hit.rank),
                f"{hit.relevance:.3f}",
                _leg(hit.lexical, lexical.get(hit.rank)),
                _leg(hit.dense, dense.get(hit.rank)),
                self._text(trace_texts.FATES[hit.dropped_by]),
                self._spot(hit.chunk),
                _line(hit.chunk.text),
                is_dim=not hit.kept,
            )
        return table

    def _passages(self, passages: Iterable[Passage]) -> None:
        for n, passage in enumerate(passages, start=1):
            ranges = {"start": passage.start, "end": passage.end}
            hit = {"hit_start": passage.chunk.start, "hit_end": passage.chunk.end}
            place, relevance = self._place(passage.chunk), passage.relevance
            self._line(trace_texts.PASSAGE, n=n, place=place, relevance=relevance, **ranges, **hit)
        if not passages:
            self._line(trace_texts.NO_PASSAGES)

    def _answer(self, answer: Answer) -> None:
        self._stage(trace_texts.STAGE_ANSWER)
        outcome = self._outcome(answer.mode, refused=answer.refused)
        self._line(trace_texts.WRITTEN_BY, outcome=outcome, model=answer.model or _NOTHING)
        self._verbatim(answer.text)
        for citation in answer.citations:
            self._show(Text(f"[{citation.n}] {self._cited(citation)}", style="cyan"))
        if answer.removed_citations:
            self._line(trace_texts.REMOVED, numbers=" ".join(f"[{n}]" for n in answer.removed_citations))
        if answer.grounding is not None:
            self._grounding(answer.text, answer.grounding)

    def _grounding(self, text: str, grounding: Grounding) -> None:
        self._line(trace_texts.GROUNDED, score=grounding.score)
        for verdict in grounding.verdicts:
            support = "" if verdict.passage is None else f" [{verdict.passage}]"
            sentence = _line(text[verdict.start : verdict.end])
            self._show(Text(f"{trace_texts.LEVELS[verdict.level]} {verdict.score:.0%}{support} {sentence}"))
            for problem in verdict.problems:
                self._show(Text(f"  → {self._text(problem)}"))

    def _changes(self, changes: Iterable[HitChange]) -> Table:
        columns = (trace_texts.COLUMN_RANKS, texts.COLUMN_RELEVANCE, trace_texts.COLUMN_FATES)
        table = self._columns(trace_texts.COLUMN_CHANGE, *columns)
        self._flexible(table, texts.COLUMN_PLACE, 1)
        self._flexible(table, texts.COLUMN_TEXT, 1)
        for change in changes:
            chunk = next(hit.chunk for hit in (change.after, change.before) if hit is not None)
            self._add_row(
                table,
                " ".join(self._text(trace_texts.CHANGES[kind]) for kind in change.kinds),
                _then_now(change, lambda hit: str(hit.rank)),
                _then_now(change, lambda hit: f"{hit.relevance:.3f}"),
                _then_now(change, lambda hit: self._text(trace_texts.FATES[hit.dropped_by])),
                self._spot(chunk),
                _line(chunk.text),
            )
        return table

    def _outcome(self, mode: str, *, refused: bool) -> str:
        return self._text(trace_texts.REFUSED if refused else trace_texts.OUTCOMES[mode])

    def _spot(self, chunk: Chunk) -> str:
        return self._place(replace(chunk, heading=""))

    def _stage(self, title: Message) -> None:
        self._out.print()
        self._show(Rule(Text(self._text(title), style="bold"), align="left"))

    def _line(self, message: Message, **values: Any) -> None:
        self._show(Text(self._text(message, **values)))

    def _verbatim(self, text: str) -> None:
        self._out.print(Text(text))

    def _show(self, what: Text | Table | Rule) -> None:
        self._out.print(what, soft_wrap=False, overflow="fold")

    def _columns(self, *columns: Message | str) -> Table:
        """Return a table over the whole width whose columns are as wide as their content."""
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold", expand=True)
        for column in columns:
            table.add_column(column if isinstance(column, str) else self._text(column), no_wrap=True)
        return table

    def _flexible(self, table: Table, column: Message, share: int) -> None:
        """Add a column that shares what width is left, its content cut to one line."""
        table.add_column(self._text(column), no_wrap=True, overflow="ellipsis", ratio=share)


def traces_json(summaries: Sequence[TraceSummary]) -> dict[str, Any]:
    """Return the list of traces."""
    return {
        "traces": [
            {
                "id": summary.id,
                "created": summary.created,
                "kb": summary.kbs[0] if summary.kbs else "",
                "kbs": list(summary.kbs),
                "question": summary.question,
                "mode": summary.mode,
                "refused": summary.refused,
                "seconds": summary.seconds,
            }
            for summary in summaries
        ]
    }


def replay_json(report: ReplayReport) -> dict[str, Any]:
    """Return what has changed, and the retrieval as it is today."""
    return {
        "id": report.trace.id,
        "kb": report.trace.kbs[0] if report.trace.kbs else "",
        "kbs": list(report.trace.kbs),
        "identical": report.identical,
        "same_passages": report.same_passages,
        "kb_changed": report.kb_changed,
        "settings_changed": [
            {"name": change.name, "then": change.then, "now": change.now} for change in report.settings_changed
        ],
        "changes": [
            {
                "kinds": list(change.kinds),
                "before": hit_json(change.before) if change.before else None,
                "after": hit_json(change.after) if change.after else None,
            }
            for change in report.changes
        ],
        "retrieval": retrieval_json(report.retrieval),
    }


def _leg_ranks(hits: Iterable[Hit], score: Callable[[Hit], float | None]) -> dict[int, int]:
    """Return the rank in one leg, by the rank of the fusion, of each candidate that the leg found."""
    found = [(-value, hit.rank) for hit in hits if (value := score(hit)) is not None]
    return {rank: place for place, (_, rank) in enumerate(sorted(found), start=1)}


def _leg(score: float | None, rank: int | None) -> str:
    return _NOTHING if score is None or rank is None else f"{score:.3f} #{rank}"


def _then_now(change: HitChange, shown: Callable[[Hit], str]) -> str:
    """Return a value then and now, once where it is the same."""
    values = [_NOTHING if hit is None else shown(hit) for hit in (change.before, change.after)]
    return " → ".join(dict.fromkeys(values))


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _names(kbs: Sequence[str]) -> str:
    return "、".join(kbs)


def _line(text: str) -> str:
    return " ".join(text.split())


def _local(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S}"
