"""What users changed of the documents' texts: the rows of the table `corrections`, within a transaction.

The edits of a document never overlap: one that meets others is made one with them, from what the file has in that range
to what stands there now. So each is found in a new text by itself, in whatever order they were made.
"""

import sqlite3
import time
from collections.abc import Iterable, Sequence

from analysis.sentences import Span
from core.curation import Correction
from vectorstores.text_blocks import read_text

_CONTEXT_CHARS = 40
_COLUMNS = "id, document, before, after, start, lead, trail, applies, created_at"


def read_corrections(connection: sqlite3.Connection, document: str) -> list[Correction]:
    """Return the corrections of a document, by their places; those that are being undone are left out."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM corrections WHERE document = ? AND NOT dropped ORDER BY start, id", (document,)
    )
    return [Correction(**{**dict(row), "applies": bool(row["applies"])}) for row in rows]


def record_edit(connection: sqlite3.Connection, document: sqlite3.Row, span: Span, text: str) -> None:
    """Record that `text` takes the place of a range, before it does; corrections after the range move with their text.

    An edit that brings back what the file has is none, and leaves no row.
    """
    known = [one for one in read_corrections(connection, document["name"]) if one.applies and one.after is not None]
    met = [one for one in known if one.start < span.end and span.start < one.end]
    start, end = min([span.start, *(one.start for one in met)]), max([span.end, *(one.end for one in met)])
    after = read_text(connection, document["id"], start, span.start) + text
    after += read_text(connection, document["id"], span.end, end)
    before = _as_in_the_file(connection, document["id"], Span(start, end), met)
    connection.executemany("DELETE FROM corrections WHERE id = ?", ((one.id,) for one in met))
    connection.execute(
        "UPDATE corrections SET start = start + ? WHERE document = ? AND applies AND start >= ?",
        (len(text) - (span.end - span.start), document["name"], span.end),
    )
    connection.execute(
        "UPDATE corrections SET before = ? WHERE document = ? AND applies AND after IS NULL AND start = ?",
        (text, document["name"], span.start),  # of the chunk itself, where it is disabled
    )
    if before != after:
        _insert(connection, document, Span(start, end), before, after)


def record_enabled(connection: sqlite3.Connection, document: sqlite3.Row, span: Span, *, enabled: bool) -> None:
    """Record that a range is searchable again, or that it is not."""
    if enabled:
        connection.execute(
            "DELETE FROM corrections WHERE document = ? AND applies AND after IS NULL AND start = ?",
            (document["name"], span.start),
        )
    else:
        _insert(connection, document, span, read_text(connection, document["id"], span.start, span.end), None)


def settle_corrections(connection: sqlite3.Connection, document: str, settled: Iterable[Correction]) -> None:
    """Bring the corrections of a document that has been stored anew into line with what was done with them.

    Those that are being undone are deleted. Those that were made in the meantime are not in its text and do not apply.
    """
    connection.execute("DELETE FROM corrections WHERE document = ? AND dropped", (document,))
    connection.execute("UPDATE corrections SET applies = 0 WHERE document = ?", (document,))
    connection.executemany(
        "UPDATE corrections SET start = ?, applies = ? WHERE id = ? AND before = ? AND after IS ?",
        ((one.start, one.applies, one.id, one.before, one.after) for one in settled if one.document == document),
    )


def copy_corrections(connection: sqlite3.Connection, document: str, heir: str) -> None:
    """Give a document's corrections to the one that takes over its text, in the place of those it had."""
    delete_corrections(connection, heir)
    connection.execute(
        """INSERT INTO corrections (document, before, after, start, lead, trail, applies, created_at)
           SELECT ?, before, after, start, lead, trail, applies, created_at FROM corrections
           WHERE document = ? AND NOT dropped""",
        (heir, document),
    )


def delete_corrections(connection: sqlite3.Connection, document: str) -> None:
    """Delete the corrections of a document."""
    connection.execute("DELETE FROM corrections WHERE document = ?", (document,))


def mark_dropped(connection: sqlite3.Connection, document: str, *, dropped: bool) -> int:
    """Leave a document's corrections out when it is next stored, or no longer do so; return how many there are."""
    return connection.execute("UPDATE corrections SET dropped = ? WHERE document = ?", (dropped, document)).rowcount


def _as_in_the_file(connection: sqlite3.Connection, document_id: int, span: Span, edits: Sequence[Correction]) -> str:
    """Return what the file has where `span` is now; `edits` are all those that lie in it."""
    pieces, position = [], span.start
    for edit in edits:
        pieces += [read_text(connection, document_id, position, edit.start), edit.before]
        position = edit.end
    return "".join(pieces) + read_text(connection, document_id, position, span.end)


def _insert(connection: sqlite3.Connection, document: sqlite3.Row, span: Span, before: str, after: str | None) -> None:
    values = {
        "document": document["name"],
        "before": before,
        "after": after,
        "start": span.start,
        "lead": read_text(connection, document["id"], max(0, span.start - _CONTEXT_CHARS), span.start),
        "trail": read_text(connection, document["id"], span.end, span.end + _CONTEXT_CHARS),
        "applies": True,
        "created_at": time.time(),
    }
    columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    connection.execute(f"INSERT INTO corrections ({columns}) VALUES ({marks})", values)
