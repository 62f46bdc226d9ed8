"""`kb …`: knowledge bases created, listed, filled, renamed, rebuilt and deleted."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from cli import texts
from cli.kb_settings import kb_settings
from configs.environment import interface_language, load_settings
from core.messages import Message

if TYPE_CHECKING:
    from cli.render import Screen
    from core.documents import IngestReport
    from service.knowledge_qa import KnowledgeQA

LANGUAGE = interface_language()


def _help(message: Message) -> str:
    return message.text(LANGUAGE)


KbOption = Annotated[str | None, typer.Option("--kb", help=_help(texts.OPTION_KB))]
JsonOption = Annotated[bool, typer.Option("--json", help=_help(texts.OPTION_JSON))]
NameArgument = Annotated[str | None, typer.Argument(help=_help(texts.ARGUMENT_NAME))]

kb_app = typer.Typer(help=_help(texts.KB), no_args_is_help=True, rich_markup_mode=None)


@kb_app.command("create", help=_help(texts.KB_CREATE))
def kb_create(name: NameArgument = None, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Create a knowledge base."""
    name, screen = _named(name, kb), _screen()
    _open().create(name)
    if as_json:
        screen.json({"name": name})
    else:
        screen.say(texts.CREATED, name=name)


@kb_app.command("list", help=_help(texts.KB_LIST))
def kb_list(as_json: JsonOption = False) -> None:
    """List the knowledge bases."""
    from cli.contract import knowledge_bases_json

    infos, screen = _open().knowledge_bases(), _screen()
    if as_json:
        screen.json(knowledge_bases_json(infos))
    else:
        screen.knowledge_bases(infos)


@kb_app.command("add", help=_help(texts.KB_ADD))
def kb_add(
    names: Annotated[list[str], typer.Argument(metavar="[NAME] PATH...", help=_help(texts.ARGUMENT_PATHS))],
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add files and folders."""
    name, paths = _split_names(names, kb)
    _work(lambda qa, progress: qa.add(name, [Path(path) for path in paths], progress), as_json=as_json)


@kb_app.command("files", help=_help(texts.KB_FILES))
def kb_files(name: NameArgument = None, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """List the files of a knowledge base."""
    from cli.contract import files_json

    documents, screen = _open().files(_named(name, kb)), _screen()
    if as_json:
        screen.json(files_json(documents, LANGUAGE))
    else:
        screen.files(documents)


@kb_app.command("remove", help=_help(texts.KB_REMOVE))
def kb_remove(
    names: Annotated[list[str], typer.Argument(metavar="[NAME] FILE...", help=_help(texts.ARGUMENT_FILES))],
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove files."""
    name, files = _split_names(names, kb)
    knowledge_qa, screen = _open(), _screen()
    for file in files:
        knowledge_qa.remove(name, file)
        if not as_json:
            screen.say(texts.REMOVED, kb=name, name=file)
    if as_json:
        screen.json({"name": name, "removed": files})


@kb_app.command("rename", help=_help(texts.KB_RENAME))
def kb_rename(
    name: Annotated[str, typer.Argument(metavar="NAME", help=_help(texts.ARGUMENT_OLD_NAME))],
    new: Annotated[str, typer.Argument(metavar="NEW", help=_help(texts.ARGUMENT_NEW_NAME))],
    as_json: JsonOption = False,
) -> None:
    """Give a knowledge base another name."""
    screen = _screen()
    _open().rename(name, new)
    if as_json:
        screen.json({"name": new, "renamed_from": name})
    else:
        screen.say(texts.RENAMED, name=name, new=new)


@kb_app.command("delete", help=_help(texts.KB_DELETE))
def kb_delete(
    name: NameArgument = None,
    kb: KbOption = None,
    as_json: JsonOption = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help=_help(texts.OPTION_YES))] = False,
) -> None:
    """Delete a knowledge base; a person at a terminal is asked first."""
    name, screen = _named(name, kb), _screen()
    knowledge_qa = _open()
    knowledge_qa.files(name)  # says so now if there is no such knowledge base
    if not yes and not as_json and sys.stdin.isatty():
        typer.confirm(texts.CONFIRM_DELETE.text(LANGUAGE, name=name), abort=True)
    knowledge_qa.delete(name)
    if as_json:
        screen.json({"name": name, "deleted": True})
    else:
        screen.say(texts.DELETED, name=name)


@kb_app.command("rebuild", help=_help(texts.KB_REBUILD))
def kb_rebuild(name: NameArgument = None, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Build a knowledge base anew."""
    target = _named(name, kb)
    _work(lambda qa, progress: qa.rebuild(target, progress), as_json=as_json)


kb_app.command("settings", help=_help(texts.KB_SETTINGS))(kb_settings)


def _work(job: "Callable[[KnowledgeQA, Any], IngestReport]", *, as_json: bool) -> None:
    """Run an ingestion with a progress bar; exit with 1 where any file failed."""
    from cli.contract import report_json

    knowledge_qa, screen = _open(), _screen()
    with screen.progress() as progress:
        report = job(knowledge_qa, progress)
    if as_json:
        screen.json(report_json(report, LANGUAGE))
    else:
        screen.report(report)
    if report.failed:
        raise typer.Exit(1)


def _open() -> "KnowledgeQA":
    from service.factory import build_app

    return build_app(load_settings())


def _screen() -> "Screen":
    from cli.render import Screen

    return Screen(LANGUAGE)


def _named(name: str | None, kb: str | None) -> str:
    chosen = name if name is not None else kb
    if chosen is None:
        _usage_error(texts.MISSING_NAME)
    return chosen


def _split_names(names: list[str], kb: str | None) -> tuple[str, list[str]]:
    name, files = (kb, names) if kb is not None else (names[0], names[1:])
    if not files:
        _usage_error(texts.MISSING_FILES)
    return name, files


def _usage_error(message: Message) -> NoReturn:
    raise typer.BadParameter(message.text(LANGUAGE))
