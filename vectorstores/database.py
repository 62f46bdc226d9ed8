"""One SQLite file: opening, migrating, reading from one snapshot, writing in one transaction."""

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.errors import KnowGLMError, KnowledgeBaseBusy, StoreClosed, StoreCorrupted, StoreUnwritable
from vectorstores.schema import MIGRATIONS

_BUSY_TIMEOUT_S = 30.0
_RETRY_S = 0.05
_UNWRITABLE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


@dataclass(frozen=True, slots=True)
class DatabaseErrors:
    """What is raised where a database cannot be used; as it stands, that of a knowledge base.

    Attributes:
        busy: another writer held it for too long; given `name`, of its folder.
        closed: it has been closed; given `name`.
        corrupted: it cannot be read; given `path` and `detail`.
        unwritable: the system does not let it be written; given `path` and `detail`.
    """

    busy: type[KnowGLMError] = KnowledgeBaseBusy
    closed: type[KnowGLMError] = StoreClosed
    corrupted: type[KnowGLMError] = StoreCorrupted
    unwritable: type[KnowGLMError] = StoreUnwritable


KNOWLEDGE_BASE = DatabaseErrors()


class Database:
    """A pool of connections to one database file; a thread holds one only while it reads or writes.

    WAL lets any number of readers go on while one thread writes; `synchronous=FULL` makes a committed transaction
    survive power loss.

    Args:
        migrations: scripts that make the tables, each once; `PRAGMA user_version` counts those that have run.
        errors: what to raise; the names below are those of a knowledge base.

    Raises:
        StoreCorrupted: the file is not a database, is damaged, or was written by a newer version.
        StoreUnwritable: the disk is full or the file may not be written.
    """

    def __init__(
        self, path: Path, migrations: Sequence[str] = MIGRATIONS, errors: DatabaseErrors = KNOWLEDGE_BASE
    ) -> None:
        self.path = path
        self._migrations = migrations
        self._errors = errors
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._lock = threading.Lock()
        self._held = threading.local()  # the connection of a block that is open on this thread
        with self.snapshot() as connection:
            is_current = _version(connection) == len(migrations)
        if not is_current:
            with self.write() as connection:
                self._migrate(connection)

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Give a connection on which every read sees the same committed state; blocks may be nested."""
        held: sqlite3.Connection | None = getattr(self._held, "connection", None)
        if held is not None:
            yield held
            return
        with self._transaction("BEGIN") as connection:
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
        with self._transaction("BEGIN IMMEDIATE") as connection:
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def close(self) -> None:
        """Refuse new blocks and close the connections; one in use is closed when its block ends."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._wrapped():
            connection = self._take()
            outer = getattr(self._held, "connection", None)
            self._held.connection = connection
            try:
                connection.execute(begin)
                yield connection
            finally:
                self._held.connection = outer
                self._give_back(connection)

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise self._errors.closed(name=self.path.parent.name)
            if self._idle:
                return self._idle.pop()
        return self._open()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed and not connection.in_transaction:
                self._idle.append(connection)
                return
        connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        _use_write_ahead_log(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -65536")  # KiB
        return connection

    @contextmanager
    def _wrapped(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code, without its extension
            if code in _BUSY:
                raise self._errors.busy(name=self.path.parent.name) from error
            if code in _UNWRITABLE:
                raise self._errors.unwritable(path=self.path, detail=error) from error
            raise self._errors.corrupted(path=self.path, detail=error) from error

    def _migrate(self, connection: sqlite3.Connection) -> None:
        version, known = _version(connection), len(self._migrations)  # another process may have migrated meanwhile
        if version > known:
            detail = f"schema version {version}, this program knows {known}"
            raise self._errors.corrupted(path=self.path, detail=detail)
        for number, script in enumerate(self._migrations[version:], start=version + 1):
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch to WAL; the busy timeout does not cover the first switch of a new file, so it is tried again."""
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode not in _BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_S)
        else:
            return


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
