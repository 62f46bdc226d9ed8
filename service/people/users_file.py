"""Where accounts are stored: a JSON file that the command line and a running server may change alike, or memory."""

import json
import os
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, Protocol

from filelock import FileLock, Timeout
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from core.account_errors import UsersFileUnusable
from core.accounts import Role
from core.messages import Message, literal, well_formed
from service.people.passwords import is_hash
from vectorstores.originals import write_durably

_LOCK_TIMEOUT_S = 10.0
_KEEPS_MODES = os.name == "posix"
_BUSY = Message("别的程序正在写它", "another program is writing it")
_OTHERS_WRITE = Message(
    "本机其他用户可以改写它，先运行 chmod 600", "other users of this machine may write it; run chmod 600 first"
)
_OTHERS_READ = Message(
    "本机其他用户可以读到用户文件 {path}，里面有密码的散列；请运行 chmod 600。",
    "Other users of this machine may read the users file {path}, which holds hashes of passwords; run chmod 600.",
)


def _require_hash(text: str) -> str:
    if not is_hash(text):
        raise ValueError("no hash of argon2id")
    return text


class StoredUser(BaseModel):
    """One account as it is stored; see `core.accounts.User`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    password: Annotated[str, AfterValidator(_require_hash)]
    role: Role | None = None
    roles: dict[str, Role] = {}


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Literal[1]
    users: dict[str, StoredUser]


class UserStore(Protocol):
    """Holds accounts by name."""

    def exists(self) -> bool:
        """Return whether there are accounts at all, even if none is left: then logging in is asked for."""

    def read(self) -> Mapping[str, StoredUser]:
        """Return every account."""

    @contextmanager
    def change(self) -> Iterator[dict[str, StoredUser]]:
        """Give the accounts to change; nobody else changes them meanwhile, and an exception leaves all as it was."""
        yield {}

    def notices(self) -> list[Message]:
        """Return what the user should know."""


class UsersInMemory:
    """Accounts that end with the program."""

    def __init__(self) -> None:
        self._users: dict[str, StoredUser] = {}
        self._lock = threading.Lock()

    def exists(self) -> bool:
        """See `UserStore`."""
        return bool(self._users)

    def read(self) -> Mapping[str, StoredUser]:
        """See `UserStore`."""
        return self._users

    @contextmanager
    def change(self) -> Iterator[dict[str, StoredUser]]:
        """See `UserStore`."""
        with self._lock:
            users = dict(self._users)
            yield users
            self._users = users

    def notices(self) -> list[Message]:
        """See `UserStore`."""
        return []


class UsersFile:
    """Accounts in a file that only its owner can read; a change by another process is seen at the next reading.

    Every method raises `UsersFileUnusable` for a file that is damaged, of a newer version, cannot be read or written,
    or that others on the machine may write: whoever can change it is an admin.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: tuple[tuple[int, ...], Mapping[str, StoredUser]] = ((), {})

    def exists(self) -> bool:
        """See `UserStore`; a link that leads nowhere is a file out of reach, not one that was never made."""
        return self.path.is_symlink() or self.path.exists()

    def read(self) -> Mapping[str, StoredUser]:
        """See `UserStore`."""
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                mark = (status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode)
                known, users = self._known
                if mark != known:
                    self._require_private(status.st_mode)
                    users = self._parsed(file.read())
                    self._known = mark, users
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        return users

    @contextmanager
    def change(self) -> Iterator[dict[str, StoredUser]]:
        """See `UserStore`; where nothing is changed, nothing is written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path.with_name(self.path.name + ".lock"), timeout=_LOCK_TIMEOUT_S, mode=0o600)
            with lock:
                before = self.read()
                users = dict(before)
                yield users
                if users != before:
                    self._write(users)
        except Timeout as error:
            raise UsersFileUnusable(path=self.path, why=_BUSY) from error
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error

    def notices(self) -> list[Message]:
        """See `UserStore`: whether others on the machine can read the file."""
        readable = _KEEPS_MODES and self.path.exists() and self.path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
        return [_OTHERS_READ.filled(path=self.path)] if readable else []

    def _write(self, users: Mapping[str, StoredUser]) -> None:
        stored = {name: user.model_dump(mode="json") for name, user in sorted(users.items())}
        text = json.dumps({"version": 1, "users": stored}, ensure_ascii=False, indent=1)
        write_durably(self.path, well_formed(text).encode())  # makes the file anew, for its owner only

    def _require_private(self, mode: int) -> None:
        if _KEEPS_MODES and mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UsersFileUnusable(path=self.path, why=_OTHERS_WRITE)

    def _parsed(self, data: bytes) -> dict[str, StoredUser]:
        try:
            return _Content.model_validate(json.loads(data)).users
        except ValidationError as error:
            wrong = error.errors()[0]  # without its input, which may be a password
            raise self._unusable(f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from None
        except (ValueError, RecursionError) as error:
            raise self._unusable(f"{type(error).__name__}: {error}") from None

    def _unusable(self, detail: str) -> UsersFileUnusable:
        return UsersFileUnusable(path=self.path, why=literal(detail, detail))
