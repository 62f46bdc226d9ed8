"""`prompt show`, `prompt set` and `prompt reset`: how the language model is asked about one knowledge base."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import texts
from configs.environment import interface_language, load_settings
from core.messages import Message

if TYPE_CHECKING:
    from cli.render import Screen
    from service.knowledge_qa import KnowledgeQA

LANGUAGE = interface_language()


def _help(message: Message) -> str:
    return message.text(LANGUAGE)


NameArgument = Annotated[str, typer.Argument(metavar="NAME", help=_help(texts.ARGUMENT_NAME))]
JsonOption = Annotated[bool, typer.Option("--json", help=_help(texts.OPTION_JSON))]

prompt_app = typer.Typer(help=_help(texts.PROMPTS), no_args_is_help=True, rich_markup_mode=None)


@prompt_app.command("show", help=_help(texts.PROMPT_SHOW))
def prompt_show(name: NameArgument, as_json: JsonOption = False) -> None:
    """Show the prompt in force."""
    prompt, screen = _open().prompt(name), _screen()
    if as_json:
        screen.json({"name": name, "template": prompt.template, "system": prompt.system})
        return
    screen.say(texts.PROMPT_SYSTEM, system=prompt.system or "–")
    screen.say(texts.PROMPT_TEMPLATE, template=prompt.template)


@prompt_app.command("set", help=_help(texts.PROMPT_SET))
def prompt_set(
    name: NameArgument,
    template: Annotated[
        Path | None, typer.Option("--template", exists=True, dir_okay=False, help=_help(texts.OPTION_TEMPLATE))
    ] = None,
    system: Annotated[str | None, typer.Option("--system", help=_help(texts.OPTION_SYSTEM))] = None,
) -> None:
    """Save a prompt with a knowledge base; what is not given stays as it is."""
    changes = {} if system is None else {"system_prompt": system}
    if template is not None:
        changes["prompt_template"] = template.read_text("utf-8-sig")
    if not changes:
        raise typer.BadParameter(texts.NO_PROMPT.text(LANGUAGE))
    _open().kb_settings.save(name, **changes)
    _screen().say(texts.PROMPT_SAVED, name=name)


@prompt_app.command("reset", help=_help(texts.PROMPT_RESET))
def prompt_reset(name: NameArgument) -> None:
    """Go back to the prompt of the settings."""
    _open().kb_settings.save(name, prompt_template=None, system_prompt=None)
    _screen().say(texts.PROMPT_SAVED, name=name)


def _open() -> "KnowledgeQA":
    from service.factory import build_app

    return build_app(load_settings())


def _screen() -> "Screen":
    from cli.render import Screen

    return Screen(LANGUAGE)
