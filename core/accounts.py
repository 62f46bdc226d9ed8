"""Nouns of logging in: who somebody is, and what they may do."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Role = Literal["reader", "editor", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""From the least to the most; each may do what those before it may.

A reader asks and looks, an editor also changes documents and settings, an admin also renames and deletes.
"""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who is logged in, as they were when last looked up.

    Attributes:
        name: as `normal_name` gives it; empty where nobody has to log in.
        role: in every knowledge base, those to come included; None for none but those below.
        roles: by knowledge base. The higher one counts where both are given.
        stamp: changes with the password; a session lasts only as long as it stays.
    """

    name: str
    role: Role | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)
    stamp: str = field(default="", repr=False)

    def role_in(self, kb: str) -> Role | None:
        """Return the role in a knowledge base, whether it exists or not; None for no access at all."""
        given = (role for role in (self.role, self.roles.get(normal_name(kb))) if role is not None)
        return max(given, key=ROLES.index, default=None)

    def may(self, role: Role, kb: str | None = None) -> bool:
        """Return whether this is enough for what takes `role`.

        Args:
            kb: where; None for what concerns the whole application, which only the account's own role counts for.
        """
        held = self.role if kb is None else self.role_in(kb)
        return held is not None and ROLES.index(held) >= ROLES.index(role)


LOCAL_ADMIN = User("", role="admin")
"""The visitor of an application that asks nobody to log in."""


def normal_name(name: str) -> str:
    """Return a name of an account or a knowledge base as it is stored and compared."""
    return unicodedata.normalize("NFC", name).strip()
