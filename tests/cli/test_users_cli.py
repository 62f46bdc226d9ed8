"""`users`: what the commands do, what they print in both languages, and that no password is ever shown."""

import getpass
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from cheap_accounts import GOOD, cheap_hasher
from typer.testing import CliRunner

from cli import user_tables, user_texts, users
from core.account_errors import AccountExists, AccountNotFound, InvalidAccountName, WeakPassword
from core.accounts import User
from core.errors import KnowGLMError, KnowledgeBaseNotFound
from core.messages import Message
from service.people.accounts import USERS_FILE, Accounts

OTHER = "另外一句 很长的密码"


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KNOWGLM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("service.people.passwords.recommended_hasher", cheap_hasher)
    return tmp_path / "data"


@pytest.fixture
def accounts(data: Path) -> Accounts:
    """A server that runs meanwhile."""
    return Accounts(data / USERS_FILE)


@pytest.fixture
def kb(make_app: Callable[..., Any]) -> str:
    make_app().create("人事")
    return "人事"


def run(*arguments: str, stdin: str = GOOD + "\n") -> str:
    done = CliRunner().invoke(users.users_app, arguments, input=stdin)
    if isinstance(done.exception, KnowGLMError):
        raise done.exception
    assert GOOD not in done.output
    assert "argon2" not in done.output
    assert done.exit_code == 0, done.output
    return done.output


def printed_json(*arguments: str, stdin: str = GOOD + "\n") -> Any:
    return json.loads(run(*arguments, "--json", stdin=stdin))


def test_add_with_a_password_from_standard_input(accounts: Accounts, kb: str) -> None:
    assert run("add", " 小明 ", "--role", "reader", "--kb", f"{kb}=admin") == (
        "已新建用户“小明”：全部知识库的读者，“人事”的管理员。\n"
    )
    user = accounts.verify("小明", GOOD, "192.0.2.1")
    assert (user.role, dict(user.roles)) == ("reader", {"人事": "admin"})


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\nsecond line\n"], ids=["none", "unix", "windows", "two_lines"])
def test_the_password_is_the_first_line_with_its_blanks(accounts: Accounts, ending: str) -> None:
    run("add", "小明", stdin=f" {GOOD} {ending}")
    assert accounts.verify("小明", f" {GOOD} ", "192.0.2.1")


def test_who_has_no_role_is_told_so(accounts: Accounts) -> None:
    assert "还不能看任何知识库" in run("add", "小明")


def test_a_name_with_an_equals_sign(accounts: Accounts, make_app: Callable[..., Any]) -> None:
    make_app().create("a=b")
    run("add", "小明", "--kb", "a=b=editor")
    assert accounts.get("小明").role_in("a=b") == "editor"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "stdin", "error"),
    [
        (("add", "小明"), GOOD, AccountExists),
        (("add", "小红"), "1234567\n", WeakPassword),
        (("add", "小红"), "", WeakPassword),
        (("add", "a\tb"), GOOD, InvalidAccountName),
        (("add", "小红", "--kb", "没有=reader"), GOOD, KnowledgeBaseNotFound),
        (("role", "小明", "reader", "--kb", "没有"), GOOD, KnowledgeBaseNotFound),
        (("role", "小红", "reader"), GOOD, AccountNotFound),
        (("password", "小红"), GOOD, AccountNotFound),
        (("password", "小明"), "短\n", WeakPassword),
        (("remove", "小红"), GOOD, AccountNotFound),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) and value[0].isascii() else None,
)
def test_what_is_refused_changes_nothing(
    accounts: Accounts, data: Path, arguments: tuple[str, ...], stdin: str, error: type[KnowGLMError]
) -> None:
    run("add", "小明", "--role", "editor")
    before = (data / USERS_FILE).read_bytes()
    with pytest.raises(error):
        run(*arguments, stdin=stdin)
    assert (data / USERS_FILE).read_bytes() == before


@pytest.mark.parametrize("pair", ["人事", "人事=", "=admin", "人事=root", "人事=none"], ids=range(5))
def test_a_pair_that_is_none(pair: str) -> None:
    done = CliRunner().invoke(users.users_app, ["add", "小明", "--kb", pair], input=GOOD)
    assert done.exit_code == 2
    assert "知识库=权限" in done.output


def test_the_list(accounts: Accounts, kb: str) -> None:
    assert run("list") == "还没有用户。\n"
    assert printed_json("list") == {"login": False, "users": []}
    run("add", "[red]小明", "--kb", f"{kb}=editor")
    run("add", "Ana", "--role", "admin")
    lines = [line.split() for line in run("list").splitlines()]
    assert lines == [["名字", "权限"], ["Ana", "全部知识库的管理员"], ["[red]小明", "“人事”的编辑"]]
    assert printed_json("list") == {
        "login": True,
        "users": [
            {"name": "Ana", "role": "admin", "roles": {}},
            {"name": "[red]小明", "role": None, "roles": {"人事": "editor"}},
        ],
    }


