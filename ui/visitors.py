"""Who is asking: the visitor of one request, and the façade as that visitor may use it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from core.accounts import User
from service.knowledge_qa import KnowledgeQA
from service.people.access import guarded
from service.people.accounts import Accounts

if TYPE_CHECKING:
    from starlette.datastructures import State


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with a browser.

    Attributes:
        owner: whom conversations and uploads belong to: the account's name, or a random id where there is no login.
        user: the account; where there is no login, one that may do everything.
        accounts: where the account is from; None where there is no login.
    """

    owner: str
    user: User
    accounts: Accounts | None


class _Request(Protocol):
    @property
    def state(self) -> "State": ...


def visitor_of(request: _Request) -> Visitor:
    """Return the visitor whom the gate has let in with a request, be it Starlette's or Gradio's."""
    return cast(Visitor, request.state.visitor)


def facade_for(qa: KnowledgeQA, request: _Request) -> KnowledgeQA:
    """Return the façade, which refuses what the visitor may not do."""
    visitor = visitor_of(request)
    return guarded(qa, visitor.user, owner=visitor.owner, accounts=visitor.accounts)
