"""The check of answers on labelled sentences, and the embedded reader on noisy, missing and falsified passages.

    python bench/grounding.py                   the standard table, data from ../shared/bench
    python bench/grounding.py --limit 50        the same on 50 questions of each set
    python bench/grounding.py --half A          verdicts on the half that they were tuned on

Verdicts: sentences of CMRC 2018 with and without support (`bench/statements.py`), half B. RGB: every question gets a
knowledge base of five passages, through the product's own ingest and ask.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from analysis.sentences import sentence_spans
from bench.datasets import STANDARD_SETS, QuestionSet, read_squad
from bench.metrics import accuracy_at, auroc, percentile
from bench.rgb import RgbRow, read_rgb, says
from bench.statements import SUPPORTED, Kind, statements
from chains.grounding.verdicts import check_answer
from configs.environment import load_settings
from core.answers import Answer, Finished, Passage
from core.documents import Chunk
from core.grounding import Grounding
from service.factory import build_app
from service.knowledge_qa import KnowledgeQA

_DEFAULT_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "bench"
_PASSAGES = 5  # of a question's knowledge base, as in the paper
_NOISE = (0.0, 0.2, 0.4, 0.6, 0.8)  # share of passages that do not answer
_RGB = {name: f"rgb/{name}.json.gz" for name in ("zh_refine", "zh_fact", "en_fact")}

Figures = dict[str, float | int]


def measure_verdicts(questions: QuestionSet, limit: int | None = None) -> Figures:
    """Check sentences that are supported and sentences that are not; a sentence is right at level "supported" or not.

    Every pair of kinds also has its own figure, because sentences from other paragraphs are easy to tell.
    """
    scores: dict[Kind, list[float]] = defaultdict(list)
    right: dict[Kind, list[bool]] = defaultdict(list)
    seconds = []
    for statement in statements(questions, limit):
        started = time.perf_counter()
        grounding = check_answer(statement.text, _passages(statement.passages))
        seconds.append(time.perf_counter() - started)
        scores[statement.kind].append(_score(grounding))
        right[statement.kind].append(_is_supported(grounding) == (statement.kind in SUPPORTED))
    supported = [score for kind in SUPPORTED for score in scores[kind]]
    unsupported = [score for kind, found in scores.items() if kind not in SUPPORTED for score in found]
    figures: Figures = {
        "statements": len(supported) + len(unsupported),
        "AUROC": auroc(supported, unsupported),
        "accuracy": _share(answer for answers in right.values() for answer in answers),
        "AUROC verbatim/swapped": auroc(scores["verbatim"], scores["swapped"]),
        "AUROC reworded/swapped": auroc(scores["reworded"], scores["swapped and reworded"]),
        "AUROC reworded/elsewhere": auroc(scores["reworded"], scores["elsewhere"]),
    }
    figures |= {f"accuracy {kind}": _share(answers) for kind, answers in right.items()}
    return figures | {"p50_ms": 1000 * percentile(seconds, 0.5), "p95_ms": 1000 * percentile(seconds, 0.95)}


def measure_noise(rows: Sequence[RgbRow]) -> Figures:
    """Ask with more and more passages that do not answer, up to none that does: hits and refusals."""
    figures: Figures = {"questions": len(rows)}
    top: dict[float, list[float]] = {}
    with _application() as app:
        for noise in (*_NOISE, 1.0):
            answers = [(row, _asked(app, row.question, _mixed(row, noise))) for row in rows]
            top[noise] = [answer.retrieval.hits[0].relevance if answer.retrieval.hits else 0.0 for _, answer in answers]
            if noise < 1:
                figures[f"hit at noise {noise:.1f}"] = _share(says(answer.text, row.answers) for row, answer in answers)
            figures[f"refused at noise {noise:.1f}"] = _share(answer.refused for _, answer in answers)
    return figures | {"AUROC answerable": auroc(top[_NOISE[-1]], top[1.0])}


def measure_falsified(rows: Sequence[RgbRow]) -> Figures:
    """Ask where the passages hold a false value, alone and beside the true one.

    The embedded reader knows nothing of its own, so it must repeat what the documents say and show both values where
    they differ; the check must tell a sentence with the true value from passages with the false one.
    """
    with _application() as app:
        alone = [(row, _asked(app, row.question, _filled_up(row, row.falsified))) for row in rows]
        beside = [(row, _asked(app, row.question, _filled_up(row, _alternating(row)))) for row in rows]
    own, falsified = _checked_against_falsified(rows)
    return {
        "questions": len(rows),
        "refused": _share(answer.refused for _, answer in alone),
        "repeats the documents": _share(says(answer.text, row.false_answers) for row, answer in alone),
        "says otherwise": _share(says(answer.text, row.answers) for row, answer in alone),
        "refused beside the true value": _share(answer.refused for _, answer in beside),
        "shows a value": _share(
            says(answer.text, row.answers) or says(answer.text, row.false_answers) for row, answer in beside
        ),
        "shows both values": _share(
            says(answer.text, row.answers) and says(answer.text, row.false_answers) for row, answer in beside
        ),
        "sentences": len(own),
        "verdict AUROC": auroc([_score(one) for one in own], [_score(one) for one in falsified]),
        "verdict accuracy": accuracy_at(
            1, [_is_supported(one) for one in own], [_is_supported(one) for one in falsified]
        ),
    }


def _checked_against_falsified(rows: Sequence[RgbRow]) -> tuple[list[Grounding], list[Grounding]]:
    """Check sentences with the true value against the true passages and against the falsified ones."""
    own, falsified = [], []
    for row in rows:
        sentence = next((one for text in row.positive for one in _sentences(text) if says(one, row.answers)), None)
        if sentence is not None and not any(says(text, row.answers) for text in row.falsified):
            own.append(check_answer(sentence, _passages(row.positive[:_PASSAGES])))
            falsified.append(check_answer(sentence, _passages(row.falsified[:_PASSAGES])))
    return own, falsified


def _sentences(text: str) -> Iterator[str]:
    return (span.of(text) for span in sentence_spans(text))


def _mixed(row: RgbRow, noise: float) -> list[str]:
    count = round(_PASSAGES * noise)
    return [*_drawn(row.positive, _PASSAGES - count, row), *_drawn(row.negative, count, row)]


def _alternating(row: RgbRow) -> list[str]:
    return [*row.positive[:2], *row.falsified[:2]]


def _filled_up(row: RgbRow, texts: Sequence[str]) -> list[str]:
    chosen = list(texts[:_PASSAGES])
    return [*chosen, *_drawn(row.negative, _PASSAGES - len(chosen), row)]


def _drawn(texts: Sequence[str], count: int, row: RgbRow) -> list[str]:
    return random.Random(row.question).sample(texts, min(count, len(texts)))


@contextmanager
def _application() -> Iterator[KnowledgeQA]:
    with tempfile.TemporaryDirectory() as folder:
        flags = {"data_dir": Path(folder) / "data", "embedding": "lexical", "llm": "extractive"}
        app = build_app(load_settings(flags, environ={}))
        try:
            yield app
        finally:
            app.close()


def _asked(app: KnowledgeQA, question: str, passages: Sequence[str]) -> Answer:
    """Ask a question of a knowledge base of these passages, each a file."""
    with tempfile.TemporaryDirectory() as folder:
        for number, passage in enumerate(passages, start=1):
            (Path(folder) / f"{number}.txt").write_text(passage, encoding="utf-8")
        app.create("rgb")
        app.add("rgb", [Path(folder)])
        answer = next(event.answer for event in app.ask(question, "rgb") if isinstance(event, Finished))
        app.delete("rgb")
    return answer


def _passages(texts: Sequence[str]) -> list[Passage]:
    return [_passage(number, text) for number, text in enumerate(texts, start=1)]


def _passage(number: int, text: str) -> Passage:
    chunk = Chunk(number, number, 0, 0, len(text), text, f"{number}.txt", "", "text", None, None, None, None)
    return Passage(chunk, 0, len(text), text, 1.0)


def _is_supported(grounding: Grounding) -> bool:
    return all(verdict.level == "supported" for verdict in grounding.verdicts)


def _score(grounding: Grounding) -> float:
    return min((verdict.score for verdict in grounding.verdicts), default=1.0)


def _share(answers: Iterator[bool] | list[bool]) -> float:
    found = list(answers)
    return sum(found) / len(found)


@dataclass(frozen=True, slots=True)
class _Goal:
    """A figure that must not fall below its goal."""

    dataset: str
    figure: str
    goal: float


_GOALS = (
    _Goal("verdicts", "AUROC", 0.95),
    _Goal("verdicts", "AUROC verbatim/swapped", 0.9),
    _Goal("verdicts", "AUROC reworded/swapped", 0.9),
)


def standard(data: Path, half: Any = "B", limit: int | None = None) -> dict[str, Figures]:
    """Measure everything below `data`."""
    zh_refine, zh_fact, en_fact = (read_rgb(data / path)[:limit] for path in _RGB.values())
    return {
        "verdicts": measure_verdicts(read_squad(data / STANDARD_SETS["cmrc2018"][0], half), limit),
        "noise zh": measure_noise(zh_refine),
        "falsified zh": measure_falsified(zh_fact),
        "falsified en": measure_falsified(en_fact),
    }


def _print(results: dict[str, Figures]) -> bool:
    """Print all figures and the goals; return whether every goal is met."""
    table = Table("set", "figure", "value", "goal")
    goals = {(goal.dataset, goal.figure): goal.goal for goal in _GOALS}
    all_met = True
    for dataset, figures in results.items():
        for name, value in figures.items():
            goal = goals.get((dataset, name))
            all_met &= goal is None or value >= goal
            table.add_row(dataset, name, _shown(name, value), "" if goal is None else f"≥ {_shown(name, goal)}")
    Console().print(table)
    return all_met


def _shown(name: str, value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return f"{value:.1f}" if name.endswith("_ms") else f"{100 * value:.1f} %"


def main() -> int:
    """Run what the arguments ask for; exit with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=_DEFAULT_DATA, help="folder of the standard sets")
    parser.add_argument("--half", choices=("A", "B"), default="B", help="paragraphs of CMRC (A even, B odd)")
    parser.add_argument("--limit", type=int, help="most questions of each set")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"no data in {arguments.data}; give --data")
    results = standard(arguments.data, arguments.half, arguments.limit)
    all_met = _print(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, ensure_ascii=False, indent=2), encoding="utf-8")
    return 0 if all_met else 1


if __name__ == "__main__":
    sys.exit(main())
