"""`kb settings`: what a knowledge base has of its own, and what is in force for it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import texts
from configs.environment import interface_language, load_settings

if TYPE_CHECKING:
    from cli.render import Screen
    from service.knowledge.kb_settings import KnowledgeBaseSettings

LANGUAGE = interface_language()

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help=texts.ARGUMENT_OLD_NAME.text(LANGUAGE))]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="SETTING=VALUE", help=texts.OPTION_SET.text(LANGUAGE))
]
ResetOption = Annotated[
    list[str] | None, typer.Option("--reset", metavar="SETTING", help=texts.OPTION_RESET.text(LANGUAGE))
]
JsonOption = Annotated[bool, typer.Option("--json", help=texts.OPTION_JSON.text(LANGUAGE))]


def kb_settings(
    name: NameArgument, to_set: SetOption = None, reset: ResetOption = None, as_json: JsonOption = False
) -> None:
    """Save settings with a knowledge base, and show those in force."""
    from service.factory import build_app

    changes: dict[str, Any] = dict.fromkeys(reset or []) | dict(_assigned(text) for text in to_set or [])
    knowledge_qa, screen = build_app(load_settings()), _screen()
    if changes:
        knowledge_qa.kb_settings.save(name, **changes)
    rows = _rows(knowledge_qa.kb_settings, name)
    if as_json:
        screen.json({"name": name, "settings": rows})
        return
    screen.settings(rows)
    if changes:
        for notice in knowledge_qa.notices(name):
            screen.note(notice)


def _assigned(text: str) -> tuple[str, str]:
    setting, is_assigned, value = text.partition("=")
    if not is_assigned:
        raise typer.BadParameter(texts.NO_ASSIGNMENT.text(LANGUAGE, text=text))
    return setting.strip(), value


def _rows(settings: "KnowledgeBaseSettings", name: str) -> list[dict[str, Any]]:
    saved = settings.saved(name)
    return [
        {"name": one.name, "value": one.value, "source": one.source, "saved": getattr(saved, one.name)}
        for one in settings.in_force(name)
    ]


def _screen() -> "Screen":
    from cli.render import Screen

    return Screen(LANGUAGE)
