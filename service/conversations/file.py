"""The one file of the conversations: opened when it is wanted, and who is writing answers into it."""

import threading
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path

from core.conversation_errors import (
    ConversationsBusy,
    ConversationsClosed,
    ConversationsUnreadable,
    ConversationsUnwritable,
)
from service.conversations.schema import MIGRATIONS
from service.process_lock import ProcessLock
from vectorstores.database import Database, DatabaseErrors

_ERRORS = DatabaseErrors(
    busy=ConversationsBusy,
    closed=ConversationsClosed,
    corrupted=ConversationsUnreadable,
    unwritable=ConversationsUnwritable,
)


class ConversationFile:
    """A database that is opened with the first call, and this process's number among those that write into it.

    Each process that writes answers holds a number for as long as it lives, by a lock that opens when it ends, however
    it ends. So nobody who lives is taken for dead, and nobody dead for living, whatever the clock or the process ids
    say.

    Args:
        path: made with its folder if need be, for the eyes of its owner only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database: Database | None = None
        self._own: tuple[int, ProcessLock] | None = None  # the number and its lock
        self._closed = False
        self._lock = threading.RLock()

    def database(self) -> Database:
        """Return the open database.

        Raises:
            ConversationsUnreadable: it is damaged, or of a newer version.
            ConversationsUnwritable: it cannot be made.
            ConversationsClosed: the program is ending.
        """
        with self._lock:
            if self._closed:
                raise ConversationsClosed
            if self._database is None:
                _make_private(self.path)
                self._database = Database(self.path, MIGRATIONS, _ERRORS)
            return self._database

    def own_number(self) -> int:
        """Return the number of this process: the lowest that nobody else held when it was first wanted."""
        with self._lock:
            if self._own is None:
                number, lock = next((n, lock) for n in count() if (lock := self._take(n)))
                try:
                    self._stop_all(number)
                except BaseException:
                    lock.release()
                    raise
                self._own = number, lock
            return self._own[0]

    def stop_abandoned(self, numbers: Iterable[int]) -> bool:
        """Settle as stopped what processes were writing that have ended; False where all of them live."""
        has_stopped = False
        for number in numbers:
            if lock := self._take(number):
                try:
                    self._stop_all(number)
                finally:
                    lock.release()
                has_stopped = True
        return has_stopped

    def close(self) -> None:
        """Refuse further calls and let go of the number."""
        with self._lock:
            self._closed = True
            if self._database is not None:
                self._database.close()
            if self._own is not None:
                self._own[1].release()

    def _take(self, number: int) -> ProcessLock | None:
        """Return the lock of a number, now held; None while somebody else holds it."""
        lock = ProcessLock(self.path.with_name(f"{self.path.name}.writer-{number}"))
        return lock if lock.acquire() else None

    def _stop_all(self, number: int) -> None:
        """Settle what the last holder of a number was writing; only the present holder may say so."""
        with self.database().write() as connection:
            connection.execute(
                "UPDATE exchanges SET state = 'stopped' WHERE state = 'writing' AND writer = ?", (number,)
            )


def _make_private(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            path.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise ConversationsUnwritable(path=path, detail=error.strerror or error) from error
