"""The command line: arguments in, the façade called, results rendered."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from cli import eval_texts, explain_texts, texts
from cli.evaluate import evaluate
from cli.explain import explain
from cli.knowledge_bases import kb_app
from cli.models import models_app
from cli.modes import Mode
from cli.prompts import prompt_app
from cli.traces import trace_app
from cli.users import users_app
from configs.environment import interface_language, load_settings
from core.errors import KnowGLMError
from core.messages import Message

if TYPE_CHECKING:
    from cli.render import Screen
    from service.knowledge_qa import KnowledgeQA

LANGUAGE = interface_language()
_SAMPLES = "samples"


def _help(message: Message) -> str:
    return message.text(LANGUAGE)


Question = Annotated[str, typer.Argument(help=_help(texts.ARGUMENT_QUESTION))]
KbsOption = Annotated[list[str] | None, typer.Option("--kb", help=_help(texts.OPTION_KBS))]
JsonOption = Annotated[bool, typer.Option("--json", help=_help(texts.OPTION_JSON))]
TopKOption = Annotated[str | None, typer.Option("--top-k", help=_help(texts.OPTION_TOP_K))]
ThresholdOption = Annotated[str | None, typer.Option("--threshold", help=_help(texts.OPTION_THRESHOLD))]


ModeOption = Annotated[Mode, typer.Option("--mode", help=_help(texts.OPTION_MODE))]

app = typer.Typer(help=_help(texts.ABOUT), add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
app.add_typer(kb_app, name="kb")
app.add_typer(models_app, name="models")
app.add_typer(trace_app, name="trace")
app.add_typer(prompt_app, name="prompt")
app.add_typer(users_app, name="users")


def main() -> None:
    """Run the command line; what the product raises on purpose ends here, with its advice and its exit code."""
    _speak_utf8()
    try:
        app()
    except KnowGLMError as error:
        screen = _screen()
        if "--json" in sys.argv:
            from cli.contract import error_json

            screen.json(error_json(error, LANGUAGE))
        else:
            screen.error(error)
        sys.exit(error.exit_code)


@app.callback(invoke_without_command=True)
def chat(
    context: typer.Context, kb: KbsOption = None, top_k: TopKOption = None, threshold: ThresholdOption = None
) -> None:
    """Start an interactive conversation where no command is given."""
    if context.invoked_subcommand is None:
        from cli.chat import converse

        knowledge_qa = _open(top_k, threshold)
        names = _ready(knowledge_qa, kb)
        _load_model(knowledge_qa)
        converse(knowledge_qa, names, _screen(names))


@app.command(help=_help(texts.ASK))
def ask(
    question: Question,
    kb: KbsOption = None,
    as_json: JsonOption = False,
    top_k: TopKOption = None,
    threshold: ThresholdOption = None,
    mode: ModeOption = Mode.KB,
) -> None:
    """Answer one question."""
    from cli.contract import answer_json
    from core.answers import AskOptions, Finished

    knowledge_qa = _open(top_k, threshold)
    names = _ready(knowledge_qa, kb)
    screen = _screen(names)
    if mode is Mode.KB and knowledge_qa.search(_asked(question), names).passages:  # a refusal needs no model
        _load_model(knowledge_qa)
    events = knowledge_qa.ask(_asked(question), names, options=AskOptions(mode=mode.value))
    if as_json:
        answer = next(event.answer for event in events if isinstance(event, Finished))
        screen.json(answer_json(answer, LANGUAGE))
        return
    for notice in knowledge_qa.notices(names):
        screen.note(notice)
    screen.stream(events)


@app.command(help=_help(texts.SEARCH))
def search(
    question: Question,
    kb: KbsOption = None,
    as_json: JsonOption = False,
    top_k: TopKOption = None,
    threshold: ThresholdOption = None,
) -> None:
    """List every candidate."""
    from cli.contract import search_json

    knowledge_qa = _open(top_k, threshold)
    names = _ready(knowledge_qa, kb)
    retrieval = knowledge_qa.search(_asked(question), names)
    if as_json:
        _screen().json(search_json(retrieval))
    else:
        _screen(names).candidates(retrieval)


app.command("explain", help=_help(explain_texts.EXPLAIN))(explain)
app.command("eval", help=_help(eval_texts.EVAL))(evaluate)


def _open(top_k: str | None = None, threshold: str | None = None) -> "KnowledgeQA":
    settings = load_settings({"top_k": top_k, "threshold": threshold})
    from service.factory import build_app

    return build_app(settings)


def _ready(knowledge_qa: "KnowledgeQA", kbs: list[str] | None) -> list[str]:
    """Return the knowledge bases to ask; the samples are brought up to date first where they are among them."""
    names = kbs or [_SAMPLES]
    if _SAMPLES in names:
        screen = _screen()
        with screen.progress() as progress:
            report = knowledge_qa.refresh_samples(progress)
        screen.failures(report)
    return names


def _load_model(knowledge_qa: "KnowledgeQA") -> None:
    """Load the language model, if there is one, where its progress can be seen."""
    with _screen().progress() as progress:
        knowledge_qa.load_model(progress)


def _screen(kbs: Sequence[str] = ()) -> "Screen":
    from cli.render import Screen

    return Screen(LANGUAGE, names_kb=len(kbs) > 1)


def _asked(question: str) -> str:
    if not question.strip():
        _usage_error(texts.EMPTY_QUESTION)
    return question.strip()


def _usage_error(message: Message) -> NoReturn:
    raise typer.BadParameter(message.text(LANGUAGE))


def _speak_utf8() -> None:
    """Let Chinese through on terminals and pipes whose locale would refuse it."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")
