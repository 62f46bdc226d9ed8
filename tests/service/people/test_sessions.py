"""Sessions: they last through a restart, and end when they should."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cheap_accounts import GOOD, Clock, cheap_hasher, cheap_passwords

from core.account_errors import SessionsFileUnusable
from service.people.accounts import Accounts
from service.people.passwords import Passwords
from service.people.sessions import LIFE_S, Sessions

HOUR = 3600


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    accounts = Accounts(tmp_path / "users.json", passwords=cheap_passwords())
    accounts.add("小明", GOOD, "reader")
    accounts.add("小红", GOOD)
    return accounts


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(tmp_path: Path, accounts: Accounts, clock: Clock) -> Iterator[Callable[[], Sessions]]:
    """Open the same file once more, as after a restart."""
    opened: list[Sessions] = []

    def build() -> Sessions:
        opened.append(Sessions(tmp_path / "data" / "sessions.sqlite", accounts, clock=clock))
        return opened[-1]

    yield build
    for sessions in opened:
        sessions.shut()


@pytest.fixture
def sessions(make: Callable[[], Sessions]) -> Sessions:
    return make()


@pytest.fixture
def log_in(sessions: Sessions, accounts: Accounts) -> Callable[..., str]:
    def enter(name: str = "小明") -> str:
        return sessions.open(accounts.verify(name, GOOD, "192.0.2.1"))

    return enter


def name_of(sessions: Sessions, token: str) -> str | None:
    user = sessions.user_of(token)
    return None if user is None else user.name


def test_a_session_has_its_user_with_the_roles_of_now(
    sessions: Sessions, accounts: Accounts, log_in: Callable[..., str]
) -> None:
    token = log_in()
    user = sessions.user_of(token)
    assert user is not None
    assert (user.name, user.role) == ("小明", "reader")
    accounts.set_role("小明", "editor")
    assert sessions.user_of(token) == accounts.get("小明")


def test_a_session_survives_a_restart(
    sessions: Sessions, make: Callable[[], Sessions], log_in: Callable[..., str]
) -> None:
    token = log_in()
    sessions.shut()
    assert name_of(make(), token) == "小明"


@pytest.mark.parametrize(
    "token", ["", "x", "\ud800", "' OR 1=1 --", "x" * 10**6], ids=["empty", "one", "odd", "sql", "huge"]
)
def test_what_is_no_token(sessions: Sessions, log_in: Callable[..., str], token: str) -> None:
    log_in()
    assert sessions.user_of(token) is None
    sessions.close(token)


def test_security_report_the_tokens_are_random_and_not_on_the_disk(
    sessions: Sessions, log_in: Callable[..., str], tmp_path: Path
) -> None:
    tokens = {log_in() for _ in range(5)}
    assert len(tokens) == 5
    assert all(len(token) == 43 for token in tokens)  # 32 bytes
    stored = b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir())
    assert "小明".encode() in stored
    assert not any(token.encode() in stored for token in tokens)
    modes = {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "data").iterdir()}
    assert modes == {0o600}


def test_logging_out_ends_one_session(sessions: Sessions, log_in: Callable[..., str]) -> None:
    first, second = log_in(), log_in()
    sessions.close(first)
    assert (name_of(sessions, first), name_of(sessions, second)) == (None, "小明")


def test_logging_out_everywhere_ends_those_of_one_account(sessions: Sessions, log_in: Callable[..., str]) -> None:
    mine, also_mine, other = log_in(), log_in(), log_in("小红")
    sessions.close_all(" 小明 ")
    assert [name_of(sessions, token) for token in (mine, also_mine, other)] == [None, None, "小红"]


def test_security_report_a_new_password_ends_every_session(
    sessions: Sessions, tmp_path: Path, log_in: Callable[..., str]
) -> None:
    mine, other = log_in(), log_in("小红")
    command_line = Accounts(tmp_path / "users.json", passwords=cheap_passwords())  # another process
    command_line.set_password("小明", GOOD)
    assert (name_of(sessions, mine), name_of(sessions, other)) == (None, "小红")
    assert name_of(sessions, log_in()) == "小明"


def test_security_report_a_removed_account_is_out_at_once_and_a_namesake_does_not_inherit(
    sessions: Sessions, accounts: Accounts, log_in: Callable[..., str]
) -> None:
    token = log_in()
    accounts.remove("小明")
    assert sessions.user_of(token) is None
    accounts.add("小明", GOOD, "admin")
    assert sessions.user_of(token) is None


def test_a_login_that_renews_the_hash_has_a_session_that_lasts(
    sessions: Sessions, tmp_path: Path, log_in: Callable[..., str]
) -> None:
    old = Accounts(tmp_path / "users.json", passwords=Passwords(cheap_hasher(time_cost=2)))
    old.set_password("小明", GOOD)
    assert name_of(sessions, log_in()) == "小明"


def test_a_session_that_is_used_goes_on_and_one_that_is_not_ends(
    sessions: Sessions, clock: Clock, log_in: Callable[..., str]
) -> None:
    used, idle = log_in(), log_in()
    for _ in range(4):
        clock.now += LIFE_S - 1
        assert name_of(sessions, used) == "小明"
    assert sessions.user_of(idle) is None
    clock.now += LIFE_S
    assert sessions.user_of(used) is None


def test_a_use_is_written_down_once_an_hour(
    sessions: Sessions, clock: Clock, log_in: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    token, writes = log_in(), []
    write = sessions._database.write
    monkeypatch.setattr(sessions._database, "write", lambda: writes.append(clock.now) or write())
    for _ in range(120):
        clock.now += 60
        assert name_of(sessions, token) == "小明"
    assert len(writes) == 1


def test_what_has_ended_is_swept_out(sessions: Sessions, clock: Clock, log_in: Callable[..., str]) -> None:
    for _ in range(3):
        log_in()
    clock.now += LIFE_S
    log_in()
    with sessions._database.snapshot() as connection:
        assert connection.execute("SELECT count(*) FROM sessions").fetchone()[0] == 1


def test_accounts_of_one_run_have_sessions_of_that_run(
    make: Callable[[], Sessions], tmp_path: Path, clock: Clock
) -> None:
    def run() -> tuple[Accounts, Sessions]:
        accounts = Accounts.of_pairs(["小明:12345678"], passwords=cheap_passwords())
        return accounts, Sessions(tmp_path / "data" / "sessions.sqlite", accounts, clock=clock)

    accounts, sessions = run()
    token = sessions.open(accounts.verify("小明", "12345678", "192.0.2.1"))
    assert name_of(sessions, token) == "小明"
    sessions.shut()
    _, sessions = run()
    assert sessions.user_of(token) is None
    sessions.shut()


def test_a_damaged_file_is_named(tmp_path: Path, accounts: Accounts) -> None:
    path = tmp_path / "damaged.sqlite"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(SessionsFileUnusable) as caught:
        Sessions(path, accounts)
    assert str(path) in caught.value.text("zh")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, accounts: Accounts) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionsFileUnusable, match="file"):
        Sessions(tmp_path / "file" / "sessions.sqlite", accounts)
