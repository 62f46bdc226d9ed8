"""One SQLite file: opening, migrating, reading from one snapshot, writing in one transaction."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import KnowledgeBaseBusy, StoreCorrupted
from vectorstores.schema import MIGRATIONS

_BUSY_TIMEOUT_S = 30.0


class Database:
    """Connections to one database file, one for each thread.

    WAL lets any number of readers go on while one thread writes; `synchronous=FULL` makes a committed transaction
    survive power loss.

    Raises:
        StoreCorrupted: the file is not a database, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        with self.snapshot() as connection:
            is_current = _version(connection) == len(MIGRATIONS)
        if not is_current:
            with self.write() as connection:
                _migrate(connection)

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Give a connection on which every read sees the same committed state."""
        connection = self._connection()
        if connection.in_transaction:  # already inside a snapshot or a write of this thread
            yield connection
            return
        with _wrapped(self.path):
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give a connection in a write transaction: all of it is committed, or none where an exception leaves it.

        Raises:
            KnowledgeBaseBusy: another writer held the database for longer than half a minute.
        """
        connection = self._connection()
        with _wrapped(self.path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def close(self) -> None:
        """Close every connection; the last one folds the write-ahead log into the file."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._local = threading.local()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._open()
            self._local.connection = connection
        return connection

    def _open(self) -> sqlite3.Connection:
        with _wrapped(self.path):
            connection = sqlite3.connect(
                self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA cache_size = -65536")  # KiB
        with self._lock:
            self._connections.append(connection)
        return connection


@contextmanager
def _wrapped(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise KnowledgeBaseBusy(name=path.parent.name) from error
        raise StoreCorrupted(path=path, detail=error) from error
    except sqlite3.DatabaseError as error:
        raise StoreCorrupted(path=path, detail=error) from error


def _migrate(connection: sqlite3.Connection) -> None:
    version = _version(connection)  # read again: another process may have migrated in the meantime
    if version > len(MIGRATIONS):
        path = connection.execute("PRAGMA database_list").fetchone()["file"]
        raise StoreCorrupted(path=path, detail=f"schema version {version}, this program knows {len(MIGRATIONS)}")
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        for statement in _statements(script):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; `executescript` would commit the transaction it runs in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
