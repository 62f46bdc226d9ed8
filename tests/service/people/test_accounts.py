"""Accounts: logging in, who may do what, and names that people really have."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from cheap_accounts import GOOD, Clock, cheap_hasher, cheap_passwords
from hypothesis import given, settings
from hypothesis import strategies as st

from core.account_errors import (
    AccountExists,
    AccountNotFound,
    InvalidAccountName,
    LoginFailed,
    TooManyAttempts,
    WeakPassword,
)
from core.errors import ConfigError
from service.people.accounts import Accounts
from service.people.login_pace import FREE_FOR_NAME, LoginPace
from service.people.passwords import Passwords
from service.people.users_file import UsersInMemory

HERE, THERE = "192.0.2.1", "198.51.100.7"
WRONG = "不是这个密码吧？"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(tmp_path: Path, clock: Clock) -> Callable[..., Accounts]:
    """Another process with the same file."""

    def build(passwords: Passwords | None = None) -> Accounts:
        pace = LoginPace(clock=clock)
        return Accounts(tmp_path / "data" / "users.json", passwords=passwords or cheap_passwords(), pace=pace)

    return build


@pytest.fixture
def accounts(make: Callable[..., Accounts]) -> Accounts:
    return make()


# --- logging in --------------------------------------------------------------------------------------------------


def test_pain_1764_login_with_roles_and_private_knowledge_bases(accounts: Accounts) -> None:
    accounts.add("小明", GOOD, "reader", {"人事": "admin"})
    accounts.add("Ana", GOOD, roles={"财务": "editor"})
    ming, ana = accounts.verify("小明", GOOD, HERE), accounts.verify("Ana", GOOD, HERE)
    assert (ming.name, ming.role_in("人事"), ming.role_in("财务")) == ("小明", "admin", "reader")
    assert (ana.role_in("人事"), ana.role_in("财务"), ana.may("reader")) == (None, "editor", False)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("小明", WRONG),
        ("小明", ""),
        ("小红", GOOD),
        ("", GOOD),
        ("\ud800", GOOD),
        ("小明\x00", GOOD),
        ("x" * 10**6, "x" * 10**6),
    ],
    ids=["wrong", "empty", "unknown", "no_name", "surrogate", "nul", "huge"],
)
def test_who_does_not_get_in_is_not_told_why(accounts: Accounts, name: str, password: str) -> None:
    accounts.add("小明", GOOD)
    with pytest.raises(LoginFailed) as caught:
        accounts.verify(name, password, HERE)
    assert caught.value.values == {}


def test_names_are_the_same_however_they_are_typed(accounts: Accounts) -> None:
    accounts.add(" Zoë ", GOOD)
    assert accounts.verify(unicodedata.normalize("NFD", "Zoë") + " ", GOOD, HERE).name == "Zoë"
    with pytest.raises(AccountExists):
        accounts.add(unicodedata.normalize("NFD", "Zoë"), GOOD)


def test_security_report_guessing_is_slowed_and_the_owner_is_not(accounts: Accounts, clock: Clock) -> None:
    accounts.add("小明", GOOD)
    for _ in range(FREE_FOR_NAME):
        with pytest.raises(LoginFailed):
            accounts.verify("小明", WRONG, THERE)
    with pytest.raises(TooManyAttempts) as caught:
        accounts.verify("小明", GOOD, THERE)  # not even the right one is looked at
    assert caught.value.wait_s == 1
    assert accounts.verify("小明", GOOD, HERE).name == "小明"
    clock.now += 1
    assert accounts.verify("小明", GOOD, THERE).name == "小明"
    for _ in range(FREE_FOR_NAME):
        with pytest.raises(LoginFailed):
            accounts.verify("小明", WRONG, THERE)


def test_security_report_unknown_names_are_slowed_alike(accounts: Accounts) -> None:
    accounts.add("小明", GOOD)
    waits = []
    for name in ("小明", "小红"):
        for _ in range(FREE_FOR_NAME):
            with pytest.raises(LoginFailed):
                accounts.verify(name, WRONG, HERE)
        with pytest.raises(TooManyAttempts) as caught:
            accounts.verify(name, WRONG, HERE)
        waits.append(caught.value.wait_s)
    assert waits == [1, 1]


def test_an_old_hash_is_renewed_when_its_owner_logs_in(make: Callable[..., Accounts]) -> None:
    before = make(Passwords(cheap_hasher(time_cost=2))).add("小明", GOOD, "editor")
    accounts = make()
    renewed = accounts.verify("小明", GOOD, HERE)
    assert renewed.stamp != before.stamp
    assert renewed == accounts.get("小明") == accounts.verify("小明", GOOD, HERE)
    assert renewed.role == "editor"


def test_a_file_that_cannot_be_written_lets_people_in_all_the_same(
    make: Callable[..., Accounts], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = make(Passwords(cheap_hasher(time_cost=2))).add("小明", GOOD)

    def full(target: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("service.people.users_file.write_durably", full)
    assert make().verify("小明", GOOD, HERE) == before


def test_a_password_that_changes_during_the_login_does_not_count(
    make: Callable[..., Accounts], monkeypatch: pytest.MonkeyPatch
) -> None:
    make(Passwords(cheap_hasher(time_cost=2))).add("小明", GOOD)
    accounts = make()
    hash = accounts._passwords.hash

    def changed_meanwhile(password: str) -> str:
        monkeypatch.undo()
        make().set_password("小明", WRONG)
        return hash(password)

    monkeypatch.setattr(accounts._passwords, "hash", changed_meanwhile)
    late = accounts.verify("小明", GOOD, HERE)
    now = accounts.get("小明")
    assert now is not None
    assert late.stamp != now.stamp, "a session for it would last"
    assert accounts.verify("小明", WRONG, HERE) == now


# --- accounts ----------------------------------------------------------------------------------------------------


def test_login_is_on_from_the_first_account_on(make: Callable[..., Accounts]) -> None:
    server, command_line = make(), make()
    assert not server.login_on
    command_line.add("小明", GOOD)
    assert server.login_on


def test_security_report_removing_the_last_account_lets_nobody_in(accounts: Accounts, tmp_path: Path) -> None:
    accounts.add("小明", GOOD)
    accounts.remove("小明")
    assert accounts.login_on
    assert accounts.users() == []
    (tmp_path / "data" / "users.json").unlink()
    assert accounts.login_on
    with pytest.raises(LoginFailed):
        accounts.verify("小明", GOOD, HERE)


def test_changes_by_the_command_line_are_seen_at_once(make: Callable[..., Accounts]) -> None:
    server, command_line = make(), make()
    command_line.add("小明", GOOD)
    assert server.verify("小明", GOOD, HERE).role is None
    command_line.set_role("小明", "editor")
    command_line.set_role("小明", "admin", "人事")
    seen = server.get("小明")
    assert seen is not None
    assert (seen.role, dict(seen.roles)) == ("editor", {"人事": "admin"})
    command_line.set_role("小明", None)
    command_line.set_role("小明", None, "人事")
    command_line.set_password("小明", WRONG)
    with pytest.raises(LoginFailed):
        server.verify("小明", GOOD, HERE)
    assert server.verify("小明", WRONG, HERE).roles == {}
    command_line.remove("小明")
    assert server.get("小明") is None


def test_the_list_is_by_name(accounts: Accounts) -> None:
    for name in ("b", "a", "中"):
        accounts.add(name, GOOD)
    assert [user.name for user in accounts.users()] == ["a", "b", "中"]


@pytest.mark.parametrize(
    "name", ["小明", "O'Brien", "a b", "a/b", "क्षितिज", "می‌خواهم", "名" * 64, "..", "<script>"], ids=ascii
)
def test_names_of_any_script(accounts: Accounts, name: str) -> None:
    accounts.add(name, GOOD)
    assert accounts.verify(name, GOOD, HERE).name == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    "name",
    ["", " \t", "名" * 65, "名" * 10**5, "a\x00", "a\nb", "a\u202eb", "a\u200bb", "a\u2028b", "a\ud800"],
    ids=["empty", "blank", "too_long", "huge", "nul", "newline", "right_to_left", "zero_width", "line", "surrogate"],
)
def test_names_that_nobody_could_type_are_refused(accounts: Accounts, name: str) -> None:
    with pytest.raises(InvalidAccountName) as caught:
        accounts.add(name, GOOD)
    assert len(caught.value.text("zh").encode()) < 1000
    assert not accounts.login_on


def test_nobody_is_added_with_a_weak_password(accounts: Accounts) -> None:
    with pytest.raises(WeakPassword):
        accounts.add("小明", "1234567")
    assert not accounts.login_on


def test_who_is_not_there_cannot_be_changed(accounts: Accounts) -> None:
    accounts.add("小明", GOOD)
    with pytest.raises(AccountNotFound):
        accounts.remove("小红")
    with pytest.raises(AccountNotFound):
        accounts.set_password("小红", GOOD)
    with pytest.raises(AccountNotFound):
        accounts.set_role("小红", "admin")
    with pytest.raises(AccountExists):
        accounts.add("小明", WRONG, "admin")
    assert accounts.verify("小明", GOOD, HERE).role is None


# --- knowledge bases that come and go ----------------------------------------------------------------------------


@pytest.fixture
def two(accounts: Accounts) -> Accounts:
    accounts.add("小明", GOOD, roles={"人事": "admin", "旧": "reader"})
    accounts.add("小红", GOOD, "editor", {"人事": "reader"})
    return accounts


def roles(accounts: Accounts) -> dict[str, dict[str, str]]:
    return {user.name: dict(user.roles) for user in accounts.users()}


def test_roles_follow_a_knowledge_base_to_its_new_name(two: Accounts) -> None:
    two.rename_kb("人事", " 人力 ")
    assert roles(two) == {"小明": {"人力": "admin", "旧": "reader"}, "小红": {"人力": "reader"}}


def test_who_had_a_role_for_the_new_name_does_not_keep_it(two: Accounts) -> None:
    two.set_role("小红", None, "人事")
    two.rename_kb("人事", "旧")
    assert roles(two) == {"小明": {"旧": "admin"}, "小红": {}}
    two.rename_kb("旧", "旧")
    assert roles(two) == {"小明": {"旧": "admin"}, "小红": {}}


def test_a_deleted_knowledge_base_leaves_no_roles_to_the_next_of_its_name(two: Accounts) -> None:
    two.forget_kb("人事")
    assert roles(two) == {"小明": {"旧": "reader"}, "小红": {}}


def test_a_new_knowledge_base_belongs_to_who_made_it(two: Accounts) -> None:
    two.claim_kb("人事", "小红")
    assert roles(two) == {"小明": {"旧": "reader"}, "小红": {"人事": "admin"}}


def test_knowledge_bases_come_and_go_without_accounts(accounts: Accounts) -> None:
    accounts.claim_kb("人事", "")
    accounts.rename_kb("人事", "人力")
    accounts.forget_kb("人力")
    assert not accounts.login_on


# --- accounts of the command line --------------------------------------------------------------------------------


def of_pairs(*pairs: str) -> Accounts:
    return Accounts.of_pairs(pairs, passwords=cheap_passwords())


@pytest.mark.parametrize(
    ("pair", "name", "password"),
    [
        ("admin:12345678", "admin", "12345678"),
        ("小明:一二三四五六七八", "小明", "一二三四五六七八"),
        ("a:b:c:defgh::", "a", "b:c:defgh::"),
        (" a : 1234567", "a", " 1234567"),
    ],
    ids=["plain", "chinese", "colons", "blanks"],
)
def test_pairs(pair: str, name: str, password: str) -> None:
    accounts = of_pairs(pair)
    assert accounts.login_on
    user = accounts.verify(name, password, HERE)
    assert (user.name, user.role) == (name, "admin")


def test_several_pairs_and_changes_in_memory() -> None:
    accounts = of_pairs("小明:12345678", "小红:87654321")
    accounts.set_role("小红", "reader")
    accounts.remove("小明")
    assert [(user.name, user.role) for user in accounts.users()] == [("小红", "reader")]
    assert accounts.notices() == []


@pytest.mark.parametrize(
    ("pairs", "error"),
    [
        (["a:12345678", "geheim-geheim"], ConfigError),
        ([":12345678"], InvalidAccountName),
        (["a:1234567"], WeakPassword),
        (["a:"], WeakPassword),
        (["a:12345678", "a:87654321"], AccountExists),
    ],
    ids=["no_colon", "no_name", "weak", "no_password", "twice"],
)
def test_security_report_unsafe_pairs_stop_the_start(pairs: list[str], error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        of_pairs(*pairs)
    assert "geheim" not in str(caught.value)
    assert "12345678" not in str(caught.value)


def test_a_password_by_pair_is_new_in_each_run() -> None:
    """So that a session of an earlier run, with another password perhaps, does not last."""
    stamps = {user.stamp for _ in range(2) for user in of_pairs("小明:12345678").users()}
    assert len(stamps) == 2


def test_an_exception_leaves_accounts_in_memory_as_they_were() -> None:
    store = UsersInMemory()
    with pytest.raises(KeyError), store.change() as users:
        del users["小明"]
    assert not store.exists()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("甲乙"), st.sampled_from("ABC"), st.sampled_from("ABC"))))
def test_roles_are_never_made_of_nothing(steps: list[tuple[str, str, str]]) -> None:
    """Whatever happens to names of knowledge bases, nobody gets a role that was not given."""
    accounts = of_pairs("甲:12345678", "乙:12345678")
    accounts.set_role("甲", "reader", "A")
    held = {"甲": {"A"}, "乙": set()}  # by account: the knowledge bases it may see
    for name, old, new in steps:
        if name == "甲":
            accounts.rename_kb(old, new)
            held = {each: {new if kb == old else kb for kb in kbs - ({new} - {old})} for each, kbs in held.items()}
        else:
            accounts.forget_kb(old)
            held = {each: kbs - {old} for each, kbs in held.items()}
    assert {name: set(given) for name, given in roles(accounts).items()} == held
