"""Stores seen in another way, so that `retrieve` itself can tell what it would do if only its candidates differed."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from core.documents import Chunk
from core.plugs import ChunkStore
from core.vectors import Vector


class StoreView:
    """A store as it is."""

    def __init__(self, store: ChunkStore) -> None:
        self._store = store

    @property
    def chunk_count(self) -> int:
        """See `ChunkStore`."""
        return self._store.chunk_count

    def nearest(self, vector: Vector, limit: int) -> list[int]:
        """See `ChunkStore`."""
        return self._store.nearest(vector, limit)

    def cosines(self, vector: Vector, ids: Iterable[int]) -> dict[int, float]:
        """See `ChunkStore`."""
        return self._store.cosines(vector, ids)

    def lexical_scores(self, question: str, limit: int, also: Sequence[int] = ()) -> Mapping[int, float]:
        """See `ChunkStore`."""
        return self._store.lexical_scores(question, limit, also)

    def term_weights(self, question: str) -> Mapping[str, float]:
        """See `ChunkStore`."""
        return self._store.term_weights(question)

    def chunks(self, ids: Sequence[int]) -> dict[int, Chunk]:
        """See `ChunkStore`."""
        return self._store.chunks(ids)

    def chunk_at(self, document_id: int, position: int) -> Chunk | None:
        """See `ChunkStore`."""
        return self._store.chunk_at(document_id, position)

    def neighbours(self, chunk: Chunk, reach: int) -> list[Chunk]:
        """See `ChunkStore`."""
        return self._store.neighbours(chunk, reach)

    def text(self, document_id: int, start: int, end: int) -> str:
        """See `ChunkStore`."""
        return self._store.text(document_id, start, end)


class Among(StoreView):
    """A store in which only some chunks can be candidates; whatever their scores, the best of them are."""

    def __init__(self, store: ChunkStore, ids: Collection[int]) -> None:
        super().__init__(store)
        self._ids = frozenset(ids)

    def nearest(self, vector: Vector, limit: int) -> list[int]:
        """Return the nearest of these chunks."""
        return [id for id in self._store.nearest(vector, self.chunk_count) if id in self._ids][:limit]

    def lexical_scores(self, question: str, limit: int, also: Sequence[int] = ()) -> Mapping[int, float]:
        """Return the whole store's scores of the `limit` best of these chunks, and of those in `also`."""
        scores = self._store.lexical_scores(question, limit, also=sorted(self._ids | set(also)))
        best = sorted(self._ids & scores.keys(), key=lambda chunk: (-scores[chunk], chunk))[:limit]
        return {id: scores[id] for id in dict.fromkeys([*best, *also])}


class DenseAlone(StoreView):
    """A store whose lexical leg brings no candidates of its own."""

    def lexical_scores(self, question: str, limit: int, also: Sequence[int] = ()) -> Mapping[int, float]:
        """Return the scores of the chunks in `also`."""
        return self._store.lexical_scores(question, 0, also)
