"""The users file: whole or untouched, for its owner's eyes, and never trusted blindly."""

import json
import os
import stat
import threading
from pathlib import Path

import pytest
from cheap_accounts import GOOD, cheap_passwords
from filelock import FileLock

from core.account_errors import UsersFileUnusable
from service.people import users_file
from service.people.accounts import Accounts

HASH = cheap_passwords().hash(GOOD)


def accounts_of(path: Path) -> Accounts:
    return Accounts(path, passwords=cheap_passwords())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "users.json"


def put(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    path.chmod(0o600)


def test_what_it_looks_like(path: Path) -> None:
    accounts_of(path).add("小明", GOOD, "reader", {"人事": "admin"})
    text = path.read_text("utf-8")
    content = json.loads(text)
    hash = content["users"]["小明"].pop("password")
    assert content == {"version": 1, "users": {"小明": {"role": "reader", "roles": {"人事": "admin"}}}}
    assert hash.startswith("$argon2id$")
    assert GOOD not in text
    assert "小明" in text


def test_one_written_by_hand(path: Path) -> None:
    put(path, "\ufeff" + json.dumps({"version": 1, "users": {"小明": {"password": HASH}}}))
    assert accounts_of(path).verify("小明", GOOD, "192.0.2.1").role is None


def test_security_report_only_its_owner_can_read_it(path: Path) -> None:
    old = os.umask(0)
    try:
        accounts = accounts_of(path)
        accounts.add("小明", GOOD)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(old)
    assert set(modes.values()) == {0o600}, modes
    assert accounts.notices() == []


def test_security_report_one_that_others_can_read_is_pointed_out(path: Path) -> None:
    accounts = accounts_of(path)
    accounts.add("小明", GOOD)
    path.chmod(0o644)
    [notice] = accounts.notices()
    assert str(path) in notice.text("zh")
    assert accounts.get("小明")
    accounts.set_role("小明", "reader")
    assert accounts.notices() == []


@pytest.mark.parametrize("mode", [0o602, 0o620, 0o666])
def test_security_report_one_that_others_can_write_is_not_believed(path: Path, mode: int) -> None:
    accounts = accounts_of(path)
    accounts.add("小明", GOOD)
    assert accounts.users()
    path.chmod(mode)
    with pytest.raises(UsersFileUnusable) as caught:
        accounts.verify("小明", GOOD, "192.0.2.1")
    assert "chmod 600" in caught.value.text("zh")
    with pytest.raises(UsersFileUnusable):
        accounts.add("小红", GOOD)
    path.chmod(0o600)
    assert accounts.get("小明")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        {"version": 2, "users": {}},
        {"users": {}},
        {"version": 1, "users": {"小明": {"password": "plain-secret"}}},
        {"version": 1, "users": {"小明": {"password": HASH, "role": "root"}}},
        {"version": 1, "users": {"小明": {"password": HASH, "roles": {"人事": "owner"}}}},
        {"version": 1, "users": {"小明": {"password": HASH, "passwort": "x"}}},
        {"version": 1, "users": {"小明": {"role": "admin"}}},
        {"version": 1, "users": ["小明"]},
    ],
    ids=[
        "empty",
        "cut",
        "list",
        "deep",
        "newer",
        "no_version",
        "plain",
        "role",
        "kb_role",
        "typo",
        "no_password",
        "shape",
    ],
)
def test_security_report_a_damaged_file_lets_nobody_in_and_is_not_overwritten(path: Path, content: object) -> None:
    put(path, content)
    before = path.read_bytes()
    accounts = accounts_of(path)
    assert accounts.login_on
    for attempt in (accounts.users, lambda: accounts.add("小红", GOOD), lambda: accounts.verify("小明", GOOD, "::1")):
        with pytest.raises(UsersFileUnusable) as caught:
            attempt()
        told = caught.value.text("zh") + str(caught.value)
        assert str(path) in told
        assert HASH not in told
        assert "plain-secret" not in told
    assert path.read_bytes() == before


def test_security_report_a_link_that_leads_nowhere_does_not_switch_the_login_off(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path.parent / "not-mounted.json")
    accounts = accounts_of(path)
    assert accounts.login_on
    assert accounts.users() == []


def test_a_folder_in_its_place(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(UsersFileUnusable):
        accounts_of(path).users()


def test_a_full_disk_leaves_it_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = accounts_of(path)
    accounts.add("小明", GOOD)
    before = path.read_bytes()

    def full(target: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(users_file, "write_durably", full)
    with pytest.raises(UsersFileUnusable, match="No space left"):
        accounts.remove("小明")
    assert path.read_bytes() == before
    assert accounts.get("小明")


def test_one_that_is_held_by_another_program(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = accounts_of(path)
    accounts.add("小明", GOOD)
    monkeypatch.setattr(users_file, "_LOCK_TIMEOUT_S", 0.05)
    with FileLock(path.with_name("users.json.lock")):
        assert accounts.get("小明"), "reading needs no lock"
        with pytest.raises(UsersFileUnusable, match="another program"):
            accounts.remove("小明")
    accounts.remove("小明")


def test_writers_do_not_lose_each_others_changes(path: Path) -> None:
    def add(number: int) -> None:
        accounts_of(path).add(f"用户{number}", GOOD)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(accounts_of(path).users()) == 12
    assert sorted(file.name for file in path.parent.iterdir()) == ["users.json", "users.json.lock"]


def test_it_is_read_again_only_when_it_has_changed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = accounts_of(path)
    accounts.add("小明", GOOD)
    accounts.users()
    loads: list[bytes] = []
    real = json.loads
    monkeypatch.setattr(users_file.json, "loads", lambda data: loads.append(data) or real(data))
    for _ in range(3):
        accounts.get("小明")
    assert not loads
    accounts_of(path).add("小红", GOOD)
    loads.clear()
    assert len(accounts.users()) == 2
    assert len(loads) == 1


def test_nothing_is_written_where_nothing_changes(path: Path) -> None:
    accounts = accounts_of(path)
    accounts.add("小明", GOOD, "reader")
    before = path.stat().st_ino, path.stat().st_mtime_ns
    accounts.set_role("小明", "reader")
    accounts.forget_kb("人事")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == before
