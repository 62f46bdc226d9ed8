"""`users add`, `users list`, `users remove`, `users password` and `users role`: who may log in to the web page."""

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli import texts, user_texts
from configs.environment import interface_language, load_settings
from core.account_errors import AccountNotFound
from core.accounts import ROLES, Role, User
from core.messages import Message

if TYPE_CHECKING:
    from cli.user_tables import UserScreen
    from service.people.accounts import Accounts

LANGUAGE = interface_language()


def _help(message: Message) -> str:
    return message.text(LANGUAGE)


NameArgument = Annotated[str, typer.Argument(metavar="NAME", help=_help(user_texts.ARGUMENT_NAME))]
RoleOption = Annotated[Role | None, typer.Option("--role", help=_help(user_texts.OPTION_ROLE))]
KbRolesOption = Annotated[
    list[str] | None, typer.Option("--kb", metavar="NAME=ROLE", help=_help(user_texts.OPTION_KB_ROLE))
]
JsonOption = Annotated[bool, typer.Option("--json", help=_help(texts.OPTION_JSON))]
RoleArgument = Annotated[
    Literal["reader", "editor", "admin", "none"],
    typer.Argument(metavar="ROLE", help=_help(user_texts.ARGUMENT_ROLE)),
]

users_app = typer.Typer(help=_help(user_texts.USERS), no_args_is_help=True, rich_markup_mode=None)


@users_app.command("add", help=_help(user_texts.ADD))
def users_add(
    name: NameArgument, role: RoleOption = None, kbs: KbRolesOption = None, as_json: JsonOption = False
) -> None:
    """Add an account."""
    roles = dict(_kb_role(text) for text in kbs or [])
    _require_kbs(*roles)
    user = _accounts().add(name, _new_password(name), role, roles)
    _tell(user, user_texts.ADDED, as_json=as_json)


@users_app.command("list", help=_help(user_texts.LIST))
def users_list(as_json: JsonOption = False) -> None:
    """List the accounts."""
    from cli.user_tables import user_json

    accounts, screen = _accounts(), _screen()
    users = accounts.users()
    for notice in accounts.notices():
        screen.note(notice)
    if as_json:
        screen.json({"login": accounts.login_on, "users": [user_json(user) for user in users]})
    elif users:
        screen.users(users)
    else:
        screen.say(user_texts.NOBODY_LEFT if accounts.login_on else user_texts.NO_LOGIN)


@users_app.command("remove", help=_help(user_texts.REMOVE))
def users_remove(
    name: NameArgument,
    as_json: JsonOption = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help=_help(texts.OPTION_YES))] = False,
) -> None:
    """Remove an account; a person at a terminal is asked first."""
    accounts, screen = _accounts(), _screen()
    user = _existing(accounts, name)
    if not yes and not as_json and sys.stdin.isatty():
        typer.confirm(user_texts.CONFIRM_REMOVE.text(LANGUAGE, name=user.name), abort=True)
    accounts.remove(user.name)
    if as_json:
        screen.json({"name": user.name, "removed": True})
        return
    screen.say(user_texts.REMOVED, name=user.name)
    if not accounts.users():
        screen.note(user_texts.NOBODY_LEFT)


@users_app.command("password", help=_help(user_texts.PASSWORD))
def users_password(name: NameArgument, as_json: JsonOption = False) -> None:
    """Change a password."""
    accounts = _accounts()
    user = _existing(accounts, name)
    accounts.set_password(user.name, _new_password(user.name))
    _tell(user, user_texts.PASSWORD_CHANGED, as_json=as_json)


@users_app.command("role", help=_help(user_texts.ROLE))
def users_role(
    name: NameArgument,
    role: RoleArgument,
    kb: Annotated[str | None, typer.Option("--kb", help=_help(user_texts.OPTION_KB))] = None,
    as_json: JsonOption = False,
) -> None:
    """Give or take a role."""
    accounts = _accounts()
    if kb is not None and role != "none":
        _require_kbs(kb)
    accounts.set_role(name, None if role == "none" else role, kb)
    _tell(_existing(accounts, name), user_texts.ROLE_CHANGED, as_json=as_json)


def _kb_role(text: str) -> tuple[str, Role]:
    kb, _, role = text.rpartition("=")
    if not kb or role not in ROLES:
        raise typer.BadParameter(user_texts.NO_KB_ROLE.text(LANGUAGE, text=text))
    return kb, role


def _require_kbs(*names: str) -> None:
    """Refuse a role for what does not exist: it would count for whatever gets that name one day."""
    if names:
        from service.factory import build_app

        knowledge_qa = build_app(load_settings())
        for name in names:
            knowledge_qa.files(name)


def _existing(accounts: "Accounts", name: str) -> User:
    user = accounts.get(name)
    if user is None:
        raise AccountNotFound(name=name)
    return user


def _new_password(name: str) -> str:
    """Return what is typed twice at a terminal, or else the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    from getpass import getpass

    password = getpass(user_texts.ASK_PASSWORD.text(LANGUAGE, name=name))
    if password != getpass(user_texts.ASK_AGAIN.text(LANGUAGE)):
        raise typer.BadParameter(user_texts.NOT_THE_SAME.text(LANGUAGE))
    return password


def _tell(user: User, message: Message, *, as_json: bool) -> None:
    from cli.user_tables import user_json

    screen = _screen()
    if as_json:
        screen.json(user_json(user))
    else:
        screen.say(message, name=user.name, access=screen.access(user))


def _accounts() -> "Accounts":
    from service.people.accounts import USERS_FILE, Accounts

    return Accounts(load_settings().data_dir / USERS_FILE)


def _screen() -> "UserScreen":
    from cli.user_tables import UserScreen

    return UserScreen(LANGUAGE)
