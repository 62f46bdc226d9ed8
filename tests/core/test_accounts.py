"""Roles add up, each includes those before it, and nothing is allowed by default."""

import inspect
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import account_errors
from core.account_errors import AccountError, Forbidden, TooManyAttempts
from core.accounts import LOCAL_ADMIN, ROLES, Role, User

ERRORS = [
    error
    for _, error in inspect.getmembers(account_errors, inspect.isclass)
    if issubclass(error, AccountError) and error is not AccountError
]
some_role = st.sampled_from(ROLES)
maybe_role = st.none() | some_role


@given(maybe_role, maybe_role, some_role)
def test_the_higher_role_counts_and_includes_the_lower_ones(
    everywhere: Role | None, here: Role | None, wanted: Role
) -> None:
    user = User("小明", everywhere, {} if here is None else {"人事": here})
    ranks = [ROLES.index(role) for role in (everywhere, here) if role is not None]
    assert user.may(wanted, "人事") == (ROLES.index(wanted) <= max(ranks, default=-1))
    assert (
        user.may(wanted, "别的")
        == user.may(wanted)
        == (
            everywhere is not None
            and user.role_in("别的") is not None
            and ROLES.index(wanted) <= ROLES.index(everywhere)
        )
    )


def test_an_account_may_do_nothing_by_default() -> None:
    nobody = User("小明")
    assert nobody.role_in("samples") is None
    assert not any(nobody.may(role, kb) for role in ROLES for kb in (None, "samples"))


def test_a_role_in_one_knowledge_base_is_none_for_the_application() -> None:
    assert not User("小明", roles={"人事": "admin"}).may("reader")


def test_without_a_login_everything_may_be_done() -> None:
    assert all(LOCAL_ADMIN.may(role, kb) for role in ROLES for kb in (None, "samples", "任何"))


@pytest.mark.parametrize(
    "spelling", ["Café", unicodedata.normalize("NFD", "Café"), " Café\n"], ids=["composed", "decomposed", "blanks"]
)
def test_a_knowledge_base_is_the_same_in_every_spelling(spelling: str) -> None:
    assert User("小明", roles={"Café": "reader"}).may("reader", spelling)


def test_the_stamp_is_not_shown() -> None:
    assert "secret" not in repr(User("小明", stamp="secret"))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_speaks_both_languages(error: type[AccountError]) -> None:
    for message in (error.what, error.cure):
        assert any("\u4e00" <= sign <= "\u9fff" for sign in message.zh)
        assert not any("\u4e00" <= sign <= "\u9fff" for sign in message.en)


def test_error_codes_are_unique() -> None:
    assert len({error.code for error in ERRORS}) == len(ERRORS) == 9


def test_errors_say_what_they_are_about() -> None:
    assert "“人事”的编辑权限" in Forbidden("editor", "人事").text("zh")
    assert "editor for “all knowledge bases”" in Forbidden("editor", None).text("en")
    assert (TooManyAttempts(37).wait_s, TooManyAttempts(37).http_status) == (37, 429)
    assert "37 秒" in TooManyAttempts(37).text("zh")
