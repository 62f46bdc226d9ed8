"""Where the page listens, and when it asks for a login."""

import socket
from pathlib import Path
from typing import Any

import pytest
from cheap_accounts import GOOD

from core.account_errors import UsersFileUnusable, WeakPassword
from core.errors import ConfigError
from service.people.accounts import USERS_FILE, Accounts
from ui.doors import LOOPBACK, build_login, hosts_of, is_loopback, listen, require_names
from ui.login import Login
from ui.start_errors import AddressInUse, LoginNeeded, NoAccounts

ANYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens there
PAIR = f"小明:{GOOD}"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LocalHost", "0:0:0:0:0:0:0:1"])
def test_addresses_of_this_machine_alone(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", [ANYWHERE, "::", "192.168.1.2", "example.com", "", "127.1", "localhost.example", "::2"]
)
def test_addresses_that_others_reach(host: str) -> None:
    assert not is_loopback(host)


def opened(folder: Path, **given: Any) -> Login | None:
    options: dict[str, Any] = {"auth": [], "users": None, "offered_as": "", "without_login": False}
    return build_login(folder, **options | given)


def test_no_login_on_this_machine_even_where_there_are_accounts(tmp_path: Path) -> None:
    Accounts(tmp_path / USERS_FILE).add("小明", GOOD, "admin")
    assert opened(tmp_path) is None


def test_other_machines_are_not_let_in_without_login(tmp_path: Path) -> None:
    with pytest.raises(LoginNeeded) as caught:
        opened(tmp_path, offered_as=ANYWHERE)
    assert caught.value.exit_code == 2
    for language in ("zh", "en"):
        assert ANYWHERE in caught.value.text(language)
        assert "--without-login" in caught.value.text(language)
        assert "users add" in caught.value.text(language)
    assert not list(tmp_path.iterdir())


def test_other_machines_are_let_in_without_login_only_when_told_so(tmp_path: Path) -> None:
    assert opened(tmp_path, offered_as=ANYWHERE, without_login=True) is None


def test_accounts_of_the_data_directory_serve_other_machines(tmp_path: Path) -> None:
    Accounts(tmp_path / USERS_FILE).add("小明", GOOD, "reader")
    login = opened(tmp_path, offered_as=ANYWHERE)
    assert login is not None
    assert login.accounts.verify("小明", GOOD, "x").role == "reader"
    login.sessions.shut()


def test_pairs_are_admins_on_any_address(tmp_path: Path) -> None:
    for given in ({}, {"offered_as": ANYWHERE}, {"without_login": True}):
        login = opened(tmp_path, auth=[PAIR, f"小红:{GOOD}"], **given)
        assert login is not None
        assert [user.role for user in login.accounts.users()] == ["admin", "admin"]
        assert login.accounts.verify("小明", GOOD, "x").name == "小明"
        login.sessions.shut()


@pytest.mark.parametrize(
    ("pair", "error"),
    [("no-colon-but-secret", ConfigError), ("name:", WeakPassword), ("name:short", WeakPassword)],
    ids=["no_pair", "empty", "short"],
)
def test_a_pair_that_is_none_is_refused_and_not_shown(tmp_path: Path, pair: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        opened(tmp_path, auth=[PAIR, pair])
    assert "secret" not in str(caught.value)
    assert "short" not in str(caught.value).replace("too short", "")


def test_a_users_file_asks_for_a_login_on_this_machine_too(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere" / "users.json"
    file.parent.mkdir()
    Accounts(file).add("小明", GOOD)
    login = opened(tmp_path, users=file)
    assert login is not None
    login.sessions.shut()


def test_a_users_file_that_is_missing_or_empty_lets_nobody_in_unasked(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    with pytest.raises(NoAccounts, match=r"users\.json"):
        opened(tmp_path, users=file)
    accounts = Accounts(file)
    accounts.add("小明", GOOD)
    accounts.remove("小明")
    with pytest.raises(NoAccounts):
        opened(tmp_path, users=file, without_login=True)


def test_a_damaged_users_file_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / USERS_FILE).write_text("{", "utf-8")
    (tmp_path / USERS_FILE).chmod(0o600)
    with pytest.raises(UsersFileUnusable):
        opened(tmp_path, offered_as=ANYWHERE)


def test_accounts_come_from_one_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--users"):
        opened(tmp_path, auth=[PAIR], users=tmp_path / "users.json")


# --- names -------------------------------------------------------------------------------------------------------


def test_on_this_machine_the_page_has_the_names_of_this_machine() -> None:
    assert hosts_of("127.0.0.1", [], login_on=False) == LOOPBACK
    assert hosts_of("127.8.9.1", [], login_on=True) == LOOPBACK | {"127.8.9.1"}


def test_a_proxy_brings_a_name_with_it() -> None:
    names = hosts_of("127.0.0.1", ["KB.Example.com"], login_on=True)
    assert names is not None
    assert "kb.example.com" in names
    assert "other.example.com" not in names
    require_names(["KB.Example.com", "kb", "知识库.example"])


def test_with_login_a_network_may_use_any_name() -> None:
    assert hosts_of(ANYWHERE, [], login_on=True) is None


def test_without_login_a_network_uses_addresses_and_the_machines_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Server")
    monkeypatch.setattr(socket, "getfqdn", lambda: "server.lan")
    names = hosts_of(ANYWHERE, ["kb.example.com"], login_on=False)
    assert names is not None
    for name in ("server", "server.local", "server.lan", "192.168.1.2", "localhost", "kb.example.com"):
        assert name in names
    assert "evil.example" not in names


@pytest.mark.parametrize(
    "name", ["https://kb.example.com", "kb.example.com/x", "kb.example.com:443", "", "a b"], ids=range(5)
)
def test_a_public_name_is_a_name(name: str) -> None:
    with pytest.raises(ConfigError, match="--public-name"):
        require_names(["kb.example.com", name])


# --- listening ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_in_use_is_said_with_what_to_do(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    families = []

    def taken(address: object, *, family: socket.AddressFamily) -> None:
        families.append(family)
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(socket, "create_server", taken)
    with pytest.raises(AddressInUse) as caught:
        listen(host, 7860)
    assert caught.value.exit_code == 1
    assert "--port" in caught.value.text("zh")
    assert f"{host}:7860 (Address already in use)" in caught.value.text("en")
    assert families == [socket.AF_INET6 if ":" in host else socket.AF_INET]
