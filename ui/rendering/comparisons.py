"""What two retrievals of one question do differently."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from core.answers import Hit, Retrieval

ChangeKind = Literal["in", "out", "up", "down", "came", "went"]


@dataclass(frozen=True, slots=True)
class ComparedHit:
    """A candidate, and what became of it in the other retrieval.

    Attributes:
        change: None where it has the same rank and use in both.
        by: ranks that it moved.
    """

    hit: Hit
    change: ChangeKind | None = None
    by: int = 0


def compared(before: Retrieval, after: Retrieval) -> tuple[list[ComparedHit], list[ComparedHit]]:
    """Return the candidates of both: the first with what went or is out, the second with what came, is in, or moved."""
    then, now = _by_chunk(before.hits), _by_chunk(after.hits)
    return (
        [_left(hit, now.get(key)) for key, hit in then.items()],
        [_right(hit, then.get(key)) for key, hit in now.items()],
    )


def _by_chunk(hits: Iterable[Hit]) -> dict[tuple[str, int], Hit]:
    return {(hit.chunk.kb, hit.chunk.id): hit for hit in hits}


def _left(hit: Hit, now: Hit | None) -> ComparedHit:
    if now is None:
        return ComparedHit(hit, "went")
    return ComparedHit(hit, "out" if hit.kept and not now.kept else None)


def _right(hit: Hit, then: Hit | None) -> ComparedHit:
    if then is None:
        return ComparedHit(hit, "in" if hit.kept else "came")
    if hit.kept != then.kept:
        return ComparedHit(hit, "in" if hit.kept else "out")
    if hit.rank == then.rank:
        return ComparedHit(hit)
    return ComparedHit(hit, "up" if hit.rank < then.rank else "down", abs(hit.rank - then.rank))
