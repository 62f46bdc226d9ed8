"""Several stores as one, so that one retrieval searches several knowledge bases and a web search together."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from analysis.terms import index_form, kind_of, occurrences
from core.documents import Chunk
from core.plugs import ChunkStore
from core.vectors import Vector
from vectorstores.lexical import K1, POOLING


class CombinedStore:
    """A `ChunkStore` over others. Chunk `i` of store `k` of `n` is `i * n + k` here, and so it is with documents.

    Relevance stays comparable between stores: see `lexical_scores`. The vectors that are searched are of one embedding;
    a store without any is found lexically alone.

    Args:
        stores: at least one; it is not closed from here.
        dense: places of the stores whose vectors are searched; by default all.
    """

    def __init__(self, stores: Sequence[ChunkStore], dense: Collection[int] | None = None) -> None:
        self._stores = tuple(stores)
        self._dense = frozenset(range(len(stores)) if dense is None else dense)

    @property
    def chunk_count(self) -> int:
        """Number of searchable chunks in all stores."""
        return sum(store.chunk_count for store in self._stores)

    def nearest(self, vector: Vector, limit: int) -> list[int]:
        """Return the ids of the `limit` chunks nearest to a unit vector of shape (dimensions,), nearest first."""
        ids = [self._outer(id, at) for at in self._dense for id in self._stores[at].nearest(vector, limit)]
        cosines = self.cosines(vector, ids)
        return sorted(cosines, key=lambda chunk: (-cosines[chunk], chunk))[:limit]

    def cosines(self, vector: Vector, ids: Iterable[int]) -> dict[int, float]:
        """Return the cosine (−1 to 1) between a unit vector and each of the chunks that has one."""
        return {
            self._outer(id, at): cosine
            for at, own in self._by_store(ids)
            if at in self._dense
            for id, cosine in self._stores[at].cosines(vector, own).items()
        }

    def lexical_scores(self, question: str, limit: int, also: Sequence[int] = ()) -> Mapping[int, float]:
        """Return the lexical relevance (0–1) of the `limit` best chunks and of those in `also`, best first.

        A store scores by its own term frequencies, and in one that holds nothing but search results the very words of
        the question are the commonest. So each score is carried over to the frequencies of all stores together, by
        how much of the question the chunk covers with those weights and with the weights of its own store.
        """
        weights = [store.term_weights(question) for store in self._stores]
        overall, wanted = self._merged(weights), dict(self._by_store(also))
        scores: dict[int, float] = {}
        for at, store in enumerate(self._stores):
            own = store.lexical_scores(question, limit, wanted.get(at, ()))
            shares = {chunk: _shares(chunk, overall) for chunk in store.chunks(list(own)).values()}
            before, after = _coverage(shares, weights[at]), _coverage(shares, overall)
            for id, score in own.items():
                scale = after[id] / before[id] if before.get(id) else 1.0
                scores[self._outer(id, at)] = min(1.0, score * scale)
        ranked = sorted(scores, key=lambda chunk: (-scores[chunk], chunk))[:limit]
        return {id: scores[id] for id in dict.fromkeys([*ranked, *also])}

    def term_weights(self, question: str) -> Mapping[str, float]:
        """Return the question's distinct terms, each with its weight: kind times inverse document frequency.

        The weights are those of one store that held all the chunks.
        """
        return self._merged([store.term_weights(question) for store in self._stores])

    def chunks(self, ids: Sequence[int]) -> dict[int, Chunk]:
        """Return the chunks that exist among `ids`."""
        return {
            self._outer(id, at): self._renamed(chunk, at)
            for at, own in self._by_store(ids)
            for id, chunk in self._stores[at].chunks(own).items()
        }

    def chunk_at(self, document_id: int, position: int) -> Chunk | None:
        """Return the chunk that holds a position (in characters) of the document's extracted text."""
        own, at = self._inner(document_id)
        chunk = self._stores[at].chunk_at(own, position)
        return chunk and self._renamed(chunk, at)

    def neighbours(self, chunk: Chunk, reach: int) -> list[Chunk]:
        """Return the chunks of the same document within `reach` positions, in document order, itself included."""
        (id, at), (document_id, _) = self._inner(chunk.id), self._inner(chunk.document_id)
        own = replace(chunk, id=id, document_id=document_id)
        return [self._renamed(other, at) for other in self._stores[at].neighbours(own, reach)]

    def text(self, document_id: int, start: int, end: int) -> str:
        """Return characters [start, end) of the document's extracted text."""
        own, at = self._inner(document_id)
        return self._stores[at].text(own, start, end)

    def _merged(self, weights: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """Add up the chunks that hold a term, which a weight tells: kind × log((chunks + 1) / (holding + 0.5))."""
        sizes = [store.chunk_count for store in self._stores]
        merged = {}
        for term in weights[0]:  # the terms are the question's, the same for every store
            kind = kind_of(term).value
            counts = ((size + 1) * math.exp(-own[term] / kind) - 0.5 for size, own in zip(sizes, weights, strict=True))
            holding = sum(max(0.0, count) for count in counts)
            merged[term] = kind * math.log((sum(sizes) + 1) / (holding + 0.5))
        return merged

    # --- ids: inner ones of a store, outer ones of the whole ---------------------------------------------------------

    def _outer(self, id: int, at: int) -> int:
        return id * len(self._stores) + at

    def _inner(self, id: int) -> tuple[int, int]:
        """Return the id within its store, and the store's place."""
        return divmod(id, len(self._stores))

    def _by_store(self, ids: Iterable[int]) -> Iterable[tuple[int, list[int]]]:
        """Return the places of the stores that these ids are of, each with the ids within it."""
        groups: dict[int, list[int]] = {}
        for id, at in map(self._inner, ids):
            groups.setdefault(at, []).append(id)
        return groups.items()

    def _renamed(self, chunk: Chunk, at: int) -> Chunk:
        return replace(chunk, id=self._outer(chunk.id, at), document_id=self._outer(chunk.document_id, at))


def _shares(chunk: Chunk, terms: Iterable[str]) -> dict[str, float]:
    """Return how much each term counts in a chunk, 0–1: the more, the more often it occurs."""
    runs = index_form(f"{chunk.source}\n{chunk.heading}\n{chunk.text}").runs
    counts = {term: occurrences(term, runs) for term in terms}
    return {term: count / (count + K1) for term, count in counts.items() if count}


def _coverage(chunks: Mapping[Chunk, Mapping[str, float]], weights: Mapping[str, float]) -> dict[int, float]:
    """Return by id what the terms of each chunk come to, as a share of all weights and with its document's best."""
    total = sum(weights.values()) or 1.0
    alone = {
        chunk.id: sum(weights[term] * share for term, share in shares.items()) / total
        for chunk, shares in chunks.items()
    }
    best: dict[int, float] = {}
    for chunk in chunks:
        best[chunk.document_id] = max(best.get(chunk.document_id, 0.0), alone[chunk.id])
    return {chunk.id: alone[chunk.id] + POOLING * best[chunk.document_id] for chunk in chunks}
