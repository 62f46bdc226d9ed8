"""`explain`: why was it not found?"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import explain_texts, texts
from configs.environment import interface_language, load_settings
from core.messages import Language, Message

if TYPE_CHECKING:
    from core.explanations import Explanation
    from service.knowledge_qa import KnowledgeQA

LANGUAGE = interface_language()
_COLORS = {"passed": "green", "missed": "yellow", "lost": "red"}


def _help(message: Message) -> str:
    return message.text(LANGUAGE)


def explain(
    name: Annotated[str, typer.Argument(metavar="NAME", help=_help(explain_texts.ARGUMENT_NAME))],
    question: Annotated[str, typer.Argument(help=_help(texts.ARGUMENT_QUESTION))],
    expect: Annotated[str, typer.Option("--expect", help=_help(explain_texts.OPTION_EXPECT))],
    as_json: Annotated[bool, typer.Option("--json", help=_help(texts.OPTION_JSON))] = False,
) -> None:
    """Show each stage that an expected passage went through; exit with 1 where it was lost."""
    from cli.render import Screen

    for text, message in ((question, texts.EMPTY_QUESTION), (expect, explain_texts.NOTHING_EXPECTED)):
        if not text.strip("\"'“”‘’「」『』 \t\r\n　"):
            raise typer.BadParameter(message.text(LANGUAGE))
    explanation = _open(name).explain(question.strip(), name, expect)
    if as_json:
        Screen(LANGUAGE).json(explanation_json(explanation, LANGUAGE))
    else:
        show(explanation, LANGUAGE)
    if not explanation.found:
        raise typer.Exit(1)


def show(explanation: "Explanation", language: Language) -> None:
    """Print the stages as a checklist, what became of the passage, and what would change that."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out = Console(highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for step in explanation.steps:
        mark = Text(explain_texts.MARKS[step.outcome], style=_COLORS[step.outcome])
        table.add_row(mark, explain_texts.STAGES[step.stage].text(language), Text(step.seen.text(language)))
    out.print(table)
    lost = explanation.lost
    if lost is None:
        out.print(Text(explain_texts.FOUND.text(language), style="bold green"))
        return
    stage = explain_texts.STAGES[lost.stage].text(language)
    out.print(Text(explain_texts.LOST.text(language, stage=stage), style="bold red"))
    if lost.advice:
        out.print(Text(f"→ {lost.advice.text(language)}"), soft_wrap=True)
    if explanation.changes:
        out.print(Text(f"  {_variables(explanation)}", style="cyan"), soft_wrap=True)


def explanation_json(explanation: "Explanation", language: Language) -> dict[str, Any]:
    """Return an explanation; programs rely on its names."""
    lost, hit, chunk, expected = explanation.lost, explanation.hit, explanation.chunk, explanation.expected
    return {
        "question": explanation.question,
        "expected": {"file": expected.file or None, "page": expected.page, "text": expected.text or None},
        "found": explanation.found,
        "lost_at": lost.stage if lost else None,
        "steps": [
            {"stage": step.stage, "outcome": step.outcome, "seen": step.seen.text(language)}
            for step in explanation.steps
        ],
        "next_step": lost.advice.text(language) if lost and lost.advice else None,
        "changes": dict(explanation.changes),
        "rank": hit.rank if hit else None,
        "relevance": round(hit.relevance, 4) if hit else None,
        "passage": explanation.passage,
        "chunk": {"id": chunk.id, "source": chunk.source, "start": chunk.start, "end": chunk.end} if chunk else None,
    }


def _variables(explanation: "Explanation") -> str:
    """Return the changes as they are set for one run."""
    return " ".join(f"KNOWGLM_{name.upper()}={value:g}" for name, value in explanation.changes.items())


def _open(name: str) -> "KnowledgeQA":
    """Return the application; the samples are brought up to date first."""
    from cli.render import Screen
    from service.factory import build_app
    from service.knowledge.library import SAMPLES

    knowledge_qa, screen = build_app(load_settings()), Screen(LANGUAGE)
    if name == SAMPLES:
        with screen.progress() as progress:
            screen.failures(knowledge_qa.refresh_samples(progress))
    return knowledge_qa
