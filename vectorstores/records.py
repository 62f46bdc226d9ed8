"""Rows of `kb.sqlite`: writing them within a transaction, and reading them as the product's nouns."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from langchain_core.documents import Document

from analysis.terms import IndexForm
from core.documents import Chunk, DocumentRecord, DocumentRow, EmbeddingIdentity
from core.messages import Message
from vectorstores.corrections import copy_corrections
from vectorstores.lexical import add_terms, remove_terms
from vectorstores.text_blocks import read_text

SELECT_DOCUMENTS = """
    SELECT d.*, (SELECT count(*) FROM chunks c WHERE c.document_id = d.id AND c.enabled) AS chunks FROM documents d
"""
SELECT_CHUNKS = """
    SELECT c.id, c.document_id, c.ordinal, c.start, c."end", c.heading, c.kind, c.page, c.slide, c.sheet, c.row,
           d.name AS source, coalesce((SELECT json_extract(value, '$') FROM manifest WHERE key = 'name'), '') AS kb
    FROM chunks c JOIN documents d ON d.id = c.document_id
"""


def insert_document(connection: sqlite3.Connection, row: DocumentRow) -> int:
    """Insert a document and return its id."""
    values = {name: getattr(row, name) for name in row.__slots__}
    values |= {
        "reason": json.dumps(asdict(row.reason)) if row.reason else None,
        "metadata": json.dumps(row.metadata, ensure_ascii=False),
        "added_at": time.time(),
    }
    columns = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    return connection.execute(f"INSERT INTO documents ({columns}) VALUES ({marks})", values).lastrowid or 0


def delete_document(connection: sqlite3.Connection, name: str, successor_sha256: str = "") -> str | None:
    """Delete a document and all that came of it; return what its original was stored as, None if there was none.

    A duplicate that it stood for takes over its chunks, so that no accepted text is lost with it, unless the document
    that comes in its place has the same bytes. Corrections stay under the document's name, for its next version.
    """
    row = connection.execute("SELECT * FROM documents WHERE name = ?", (name,)).fetchone()
    if row is None:
        return None
    stays = row["state"] == "indexed" and row["sha256"] != successor_sha256
    if stays and (heir := _duplicate_of(connection, row)):
        copy_corrections(connection, name, heir["name"])
        connection.execute("DELETE FROM documents WHERE id = ?", (heir["id"],))
        connection.execute("UPDATE documents SET name = ? WHERE id = ?", (heir["name"], row["id"]))
        return str(row["stored_as"])
    query = "SELECT id, runs, length FROM chunks WHERE document_id = ? AND enabled"
    chunks = connection.execute(query, (row["id"],)).fetchall()
    forms = [IndexForm(chunk["runs"], chunk["length"]) for chunk in chunks]
    remove_terms(connection, zip((chunk["id"] for chunk in chunks), forms, strict=True))
    connection.execute("DELETE FROM documents WHERE id = ?", (row["id"],))
    if forms:
        count_chunks(connection, -len(forms), -sum(form.length for form in forms))
    return str(row["stored_as"])


def _duplicate_of(connection: sqlite3.Connection, row: sqlite3.Row) -> sqlite3.Row | None:
    duplicates = connection.execute(
        "SELECT id, name FROM documents WHERE sha256 = ? AND state = 'duplicate' ORDER BY id", (row["sha256"],)
    )
    found: sqlite3.Row | None = duplicates.fetchone()
    return found


def insert_chunks(
    connection: sqlite3.Connection, document_id: int, chunks: Sequence[Document], forms: Sequence[IndexForm]
) -> list[int]:
    """Insert a document's chunks, those that are enabled with their terms, and return the ids of all."""
    last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
    first_id = (last["seq"] if last else 0) + 1
    ids = list(range(first_id, first_id + len(chunks)))
    rows = (
        _chunk_values(id, document_id, ordinal, chunk, form)
        for ordinal, (id, chunk, form) in enumerate(zip(ids, chunks, forms, strict=True))
    )
    connection.executemany(
        """INSERT INTO chunks (id, document_id, ordinal, start, "end", kind, heading, table_header, page, slide, sheet,
                               row, enabled, sha256, runs, length)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        rows,
    )
    add_terms(connection, ((id, form) for id, chunk, form in zip(ids, chunks, forms, strict=True) if is_enabled(chunk)))
    return ids


def is_enabled(chunk: Document) -> bool:
    """Tell whether a chunk that is to be stored will be searchable; it is unless its metadata says otherwise."""
    return bool(chunk.metadata.get("enabled", True))


def insert_vectors(connection: sqlite3.Connection, embedding_id: int, rows: Iterable[tuple[int, bytes]]) -> None:
    """Insert the vectors of chunks; `rows` are (chunk id, vector)."""
    connection.executemany(
        "INSERT INTO vectors (embedding_id, chunk_id, vector) VALUES (?, ?, ?)",
        ((embedding_id, id, blob) for id, blob in rows),
    )


def read_embedding(connection: sqlite3.Connection) -> sqlite3.Row | None:
    """Return the row of the embedding whose vectors are stored."""
    row: sqlite3.Row | None = connection.execute("SELECT * FROM embeddings ORDER BY id DESC LIMIT 1").fetchone()
    return row


def switch_embedding(connection: sqlite3.Connection, identity: EmbeddingIdentity) -> None:
    """Make an embedding the one whose vectors are stored; vectors of another one are deleted."""
    connection.execute("DELETE FROM embeddings WHERE fingerprint <> ?", (identity.fingerprint,))
    connection.execute(
        "INSERT INTO embeddings (name, fingerprint, dimensions) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (identity.name, identity.fingerprint, identity.dimensions),
    )


def read_manifest(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return every entry of the manifest."""
    return {row["key"]: json.loads(row["value"]) for row in connection.execute("SELECT key, value FROM manifest")}


def write_manifest(connection: sqlite3.Connection, entries: dict[str, Any]) -> None:
    """Set entries of the manifest."""
    connection.executemany(
        "INSERT INTO manifest (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        ((key, json.dumps(value, ensure_ascii=False)) for key, value in entries.items()),
    )


def count_chunks(connection: sqlite3.Connection, chunks: int, length: int) -> None:
    """Add to the totals that BM25 needs, and start a new generation for whatever is cached of the old one."""
    manifest = read_manifest(connection)
    write_manifest(
        connection,
        {
            "chunk_count": manifest.get("chunk_count", 0) + chunks,
            "total_length": manifest.get("total_length", 0) + length,
            "generation": manifest.get("generation", 0) + 1,
        },
    )


def as_document(row: sqlite3.Row) -> DocumentRecord:
    """Return a row of `SELECT_DOCUMENTS` as a noun."""
    values = dict(row)
    reason, metadata = values.pop("reason"), json.loads(values.pop("metadata"))
    return DocumentRecord(**values, reason=Message(**json.loads(reason)) if reason else None, metadata=metadata)


def as_chunk(connection: sqlite3.Connection, row: sqlite3.Row) -> Chunk:
    """Return a row of `SELECT_CHUNKS` as a noun, with its text."""
    return Chunk(**dict(row), text=read_text(connection, row["document_id"], row["start"], row["end"]))


def select_chunks(connection: sqlite3.Connection, condition: str, *values: Any) -> list[Chunk]:
    """Return the chunks `c` of documents `d` that meet an SQL condition, which may go on with an order and a limit."""
    rows = connection.execute(f"{SELECT_CHUNKS} WHERE {condition}", values).fetchall()
    return [as_chunk(connection, row) for row in rows]


def text_hash(text: str) -> str:
    """Return the hash that is kept of a chunk's text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _chunk_values(id: int, document_id: int, ordinal: int, chunk: Document, form: IndexForm) -> tuple[Any, ...]:
    known = chunk.metadata
    return (
        id,
        document_id,
        ordinal,
        known["start"],
        known["end"],
        known.get("kind", "text"),
        known.get("heading", ""),
        known.get("table_header", ""),
        known.get("page"),
        known.get("slide"),
        known.get("sheet"),
        known.get("row"),
        is_enabled(chunk),
        text_hash(chunk.page_content),
        form.runs,
        form.length,
    )
