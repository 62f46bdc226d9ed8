"""Who may log in, and who has."""

from dataclasses import dataclass

from service.people.accounts import Accounts
from service.people.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Login:
    """The accounts of one server and the sessions opened with them."""

    accounts: Accounts
    sessions: Sessions
