"""Who may log in, and who has."""

from dataclasses import dataclass

from service.accounts import Accounts
from service.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Login:
    """The accounts of one server and the sessions opened with them."""

    accounts: Accounts
    sessions: Sessions
