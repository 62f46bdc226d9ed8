"""Passwords: what may be one, and hashing them with argon2id."""

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from core.account_errors import TooManyAttempts, WeakPassword
from core.messages import Message

MIN_CHARS, MAX_BYTES = 8, 1024
_AT_ONCE = 2
_LONGEST_QUEUE_S = 5
_TOO_SHORT = Message("太短", "it is too short")
_TOO_LONG = Message("太长", "it is too long")


def recommended_hasher() -> PasswordHasher:
    """Return argon2id with the parameters of OWASP's Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane."""
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class Passwords:
    """Hashes and checks passwords.

    Two at once at most, whatever storm of logins comes: checking is made to cost time and memory, and whoever knocks
    decides how often it is done. Passwords of any script are composed (NFC) first, as keyboards differ in that.

    Args:
        hasher: its parameters; hashes made with others are checked all the same, and are `outdated`.
        queue_s: how long one more waits for its turn, in seconds.
    """

    def __init__(self, hasher: PasswordHasher | None = None, *, queue_s: float = _LONGEST_QUEUE_S) -> None:
        self._hasher = hasher or recommended_hasher()
        self._queue_s = queue_s
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    def hash(self, password: str) -> str:
        """Return a salted hash, with its parameters.

        Raises:
            WeakPassword: fewer than 8 characters, or more than 1024 bytes.
        """
        encoded = _encoded(password)
        if len(unicodedata.normalize("NFC", password)) < MIN_CHARS:
            raise WeakPassword(why=_TOO_SHORT, min_chars=MIN_CHARS)
        if len(encoded) > MAX_BYTES:
            raise WeakPassword(why=_TOO_LONG, min_chars=MIN_CHARS)
        with self._turn():
            return self._hasher.hash(encoded)

    def matches(self, hash: str | None, password: str) -> bool:
        """Return whether a password is the one of a hash.

        Args:
            hash: None for nobody's, which no password is; finding that out takes as long.

        Raises:
            TooManyAttempts: so many are being checked that this one's turn does not come.
        """
        encoded = _encoded(password)
        if len(encoded) > MAX_BYTES:  # nobody's; hashing it would only cost time
            return False
        with self._turn():
            decoy = self._decoy  # made by whoever comes first, so that its making tells nothing
            try:
                self._hasher.verify(decoy if hash is None else hash, encoded)
            except VerificationError:
                return False
        return hash is not None

    def outdated(self, hash: str) -> bool:
        """Return whether a hash was made with other parameters than those in force."""
        return self._hasher.check_needs_rehash(hash)

    @cached_property
    def _decoy(self) -> str:
        return self._hasher.hash(b"nobody's")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=self._queue_s):
            raise TooManyAttempts(_LONGEST_QUEUE_S)
        try:
            yield
        finally:
            self._turns.release()


def is_hash(text: str) -> bool:
    """Return whether a text is a hash of this kind."""
    try:
        return extract_parameters(text).type is Type.ID
    except InvalidHashError:
        return False


def _encoded(password: str) -> bytes:
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
