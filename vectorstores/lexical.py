"""The lexical leg: n-gram BM25 whose scores are a share of the highest score that the question could reach.

BM25 as in Robertson & Zaragoza, "The Probabilistic Relevance Framework" (2009). FTS5 finds candidates by the rarer
terms; they are then scored exactly here, because FTS5's own ranking knows neither the terms' kinds nor our parameters.
"""

import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from analysis.terms import IndexForm, TermKind, index_terms, needle, question_terms

K1 = 0.6  # a broad plateau: from 0.4 to 0.9, R@1 on CMRC2018 moved by about a point
_B = 0.3
POOLING = 0.5  # weight of the best chunk of the same document
_FREQUENT_SHARE = 0.2  # terms in more of the chunks than this find no candidates, they only score
_MIN_CANDIDATES = 200
_FEW_CANDIDATES = 50
_SMALL_COLLECTION = 500  # chunks; so few are all scored
_BATCH = 500  # ids in one statement


@dataclass(frozen=True, slots=True)
class _Term:
    text: str
    needle: str  # what to count in a chunk's runs
    kind: TermKind
    frequency: int  # chunks that hold it
    weight: float  # kind's weight times inverse document frequency


@dataclass(frozen=True, slots=True)
class Collection:
    """Statistics of the indexed chunks: how many, and their mean length in terms of `IndexForm.length`."""

    chunk_count: int
    mean_length: float


def add_terms(connection: sqlite3.Connection, rows: Iterable[tuple[int, IndexForm]]) -> None:
    """Index chunks by their terms; `rows` are (chunk id, form)."""
    connection.executemany(
        "INSERT INTO chunk_terms (rowid, terms) VALUES (?, ?)", ((id, " ".join(index_terms(form))) for id, form in rows)
    )


def remove_terms(connection: sqlite3.Connection, rows: Iterable[tuple[int, IndexForm]]) -> None:
    """Take chunks out of the term index; a contentless table must be told the terms that went in."""
    connection.executemany(
        "INSERT INTO chunk_terms (chunk_terms, rowid, terms) VALUES ('delete', ?, ?)",
        ((id, " ".join(index_terms(form))) for id, form in rows),
    )


def lexical_scores(
    connection: sqlite3.Connection, collection: Collection, question: str, limit: int, also: Sequence[int] = ()
) -> Mapping[int, float]:
    """Return the lexical relevance (0–1) of the `limit` best chunks and of those in `also`, best first."""
    terms = _weighted(connection, collection, question_terms(question))
    reachable = sum(term.weight for term in terms) * (K1 + 1)
    if not reachable:
        return dict.fromkeys(also, 0.0)
    candidates = _candidates(connection, collection, terms, max(limit, _MIN_CANDIDATES))
    scores: dict[int, float] = {}
    documents: dict[int, int] = {}
    for row in _rows(connection, list(dict.fromkeys([*candidates, *also]))):
        scores[row["id"]] = _bm25(terms, row["runs"], row["length"], collection.mean_length) / reachable
        documents[row["id"]] = row["document_id"]
    pooled = _pooled(scores, documents)
    ranked = sorted(pooled, key=lambda chunk: (-pooled[chunk], chunk))
    wanted = dict.fromkeys([*ranked[:limit], *also])
    return {id: pooled.get(id, 0.0) for id in wanted}


def term_weights(connection: sqlite3.Connection, collection: Collection, question: str) -> Mapping[str, float]:
    """Return the question's distinct terms, each with its weight: kind times inverse document frequency."""
    return {term.text: term.weight for term in _weighted(connection, collection, question_terms(question))}


def _weighted(connection: sqlite3.Connection, collection: Collection, kinds: Mapping[str, TermKind]) -> list[_Term]:
    terms = []
    for text, kind in kinds.items():
        row = connection.execute("SELECT doc FROM term_statistics WHERE term = ?", (text,)).fetchone()
        frequency = row["doc"] if row else 0
        idf = math.log1p((collection.chunk_count - frequency + 0.5) / (frequency + 0.5))
        terms.append(_Term(text, needle(text), kind, frequency, kind.value * idf))
    return terms


def _candidates(
    connection: sqlite3.Connection, collection: Collection, terms: Sequence[_Term], limit: int
) -> list[int]:
    frequent = max(limit, collection.chunk_count * _FREQUENT_SHARE)
    present = [term for term in terms if term.frequency]
    rare = [term for term in present if term.frequency <= frequent]
    if collection.chunk_count <= _SMALL_COLLECTION:
        return _matching(connection, present, _SMALL_COLLECTION)
    found = _matching(connection, [term for term in rare if term.kind is not TermKind.UNIGRAM], limit)
    if len(found) < _FEW_CANDIDATES:  # hardly a bigram or word is shared: let single characters find more
        seen = set(found)
        found += [id for id in _matching(connection, present, limit) if id not in seen]
    return found[:limit]


def _matching(connection: sqlite3.Connection, terms: Sequence[_Term], limit: int) -> list[int]:
    if not terms:
        return []
    query = " OR ".join(f'"{term.text}"' for term in terms)
    rows = connection.execute(
        "SELECT rowid FROM chunk_terms WHERE chunk_terms MATCH ? ORDER BY rank LIMIT ?", (query, limit)
    )
    return [row["rowid"] for row in rows]


def _rows(connection: sqlite3.Connection, ids: Sequence[int]) -> Iterable[sqlite3.Row]:
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        marks = ",".join("?" * len(batch))
        yield from connection.execute(f"SELECT id, document_id, runs, length FROM chunks WHERE id IN ({marks})", batch)


def _bm25(terms: Sequence[_Term], runs: str, length: int, mean_length: float) -> float:
    saturation = K1 * (1 - _B + _B * length / mean_length)
    score = 0.0
    for term in terms:
        count = runs.count(term.needle)
        if count:
            score += term.weight * count * (K1 + 1) / (count + saturation)
    return score


def _pooled(scores: Mapping[int, float], documents: Mapping[int, int]) -> dict[int, float]:
    """Mix each chunk's score with the best of its document: the best chunk's own score stays as it is."""
    best: dict[int, float] = {}
    for id, score in scores.items():
        best[documents[id]] = max(best.get(documents[id], 0.0), score)
    return {id: (score + POOLING * best[documents[id]]) / (1 + POOLING) for id, score in scores.items()}
