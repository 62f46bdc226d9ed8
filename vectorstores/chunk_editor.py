"""Chunks changed where they stand: a user's words in the place of the file's, a passage taken out of retrieval.

No chunk holds another, and no searchable one overlaps a chunk that is edited or disabled: where a splitting with
overlap made it so, the neighbours are first cut back to what they hold alone. A chunk that is put anew gets a new id,
so that an index of vectors made before cannot answer for it.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import numpy as np

from analysis.indexed_text import indexed_text
from analysis.sentences import Span, trimmed
from analysis.terms import IndexForm, index_form, is_searchable
from core.curation import ChunkRow
from core.documents import Chunk
from core.errors import ChunkNotFound
from vectorstores import records
from vectorstores.corrections import mark_dropped, read_corrections, record_edit, record_enabled
from vectorstores.database import Database
from vectorstores.dense import packed
from vectorstores.lexical import add_terms, remove_terms
from vectorstores.text_blocks import read_text, replace_text

_Row = dict[str, Any]  # of the table `chunks`

Embed = Callable[[list[str]], list[list[float]] | None]
"""Gives the vector of each text, or None where no embedding is in force."""


class ChunkEditor:
    """Looks at the chunks of a document and changes them; each change is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self, document: str) -> list[ChunkRow]:
        """Return every chunk of a document, in document order, those that are disabled included."""
        with self._database.snapshot() as connection:
            edits = [one for one in read_corrections(connection, document) if one.applies and one.after is not None]
            query = "SELECT c.id, c.enabled FROM chunks c JOIN documents d ON d.id = c.document_id WHERE d.name = ?"
            enabled = {row["id"]: bool(row["enabled"]) for row in connection.execute(query, (document,))}
            return [
                ChunkRow(
                    chunk, enabled[chunk.id], any(one.start < chunk.end and chunk.start < one.end for one in edits)
                )
                for chunk in records.select_chunks(connection, "d.name = ? ORDER BY c.ordinal", document)
            ]

    def place_of(self, document: str, position: int) -> Chunk | None:
        """Return the last chunk that begins at a position of a document or before it, or else its first chunk."""
        with self._database.snapshot() as connection:
            nearest = "d.name = ? ORDER BY c.start > ?, abs(c.start - ?) LIMIT 1"
            return next(iter(records.select_chunks(connection, nearest, document, position, position)), None)

    def edit(self, document: str, chunk_id: int, text: str, embed: Embed) -> None:
        """Put `text` in the place of a chunk's text, in the document itself.

        Raises:
            ChunkNotFound: the document has no such chunk, or no longer.
        """
        self._change(document, embed, lambda change: change.edit(chunk_id, text))

    def set_enabled(self, document: str, chunk_ids: Sequence[int], embed: Embed, *, enabled: bool) -> None:
        """Take chunks out of retrieval, or bring them back.

        Raises:
            ChunkNotFound: the document does not have one of them, or no longer.
        """
        self._change(document, embed, lambda change: change.set_enabled(chunk_ids, enabled=enabled))

    def drop_corrections(self, document: str) -> int:
        """Have the corrections of a document left out when it is next stored, and deleted then; return their number."""
        with self._database.write() as connection:
            return mark_dropped(connection, document, dropped=True)

    def keep_corrections(self, document: str) -> None:
        """Take `drop_corrections` back, where the document has not been stored since."""
        with self._database.write() as connection:
            mark_dropped(connection, document, dropped=False)

    def _change(self, name: str, embed: Embed, make: "Callable[[_Change], None]") -> None:
        """Make a change; if vectors are missing for it, undo it, embed while nobody waits, and make it again."""
        vectors: dict[tuple[str, str], bytes | None] = {}  # by fingerprint of the embedding and text
        while True:
            with self._database.write() as connection:
                connection.execute("SAVEPOINT change")
                change = _Change(connection, _document(connection, name))
                make(change)
                embedding = records.read_embedding(connection)
                if embedding is None:
                    return
                wanted = {id: (embedding["fingerprint"], text) for id, text in change.texts.items()}
                missing = list(dict.fromkeys(key for key in wanted.values() if key not in vectors))
                if not missing:
                    found = ((id, blob) for id, key in wanted.items() if (blob := vectors[key]) is not None)
                    records.insert_vectors(connection, embedding["id"], found)
                    return
                connection.execute("ROLLBACK TO change")
            embedded = embed([text for _, text in missing])
            blobs = [None] * len(missing) if embedded is None else packed(np.asarray(embedded, dtype=np.float32))
            vectors |= zip(missing, blobs, strict=True)


