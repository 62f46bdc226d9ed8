"""Accounts: who may log in, with which password, and what they may do."""

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from core.account_errors import (
    AccountExists,
    AccountNotFound,
    InvalidAccountName,
    LoginFailed,
    UsersFileUnusable,
    WeakPassword,
)
from core.accounts import Role, User, normal_name
from core.errors import ConfigError
from core.messages import Message, well_formed
from service.people.login_pace import LoginPace
from service.people.passwords import Passwords
from service.people.users_file import StoredUser, UsersFile, UsersInMemory, UserStore

USERS_FILE = ".users.json"
"""Its name in the data directory."""
_NAME_LIMIT = 64
_JOINERS = "\u200c\u200d"  # invisible, but letters of several scripts are written with them
_EMPTY = Message("名字是空的", "it is empty")
_TOO_LONG = Message("名字太长", "it is too long")
_INVISIBLE = Message("名字里有看不见的字符", "it contains invisible characters")
_NOT_A_PAIR = Message(
    "--auth 的第 {number} 个值应写成 用户名:密码", "value {number} of --auth must be written as USER:PASSWORD"
)


class Accounts:
    """Every account; threads and processes may share a file of them, and see each other's changes at once.

    Args:
        users: path of the file, which is made with the first account; or a store of another kind.
        passwords: hashes them.
        pace: slows down guessing.
    """

    def __init__(
        self, users: Path | UserStore, *, passwords: Passwords | None = None, pace: LoginPace | None = None
    ) -> None:
        self._store: UserStore = UsersFile(users) if isinstance(users, Path) else users
        self._passwords = passwords or Passwords()
        self._pace = pace or LoginPace()
        self._login_on = False

    @classmethod
    def of_pairs(
        cls, pairs: Iterable[str], *, passwords: Passwords | None = None, pace: LoginPace | None = None
    ) -> "Accounts":
        """Return accounts that end with the program, all of them admins.

        Args:
            pairs: each "name:password"; the password may contain colons.

        Raises:
            ConfigError: one is no pair.
            AccountExists, InvalidAccountName, WeakPassword: see `add`.
        """
        accounts = cls(UsersInMemory(), passwords=passwords, pace=pace)
        for number, pair in enumerate(pairs, start=1):
            name, colon, password = pair.partition(":")
            if not colon:  # not shown: it may be a password
                raise ConfigError([_NOT_A_PAIR.filled(number=number)])
            accounts.add(name, password, "admin")
        return accounts

    # --- logging in ------------------------------------------------------------------------------------------------

    @property
    def login_on(self) -> bool:
        """Whether visitors have to log in: from the first account on, and then as long as the program runs.

        Removing the last account, or the file, locks everybody out rather than letting everybody in.
        """
        self._login_on = self._login_on or self._store.exists()
        return self._login_on

    def verify(self, name: str, password: str, client: str) -> User:
        """Return who logs in; it takes as long for a name that nobody has.

        Args:
            client: the visitor's address.

        Raises:
            LoginFailed: no account has this name and this password.
            TooManyAttempts: the client has failed too often; even the right password has to wait.
            UsersFileUnusable: the accounts cannot be read.
        """
        name = normal_name(name)
        self._pace.begin(name, client)
        stored = self._store.read().get(name)
        if not self._passwords.matches(stored.password if stored else None, password) or stored is None:
            raise LoginFailed
        self._pace.succeeded(name, client)
        if self._passwords.outdated(stored.password):
            stored = self._rehashed(name, stored, password)
        return _user(name, stored)

    def _rehashed(self, name: str, stored: StoredUser, password: str) -> StoredUser:
        """Hash a password anew with the parameters in force; its other sessions end with that."""
        try:
            renewed = stored.model_copy(update={"password": self._passwords.hash(password)})
            with self._store.change() as users:
                if users.get(name) == stored:  # else it was changed meanwhile, and this login is void
                    users[name] = renewed
        except (UsersFileUnusable, WeakPassword):  # on a read-only disk, or made by another program: it serves as it is
            return stored
        return renewed

    # --- the accounts ----------------------------------------------------------------------------------------------

    def users(self) -> list[User]:
        """Return every account, by name."""
        return [_user(name, stored) for name, stored in sorted(self._store.read().items())]

    def get(self, name: str) -> User | None:
        """Return the account of a name; None if there is none."""
        name = normal_name(name)
        stored = self._store.read().get(name)
        return None if stored is None else _user(name, stored)

    def add(self, name: str, password: str, role: Role | None = None, roles: Mapping[str, Role] | None = None) -> User:
        """Add an account.

        Args:
            role: in every knowledge base.
            roles: by knowledge base.

        Raises:
            InvalidAccountName: the name is empty, too long, or contains what cannot be seen.
            AccountExists: the name is taken.
            WeakPassword: the password is too short or too long.
        """
        name = _valid(name)
        given = {normal_name(kb): each for kb, each in (roles or {}).items()}
        stored = StoredUser(password=self._passwords.hash(password), role=role, roles=given)
        with self._store.change() as users:
            if name in users:
                raise AccountExists(name=name)
            users[name] = stored
        return _user(name, stored)

    def remove(self, name: str) -> None:
        """Remove an account; its sessions end.

        Raises:
            AccountNotFound: nobody has this name.
        """
        with self._one(name) as (users, known):
            del users[known]

    def set_password(self, name: str, password: str) -> None:
        """Change a password; the account's sessions end.

        Raises:
            AccountNotFound: nobody has this name.
            WeakPassword: the password is too short or too long.
        """
        hashed = self._passwords.hash(password)
        with self._one(name) as (users, known):
            users[known] = users[known].model_copy(update={"password": hashed})

    def set_role(self, name: str, role: Role | None, kb: str | None = None) -> None:
        """Give a role, or take it away with None.

        Args:
            kb: where; None for every knowledge base.

        Raises:
            AccountNotFound: nobody has this name.
        """
        with self._one(name) as (users, known):
            stored = users[known]
            users[known] = stored.model_copy(update={"role": role}) if kb is None else _granted(stored, kb, role)

    # --- knowledge bases that come and go --------------------------------------------------------------------------

    def claim_kb(self, kb: str, name: str) -> None:
        """Make an account the admin of a new knowledge base, and the only one with a role given for it."""
        with self._store.change() as users:
            for each, stored in users.items():
                users[each] = _granted(stored, kb, "admin" if each == normal_name(name) else None)

    def rename_kb(self, old: str, new: str) -> None:
        """Let the roles for a knowledge base follow it to its new name."""
        with self._store.change() as users:
            for name, stored in users.items():
                role = stored.roles.get(normal_name(old))
                users[name] = _granted(_granted(stored, old, None), new, role)

    def forget_kb(self, kb: str) -> None:
        """Take away every role given for a knowledge base, so that the next one of its name starts without any."""
        with self._store.change() as users:
            for name, stored in users.items():
                users[name] = _granted(stored, kb, None)

    def notices(self) -> list[Message]:
        """Return what the user should know: whether others on the machine can read the file."""
        return self._store.notices()

    @contextmanager
    def _one(self, name: str) -> Iterator[tuple[dict[str, StoredUser], str]]:
        """Give the accounts to change, and the name of one that there is."""
        known = normal_name(name)
        with self._store.change() as users:
            if known not in users:
                raise AccountNotFound(name=well_formed(known)[:_NAME_LIMIT])
            yield users, known


def _granted(stored: StoredUser, kb: str, role: Role | None) -> StoredUser:
    others = {name: each for name, each in stored.roles.items() if name != normal_name(kb)}
    return stored.model_copy(update={"roles": others if role is None else {**others, normal_name(kb): role}})


def _user(name: str, stored: StoredUser) -> User:
    stamp = hashlib.sha256(stored.password.encode()).hexdigest()[:16]
    return User(name, stored.role, stored.roles, stamp)


def _valid(name: str) -> str:
    normal = normal_name(name)
    why = None
    if not normal:
        why = _EMPTY
    elif len(normal) > _NAME_LIMIT:
        why = _TOO_LONG
    elif any(_is_invisible(sign) for sign in normal):
        why = _INVISIBLE
    if why is not None:
        raise InvalidAccountName(name=well_formed(normal)[:_NAME_LIMIT], why=why, limit=_NAME_LIMIT)
    return normal


def _is_invisible(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") and sign not in _JOINERS
