"""One knowledge base on disk: `kb.sqlite` (the only truth), `content/` (originals), `index/` (derived)."""

import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.terms import index_form
from core.curation import Correction
from core.documents import Chunk, DocumentRecord, DocumentRow, EmbeddingIdentity, NewDocument, Renewal
from core.vectors import Vector
from vectorstores import records, text_blocks
from vectorstores.chunk_editor import ChunkEditor
from vectorstores.corrections import delete_corrections, read_corrections, settle_corrections
from vectorstores.database import Database
from vectorstores.dense import DenseIndex, packed, unpacked
from vectorstores.lexical import Collection, lexical_scores, term_weights
from vectorstores.originals import Originals
from vectorstores.questions import QuestionList


class KnowledgeStore:
    """Documents, chunks and vectors of one knowledge base, and both legs of search over them.

    Every write is one transaction: a reader, or a process that starts after a crash, sees all of it or nothing.
    Threads may share an instance.

    Args:
        folder: the knowledge base's folder.
        create: make the folder if it is missing; otherwise one that was deleted in the meantime stays deleted.
    """

    def __init__(self, folder: Path, *, create: bool = True) -> None:
        if create:
            folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.originals = Originals(folder / "content")
        self._database = Database(folder / "kb.sqlite")
        self.questions = QuestionList(self._database)
        self.editor = ChunkEditor(self._database)
        self._dense: DenseIndex | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the database's connections."""
        self._database.close()

    # --- the knowledge base itself ---------------------------------------------------------------------------------

    def manifest(self) -> dict[str, Any]:
        """Return every entry of the manifest."""
        with self._database.snapshot() as connection:
            return records.read_manifest(connection)

    def set_manifest(self, **entries: Any) -> None:
        """Set entries of the manifest; values must be JSON."""
        with self._database.write() as connection:
            records.write_manifest(connection, entries)

    @property
    def chunk_count(self) -> int:
        """Number of searchable chunks."""
        return int(self.manifest().get("chunk_count", 0))

    @property
    def chunks_without_vectors(self) -> int:
        """Number of searchable chunks that the dense leg cannot find."""
        with self._database.snapshot() as connection:
            vectors = connection.execute("SELECT count(*) FROM vectors").fetchone()[0]
            return int(records.read_manifest(connection).get("chunk_count", 0)) - int(vectors)

    @property
    def embedding(self) -> EmbeddingIdentity | None:
        """The embedding whose vectors are stored; None for a knowledge base without a dense leg."""
        stored = self._stored_embedding()
        return EmbeddingIdentity(stored["name"], stored["fingerprint"], stored["dimensions"]) if stored else None

    def use_embedding(self, identity: EmbeddingIdentity) -> None:
        """Declare the embedding of all vectors to come; vectors of another one are deleted."""
        with self._database.write() as connection:
            records.switch_embedding(connection, identity)

    def _stored_embedding(self) -> sqlite3.Row | None:
        with self._database.snapshot() as connection:
            return records.read_embedding(connection)

    # --- documents -------------------------------------------------------------------------------------------------

    def documents(self) -> list[DocumentRecord]:
        """Return every document, in the order of their names."""
        with self._database.snapshot() as connection:
            rows = connection.execute(f"{records.SELECT_DOCUMENTS} ORDER BY name")
            return [records.as_document(row) for row in rows]

    def document(self, name: str) -> DocumentRecord | None:
        """Return the document of this name."""
        return self._one("name = ?", name)

    def indexed_twin(self, sha256: str, name: str) -> DocumentRecord | None:
        """Return the searchable document that has these bytes under another name than `name`."""
        return self._one("sha256 = ? AND state = 'indexed' AND name <> ?", sha256, name)

    def keep_original(self, source: Path, sha256: str) -> str:
        """Copy the original into `content/`; it counts once the document that it belongs to is stored."""
        return self.originals.keep(source, sha256)

    def discard_originals(self) -> None:
        """Forget originals that were kept for documents that have not been stored."""
        self.originals.discard()

    def corrections(self, name: str) -> list[Correction]:
        """Return what users changed of a document's text, by the places; what they are undoing is left out."""
        with self._database.snapshot() as connection:
            return read_corrections(connection, name)

    def put_documents(
        self,
        documents: Sequence[NewDocument],
        renewal: Renewal | None = None,
        corrections: Sequence[Correction] = (),
    ) -> None:
        """Store documents with their chunks and vectors, each in the place of an older one of its name.

        Args:
            corrections: what has become of the documents' corrections; others that they have do not apply any more.
        """
        prepared = [
            ([index_form(text) for text in new.indexed_texts], None if new.vectors is None else packed(new.vectors))
            for new in documents
        ]
        replaced: set[str | None] = set()
        lengths: list[int] = []
        self.originals.sync()
        with self._database.write() as connection:
            if renewal and renewal.embedding:
                records.switch_embedding(connection, renewal.embedding)
            embedding = records.read_embedding(connection)
            for new, (forms, blobs) in zip(documents, prepared, strict=True):
                replaced.add(records.delete_document(connection, new.row.name, new.row.sha256))
                document_id = records.insert_document(connection, new.row)
                text_blocks.insert_text(connection, document_id, new.text)
                ids = records.insert_chunks(connection, document_id, new.chunks, forms)
                if blobs is not None and embedding:
                    rows = zip(ids, blobs, new.chunks, strict=True)
                    vectors = ((id, blob) for id, blob, chunk in rows if records.is_enabled(chunk))
                    records.insert_vectors(connection, embedding["id"], vectors)
                searchable = zip(new.chunks, forms, strict=True)
                lengths += [form.length for chunk, form in searchable if records.is_enabled(chunk)]
                settle_corrections(connection, new.row.name, corrections)
            records.count_chunks(connection, len(lengths), sum(lengths))
            records.write_manifest(connection, dict(renewal.manifest) if renewal else {})
            self.originals.settle()
        self._forget_originals(replaced)

    def put_unindexed(self, row: DocumentRow) -> bool:
        """Record a duplicate or a failure; return False where that would lose text, and nothing was recorded.

        A failure never takes the place of a document that is searchable, and a duplicate needs one that stands for it.
        """
        with self._database.write() as connection:
            known = self.document(row.name)
            if row.state == "failed" and known and known.state != "failed":
                return False
            if row.state == "duplicate" and not self.indexed_twin(row.sha256, row.name):
                return False
            replaced = records.delete_document(connection, row.name)
            records.insert_document(connection, row)
        self._forget_originals({replaced})
        return True

    def delete_document(self, name: str) -> bool:
        """Delete a document and everything that came of it; return whether there was one."""
        with self._database.write() as connection:
            deleted = records.delete_document(connection, name)
            delete_corrections(connection, name)
        self._forget_originals({deleted})
        return deleted is not None

    def _one(self, condition: str, *values: str) -> DocumentRecord | None:
        with self._database.snapshot() as connection:
            row = connection.execute(f"{records.SELECT_DOCUMENTS} WHERE {condition} ORDER BY id", values).fetchone()
            return records.as_document(row) if row else None

    def _forget_originals(self, candidates: set[str | None]) -> None:
        """Delete the originals that no document refers to any more, while no other writer can come to refer to one."""
        names = {name for name in candidates if name}
        if names:
            with self._database.write():
                self.originals.remove(name for name in names if not self._one("stored_as = ?", name))

    # --- search ----------------------------------------------------------------------------------------------------

    def lexical_scores(self, question: str, limit: int, also: Sequence[int] = ()) -> Mapping[int, float]:
        """Return the lexical relevance (0–1) of the `limit` best chunks and of those in `also`, best first."""
        with self._database.snapshot() as connection:
            return lexical_scores(connection, _collection(connection), question, limit, also)

    def term_weights(self, question: str) -> Mapping[str, float]:
        """Return the question's distinct terms, each with its weight: kind times inverse document frequency."""
        with self._database.snapshot() as connection:
            return term_weights(connection, _collection(connection), question)

    def nearest(self, vector: Vector, limit: int) -> list[int]:
        """Return the ids of the `limit` chunks nearest to a unit vector of shape (dimensions,), nearest first."""
        index = self._dense_index()
        if index is None:
            return []
        with self._database.snapshot() as connection:
            generation = records.read_manifest(connection).get("generation", 0)
            return index.nearest(connection, generation, vector, limit)

    def cosines(self, vector: Vector, ids: Iterable[int]) -> dict[int, float]:
        """Return the cosine (−1 to 1) between a unit vector and each of the chunks that has one."""
        wanted = list(ids)
        marks = ",".join("?" * len(wanted))
        with self._database.snapshot() as connection:
            embedding = records.read_embedding(connection)
            if embedding is None or not wanted:
                return {}
            rows = connection.execute(
                f"SELECT chunk_id, vector FROM vectors WHERE embedding_id = ? AND chunk_id IN ({marks})",
                (embedding["id"], *wanted),
            ).fetchall()
        if not rows:
            return {}
        similarity = unpacked([row["vector"] for row in rows]) @ vector
        return {row["chunk_id"]: float(value) for row, value in zip(rows, similarity, strict=True)}

    def chunks(self, ids: Sequence[int]) -> dict[int, Chunk]:
        """Return the searchable chunks among `ids`."""
        marks = ",".join("?" * len(ids))
        return {chunk.id: chunk for chunk in self._chunks(f"c.id IN ({marks}) AND c.enabled", *ids)}

    def chunk_at(self, document_id: int, position: int) -> Chunk | None:
        """Return the searchable chunk that holds a position (in characters) of the document's extracted text."""
        condition = 'c.document_id = ? AND c.start <= ? AND c."end" > ? AND c.enabled ORDER BY c.ordinal DESC LIMIT 1'
        return next(iter(self._chunks(condition, document_id, position, position)), None)

    def neighbours(self, chunk: Chunk, reach: int) -> list[Chunk]:
        """Return the chunks of the same document within `reach` positions, in document order, itself included.

        None lies beyond a disabled chunk, so that no text that grows by its neighbours grows over one.
        """
        condition = """c.document_id = ? AND c.ordinal BETWEEN ? AND ? AND NOT EXISTS (
            SELECT 1 FROM chunks between_ WHERE between_.document_id = c.document_id AND NOT between_.enabled
            AND between_.ordinal BETWEEN min(c.ordinal, ?) AND max(c.ordinal, ?)) ORDER BY c.ordinal"""
        at = chunk.ordinal
        return self._chunks(condition, chunk.document_id, at - reach, at + reach, at, at)

    def document_chunks(self, name: str) -> list[Chunk]:
        """Return the searchable chunks of a document, in document order."""
        return self._chunks("d.name = ? AND c.enabled ORDER BY c.ordinal", name)

    def text(self, document_id: int, start: int, end: int) -> str:
        """Return characters [start, end) of the document's extracted text."""
        with self._database.snapshot() as connection:
            return text_blocks.read_text(connection, document_id, start, end)

    def fold_index(self) -> None:
        """Bring the FAISS file up to date if enough has changed; search is right either way."""
        index = self._dense_index()
        if index is not None:
            with self._database.snapshot() as connection:
                index.fold(connection, records.read_manifest(connection).get("generation", 0))

    def _chunks(self, condition: str, *values: Any) -> list[Chunk]:
        with self._database.snapshot() as connection:
            return records.select_chunks(connection, condition, *values)

    def _dense_index(self) -> DenseIndex | None:
        embedding = self._stored_embedding()
        if embedding is None:
            return None
        origin = f"{self.manifest()['database_id']}:{embedding['id']}:{embedding['fingerprint']}"
        with self._lock:
            if self._dense is None or self._dense.origin != origin:
                path = self.folder / "index" / f"embedding-{embedding['id']}.faiss"
                self._dense = DenseIndex(path, embedding["id"], origin, embedding["dimensions"])
            return self._dense


def _collection(connection: sqlite3.Connection) -> Collection:
    manifest = records.read_manifest(connection)
    count = manifest.get("chunk_count", 0)
    return Collection(count, manifest["total_length"] / count if count else 1.0)
