"""The dense leg: a FAISS index derived from the stored vectors, and disposable.

The file under `index/` holds the vectors up to some chunk id; later ones are read into a small flat tail. A file that
is missing, damaged or of another embedding is rebuilt from the database. Chunk ids are never reused, so a file that is
behind can only name chunks that are gone, and those are dropped when its answers meet the database.
"""

import hashlib
import json
import sqlite3
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.vectors import Matrix, Vector
from vectorstores.originals import write_durably

_BATCH = 10_000  # vectors read at once
_IDS_IN_A_STATEMENT = 500
_TAIL_LIMIT = 1_000  # a longer tail, or
_STALE_SHARE = 0.1  # this share of changes, is folded into the file


@dataclass(frozen=True, slots=True)
class _Header:
    """First line of the index file, as JSON; `sha256` covers the other fields and the index that follows."""

    origin: str
    last_chunk_id: int
    count: int
    sha256: str = ""

    def sealed(self, data: bytes) -> "_Header":
        plain = json.dumps([self.origin, self.last_chunk_id, self.count]).encode()
        return replace(self, sha256=hashlib.sha256(plain + data).hexdigest())


class DenseIndex:
    """Exact search by inner product over the unit vectors of one embedding (fp16, flat).

    Args:
        path: the index file; it need not exist.
        embedding_id: row of the table `embeddings`.
        origin: names the database and the embedding that the vectors are of, to recognise a file of others.
        dimensions: length of a vector.
    """

    def __init__(self, path: Path, embedding_id: int, origin: str, dimensions: int) -> None:
        self.path = path
        self._embedding_id = embedding_id
        self.origin = origin
        self._dimensions = dimensions
        self._lock = threading.Lock()
        self._base: Any = None
        self._base_last_id = 0
        self._tail: Any = None
        self._dead = 0  # vectors of the file whose chunks are gone
        self._generation = -1

    def nearest(self, connection: sqlite3.Connection, generation: int, vector: Vector, limit: int) -> list[int]:
        """Return up to `limit` live chunk ids, nearest first, as of the connection's snapshot."""
        with self._lock:
            self._refresh(connection, generation)
            scored: list[tuple[float, int]] = []
            for index, spare in ((self._base, self._dead), (self._tail, 0)):
                if index is not None and index.ntotal:
                    scores, ids = index.search(vector[None, :], min(limit + spare, index.ntotal))
                    scored += zip(scores[0].tolist(), ids[0].tolist(), strict=True)
        ranked = [id for _, id in sorted(scored, reverse=True)]
        live = self._live(connection, ranked)
        return [id for id in ranked if id in live][:limit]

    def fold(self, connection: sqlite3.Connection, generation: int) -> bool:
        """Write the index file anew if enough has changed since; return whether it did."""
        with self._lock:
            self._refresh(connection, generation)
            stale = self._tail.ntotal + self._dead
            if self.path.exists() and stale <= max(_TAIL_LIMIT, _STALE_SHARE * self._base.ntotal):
                return False
            self._rebuild(connection)
            self._generation = -1
            return True

    def _refresh(self, connection: sqlite3.Connection, generation: int) -> None:
        if self._base is None and not self._read_file():
            self._rebuild(connection)
        if self._generation == generation:
            return
        self._tail = self._built_from(connection, self._base_last_id, flat_fp32=True)
        covered = connection.execute(
            "SELECT count(*) FROM vectors WHERE embedding_id = ? AND chunk_id <= ?",
            (self._embedding_id, self._base_last_id),
        ).fetchone()[0]
        self._dead = self._base.ntotal - covered
        self._generation = generation

    def _read_file(self) -> bool:
        import faiss

        try:
            head, _, data = self.path.read_bytes().partition(b"\n")
            header = _Header(**json.loads(head))
        except (OSError, ValueError, TypeError):
            return False  # derived data: whatever is wrong with it, the cure is to build it again
        if header.origin != self.origin or header != header.sealed(data):
            return False
        self._base = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
        self._base_last_id = header.last_chunk_id
        return True

    def _rebuild(self, connection: sqlite3.Connection) -> None:
        import faiss

        self._base = self._built_from(connection, 0, flat_fp32=False)
        row = connection.execute("SELECT max(chunk_id) FROM vectors WHERE embedding_id = ?", (self._embedding_id,))
        self._base_last_id = row.fetchone()[0] or 0
        data = faiss.serialize_index(self._base).tobytes()
        header = _Header(self.origin, self._base_last_id, self._base.ntotal).sealed(data)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(self.path, json.dumps(asdict(header)).encode() + b"\n" + data)

    def _built_from(self, connection: sqlite3.Connection, after: int, *, flat_fp32: bool) -> Any:
        """Return a FAISS index of the stored vectors whose chunk id is greater than `after`."""
        import faiss

        flat = (
            faiss.IndexFlatIP(self._dimensions)
            if flat_fp32
            else faiss.IndexScalarQuantizer(self._dimensions, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        )
        index = faiss.IndexIDMap2(flat)
        rows = connection.execute(
            "SELECT chunk_id, vector FROM vectors WHERE embedding_id = ? AND chunk_id > ? ORDER BY chunk_id",
            (self._embedding_id, after),
        )
        while batch := rows.fetchmany(_BATCH):
            ids = np.array([row["chunk_id"] for row in batch], dtype=np.int64)
            index.add_with_ids(unpacked([row["vector"] for row in batch]), ids)
        return index

    def _live(self, connection: sqlite3.Connection, ids: list[int]) -> set[int]:
        live: set[int] = set()
        for start in range(0, len(ids), _IDS_IN_A_STATEMENT):
            some = ids[start : start + _IDS_IN_A_STATEMENT]
            marks = ",".join("?" * len(some))
            query = f"SELECT chunk_id FROM vectors WHERE embedding_id = ? AND chunk_id IN ({marks})"
            live.update(row["chunk_id"] for row in connection.execute(query, (self._embedding_id, *some)))
        return live


def packed(vectors: Matrix) -> list[bytes]:
    """Return each row of a (n, dimensions) matrix as fp16 bytes, scaled to unit length."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(norms > 0, norms, 1)
    return [row.tobytes() for row in unit.astype("<f2")]


def unpacked(blobs: list[bytes]) -> Matrix:
    """Return fp16 blobs of equal length as a float32 matrix of shape (n, dimensions)."""
    return np.frombuffer(b"".join(blobs), dtype="<f2").reshape(len(blobs), -1).astype(np.float32)
