"""A document's extracted text, in blocks of equal length, so that a short range is read without the rest."""

import sqlite3

from analysis.sentences import Span

BLOCK_CHARS = 8192  # characters of one row of `text_blocks`


def insert_text(connection: sqlite3.Connection, document_id: int, text: str, first: int = 0) -> None:
    """Insert a document's text, or what stands in it from block `first` on."""
    blocks = (
        (document_id, ordinal, text[start : start + BLOCK_CHARS])
        for ordinal, start in enumerate(range(0, len(text), BLOCK_CHARS), start=first)
    )
    connection.executemany("INSERT INTO text_blocks (document_id, ordinal, text) VALUES (?, ?, ?)", blocks)


def read_text(connection: sqlite3.Connection, document_id: int, start: int, end: int) -> str:
    """Return characters [start, end) of a document's text."""
    first, last = start // BLOCK_CHARS, max(start, end - 1) // BLOCK_CHARS
    rows = connection.execute(
        "SELECT text FROM text_blocks WHERE document_id = ? AND ordinal BETWEEN ? AND ? ORDER BY ordinal",
        (document_id, first, last),
    )
    text = "".join(row["text"] for row in rows)
    return text[start - first * BLOCK_CHARS : end - first * BLOCK_CHARS]


def replace_text(connection: sqlite3.Connection, document_id: int, span: Span, text: str) -> None:
    """Put `text` in the place of a range, which is not empty; offsets after it are the caller's to move."""
    growth = len(text) - (span.end - span.start)
    first, last = span.start // BLOCK_CHARS, (span.end - 1) // BLOCK_CHARS
    if growth:  # every block from there on begins elsewhere
        chars = connection.execute("SELECT chars FROM documents WHERE id = ?", (document_id,)).fetchone()["chars"]
        last = (chars - 1) // BLOCK_CHARS
    offset = first * BLOCK_CHARS
    old = read_text(connection, document_id, offset, (last + 1) * BLOCK_CHARS)
    connection.execute(
        "DELETE FROM text_blocks WHERE document_id = ? AND ordinal BETWEEN ? AND ?", (document_id, first, last)
    )
    insert_text(connection, document_id, old[: span.start - offset] + text + old[span.end - offset :], first)
    connection.execute("UPDATE documents SET chars = chars + ? WHERE id = ?", (growth, document_id))
