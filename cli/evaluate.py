"""`eval`: a knowledge base measured on a list of questions, the list drafted, two reports compared."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from cli import eval_texts, texts
from configs.environment import interface_language, load_settings
from core.messages import Message

if TYPE_CHECKING:
    from cli.eval_tables import EvalScreen
    from cli.render import Screen
    from core.evaluation import Evaluation, LabelledQuestion
    from service.knowledge_qa import KnowledgeQA

LANGUAGE = interface_language()
_SAMPLES = "samples"


def _help(message: Message) -> str:
    return message.text(LANGUAGE)


def evaluate(  # noqa: PLR0913 - an option each
    name: Annotated[str | None, typer.Argument(help=_help(eval_texts.ARGUMENT_NAME))] = None,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help=_help(eval_texts.ARGUMENT_FILE))] = None,
    *,
    apply: Annotated[bool, typer.Option("--apply", help=_help(eval_texts.OPTION_APPLY))] = False,
    keep: Annotated[bool, typer.Option("--keep", help=_help(eval_texts.OPTION_KEEP))] = False,
    compared: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--compare", metavar="A.json B.json", help=_help(eval_texts.OPTION_COMPARE)),
    ] = None,
    fail_under: Annotated[
        list[str] | None, typer.Option("--fail-under", metavar="FIGURE=SHARE", help=_help(eval_texts.OPTION_FAIL_UNDER))
    ] = None,
    draft: Annotated[int | None, typer.Option("--draft", min=1, help=_help(eval_texts.OPTION_DRAFT))] = None,
    out: Annotated[Path | None, typer.Option("--out", help=_help(eval_texts.OPTION_OUT))] = None,
    as_json: Annotated[bool, typer.Option("--json", help=_help(texts.OPTION_JSON))] = False,
) -> None:
    """Measure, draft, or compare; exit with 1 where a floor is not reached or a report is worse."""
    from service.evaluating.evaluation import read_gates

    gates = fail_under or []
    read_gates(gates)  # says so now if one is wrong
    if compared is not None:
        _compare(compared, gates, out, as_json=as_json)
        return
    if name is None:
        _usage_error(eval_texts.MISSING_NAME)
    if keep and file is None:
        _usage_error(eval_texts.KEEP_NEEDS_FILE)
    knowledge_qa = _open(name)
    if draft is not None:
        _draft(knowledge_qa, name, draft, out, as_json=as_json)
        return
    questions = _questions(knowledge_qa, name, file, keep=keep)
    with _screen().progress() as progress:
        evaluation = knowledge_qa.evaluate(name, questions, progress)
    _show(evaluation, out, as_json=as_json)
    if apply:
        _apply(knowledge_qa, name, evaluation, as_json=as_json)
    elif evaluation.suggestion.settings and not as_json:
        _screen().note(eval_texts.HOW_TO_APPLY)
    _exit_under(evaluation, gates)


def _questions(knowledge_qa: "KnowledgeQA", name: str, file: Path | None, *, keep: bool) -> "list[LabelledQuestion]":
    """Return the file's questions, or the knowledge base's own."""
    if file is None:
        return knowledge_qa.questions(name)
    from service.evaluating.question_lists import read_questions

    questions = read_questions(file)
    if keep:
        count = knowledge_qa.add_questions(name, questions, "user")
        _screen().note(eval_texts.KEPT.filled(count=count))
    return questions


def _draft(knowledge_qa: "KnowledgeQA", name: str, count: int, out: Path | None, *, as_json: bool) -> None:
    """Draft questions into a file, or else into the knowledge base's own list."""
    from cli.eval_tables import questions_json
    from service.evaluating.question_lists import write_questions

    questions = knowledge_qa.draft_questions(name, count)
    if as_json:
        _screen().json(questions_json(questions))
    else:
        _eval_screen().drafts(questions)
    if out is not None:
        _write(out, lambda: write_questions(out, questions))
    elif questions:
        _screen().note(eval_texts.KEPT.filled(count=knowledge_qa.add_questions(name, questions, "draft")))


def _show(evaluation: "Evaluation", out: Path | None, *, as_json: bool) -> None:
    from service.evaluating.evaluation import report_json

    if as_json:
        _screen().json(report_json(evaluation))
    else:
        _eval_screen().evaluation(evaluation)
    if out is not None:
        _write(out, lambda: _write_json(out, report_json(evaluation)))


def _apply(knowledge_qa: "KnowledgeQA", name: str, evaluation: "Evaluation", *, as_json: bool) -> None:
    settings = evaluation.suggestion.settings
    if not settings:
        _screen().note(eval_texts.NOTHING_TO_APPLY)
        return
    knowledge_qa.kb_settings.apply(name, evaluation.suggestion)
    if not as_json:
        entries = ", ".join(f"{one.setting}={one.value:g}" for one in settings)
        _screen().say(eval_texts.APPLIED, kb=name, entries=entries)


def _compare(paths: tuple[Path, Path], gates: Sequence[str], out: Path | None, *, as_json: bool) -> None:
    from cli.eval_tables import comparison_json
    from service.evaluating.evaluation import compare, read_report

    before, after = (read_report(path) for path in paths)
    comparison = compare(before, after)
    if as_json:
        _screen().json(comparison_json(comparison))
    else:
        _eval_screen().comparison(comparison)
    if out is not None:
        _write(out, lambda: _write_json(out, comparison_json(comparison)))
    _exit_under(after, gates)
    if comparison.worse:
        raise typer.Exit(1)


def _exit_under(evaluation: "Evaluation", gates: Sequence[str]) -> None:
    from service.evaluating.evaluation import failed_gates

    failed = failed_gates(evaluation, gates)
    if failed:
        _eval_screen().failed(failed)
        raise typer.Exit(1)


def _write(path: Path, write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as error:
        _usage_error(eval_texts.UNWRITABLE.filled(path=path, detail=error.strerror or error))
    _screen().note(eval_texts.WRITTEN.filled(path=path))


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _open(name: str) -> "KnowledgeQA":
    settings = load_settings()
    from service.factory import build_app

    knowledge_qa = build_app(settings)
    if name == _SAMPLES:
        with _screen().progress() as progress:
            knowledge_qa.refresh_samples(progress)
    return knowledge_qa


def _screen() -> "Screen":
    from cli.render import Screen

    return Screen(LANGUAGE)


def _eval_screen() -> "EvalScreen":
    from cli.eval_tables import EvalScreen

    return EvalScreen(LANGUAGE)


def _usage_error(message: Message) -> NoReturn:
    raise typer.BadParameter(message.text(LANGUAGE))
