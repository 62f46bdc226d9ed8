"""How users look on the terminal, and as JSON whose names programs rely on."""

from collections.abc import Sequence
from typing import Any

from cli import texts, user_texts
from cli.render import Screen
from core.account_errors import ROLE_NAMES
from core.accounts import User


class UserScreen(Screen):
    """A screen for users."""

    def users(self, users: Sequence[User]) -> None:
        """Print the list of users."""
        table = self._table(texts.COLUMN_NAME, user_texts.COLUMN_ACCESS)
        for user in users:
            self._add_row(table, user.name, self.access(user))
        self._out.print(table)

    def access(self, user: User) -> str:
        """Return what a user may do, in words."""
        parts = [] if user.role is None else [self._text(user_texts.EVERYWHERE, role=self._text(ROLE_NAMES[user.role]))]
        for kb, role in sorted(user.roles.items()):
            parts.append(self._text(user_texts.IN_KB, kb=kb, role=self._text(ROLE_NAMES[role])))
        return self._text(user_texts.AND).join(parts) or self._text(user_texts.NO_ACCESS)


def user_json(user: User) -> dict[str, Any]:
    """Return a user, without anything of the password."""
    return {"name": user.name, "role": user.role, "roles": dict(user.roles)}
