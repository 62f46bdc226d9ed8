"""What the tabs show, as HTML: answers, sources, retrievals, figures, files, jobs, models.

An element with `data-action` can be clicked; its other `data-*` attributes say what it is about, and so do those of
the elements around it: a `[n]` in an answer belongs to the `data-exchange` of its article.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from core.answers import AskMode, Citation, LeftOut, Retrieval
from core.conversations import ConversationSummary, Exchange
from core.curation import ChunkRow, PreviewChunk, SourceView
from core.documents import DocumentRecord
from core.evaluation import CurvePoint, Evaluation
from core.explanations import Explanation
from core.jobs import Job
from core.messages import Language
from ui.rendering import curves
from ui.rendering.comparisons import compared
from ui.rendering.formats import percent
from ui.rendering.highlights import Range, segments
from ui.rendering.markdown import answer_html
from ui.rendering.templates import rendered
from ui.texts import chat, listings, rendering

if TYPE_CHECKING:
    from service.models.doctor_machine import Check

_HEADING_SEPARATOR = " > "  # between the headings of a path


# --- answers -----------------------------------------------------------------------------------------------------


def exchange(
    exchange: Exchange,
    *,
    language: Language,
    kbs: Sequence[str] = (),
    mode: AskMode = "kb",
    is_last: bool = False,
    is_quoted: bool = False,
) -> Markup:
    """Show one question and its answer, as far as it is written.

    Args:
        kbs, mode: what the question was asked of, and how.
        is_last: it may be asked again.
        is_quoted: the embedded mode writes it; a finished answer says so itself.
    """
    answer = exchange.answer
    return _view(
        "exchange",
        language,
        exchange=exchange,
        answer=answer,
        html=_written(exchange, language, is_quoted=is_quoted),
        is_left_out=answer is not None and answer.left_out != LeftOut(),
        kbs=kbs,
        mode=chat.MODES[mode],
        is_last=is_last,
    )


def source_panel(
    citation: Citation,
    view: SourceView,
    *,
    language: Language,
    supports: Sequence[Range] = (),
    numbers: Sequence[int] = (),
    original: str = "",
) -> Markup:
    """Show a source beside its answer.

    Args:
        view: the cited range with the text around it.
        supports: ranges of the document to highlight, as `highlights.supports` finds them; they may overlap.
        numbers: all the citations of the answer, in order, for the buttons that lead from one to the next.
        original: address to download the document from; empty where it may not be.
    """
    place = numbers.index(citation.n) if citation.n in numbers else len(numbers)
    text, start = view.before + view.text + view.after, view.start - len(view.before)
    return _view(
        "source",
        language,
        citation=citation,
        view=view,
        headings=[part for part in view.heading.split(_HEADING_SEPARATOR) if part],
        segments=segments(text, start, supports, (view.start, view.end)),
        previous=numbers[place - 1] if 0 < place < len(numbers) else None,
        following=numbers[place + 1] if place + 1 < len(numbers) else None,
        original=original,
    )


def conversations(summaries: Sequence[ConversationSummary], current: str, *, language: Language) -> Markup:
    """Show the list of a user's conversations; `current` is the id of the one that is open."""
    return _view("conversations", language, summaries=summaries, current=current)


def _written(exchange: Exchange, language: Language, *, is_quoted: bool) -> Markup:
    """Return the text of an answer, with its sources and verdicts once it is done."""
    answer = exchange.answer
    if answer is None:
        is_partial = exchange.state == "writing"
        return answer_html(exchange.text, (), (), language=language, is_partial=is_partial, is_quoted=is_quoted)
    is_quoted = answer.mode != "llm"
    verdicts = answer.grounding.verdicts if answer.grounding and not is_quoted else ()  # a quote needs no check mark
    return answer_html(answer.text, answer.citations, verdicts, language=language, is_quoted=is_quoted)


# --- the retrieval test ------------------------------------------------------------------------------------------


