"""Passwords: argon2id, any script, and no lever to bring the machine down."""

import threading
import time
import unicodedata
from typing import Any

import pytest
from argon2 import extract_parameters
from cheap_accounts import GOOD, cheap_hasher, cheap_passwords
from hypothesis import given, settings
from hypothesis import strategies as st

from core.account_errors import TooManyAttempts, WeakPassword
from service.people.passwords import MAX_BYTES, Passwords, is_hash, recommended_hasher


class SpyHasher:
    """Counts what is computed, and how much of it at once."""

    def __init__(self, pause_s: float = 0.0) -> None:
        self.real, self.pause_s = cheap_hasher(), pause_s
        self.now = self.most = self.verified = 0
        self.lock = threading.Lock()

    def verify(self, hash: str, password: bytes) -> bool:
        with self.lock:
            self.verified += 1
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            time.sleep(self.pause_s)
            return self.real.verify(hash, password)
        finally:
            with self.lock:
                self.now -= 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def test_security_report_the_default_is_what_owasp_recommends() -> None:
    parameters = extract_parameters(recommended_hasher().hash("x"))
    assert parameters.type.name == "ID"
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19 * 1024, 2, 1)


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=80))
def test_any_script_however_the_keyboard_composes_it(password: str) -> None:
    passwords = cheap_passwords()
    composed = unicodedata.normalize("NFC", password)
    if len(composed) < 8 or len(composed.encode()) > MAX_BYTES:
        return
    hash = passwords.hash(password)
    for form in ("NFC", "NFD"):
        assert passwords.matches(hash, unicodedata.normalize(form, password))
    assert not passwords.matches(hash, password + "a")
    assert composed not in hash


def test_the_same_password_never_has_the_same_hash() -> None:
    passwords = cheap_passwords()
    assert passwords.hash(GOOD) != passwords.hash(GOOD)


@pytest.mark.parametrize(
    "password",
    ["", "1234567", "密码密码密码密", "e\u0301" * 7, "x" * 1025, "密" * 342],
    ids=["empty", "seven", "seven_chinese", "seven_composed", "too_long", "too_long_chinese"],
)
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(WeakPassword) as caught:
        cheap_passwords().hash(password)
    assert "8" in caught.value.text("zh")


def test_the_longest_passwords_are_compared_whole() -> None:
    passwords = cheap_passwords()
    hash = passwords.hash("a" * 1024)
    assert passwords.matches(hash, "a" * 1024)
    assert not passwords.matches(hash, "a" * 1023 + "b")


def test_nobodys_password_costs_the_same_and_never_matches() -> None:
    spy = SpyHasher()
    passwords = Passwords(spy)  # type: ignore[arg-type]
    for guess in (GOOD, "nobody's", ""):
        assert not passwords.matches(None, guess)
    assert spy.verified == 3


def test_security_report_a_huge_password_costs_nothing() -> None:
    spy = SpyHasher()
    passwords = Passwords(spy)  # type: ignore[arg-type]
    assert not passwords.matches(passwords.hash(GOOD), "x" * 10_000_000)
    assert spy.verified == 0


@pytest.mark.parametrize(
    "password", ["\ud800" * 8, "a\x00bcdefgh", "😀😀😀😀😀😀😀😀"], ids=["surrogate", "nul", "emoji"]
)
def test_odd_passwords_work_like_others(password: str) -> None:
    passwords = cheap_passwords()
    hash = passwords.hash(password)
    assert passwords.matches(hash, password)
    assert not passwords.matches(hash, password[:-1])


def test_security_report_a_storm_of_logins_is_checked_two_at_a_time() -> None:
    spy = SpyHasher(pause_s=0.01)
    passwords = Passwords(spy)  # type: ignore[arg-type]
    hash = passwords.hash(GOOD)
    threads = [threading.Thread(target=passwords.matches, args=(hash, GOOD)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (spy.verified, spy.most) == (12, 2)


def test_whose_turn_does_not_come_is_told_to_come_back() -> None:
    spy = SpyHasher(pause_s=0.2)
    passwords = Passwords(spy, queue_s=0.01)  # type: ignore[arg-type]
    hash = passwords.hash(GOOD)
    threads = [threading.Thread(target=passwords.matches, args=(hash, GOOD)) for _ in range(2)]
    for thread in threads:
        thread.start()
    while spy.now < 2:
        time.sleep(0.001)
    with pytest.raises(TooManyAttempts):
        passwords.matches(hash, GOOD)
    for thread in threads:
        thread.join()
    assert passwords.matches(hash, GOOD)


def test_a_hash_with_other_parameters_is_outdated_and_still_checked() -> None:
    old = Passwords(cheap_hasher(time_cost=2)).hash(GOOD)
    passwords = cheap_passwords()
    assert passwords.outdated(old)
    assert passwords.matches(old, GOOD)
    assert not passwords.outdated(passwords.hash(GOOD))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzYWx0$2zTbxF3Rw2xTsgmB8Cz2SQ", True),
        ("$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHRzYWx0$2zTbxF3Rw2xTsgmB8Cz2SQ", False),
        ("hunter22", False),
        ("", False),
    ],
    ids=["argon2id", "argon2i", "plain", "empty"],
)
def test_what_a_hash_looks_like(text: str, *, expected: bool) -> None:
    assert is_hash(text) is expected
