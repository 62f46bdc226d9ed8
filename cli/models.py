"""`models list`, `models download` and `models doctor`."""

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

from cli import model_texts, texts
from configs.environment import interface_language, load_settings
from core.messages import Message

if TYPE_CHECKING:
    from cli.model_tables import ModelScreen
    from cli.render import Screen

LANGUAGE = interface_language()
_INTERRUPTED = 130  # what shells return for a program that Ctrl-C ended


def _help(message: Message) -> str:
    return message.text(LANGUAGE)


JsonOption = Annotated[bool, typer.Option("--json", help=_help(texts.OPTION_JSON))]

models_app = typer.Typer(help=_help(model_texts.MODELS), no_args_is_help=True, rich_markup_mode=None)


@models_app.command("list", help=_help(model_texts.LIST))
def models_list(as_json: JsonOption = False) -> None:
    """List the models."""
    from cli.model_tables import inventory_json
    from service.models.inventory import take_inventory

    settings = load_settings()
    inventory = take_inventory(settings)
    if as_json:
        _screen().json(inventory_json(inventory, LANGUAGE))
    else:
        _model_screen().inventory(inventory)
        _screen().say(model_texts.FOLDER, folder=settings.model_dir)


@models_app.command("download", help=_help(model_texts.DOWNLOAD))
def models_download(
    name: Annotated[str, typer.Argument(metavar="NAME", help=_help(model_texts.ARGUMENT_MODEL))],
    as_json: JsonOption = False,
) -> None:
    """Download one model; Ctrl-C leaves what has come."""
    from service.models.inventory import download_model, downloadable

    settings, screen, kinds = load_settings(), _screen(), downloadable()
    if name not in kinds:
        raise typer.BadParameter(_unknown(name, list(kinds)))
    try:
        with _model_screen().download() as progress:
            report = download_model(name, settings, progress)
    except KeyboardInterrupt:
        screen.note(model_texts.STOPPED)
        raise typer.Exit(_INTERRUPTED) from None
    if as_json:
        sizes = {"total_bytes": report.total_bytes, "fetched_bytes": report.fetched_bytes}
        screen.json({"name": name, "folder": str(report.folder), "files": list(report.files), **sizes})
        return
    counts = {"files": len(report.files), "gb": report.total_bytes / 1e9, "fetched_gb": report.fetched_bytes / 1e9}
    screen.say(model_texts.DOWNLOADED, name=name, folder=report.folder, **counts)
    screen.say(model_texts.NEXT[kinds[name]], name=name)


@models_app.command("doctor", help=_help(model_texts.DOCTOR))
def models_doctor(
    as_json: JsonOption = False,
    online: Annotated[bool, typer.Option("--online", help=_help(model_texts.OPTION_ONLINE))] = False,
) -> None:
    """Examine everything; exit with 1 where there is a problem."""
    from cli.model_tables import checks_json
    from service.models.doctor import diagnose

    checks = diagnose(load_settings(), online=online)
    if as_json:
        _screen().json(checks_json(checks, LANGUAGE))
    else:
        _model_screen().checks(checks)
    if any(check.level == "problem" for check in checks):
        raise typer.Exit(1)


def _unknown(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.4)
    hint = model_texts.DID_YOU_MEAN.text(LANGUAGE, name=close[0]) if close else ""
    hint = hint or model_texts.SEE_LIST.text(LANGUAGE, names=", ".join(known))
    return model_texts.UNKNOWN.text(LANGUAGE, name=name, hint=hint)


def _screen() -> "Screen":
    from cli.render import Screen

    return Screen(LANGUAGE)


def _model_screen() -> "ModelScreen":
    from cli.model_tables import ModelScreen

    return ModelScreen(LANGUAGE)
