"""`webui.py`: arguments in, the application built, the server run."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from configs.environment import interface_language, load_settings
from core.errors import KnowGLMError
from core.messages import Message
from ui.texts import start as texts

if TYPE_CHECKING:
    import socket

    from service.knowledge_qa import KnowledgeQA
    from ui.login import Login

LANGUAGE = interface_language()


def _help(message: Message) -> str:
    return message.text(LANGUAGE)


HostOption = Annotated[str, typer.Option("--host", help=_help(texts.OPTION_HOST))]
PortOption = Annotated[int, typer.Option("--port", min=0, max=65535, help=_help(texts.OPTION_PORT))]
AuthOption = Annotated[list[str] | None, typer.Option("--auth", metavar="USER:PASSWORD", help=_help(texts.OPTION_AUTH))]
UsersOption = Annotated[Path | None, typer.Option("--users", help=_help(texts.OPTION_USERS))]
PublicNameOption = Annotated[
    list[str] | None, typer.Option("--public-name", metavar="NAME", help=_help(texts.OPTION_PUBLIC_NAME))
]
WithoutLoginOption = Annotated[bool, typer.Option("--without-login", help=_help(texts.OPTION_WITHOUT_LOGIN))]

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def main() -> None:
    """Run the web page; what the product raises on purpose ends here, with its advice and its exit code."""
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, _end)
    try:
        app()
    except KnowGLMError as error:
        typer.echo(error.text(LANGUAGE), err=True)
        sys.exit(error.exit_code)


def _end(*_: object) -> None:
    """End as one who was asked to; uvicorn passes the signal on once it has closed its connections."""
    sys.exit(0)


@app.command(help=_help(texts.ABOUT))
def serve(
    host: HostOption = "127.0.0.1",
    port: PortOption = 7860,
    auth: AuthOption = None,
    users: UsersOption = None,
    public_name: PublicNameOption = None,
    without_login: WithoutLoginOption = False,
) -> None:
    """Listen first, so that a port in use is said before anything is loaded."""
    settings = load_settings()
    from service.factory import build_app
    from ui.doors import build_login, hosts_of, is_loopback, listen, require_names
    from ui.server import build_server
    from ui.serving import serve_until_ended

    names = public_name or []
    require_names(names)
    offered_as = host if not is_loopback(host) else ", ".join(names)
    login = build_login(
        settings.data_dir, auth=auth or [], users=users, offered_as=offered_as, without_login=without_login
    )
    hosts = hosts_of(host, names, login_on=login is not None)
    with listen(host, port) as listener:
        qa = build_app(settings)
        try:
            _prepare(qa)
            _warn(qa, login, offered_as, is_direct=not is_loopback(host))
            server = build_server(qa, login=login, hosts=hosts)
            _announce(listener)
            serve_until_ended(server, listener, is_proxied=bool(names))
        finally:
            qa.close()


def _warn(qa: "KnowledgeQA", login: "Login | None", offered_as: str, *, is_direct: bool) -> None:
    """Say what is worth knowing of who may come in."""
    from service.people.accounts import USERS_FILE

    notices = []
    if login is None and offered_as:
        notices.append(texts.NO_LOGIN_WARNING.filled(host=offered_as))
    elif login is None and qa.accounts.login_on:
        notices.append(texts.LOGIN_OFF.filled(path=qa.settings.data_dir / USERS_FILE))
    elif login is not None:
        notices += [*login.accounts.notices(), *([texts.NOT_ENCRYPTED] if is_direct else [])]
    for notice in notices:
        typer.secho(notice.text(LANGUAGE), err=True, fg="yellow")


def _prepare(qa: "KnowledgeQA") -> None:
    """Bring the samples up to date; take up what was left undone, and load models, in the background."""
    import threading

    from service.knowledge.library import SAMPLES

    typer.echo(texts.READING_SAMPLES.text(LANGUAGE))
    for report in qa.refresh_samples().failed:
        typer.echo(f"{report.name}: {report.reason.text(LANGUAGE) if report.reason else ''}", err=True)
    qa.intake.resume()

    def warm_up() -> None:
        try:
            qa.search(texts.ABOUT.zh, SAMPLES)
            qa.load_model()
        except KnowGLMError as error:
            typer.echo(texts.WARM_UP_FAILED.text(LANGUAGE, reason=error.text(LANGUAGE)), err=True)

    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()


def _announce(listener: "socket.socket") -> None:
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - it is shown, not bound
    typer.echo(texts.OPEN_AT.text(LANGUAGE, url=f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"))