def retrieval(
    retrieval: Retrieval, *, threshold: float, language: Language, marks: Mapping[tuple[str, int], bool] | None = None
) -> Markup:
    """Show every candidate of a retrieval, those below the threshold greyed, and the passages that came of it.

    A row has its relevance in `data-relevance`, the line between them its threshold in `data-threshold`.

    Args:
        threshold: 0–1; may be another one than the retrieval's own.
        marks: whether a hit was marked right or wrong, by the knowledge base and the id of its chunk.
    """
    kept = [hit.chunk for hit in retrieval.hits if hit.kept]
    passages = [
        (
            passage,
            segments(
                passage.text,
                passage.start,
                [
                    (chunk.start, chunk.end)
                    for chunk in kept
                    if (chunk.kb, chunk.document_id) == (passage.chunk.kb, passage.chunk.document_id)
                ],
            ),
        )
        for passage in retrieval.passages
    ]
    above = [hit for hit in retrieval.hits if hit.relevance >= threshold]
    below = [hit for hit in retrieval.hits if hit.relevance < threshold]
    values = {"retrieval": retrieval, "above": above, "below": below, "passages": passages}
    return _view("retrieval", language, threshold=threshold, marks=marks or {}, **values)


def two_retrievals(before: Retrieval, after: Retrieval, *, language: Language) -> Markup:
    """Show two retrievals of one question side by side, with what the second does differently."""
    left, right = compared(before, after)
    return _view(
        "two_retrievals", language, sides=[(rendering.SETTINGS_A, before, left), (rendering.SETTINGS_B, after, right)]
    )


def explanation(explanation: Explanation, *, language: Language) -> Markup:
    """Show the stages that an expected passage went through, and what would get it past the one that lost it."""
    changes = {name: _setting(name, value) for name, value in explanation.changes.items()}
    encoded = json.dumps(dict(explanation.changes))
    return _view("explanation", language, explanation=explanation, changes=changes, encoded=encoded)


def curve(points: Sequence[CurvePoint], *, suggested: float | None, in_force: float, language: Language) -> Markup:
    """Draw precision, recall and refusal over the threshold; thresholds are 0–1, `suggested` is None for none."""
    return _view(
        "curve",
        language,
        curves=curves,
        lines=curves.lines(points),
        points=points,
        suggested=suggested,
        in_force=in_force,
    )


def figures(evaluation: Evaluation, *, language: Language) -> Markup:
    """Show the figures of an evaluation, the settings that it speaks for, and what became of each question."""
    return _view("figures", language, evaluation=evaluation, setting=_setting)


def _setting(name: str, value: float) -> str:
    """Return the value of a setting as people read it: a count, or a share in percent."""
    return f"{value:.0f}" if name == "top_k" or name.endswith("_chars") else percent(value)


# --- knowledge bases ---------------------------------------------------------------------------------------------


def files(
    documents: Sequence[DocumentRecord],
    *,
    language: Language,
    originals: Mapping[str, str] | None = None,
    may_edit: bool = True,
) -> Markup:
    """Show the documents of a knowledge base.

    Args:
        originals: address to download each document from, by name.
        may_edit: with what changes the knowledge base.
    """
    values = {"originals": originals or {}, "may_edit": may_edit}
    return _view("files", language, documents=documents, **values)


def chunks(rows: Sequence[ChunkRow], *, language: Language, may_edit: bool = True) -> Markup:
    """Show the chunks of a document, those that are disabled greyed."""
    return _view("chunks", language, rows=rows, may_edit=may_edit)


def preview(chunks: Sequence[PreviewChunk], *, language: Language) -> Markup:
    """Show how a document would be split; what a chunk shares with the one before it is pale."""
    lengths = [len(chunk.text) for chunk in chunks] or [0]
    ends = [0, *(chunk.end for chunk in chunks)]
    shown = [
        (chunk, segments(chunk.text, chunk.start, (), (max(chunk.start, end), chunk.start + len(chunk.text))))
        for chunk, end in zip(chunks, ends, strict=False)
    ]
    return _view("preview", language, chunks=shown, mean=round(sum(lengths) / len(lengths)), longest=max(lengths))


def job(job: Job, *, language: Language) -> Markup:
    """Show how far a job is and what became of its files so far."""
    return _view("job", language, job=job)


# --- models ------------------------------------------------------------------------------------------------------


def doctor(checks: "Sequence[Check]", *, language: Language) -> Markup:
    """Show what the doctor found, each with its cure."""
    levels = [check.level for check in checks]
    return _view("doctor", language, checks=checks, problems=levels.count("problem"), warnings=levels.count("warning"))


def _view(name: str, language: Language, **values: Any) -> Markup:
    return rendered(f"{name}.html", language, texts=rendering, lists=listings, **values)
