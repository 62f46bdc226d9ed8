"""Follow-up questions: how often is the right passage found without and with rewriting, through the product's search.

    python bench/follow_ups.py                  the 60 dialogues of follow_ups.json, over its documents and the samples
    python bench/follow_ups.py --json OUT.json

What people would ask instead, written by hand, is the upper limit. The rules were tuned on the even dialogues (counted
from 0); the odd ones, by the same author, were only measured. Questions that stand alone must be left alone whatever
was asked before them: those of the samples and, where the data lie in ../shared/bench, those of public sets, each after
another of its set.
"""

import argparse
import csv
import json
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from bench.datasets import STANDARD_SETS
from bench.metrics import percentile
from chains.follow_ups.condense import condense
from configs.environment import load_settings
from configs.model_config import PROJECT_DIR
from core.answers import Hit, Turn
from core.evaluation import Expected
from service.factory import build_app
from service.knowledge_qa import KnowledgeQA

DIALOGUES = Path(__file__).with_name("follow_ups.json")
SAMPLES = PROJECT_DIR / "knowledge_base" / "samples"
_DEFAULT_DATA = PROJECT_DIR.parent / "shared" / "bench"
_KB = "bench"
_PUBLIC = ("cmrc2018", "xquad_en")
_REACHED = 0.85  # of what the questions written by hand reach, at least, after rewriting

Figures = dict[str, float | int]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation and the follow-up question that ends it.

    Attributes:
        standalone: what a person would ask instead, who knew nothing of the conversation.
        expected: any one of them is right.
    """

    history: tuple[Turn, ...]
    follow_up: str
    standalone: str
    expected: tuple[Expected, ...]


@dataclass(frozen=True, slots=True)
class FollowUps:
    """Dialogues, and the documents by name that they are about."""

    documents: Mapping[str, str]
    dialogues: tuple[Dialogue, ...]


def read_follow_ups(path: Path) -> FollowUps:
    """Read documents and dialogues from JSON; `follow_ups.json` shows the layout."""
    content = json.loads(path.read_text("utf-8"))
    dialogues = (
        Dialogue(
            tuple(Turn(*turn) for turn in item["history"]),
            item["follow_up"],
            item["standalone"],
            tuple(Expected(**one) for one in item["expected"]),
        )
        for item in content["dialogues"]
    )
    return FollowUps(content["documents"], tuple(dialogues))


def measure(follow_ups: FollowUps, samples: Path | None = None) -> dict[str, Figures]:
    """Ingest the documents, and the folder `samples` if given, and search for every dialogue in three ways."""
    with tempfile.TemporaryDirectory() as folder:
        originals = Path(folder) / "originals"
        originals.mkdir()
        for name, text in follow_ups.documents.items():
            (originals / name).write_text(text, encoding="utf-8")
        app = build_app(load_settings({"data_dir": Path(folder) / "data", "embedding": "lexical"}))
        try:
            app.create(_KB)
            app.add(_KB, [originals, *([samples] if samples else [])])
            dialogues = follow_ups.dialogues
            figures = {"all": _found(app, dialogues)}
            if len(dialogues) > 1:
                figures |= {"even (tuned)": _found(app, dialogues[::2]), "odd (measured)": _found(app, dialogues[1::2])}
            return figures
        finally:
            app.close()


def _found(app: KnowledgeQA, dialogues: Sequence[Dialogue]) -> Figures:
    ways = {
        "as asked": [dialogue.follow_up for dialogue in dialogues],
        "rewritten": [condense(dialogue.follow_up, dialogue.history) for dialogue in dialogues],
        "by hand": [dialogue.standalone for dialogue in dialogues],
    }
    figures: Figures = {"dialogues": len(dialogues)}
    for way, questions in ways.items():
        ranks = [_rank(app, *pair) for pair in zip(questions, dialogues, strict=True)]
        figures[f"{way}: hit"] = sum(rank is not None for rank in ranks) / len(ranks)
        figures[f"{way}: first"] = sum(rank == 1 for rank in ranks) / len(ranks)
    figures["hits reached"] = figures["rewritten: hit"] / max(figures["by hand: hit"], 1e-9)
    return figures


def _rank(app: KnowledgeQA, question: str, dialogue: Dialogue) -> int | None:
    """Return the rank of the first right hit among those kept, from 1."""
    kept = [hit for hit in app.search(question, _KB).hits if hit.kept]
    right = (rank for rank, hit in enumerate(kept, start=1) if any(_is_right(hit, one) for one in dialogue.expected))
    return next(right, None)


def _is_right(hit: Hit, expected: Expected) -> bool:
    return hit.chunk.source == expected.file and expected.text in hit.chunk.text


def left_alone(questions: Sequence[str], seed: int = 0) -> Figures:
    """Rewrite questions that stand alone, each after another of them; count those that changed, and take the time."""
    chance = random.Random(seed)
    changed, seconds = 0, []
    for question in questions:
        history = [Turn(chance.choice(questions), "")]
        started = time.perf_counter()
        changed += condense(question, history) != question
        seconds.append(time.perf_counter() - started)
    return {
        "questions": len(questions),
        "rewritten wrongly": changed / len(questions),
        "p95_ms": 1000 * percentile(seconds, 0.95),
    }


def sample_questions() -> list[str]:
    """Return the questions that come with the samples."""
    with (SAMPLES / "questions.csv").open(encoding="utf-8", newline="") as file:
        return [row["question"] for row in csv.DictReader(file)]


def standard(data: Path) -> dict[str, Figures]:
    """Measure everything."""
    follow_ups = read_follow_ups(DIALOGUES)
    results = measure(follow_ups, SAMPLES / "content")
    results["by hand, after another"] = left_alone([dialogue.standalone for dialogue in follow_ups.dialogues])
    results["samples"] = left_alone(sample_questions())
    for name in _PUBLIC if data.is_dir() else ():
        path, read = STANDARD_SETS[name]
        results[name] = left_alone([question.text for question in read(data / path).answerable])
    return results


def goals_met(results: Mapping[str, Figures]) -> bool:
    """Tell whether rewriting reaches its share, and leaves the samples' questions alone."""
    return results["all"]["hits reached"] >= _REACHED and results["samples"]["rewritten wrongly"] == 0


def _print(results: Mapping[str, Figures]) -> None:
    table = Table("set", "figure", "value", title="follow-up questions")
    for name, figures in results.items():
        for figure, value in figures.items():
            share = f"{100 * value:.1f} %" if isinstance(value, float) else str(value)
            table.add_row(name, figure, f"{value:.2f}" if figure == "p95_ms" else share)
    Console().print(table)


def main() -> int:
    """Run what the arguments ask for; exit with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=_DEFAULT_DATA, help="folder of the public sets")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    results = standard(arguments.data)
    _print(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, ensure_ascii=False, indent=2), encoding="utf-8")
    return 0 if goals_met(results) else 1


if __name__ == "__main__":
    sys.exit(main())
