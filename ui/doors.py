"""Where the page listens, by which names it is called, and who may come in."""

import ipaddress
import socket
from collections.abc import Container, Sequence
from pathlib import Path

from core.errors import ConfigError
from core.messages import Message
from service.people.accounts import USERS_FILE, Accounts
from service.people.sessions import SESSIONS_FILE, Sessions
from ui.login import Login
from ui.origins import host_name
from ui.start_errors import AddressInUse, LoginNeeded, NoAccounts

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_TWO_SOURCES = Message("--auth 和 --users 只能给一个", "give either --auth or --users, not both")
_NOT_A_NAME = Message(
    "--public-name {name}：应是不带 http:// 和路径的名字，例如 kb.example.com",
    "--public-name {name}: must be a name without http:// and path, such as kb.example.com",
)


class NamesAndAddresses(frozenset[str]):
    """Some names, and every IP address: a foreign site has a name, whatever address that leads to."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or _is_address(str(name))


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    return host.lower() == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def require_names(names: Sequence[str]) -> None:
    """Refuse what is no name of a host.

    Raises:
        ConfigError: with every one of them.
    """
    problems = [_NOT_A_NAME.filled(name=name) for name in names if not name or host_name(name) != name.lower()]
    if problems:
        raise ConfigError(problems)


def hosts_of(host: str, public_names: Sequence[str], *, login_on: bool) -> Container[str] | None:
    """Return the names by which a page on this address may be called; None for any."""
    names = LOOPBACK | {host.lower(), *(name.lower() for name in public_names)}
    if is_loopback(host):
        return names
    if login_on:  # the browser's cookies are bound to the name that was logged in to
        return None
    own = socket.gethostname().lower()
    return NamesAndAddresses(names | {own, f"{own}.local", socket.getfqdn().lower()})


def build_login(
    data_dir: Path, *, auth: Sequence[str], users: Path | None, offered_as: str, without_login: bool
) -> Login | None:
    """Return who may log in; None where nobody needs to.

    A login is needed where accounts are given, and wherever other machines can reach the page.

    Args:
        offered_as: the address or name that other machines can reach; empty where none can.

    Raises:
        LoginNeeded: other machines can reach the page, there is no account, and nobody said to go without.
        NoAccounts: there is none in the file that was named.
        ConfigError: accounts come from two places.
        AccountError: the accounts cannot be used.
    """
    if auth and users:
        raise ConfigError([_TWO_SOURCES])
    if not auth and users is None and (not offered_as or without_login):
        return None
    accounts = Accounts.of_pairs(auth) if auth else Accounts(users or data_dir / USERS_FILE)
    if not accounts.users():
        raise NoAccounts(path=users) if users else LoginNeeded(host=offered_as)
    return Login(accounts, Sessions(data_dir / SESSIONS_FILE, accounts))


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        AddressInUse: the system does not let it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise AddressInUse(host=host, port=port, detail=error.strerror or error) from error


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False
