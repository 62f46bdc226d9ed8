"""A knowledge base built anew from what another one holds now: the two must not be told apart by searching."""

import sqlite3
from contextlib import closing
from itertools import pairwise
from typing import Any

import numpy as np
from fakes import HashedEmbeddings
from langchain_core.documents import Document

from analysis.indexed_text import indexed_text
from core.documents import DocumentRow, EmbeddingIdentity, NewDocument
from vectorstores.knowledge_store import KnowledgeStore

Place = tuple[str, int, int]


def use(store: KnowledgeStore, embeddings: HashedEmbeddings) -> None:
    """Give a store a dense leg."""
    store.use_embedding(EmbeddingIdentity("hashed", f"hashed:{embeddings.dimensions}", embeddings.dimensions))


def matrix(embeddings: HashedEmbeddings, texts: list[str]) -> Any:
    """Return the vectors of texts as the store takes them."""
    return np.asarray(embeddings.embed_documents(texts), dtype=np.float32)


def assert_like_fresh(store: KnowledgeStore, questions: list[str], embeddings: HashedEmbeddings | None = None) -> None:
    """Hold a store against a fresh one with the same texts and the same splitting."""
    fresh = KnowledgeStore(store.folder.with_name(f"{store.folder.name}-fresh-{store.manifest()['generation']}"))
    with closing(fresh):
        if embeddings:
            use(fresh, embeddings)
        fresh.put_documents([_again(store, record.name, embeddings) for record in store.documents()])
        for key in ("chunk_count", "total_length"):
            assert store.manifest().get(key, 0) == fresh.manifest().get(key, 0), key
        assert _terms(store) == _terms(fresh)
        assert store.chunks_without_vectors == fresh.chunks_without_vectors
        for question in questions:
            assert _lexical(store, question) == _lexical(fresh, question)
            if embeddings:
                assert _dense(store, question, embeddings) == _dense(fresh, question, embeddings)


def assert_chunks_are_ranges(store: KnowledgeStore) -> None:
    """Every chunk is a range of its document's text; none holds another, and disabled ones stand alone."""
    for record in store.documents():
        text = store.text(record.id, 0, 10**9)
        assert len(text) == record.chars
        rows = store.editor.rows(record.name)
        for row in rows:
            assert row.chunk.text == text[row.chunk.start : row.chunk.end] == row.chunk.text.strip() != ""
        for one, other in pairwise(rows):
            assert one.chunk.ordinal < other.chunk.ordinal
            assert one.chunk.start < other.chunk.start
            assert one.chunk.end < other.chunk.end
            assert one.chunk.end <= other.chunk.start or (one.enabled and other.enabled)
        assert record.chunks == sum(row.enabled for row in rows) == len(store.document_chunks(record.name))


def _again(store: KnowledgeStore, name: str, embeddings: HashedEmbeddings | None) -> NewDocument:
    record = store.document(name)
    assert record is not None
    heads = dict(_sql(store, "SELECT id, table_header FROM chunks"))
    chunks, indexed = [], []
    for row in store.editor.rows(name):
        one = row.chunk
        known = {"start": one.start, "end": one.end, "kind": one.kind, "heading": one.heading, "enabled": row.enabled}
        chunks.append(Document(page_content=one.text, metadata={**known, "table_header": heads[one.id] or ""}))
        indexed.append(indexed_text(record.title, one.heading, heads[one.id] or "", one.text))
    row = DocumentRow(name, record.sha256, "indexed", record.size, chars=record.chars, title=record.title)
    vectors = matrix(embeddings, indexed) if embeddings and indexed else None
    return NewDocument(row, store.text(record.id, 0, record.chars), chunks, indexed, vectors)


def _terms(store: KnowledgeStore) -> dict[str, tuple[int, int]]:
    return {term: (documents, count) for term, documents, count in _sql(store, "SELECT * FROM term_statistics")}


def _sql(store: KnowledgeStore, query: str) -> list[Any]:
    with closing(sqlite3.connect(store.folder / "kb.sqlite")) as connection:
        return connection.execute(query).fetchall()


def _places(store: KnowledgeStore, scores: Any) -> dict[Place, float]:
    found = store.chunks(list(scores))
    assert len(found) == len(scores)
    return {(one.source, one.start, one.end): round(scores[one.id], 5) for one in found.values()}


def _lexical(store: KnowledgeStore, question: str) -> dict[Place, float]:
    return _places(store, store.lexical_scores(question, 50))


def _dense(store: KnowledgeStore, question: str, embeddings: HashedEmbeddings) -> dict[Place, float]:
    vector = np.asarray(embeddings.embed_query(question), dtype=np.float32)
    return _places(store, store.cosines(vector, store.nearest(vector, 100)))
