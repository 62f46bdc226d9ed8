"""`trace list`, `trace show`, `trace replay` and `trace clear`."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli import texts, trace_texts
from configs.environment import interface_language, load_settings
from core.messages import Message

if TYPE_CHECKING:
    from cli.trace_tables import TraceScreen
    from service.knowledge_qa import KnowledgeQA

LANGUAGE = interface_language()
_LAST = "last"


def _help(message: Message) -> str:
    return message.text(LANGUAGE)


IdArgument = Annotated[str, typer.Argument(metavar="ID", show_default=False, help=_help(trace_texts.ARGUMENT_ID))]
JsonOption = Annotated[bool, typer.Option("--json", help=_help(texts.OPTION_JSON))]

trace_app = typer.Typer(help=_help(trace_texts.TRACE), no_args_is_help=True, rich_markup_mode=None)


@trace_app.command("list", help=_help(trace_texts.LIST))
def trace_list(
    limit: Annotated[int, typer.Option("--limit", min=1, help=_help(trace_texts.OPTION_LIMIT))] = 20,
    as_json: JsonOption = False,
) -> None:
    """List the newest traces."""
    from cli.trace_tables import traces_json

    summaries, screen = _open().traces(limit), _screen()
    if as_json:
        screen.json(traces_json(summaries))
    elif summaries:
        screen.traces(summaries)
    else:
        screen.say(trace_texts.NOTHING)


@trace_app.command("show", help=_help(trace_texts.SHOW))
def trace_show(trace_id: IdArgument = _LAST, as_json: JsonOption = False) -> None:
    """Show one answer, stage by stage."""
    from service.answers.trace_json import trace_json

    knowledge_qa, screen = _open(), _screen()
    trace = knowledge_qa.trace(_chosen(trace_id, knowledge_qa))
    if as_json:
        screen.json(trace_json(trace))
    else:
        screen.trace(trace)


@trace_app.command("replay", help=_help(trace_texts.REPLAY))
def trace_replay(trace_id: IdArgument = _LAST, as_json: JsonOption = False) -> None:
    """Retrieve again and compare."""
    from cli.trace_tables import replay_json

    knowledge_qa, screen = _open(), _screen()
    report = knowledge_qa.replay(_chosen(trace_id, knowledge_qa))
    if as_json:
        screen.json(replay_json(report))
    else:
        screen.replay(report)


@trace_app.command("clear", help=_help(trace_texts.CLEAR))
def trace_clear(as_json: JsonOption = False) -> None:
    """Delete every trace."""
    _open().clear_traces()
    screen = _screen()
    if as_json:
        screen.json({"cleared": True})
    else:
        screen.say(trace_texts.CLEARED)


def _chosen(trace_id: str, knowledge_qa: "KnowledgeQA") -> str:
    """Return the id of the newest trace for "last", if there is any."""
    newest = knowledge_qa.traces(1) if trace_id == _LAST else []
    return newest[0].id if newest else trace_id


def _open() -> "KnowledgeQA":
    from service.factory import build_app

    return build_app(load_settings())


def _screen() -> "TraceScreen":
    from cli.trace_tables import TraceScreen

    return TraceScreen(LANGUAGE)
