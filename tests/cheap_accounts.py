"""Accounts whose hashing costs next to nothing, and a clock that is turned by hand."""

from argon2 import PasswordHasher

from service.people.passwords import Passwords

GOOD = "一句 很长的：密码"


def cheap_hasher(time_cost: int = 1) -> PasswordHasher:
    return PasswordHasher(time_cost=time_cost, memory_cost=8, parallelism=1)


def cheap_passwords() -> Passwords:
    return Passwords(cheap_hasher())


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now
