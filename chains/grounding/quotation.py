"""Where a sentence stands in a passage word for word, however blanks and line breaks differ."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from analysis.sentences import Span
from chains.grounding.citations import without_marks
from chains.grounding.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Printed:
    """A text without its blanks and citation marks.

    Attributes:
        compact: what is left of the text.
        places: position of each character of `compact` in the document, and the end.
        breaks: positions in `compact` where the text may be entered or left: not inside a word.
    """

    compact: str
    places: Sequence[int]
    breaks: frozenset[int]

    def find(self, compact: str) -> Span | None:
        """Return the place in the document where `compact` stands, begun and ended at breaks."""
        start = self.compact.find(compact)
        while start >= 0:
            end = start + len(compact)
            if start in self.breaks and end in self.breaks:
                return Span(self.places[start], self.places[end - 1] + 1)
            start = self.compact.find(compact, start + 1)
        return None


def printed(text: str, offset: int) -> Printed:
    """Return a text that begins at `offset` of its document, ready to be searched."""
    plain = without_marks(text)
    kept = [place for place, char in enumerate(plain) if not char.isspace()]
    compact = "".join(plain[place] for place in kept)
    breaks = {0, len(kept)}
    for number, (before, after) in enumerate(pairwise(kept), start=1):
        if after - before > 1 or not (plain[before].isalnum() and plain[after].isalnum()):
            breaks.add(number)
    return Printed(compact, [offset + place for place in kept], frozenset(breaks))


def printed_rows(sentences: Sequence[Evidence]) -> Iterator[tuple[Printed, Evidence]]:
    """Yield the rows of tables as they read with the names of their columns."""
    for evidence in sentences:
        if evidence.is_row:
            yield printed(evidence.text, 0), evidence


def compacted(sentence: str) -> str:
    """Return a sentence without its blanks and citation marks."""
    return "".join(without_marks(sentence).split())
