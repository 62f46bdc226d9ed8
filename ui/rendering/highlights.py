"""Which part of a text is marked: ranges of a document, laid over the text that is shown of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from core.answers import Answer, Citation

Range = tuple[int, int]
"""Start and end in a document's extracted text, in characters."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of text that looks alike.

    Attributes:
        is_marked: one of the ranges holds it.
        is_around: it stands beside what is cited.
    """

    text: str
    is_marked: bool
    is_around: bool


def segments(text: str, start: int, marked: Iterable[Range], within: Range | None = None) -> list[Segment]:
    """Cut a text into runs that look alike; the ranges may overlap and reach beyond it.

    Args:
        start: where in its document the text begins.
        within: what is cited; None for all of it.
    """
    ranges = list(marked)
    first, last = within or (start, start + len(text))
    ends = {start, start + len(text), first, last, *(end for one in ranges for end in one)}
    cuts = sorted(end for end in ends if start <= end <= start + len(text))
    return [
        Segment(
            text[left - start : right - start],
            is_marked=any(one[0] <= left and right <= one[1] for one in ranges),
            is_around=not first <= left < last,
        )
        for left, right in pairwise(cuts)
    ]


def supports(answer: Answer, citation: Citation) -> tuple[Range, ...]:
    """Return what in the document of a citation supports sentences of the answer."""
    documents = [(passage.chunk.kb, passage.chunk.document_id) for passage in answer.retrieval.passages]
    cited = (citation.chunk.kb, citation.chunk.document_id)
    return tuple(
        (verdict.support_start, verdict.support_end)
        for verdict in (answer.grounding.verdicts if answer.grounding else ())
        if verdict.passage is not None and documents[verdict.passage - 1 : verdict.passage] == [cited]
    )
