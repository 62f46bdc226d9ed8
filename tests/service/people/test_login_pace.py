"""Whoever guesses waits longer and longer; nobody can make somebody else wait."""

import threading

import pytest
from cheap_accounts import Clock
from hypothesis import given
from hypothesis import strategies as st

from core.account_errors import TooManyAttempts
from service.people.login_pace import FREE_FOR_CLIENT, FREE_FOR_NAME, LoginPace

HERE, THERE = "192.0.2.1", "198.51.100.7"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> LoginPace:
    return LoginPace(clock=clock)


def fail(pace: LoginPace, times: int, name: str = "小明", client: str = HERE) -> None:
    for _ in range(times):
        pace.begin(name, client)


def wait_for(pace: LoginPace, name: str = "小明", client: str = HERE) -> int:
    with pytest.raises(TooManyAttempts) as caught:
        pace.begin(name, client)
    return caught.value.wait_s


def test_the_wait_doubles_from_the_fifth_failure_to_five_minutes(pace: LoginPace, clock: Clock) -> None:
    fail(pace, FREE_FOR_NAME)
    waits = []
    for _ in range(11):
        waits.append(wait_for(pace))
        clock.now += waits[-1]
        fail(pace, 1)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_asking_too_early_does_not_make_it_longer(pace: LoginPace, clock: Clock) -> None:
    fail(pace, FREE_FOR_NAME)
    assert [wait_for(pace) for _ in range(50)] == [1] * 50
    clock.now += 1
    fail(pace, 1)


def test_the_wait_counts_down(pace: LoginPace, clock: Clock) -> None:
    fail(pace, FREE_FOR_NAME)
    clock.now += 1
    fail(pace, 1)
    clock.now += 1.5
    assert wait_for(pace) == 1
    clock.now += 0.5
    fail(pace, 1)


def test_security_report_an_attacker_cannot_lock_somebody_out(pace: LoginPace) -> None:
    fail(pace, FREE_FOR_NAME, client=THERE)
    wait_for(pace, client=THERE)
    pace.begin("小明", HERE)


def test_guessing_for_many_names_is_slowed_too(pace: LoginPace) -> None:
    for number in range(FREE_FOR_CLIENT):
        pace.begin(f"用户{number}", HERE)
    assert wait_for(pace, "再一个") == 1
    pace.begin("再一个", THERE)


def test_somebody_who_gets_in_is_forgiven(pace: LoginPace) -> None:
    for _ in range(10):
        fail(pace, FREE_FOR_NAME)
        pace.succeeded("小明", HERE)


def test_an_attacker_with_an_account_is_not_forgiven_the_others(pace: LoginPace) -> None:
    for number in range(FREE_FOR_CLIENT):
        pace.begin(f"别人{number}", HERE)
        if number < FREE_FOR_CLIENT - 1:
            pace.begin("我", HERE)
            pace.succeeded("我", HERE)
    assert wait_for(pace, "我") == 1


def test_an_hour_later_all_is_forgotten(pace: LoginPace, clock: Clock) -> None:
    fail(pace, FREE_FOR_NAME)
    clock.now += 3600
    fail(pace, FREE_FOR_NAME)
    assert wait_for(pace) == 1


def test_security_report_many_at_once_gain_nothing(pace: LoginPace) -> None:
    refused: list[int] = []

    def attempt() -> None:
        try:
            pace.begin("小明", HERE)
        except TooManyAttempts as error:
            refused.append(error.wait_s)

    threads = [threading.Thread(target=attempt) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == [1] * (40 - FREE_FOR_NAME)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2:bbbb::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("testclient", "testclient", True),
        ("", "192.0.2.1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
    ids=["one_network", "two_networks", "mapped", "two_addresses", "a_name", "unknown", "link_local"],
)
def test_what_counts_as_one_client(pace: LoginPace, one: str, other: str, *, same: bool) -> None:
    fail(pace, FREE_FOR_NAME, client=one)
    if same:
        assert wait_for(pace, client=other) == 1
    else:
        pace.begin("小明", other)


def test_security_report_memory_is_bounded(clock: Clock) -> None:
    pace = LoginPace(clock=clock, remembered=100)
    for number in range(1000):
        pace.begin("长" * 100_000 + str(number), f"10.0.{number // 250}.{number % 250}")
    assert len(pace._failures) == 100
    assert max(len(part) for key in pace._failures for part in key) < 100


def test_the_one_that_failed_longest_ago_is_forgotten_first(clock: Clock) -> None:
    pace = LoginPace(clock=clock, remembered=4)
    fail(pace, FREE_FOR_NAME - 1, client=HERE)
    fail(pace, FREE_FOR_NAME, client=THERE)
    fail(pace, 1, client=HERE)
    pace.begin("小明", "203.0.113.9")
    assert wait_for(pace, client=HERE) == 1
    pace.begin("小明", THERE)


@given(st.lists(st.floats(0, 400), min_size=1, max_size=60))
def test_no_rhythm_gets_round_it(gaps: list[float]) -> None:
    clock = Clock()
    pace = LoginPace(clock=clock)
    accepted: list[float] = []
    for gap in gaps:
        clock.now += gap
        due = min(2 ** (len(accepted) - FREE_FOR_NAME), 300) if len(accepted) >= FREE_FOR_NAME else 0
        early = bool(accepted) and clock.now < accepted[-1] + due
        try:
            pace.begin("小明", HERE)
        except TooManyAttempts as error:
            assert early
            assert 0 < error.wait_s <= 300
        else:
            assert not early
            accepted.append(clock.now)
