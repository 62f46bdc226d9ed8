"""Slowing down whoever guesses passwords, and nobody else."""

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from core.account_errors import TooManyAttempts

FREE_FOR_NAME, FREE_FOR_CLIENT = 5, 20
_LONGEST_S = 300
_FORGOTTEN_AFTER_S = 3600.0
_REMEMBERED = 10_000
_NAME_CHARS = 64
_SITE_BITS = 64  # what one IPv6 customer is given at least; the addresses within are free to choose


@dataclass(slots=True)
class _Failures:
    free: int
    count: int = 0
    last: float = 0.0

    @property
    def ready_at(self) -> float:
        beyond = self.count - self.free
        return self.last + (min(2.0 ** min(beyond, 30), _LONGEST_S) if beyond >= 0 else 0.0)


class LoginPace:
    """Makes a client wait after failures: 1, 2, 4 … 300 seconds between attempts, until an hour passes without one.

    It begins after 5 failures for one name, and after 20 for any names, as several people may share an address. Both
    are counted for a client, never for a name alone: an account that anybody could lock by failing on purpose would be
    locked for its owner too. A guesser with many addresses is held up by each of them, by the number of passwords that
    are checked at once, and by the least length of a password.

    An attempt counts as a failure from its start, so that many at once gain nothing. One that comes too early is not
    counted: it neither is checked nor makes the wait longer.

    Args:
        remembered: most names and clients kept in mind; the one that failed longest ago is forgotten first.
        clock: returns seconds.
    """

    def __init__(self, *, remembered: int = _REMEMBERED, clock: Callable[[], float] = time.monotonic) -> None:
        self._remembered = remembered
        self._clock = clock
        self._failures: OrderedDict[tuple[str, ...], _Failures] = OrderedDict()  # the one that failed last is last
        self._lock = threading.Lock()

    def begin(self, name: str, client: str) -> None:
        """Count an attempt as a failure, until `succeeded` says otherwise.

        Raises:
            TooManyAttempts: it is too early for another one.
        """
        keys = _keys(name, client)
        with self._lock:
            now = self._clock()
            self._forget(now)
            known = [failures for key in keys if (failures := self._failures.get(key))]
            wait_s = max((failures.ready_at - now for failures in known), default=0.0)
            if wait_s > 0:
                raise TooManyAttempts(math.ceil(wait_s))
            for key, free in zip(keys, (FREE_FOR_NAME, FREE_FOR_CLIENT), strict=True):
                failures = self._failures.setdefault(key, _Failures(free))
                failures.count += 1
                failures.last = now
                self._failures.move_to_end(key)
            while len(self._failures) > self._remembered:
                self._failures.popitem(last=False)

    def succeeded(self, name: str, client: str) -> None:
        """Forgive a client what it failed for this name, and not what it failed for others."""
        of_name, of_client = _keys(name, client)
        with self._lock:
            forgiven = self._failures.pop(of_name, None)
            rest = self._failures.get(of_client)
            if forgiven is None or rest is None:
                return
            rest.count -= forgiven.count
            if rest.count <= 0:
                del self._failures[of_client]

    def _forget(self, now: float) -> None:
        while self._failures:
            key, oldest = next(iter(self._failures.items()))
            if now - oldest.last < _FORGOTTEN_AFTER_S:
                return
            del self._failures[key]


def _keys(name: str, client: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    site = _site(client)
    return (site, name[: _NAME_CHARS + 1]), (site,)  # a longer name is nobody's


def _site(client: str) -> str:
    """Return an address without what a single customer can vary; what is no address stays as it is."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if not isinstance(address, ipaddress.IPv6Address):
        return client
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), _SITE_BITS), strict=False))