@dataclass(frozen=True, slots=True)
class _Change:
    """A change within a transaction, and what has come of it so far.

    Attributes:
        document: its row.
        texts: what is searched of each chunk that has been put anew, by id: its vector is still to be stored.
    """

    connection: sqlite3.Connection
    document: sqlite3.Row
    texts: dict[int, str] = field(default_factory=dict)

    def edit(self, chunk_id: int, text: str) -> None:
        """Put `text` in the place of a chunk's text."""
        row = self._chunk(chunk_id)
        span = Span(row["start"], row["end"])
        before = self._text(span)
        if text == before:
            return
        under_its_head = self._under_head(row, before)
        self._separate(row)
        record_edit(self.connection, self.document, span, text)
        replace_text(self.connection, self.document["id"], span, text)
        growth = len(text) - len(before)
        self.connection.execute(
            'UPDATE chunks SET start = start + ?, "end" = "end" + ? WHERE document_id = ? AND start >= ?',
            (growth, growth, self.document["id"], span.end),
        )
        self._put(row, Span(span.start, span.end + growth))
        for ordinal in under_its_head:
            (other,) = self._rows("ordinal = ?", ordinal)
            self._put(other, Span(other["start"], other["end"]), table_header=_table_head(text))

    def set_enabled(self, chunk_ids: Sequence[int], *, enabled: bool) -> None:
        """Take chunks out of retrieval, or bring them back."""
        for ordinal in sorted(self._chunk(chunk_id)["ordinal"] for chunk_id in chunk_ids):
            for row in self._rows("ordinal = ? AND enabled <> ?", ordinal, enabled):  # cut back for another, it may go
                span = Span(row["start"], row["end"])
                if not enabled:
                    self._separate(row)
                record_enabled(self.connection, self.document, span, enabled=enabled)
                self._put(row, span, enabled=int(enabled))

    def _separate(self, row: _Row) -> None:
        """Cut the chunks that overlap this one back to what they hold alone."""
        start, end = row["start"], row["end"]
        for other in self._rows('id <> ? AND start < ? AND "end" > ?', row["id"], end, start):
            rest = Span(other["start"], start) if other["start"] < start else Span(end, other["end"])
            within = trimmed(self._text(rest), 0, rest.end - rest.start)
            rest = Span(rest.start + within.start, rest.start + within.end)
            if self._rows(
                'id NOT IN (?, ?) AND start <= ? AND "end" >= ?', row["id"], other["id"], rest.start, rest.end
            ):
                self._delete(other)  # another chunk holds all of it
            else:
                self._put(other, rest)

    def _put(self, row: _Row, span: Span, **changed: Any) -> None:
        """Put a chunk anew over a range; one that has nothing to search for is left out."""
        values = {**row, **changed, "start": span.start, "end": span.end}
        text = self._text(span)
        indexed = indexed_text(self.document["title"], values["heading"], values["table_header"], text)
        form = index_form(indexed)
        self._delete(row)
        if not is_searchable(text):
            return
        values |= {"id": None, "sha256": records.text_hash(text), "runs": form.runs, "length": form.length}
        columns, marks = ", ".join(f'"{name}"' for name in values), ", ".join(f":{name}" for name in values)
        id = self.connection.execute(f"INSERT INTO chunks ({columns}) VALUES ({marks})", values).lastrowid or 0
        if values["enabled"]:
            add_terms(self.connection, [(id, form)])
            records.count_chunks(self.connection, 1, form.length)
            self.texts[id] = indexed

    def _delete(self, row: _Row) -> None:
        self.connection.execute("DELETE FROM chunks WHERE id = ?", (row["id"],))
        self.texts.pop(row["id"], None)
        if row["enabled"]:
            remove_terms(self.connection, [(row["id"], IndexForm(row["runs"], row["length"]))])
            records.count_chunks(self.connection, -1, -row["length"])

    # --- rows of `chunks` --------------------------------------------------------------------------------------------

    def _chunk(self, chunk_id: int) -> _Row:
        rows = self._rows("id = ?", chunk_id)
        if not rows:
            raise ChunkNotFound(document=self.document["name"])
        return rows[0]

    def _rows(self, condition: str, *values: Any) -> list[_Row]:
        query = f"SELECT * FROM chunks WHERE document_id = ? AND {condition} ORDER BY ordinal"
        rows = self.connection.execute(query, (self.document["id"], *values)).fetchall()
        return [{**dict(row), "table_header": self._head_over(row)} for row in rows]

    def _text(self, span: Span) -> str:
        return read_text(self.connection, self.document["id"], span.start, span.end)

    # --- tables that were cut between rows ---------------------------------------------------------------------------

    def _head_over(self, row: sqlite3.Row) -> str:
        """Return the head that a chunk of a table is searched with; of one stored before heads were, find it out."""
        if row["table_header"] is not None or row["kind"] != "table":
            return row["table_header"] or ""
        earlier = self.connection.execute(
            'SELECT start, "end" FROM chunks WHERE document_id = ? AND kind = ? AND ordinal < ? ORDER BY ordinal DESC',
            (self.document["id"], "table", row["ordinal"]),
        )
        heads = (_table_head(self._text(Span(*span))) for span in earlier)
        head = next(filter(None, heads), "")
        text = self._text(Span(row["start"], row["end"]))
        form = index_form(indexed_text(self.document["title"], row["heading"], head, text))
        return head if form.runs == row["runs"] else ""

    def _under_head(self, row: _Row, text: str) -> list[int]:
        """Return the ordinals of the chunks after this one that are searched with the head of its table."""
        head = _table_head(text) if row["kind"] == "table" else ""
        following = self._rows("ordinal > ? AND kind = 'table'", row["ordinal"]) if head else []
        return [other["ordinal"] for other in takewhile(lambda other: other["table_header"] == head, following)]


def _document(connection: sqlite3.Connection, name: str) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute(
        "SELECT id, name, title FROM documents WHERE name = ?", (name,)
    ).fetchone()
    if row is None:
        raise ChunkNotFound(document=name)
    return row


def _table_head(text: str) -> str:
    """Return the first row of a table and the line under it; empty where it has no such line."""
    lines = text.split("\n")[:2]
    return "\n".join(lines) if lines[-1].strip() and set(lines[-1]) <= set("|-: \t") else ""