def test_security_report_the_list_points_at_a_file_that_others_can_read(data: Path) -> None:
    run("add", "小明")
    (data / USERS_FILE).chmod(0o644)
    assert "chmod 600" in run("list")


def test_roles_are_given_and_taken_away(accounts: Accounts, kb: str) -> None:
    run("add", "小明")
    assert run("role", "小明", "editor") == "“小明”现在是：全部知识库的编辑。\n"
    assert printed_json("role", "小明", "admin", "--kb", kb) == {
        "name": "小明",
        "role": "editor",
        "roles": {"人事": "admin"},
    }
    assert run("role", "小明", "none") == "“小明”现在是：“人事”的管理员。\n"
    run("role", "小明", "none", "--kb", kb)
    run("role", "小明", "none", "--kb", "早就没有了")
    assert accounts.get("小明") == User("小明", stamp=accounts.get("小明").stamp)  # type: ignore[union-attr]


def test_a_password_is_changed(accounts: Accounts) -> None:
    run("add", "小明", "--role", "reader")
    before = accounts.get("小明")
    assert "原来的登录随即失效" in run("password", "小明", stdin=OTHER)
    user = accounts.verify("小明", OTHER, "192.0.2.1")
    assert user.role == "reader"
    assert before is not None
    assert user.stamp != before.stamp
    assert printed_json("password", "小明") == {"name": "小明", "role": "reader", "roles": {}}


def test_removing_and_the_last_one(accounts: Accounts) -> None:
    run("add", "小明")
    run("add", "小红")
    assert run("remove", "小红") == "已删除用户“小红”，登录随即失效。\n"
    assert "谁也登录不了" in run("remove", "小明")
    assert accounts.users() == []
    assert accounts.login_on
    assert "谁也登录不了" in run("list")


# --- at a terminal -----------------------------------------------------------------------------------------------


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Somebody at the keyboard, who types these passwords; returns what they were asked."""

    class Terminal:
        def isatty(self) -> bool:
            return True

    def sit(*typed: str) -> list[str]:
        asked: list[str] = []
        answers = iter(typed)
        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr(getpass, "getpass", lambda prompt: asked.append(prompt) or next(answers))
        return asked

    return sit


def test_a_password_is_typed_twice(accounts: Accounts, terminal: Callable[..., list[str]]) -> None:
    asked = terminal(GOOD, GOOD)
    users.users_add("小明")
    assert asked == ["“小明”的密码（不显示）：", "再输一次："]
    assert accounts.verify("小明", GOOD, "192.0.2.1")


def test_two_different_passwords_change_nothing(accounts: Accounts, terminal: Callable[..., list[str]]) -> None:
    terminal(GOOD, OTHER)
    with pytest.raises(typer.BadParameter) as caught:
        users.users_add("小明")
    assert GOOD not in str(caught.value)
    assert not accounts.login_on


@pytest.mark.parametrize("agrees", [True, False], ids=["yes", "no"])
def test_removing_is_confirmed(
    accounts: Accounts, terminal: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, *, agrees: bool
) -> None:
    run("add", "小明")
    terminal()

    def confirm(text: str, *, abort: bool) -> None:
        assert "小明" in text
        assert abort
        if not agrees:
            raise typer.Abort

    monkeypatch.setattr(typer, "confirm", confirm)
    if agrees:
        users.users_remove("小明")
    else:
        with pytest.raises(typer.Abort):
            users.users_remove("小明")
    assert bool(accounts.users()) is not agrees


# --- texts and the process ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, value in vars(user_texts).items() if isinstance(value, Message)])
def test_every_text_speaks_both_languages(name: str) -> None:
    message = getattr(user_texts, name)
    assert not any("\u4e00" <= sign <= "\u9fff" for sign in message.en)
    assert message.zh != message.en


def test_roles_in_english() -> None:
    screen = user_tables.UserScreen("en")
    assert screen.access(User("a", "reader", {"hr": "admin"})) == "reader of all knowledge bases, admin of “hr”"
    assert screen.access(User("a")) == "may not see any knowledge base yet"


def test_as_a_process(command: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "process"
    done = command(folder, "users", "add", "小明", "--role", "admin", stdin=GOOD, lang="en")
    assert (done.code, done.out, done.err) == (0, "Added the user “小明”: admin of all knowledge bases.\n", "")
    again = command(folder, "users", "add", "小明", "--json", stdin=GOOD)
    assert (again.code, again.json["error"]["code"]) == (1, "account_exists")
    weak = command(folder, "users", "password", "小明", stdin="1234567")
    assert weak.code == 2
    assert "太短" in weak.err
    assert Accounts(folder / USERS_FILE).verify("小明", GOOD, "192.0.2.1").role == "admin"
