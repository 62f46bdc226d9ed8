"""The façade as one visitor may use it."""

import inspect
from collections.abc import Callable
from typing import Any, cast

from core.accounts import User
from core.errors import KnowledgeBaseNotFound
from service.knowledge_qa import KnowledgeQA
from service.people.access_rules import RULES, Access, Rule
from service.people.accounts import Accounts

_PARTS = {path.partition(".")[0] for path in RULES if "." in path}


def guarded(qa: KnowledgeQA, user: User, *, owner: str, accounts: Accounts | None) -> KnowledgeQA:
    """Return the façade as a visitor may use it. What `RULES` does not name is not there.

    Args:
        owner: whose conversations, uploads and jobs are the visitor's.
        accounts: kept up to date when knowledge bases come and go; None where nobody has to log in.
    """
    return cast(KnowledgeQA, _Guarded(qa, Access(qa, user, owner, accounts)))


class _Guarded:
    """Stands for the façade, or for one of its parts."""

    __slots__ = ("_access", "_path", "_target")

    def __init__(self, target: object, access: Access, path: str = "") -> None:
        self._target, self._access, self._path = target, access, path

    def __getattr__(self, name: str) -> Any:
        path = self._path + name
        if path in _PARTS:
            return _Guarded(getattr(self._target, name), self._access, f"{path}.")
        rule = RULES.get(path)
        if rule is None:
            raise AttributeError(f"{path} is not for visitors")
        value = getattr(self._target, name)
        if callable(value):
            return _checked(value, rule, self._access, self._target)
        rule.check(self._access, self._target, {})
        return value


def _checked(method: Callable[..., Any], rule: Rule, access: Access, part: object) -> Callable[..., Any]:
    signature = inspect.signature(method)

    def call(*positional: Any, **named: Any) -> Any:
        bound = signature.bind(*positional, **named)
        bound.apply_defaults()
        if rule.kb and not isinstance(bound.arguments[rule.kb], str | None):
            bound.arguments[rule.kb] = tuple(bound.arguments[rule.kb])  # so that what is checked is what is used
        rule.check(access, part, bound.arguments)
        try:
            result = method(*bound.args, **bound.kwargs)
        except KnowledgeBaseNotFound as error:  # it lists every knowledge base
            raise access.no_such_kb(str(error.values["name"])) from None
        return result if rule.after is None else rule.after(access, bound.arguments, result)

    return call
