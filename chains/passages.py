"""From hits to passages: grow each hit by its neighbours, join what touches, keep to the budget.

No hit is lost to growing, no passage leaves its document, and the order is that of relevance.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from core.answers import Hit, Passage, RetrievalSettings
from core.documents import Chunk
from core.plugs import ChunkStore

_REACH = 8  # neighbours looked at on either side
_TOUCHING_CHARS = 200  # ranges farther apart are not one text even if only blanks lie between


@dataclass(slots=True)
class _Range:
    document_id: int
    start: int
    end: int
    hits: list[Hit] = field(default_factory=list)  # by falling relevance, never empty once it is in use

    @property
    def chars(self) -> int:
        return self.end - self.start


def build_passages(
    hits: Sequence[Hit], store: ChunkStore, settings: RetrievalSettings
) -> tuple[list[Passage], frozenset[int]]:
    """Return the passages by falling relevance, and the ids of the hits that did not fit the budget.

    A hit that does not fit with its neighbours is tried alone; the best hit is kept whatever its length.
    """
    ranges: list[_Range] = []
    over_budget: set[int] = set()
    for hit in hits:
        alone = _Range(hit.chunk.document_id, hit.chunk.start, hit.chunk.end, [hit])
        grown = _Range(hit.chunk.document_id, *_grown(hit.chunk, store, settings.passage_chars), [hit])
        for joined in (_joined(ranges, grown, store), _joined(ranges, alone, store)):
            if sum(one.chars for one in joined) <= settings.context_chars:
                ranges = joined
                break
        else:
            if ranges:
                over_budget.add(hit.chunk.id)
            else:
                ranges = [alone]
    ranges.sort(key=lambda one: one.hits[0].rank)
    return [_passage(one, store) for one in ranges], frozenset(over_budget)


def _grown(chunk: Chunk, store: ChunkStore, limit: int) -> tuple[int, int]:
    """Return the range that a chunk grows to: following text first, then preceding, in turn, within `limit` characters.

    A side that meets another kind of text or the limit stops alone. Rows stand for themselves and do not grow.
    """
    start, end = chunk.start, chunk.end
    if chunk.kind == "row" or end - start >= limit:
        return start, end
    around = store.neighbours(chunk, _REACH)
    following = [other for other in around if other.ordinal > chunk.ordinal]
    preceding = [other for other in reversed(around) if other.ordinal < chunk.ordinal]
    while following or preceding:
        for side in (following, preceding):
            if not side:
                continue
            other = side.pop(0)
            wider = min(start, other.start), max(end, other.end)
            if other.kind == "row" or wider[1] - wider[0] > limit:
                side.clear()
            else:
                start, end = wider
    return start, end


def _joined(ranges: Iterable[_Range], added: _Range, store: ChunkStore) -> list[_Range]:
    """Return the ranges with `added`, joined with those it touches."""
    apart: list[_Range] = []
    whole = added
    for one in ranges:
        if _touch(one, whole, store):
            hits = sorted([*one.hits, *whole.hits], key=lambda hit: hit.rank)
            whole = _Range(one.document_id, min(one.start, whole.start), max(one.end, whole.end), hits)
        else:
            apart.append(one)
    if len(whole.hits) > len(added.hits) and any(_touch(one, whole, store) for one in apart):
        return _joined(apart, whole, store)
    return [*apart, whole]


def _touch(one: _Range, other: _Range, store: ChunkStore) -> bool:
    """Tell whether two ranges are one text: nothing but blanks between them. Rows stay apart, each with its number."""
    if one.document_id != other.document_id or "row" in (one.hits[0].chunk.kind, other.hits[0].chunk.kind):
        return False
    gap_start, gap_end = min(one.end, other.end), max(one.start, other.start)
    if gap_end - gap_start > _TOUCHING_CHARS:
        return False
    return gap_end <= gap_start or not store.text(one.document_id, gap_start, gap_end).strip()


def _passage(one: _Range, store: ChunkStore) -> Passage:
    best = one.hits[0]
    text = store.text(one.document_id, one.start, one.end)
    return Passage(best.chunk, one.start, one.end, text, best.relevance)
