"""The command line: arguments in, the façade called, results rendered."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from cli import eval_texts, explain_texts, texts
from cli.evaluate import evaluate
from cli.explain import explain
from cli.models import models_app
from cli.modes import Mode
from cli.prompts import prompt_app
from cli.traces import trace_app
from configs.environment import interface_language, load_settings
from core.errors import KnowGLMError
from core.messages import Message

if TYPE_CHECKING:
    from cli.render import Screen
    from core.documents import IngestReport
    from service.knowledge_qa import KnowledgeQA

LANGUAGE = interface_language()
_SAMPLES = "samples"


def _help(message: Message) -> str:
    return message.text(LANGUAGE)


Question = Annotated[str, typer.Argument(help=_help(texts.ARGUMENT_QUESTION))]
KbOption = Annotated[str | None, typer.Option("--kb", help=_help(texts.OPTION_KB))]
JsonOption = Annotated[bool, typer.Option("--json", help=_help(texts.OPTION_JSON))]
TopKOption = Annotated[str | None, typer.Option("--top-k", help=_help(texts.OPTION_TOP_K))]
ThresholdOption = Annotated[str | None, typer.Option("--threshold", help=_help(texts.OPTION_THRESHOLD))]


ModeOption = Annotated[Mode, typer.Option("--mode", help=_help(texts.OPTION_MODE))]
NameArgument = Annotated[str | None, typer.Argument(help=_help(texts.ARGUMENT_NAME))]

app = typer.Typer(help=_help(texts.ABOUT), add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
kb_app = typer.Typer(help=_help(texts.KB), no_args_is_help=True, rich_markup_mode=None)
app.add_typer(kb_app, name="kb")
app.add_typer(models_app, name="models")
app.add_typer(trace_app, name="trace")
app.add_typer(prompt_app, name="prompt")


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
    context: typer.Context, kb: KbOption = None, top_k: TopKOption = None, threshold: ThresholdOption = None
) -> None:
    """Start an interactive conversation where no command is given."""
    if context.invoked_subcommand is None:
        from cli.chat import converse

        knowledge_qa = _open(top_k, threshold)
        name = _ready(knowledge_qa, kb)
        _load_model(knowledge_qa)
        converse(knowledge_qa, name, _screen())


@app.command(help=_help(texts.ASK))
def ask(
    question: Question,
    kb: KbOption = None,
    as_json: JsonOption = False,
    top_k: TopKOption = None,
    threshold: ThresholdOption = None,
    mode: ModeOption = Mode.KB,
) -> None:
    """Answer one question."""
    from cli.contract import answer_json
    from core.answers import AskOptions, Finished

    knowledge_qa, screen = _open(top_k, threshold), _screen()
    name = _ready(knowledge_qa, kb)
    if mode is Mode.KB and knowledge_qa.search(_asked(question), name).passages:  # a refusal needs no model
        _load_model(knowledge_qa)
    events = knowledge_qa.ask(_asked(question), name, options=AskOptions(mode=mode.value))
    if as_json:
        answer = next(event.answer for event in events if isinstance(event, Finished))
        screen.json(answer_json(answer, LANGUAGE))
        return
    for notice in knowledge_qa.notices(name):
        screen.note(notice)
    screen.stream(events)


@app.command(help=_help(texts.SEARCH))
def search(
    question: Question,
    kb: KbOption = None,
    as_json: JsonOption = False,
    top_k: TopKOption = None,
    threshold: ThresholdOption = None,
) -> None:
    """List every candidate."""
    from cli.contract import search_json

    knowledge_qa, screen = _open(top_k, threshold), _screen()
    retrieval = knowledge_qa.search(_asked(question), _ready(knowledge_qa, kb))
    if as_json:
        screen.json(search_json(retrieval))
    else:
        screen.candidates(retrieval)


app.command("explain", help=_help(explain_texts.EXPLAIN))(explain)
app.command("eval", help=_help(eval_texts.EVAL))(evaluate)


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


def _open(top_k: str | None = None, threshold: str | None = None) -> "KnowledgeQA":
    settings = load_settings({"top_k": top_k, "threshold": threshold})
    from service.factory import build_app

    return build_app(settings)


def _ready(knowledge_qa: "KnowledgeQA", kb: str | None) -> str:
    """Return the knowledge base to ask; the samples are brought up to date first."""
    if kb is not None and kb != _SAMPLES:
        return kb
    screen = _screen()
    with screen.progress() as progress:
        report = knowledge_qa.refresh_samples(progress)
    screen.failures(report)
    return _SAMPLES


def _load_model(knowledge_qa: "KnowledgeQA") -> None:
    """Load the language model, if there is one, where its progress can be seen."""
    with _screen().progress() as progress:
        knowledge_qa.load_model(progress)


def _screen() -> "Screen":
    from cli.render import Screen

    return Screen(LANGUAGE)


def _asked(question: str) -> str:
    if not question.strip():
        _usage_error(texts.EMPTY_QUESTION)
    return question.strip()


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


def _speak_utf8() -> None:
    """Let Chinese through on terminals and pipes whose locale would refuse it."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")
