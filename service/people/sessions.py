"""Who is logged in: a random token for the browser, of which only the hash is stored."""

import hashlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from core.account_errors import SessionsFileUnusable
from core.accounts import User, normal_name
from service.people.accounts import Accounts
from vectorstores.database import Database, DatabaseErrors

SESSIONS_FILE = ".sessions.sqlite"
"""Its name in the data directory."""
LIFE_S = 30 * 24 * 3600
_NOTED_AGAIN_AFTER_S = 3600  # a use is not written down each time
_TOKEN_BYTES = 32
_ERRORS = DatabaseErrors(corrupted=SessionsFileUnusable, unwritable=SessionsFileUnusable)
_MIGRATIONS = (
    """
    CREATE TABLE sessions (
        token_sha256 TEXT PRIMARY KEY,
        user TEXT NOT NULL,
        stamp TEXT NOT NULL,                 -- of core.accounts.User
        used_at REAL NOT NULL                -- seconds since the epoch
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sessions_by_user ON sessions (user);
    """,
)


class Sessions:
    """Sessions of accounts, in a file that only its owner can read. They survive a restart.

    A session ends after 30 days without use, and at once when its account is removed or gets another password, whatever
    process does that: it holds only for the stamp that the account had when it was opened. The accounts of
    `Accounts.of_pairs` have new stamps in each run, so theirs end with the program.

    Args:
        path: of the SQLite file; made if need be.
        clock: returns seconds since the epoch.

    Raises:
        SessionsFileUnusable: the file is damaged, or cannot be read or written.
    """

    def __init__(self, path: Path, accounts: Accounts, *, clock: Callable[[], float] = time.time) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
        except OSError as error:
            raise SessionsFileUnusable(path=path, detail=error.strerror or error) from error
        self._database = Database(path, _MIGRATIONS, _ERRORS)
        self._accounts = accounts
        self._clock = clock

    def open(self, user: User) -> str:
        """Return the token of a new session, for somebody whom `Accounts.verify` has just let in."""
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), self._clock()
        with self._database.write() as connection:
            connection.execute("DELETE FROM sessions WHERE used_at <= ?", (now - LIFE_S,))
            connection.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", (_hash(token), user.name, user.stamp, now))
        return token

    def user_of(self, token: str) -> User | None:
        """Return whose session it is, with the roles they have now; None where there is no such session any more."""
        now = self._clock()
        with self._database.snapshot() as connection:
            row = connection.execute("SELECT * FROM sessions WHERE token_sha256 = ?", (_hash(token),)).fetchone()
        if row is None or now - row["used_at"] >= LIFE_S:
            return None
        user = self._accounts.get(row["user"])
        if user is None or user.stamp != row["stamp"]:
            return None
        if now - row["used_at"] > _NOTED_AGAIN_AFTER_S:
            with self._database.write() as connection:
                connection.execute("UPDATE sessions SET used_at = ? WHERE token_sha256 = ?", (now, _hash(token)))
        return user

    def close(self, token: str) -> None:
        """End a session: its visitor logs out."""
        self._delete("token_sha256", _hash(token))

    def close_all(self, name: str) -> None:
        """End every session of an account."""
        self._delete("user", normal_name(name))

    def shut(self) -> None:
        """Close the file; the sessions in it stay."""
        self._database.close()

    def _delete(self, column: str, value: str) -> None:
        with self._database.write() as connection:
            connection.execute(f"DELETE FROM sessions WHERE {column} = ?", (value,))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
