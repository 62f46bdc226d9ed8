"""The one retrieval path: chat, search, evaluation and every front end call `retrieve`.

Lexical leg and dense leg → fused relevance → threshold → duplicates → top-k → neighbours → budget. Nothing vanishes:
every candidate comes back with its scores and the stage that dropped it.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from langchain_core.embeddings import Embeddings

from chains.passages import build_passages
from core.answers import DroppedBy, Hit, Retrieval, RetrievalSettings
from core.plugs import ChunkStore
from core.vectors import Vector

_CANDIDATES = 50


@dataclass(frozen=True, slots=True)
class DenseLeg:
    """An embedding and how its cosines become relevance.

    Attributes:
        relevance: maps a cosine (−1 to 1) to relevance (0–1), increasing.
    """

    embeddings: Embeddings
    relevance: Callable[[float], float]

    def embed(self, question: str) -> Vector:
        """Return the question's vector at unit length, shape (dimensions,)."""
        vector = np.asarray(self.embeddings.embed_query(question), dtype=np.float32)
        return vector / max(float(np.linalg.norm(vector)), 1e-12)


@dataclass(frozen=True, slots=True)
class _Scores:
    relevance: float
    lexical: float
    dense: float | None


def retrieve(question: str, store: ChunkStore, settings: RetrievalSettings, dense: DenseLeg | None = None) -> Retrieval:
    """Find what a knowledge base holds about a question.

    Args:
        dense: None leaves the lexical leg alone.
    """
    started = time.perf_counter()
    scores = _scored(question, store, settings.dense_weight, dense)
    ranked = sorted(scores, key=lambda chunk: (-scores[chunk].relevance, chunk))[:_CANDIDATES]
    chunks = store.chunks(ranked)
    found = [chunk for chunk in ranked if chunk in chunks]
    hits = [
        Hit(chunks[chunk], rank, scores[chunk].relevance, scores[chunk].lexical, scores[chunk].dense, None)
        for rank, chunk in enumerate(found, start=1)
    ]
    hits = _selected(hits, settings)
    passages, over_budget = build_passages([hit for hit in hits if hit.kept], store, settings)
    hits = [replace(hit, dropped_by="budget") if hit.chunk.id in over_budget else hit for hit in hits]
    return Retrieval(question, tuple(hits), tuple(passages), settings, time.perf_counter() - started)


def logistic(midpoint: float, scale: float) -> Callable[[float], float]:
    """Return the calibration 1 / (1 + exp(-(cosine - midpoint) / scale))."""
    return lambda cosine: 1 / (1 + math.exp(-(cosine - midpoint) / scale))


def _scored(question: str, store: ChunkStore, weight: float, dense: DenseLeg | None) -> Mapping[int, _Scores]:
    """Score the union of both legs' candidates by both legs, so that neither is judged by a score it does not have."""
    if dense is None:
        lexical = store.lexical_scores(question, _CANDIDATES)
        return {chunk: _Scores(score, score, None) for chunk, score in lexical.items()}
    vector = dense.embed(question)
    lexical = store.lexical_scores(question, _CANDIDATES, also=store.nearest(vector, _CANDIDATES))
    cosines = store.cosines(vector, lexical)
    scores = {}
    for chunk, score in lexical.items():
        similarity = dense.relevance(cosines[chunk]) if chunk in cosines else None
        fused = score if similarity is None else (1 - weight) * score + weight * similarity
        scores[chunk] = _Scores(fused, score, similarity)
    return scores


def _selected(hits: list[Hit], settings: RetrievalSettings) -> list[Hit]:
    """Mark the hits that the threshold, an equal text of higher rank, or top-k drops."""
    selected: list[Hit] = []
    texts: set[str] = set()
    for hit in hits:
        dropped_by: DroppedBy | None = None
        if hit.relevance < settings.threshold:
            dropped_by = "threshold"
        elif hit.chunk.text in texts:
            dropped_by = "duplicate"
        elif len(texts) >= settings.top_k:
            dropped_by = "top_k"
        else:
            texts.add(hit.chunk.text)
        selected.append(replace(hit, dropped_by=dropped_by))
    return selected
