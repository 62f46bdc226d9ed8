"""The samples answer their own questions: what a first visitor sees, held by the question list that ships with them."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from configs.catalogue import LLMS
from configs.environment import load_settings
from core.answers import Answer, Finished
from docs.make_tables import settings_table
from service.factory import build_app

FORMATS = {".md", ".txt", ".docx", ".pdf", ".xlsx", ".csv", ".html"}


@dataclass(frozen=True)
class Asked:
    """A question of the list and what the product says."""

    question: str
    gold: tuple[str, ...]
    source: str
    answer: Answer

    @property
    def is_answerable(self) -> bool:
        return bool(self.source)

    @property
    def is_hit(self) -> bool:
        quotes = [_plain(citation.quote) for citation in self.answer.citations]
        return any(_plain(gold) in quote for gold in self.gold for quote in quotes)


def _plain(text: str) -> str:
    return re.sub(r"[\s|]", "", text)


@pytest.fixture(scope="module")
def asked(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Asked]]:
    app = build_app(load_settings({"data_dir": tmp_path_factory.mktemp("samples")}, environ={}))
    report = app.refresh_samples()
    assert not report.failed
    with (root / "knowledge_base" / "samples" / "questions.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    yield [
        Asked(
            row["question"],
            tuple(row["answer"].split("|")),
            row["source"],
            next(event.answer for event in app.ask(row["question"]) if isinstance(event, Finished)),
        )
        for row in rows
    ]
    app.close()


def test_every_named_format_is_among_the_samples(root: Path) -> None:
    folder = root / "knowledge_base" / "samples" / "content"
    assert {path.suffix for path in folder.iterdir()} >= FORMATS


def test_nine_in_ten_answerable_questions_are_answered_with_the_gold_text(asked: list[Asked]) -> None:
    answerable = [one for one in asked if one.is_answerable]
    missed = [one.question for one in answerable if not one.is_hit]
    assert len(answerable) >= 40
    assert len(missed) <= 0.1 * len(answerable), missed


def test_answers_cite_the_file_that_holds_the_fact(asked: list[Asked]) -> None:
    hits = [one for one in asked if one.is_answerable and one.is_hit]
    wrong = [
        one.question for one in hits if one.source not in {citation.chunk.source for citation in one.answer.citations}
    ]
    assert len(wrong) <= 0.1 * len(hits), wrong


def test_at_least_half_of_the_unanswerable_questions_are_refused(asked: list[Asked]) -> None:
    """Those off the topic; near-topic ones share most of their words with the samples and stay hard."""
    unanswerable = [one for one in asked if not one.is_answerable]
    assert len(unanswerable) >= 10
    assert sum(one.answer.refused for one in unanswerable) >= len(unanswerable) / 2


def test_refusals_show_the_nearest_misses_and_no_sources(asked: list[Asked]) -> None:
    for one in asked:
        if one.answer.refused:
            assert not one.answer.citations
            assert all(hit.dropped_by == "threshold" for hit in one.answer.retrieval.nearest_misses)


def test_the_list_of_settings_is_that_of_the_code(root: Path) -> None:
    """Every setting in its order, with its default; a folder's is named as it is in the project."""
    path = root / "knowledge_base" / "samples" / "content" / "设置一览.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        rows = {row["设置"]: row for row in csv.DictReader(stream)}
    listed = [(name, row["默认值"].removeprefix("项目目录下的 ")) for name, row in rows.items()]
    wanted = re.findall(r"\| `(KNOWGLM_\w+)` \| `?([^`|]+?)`? \|", settings_table("zh"))
    assert listed == [(name, "空" if default == "–" else default) for name, default in wanted]
    assert set(re.split("[、，]", rows["KNOWGLM_LLM"]["取值"])) >= set(LLMS)
