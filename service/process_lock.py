"""A lock between processes that opens by itself when its holder dies."""

import sqlite3
from pathlib import Path

from core.errors import StoreUnwritable


class ProcessLock:
    """Held by one thread of one process at a time.

    SQLite does the locking, so that it works on whatever system and disk the databases work on.

    Args:
        path: an empty file that stays where it is; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def acquire(self, timeout_s: float = 0.0) -> bool:
        """Wait for the lock; return False where somebody else holds it for longer.

        Raises:
            StoreUnwritable: the file cannot be made or written.
        """
        connection = None
        try:
            connection = sqlite3.connect(self._path, timeout_s, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = MEMORY")  # no file beside the lock
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if connection:
                connection.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                return False
            raise StoreUnwritable(path=self._path, detail=error) from error
        self._connection = connection
        return True

    def release(self) -> None:
        """Let others have it."""
        connection, self._connection = self._connection, None
        if connection:
            connection.close()
