"""A knowledge base's own list of questions: it keeps what a user wrote, and comes to databases made before it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.evaluation import Expected, LabelledQuestion, Origin
from vectorstores import records
from vectorstores.database import Database
from vectorstores.knowledge_store import KnowledgeStore
from vectorstores.questions import QuestionList
from vectorstores.schema import MIGRATIONS

WHERE = (Expected("手册.docx", 3, "3 个月"), Expected(text="三个月"))


@pytest.fixture
def questions(tmp_path: Path) -> Iterator[QuestionList]:
    opened = Database(tmp_path / "kb.sqlite")
    yield QuestionList(opened)
    opened.close()


def test_what_is_added_comes_back_in_order(questions: QuestionList) -> None:
    added = [LabelledQuestion("试用期多长？", WHERE), LabelledQuestion("红楼梦是谁写的？")]
    assert questions.add(added, "user") == 2
    assert questions.labelled() == added
    assert [stored.origin for stored in questions.all()] == ["user", "user"]
    assert all(stored.created_at > 1e9 for stored in questions.all())


def test_adding_again_changes_and_does_not_repeat(questions: QuestionList) -> None:
    questions.add([LabelledQuestion("试用期多长？", WHERE)], "user")
    assert questions.add([LabelledQuestion(" 试用期多长？ ", WHERE)], "user") == 0
    assert questions.add([LabelledQuestion("试用期多长？", WHERE[:1])], "user") == 1
    assert [stored.labelled.expected for stored in questions.all()] == [WHERE[:1]]


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ("user", "draft", "user"),
        ("user", "feedback", "user"),
        ("draft", "user", "user"),
        ("feedback", "user", "user"),
        ("draft", "feedback", "feedback"),
        ("feedback", "draft", "draft"),
    ],
)
def test_what_a_user_wrote_only_the_user_replaces(
    questions: QuestionList, first: Origin, second: Origin, kept: Origin
) -> None:
    questions.add([LabelledQuestion("问", (Expected(text=first),))], first)
    questions.add([LabelledQuestion("问", (Expected(text=second),))], second)
    assert [(one.origin, one.labelled.expected[0].text) for one in questions.all()] == [(kept, kept)]


def test_a_thumbs_down_that_says_nothing_replaces_nothing(questions: QuestionList) -> None:
    questions.add([LabelledQuestion("问", WHERE)], "draft")
    assert questions.add([LabelledQuestion("问")], "feedback") == 0
    assert questions.labelled() == [LabelledQuestion("问", WHERE)]


def test_a_thumbs_down_is_no_unanswerable_question_until_a_user_says_so(questions: QuestionList) -> None:
    questions.add([LabelledQuestion("问")], "feedback")
    assert questions.labelled() == []
    assert [stored.is_open for stored in questions.all()] == [True]
    questions.add([LabelledQuestion("问")], "user")
    assert questions.labelled() == [LabelledQuestion("问")]


def test_remove(questions: QuestionList) -> None:
    questions.add([LabelledQuestion("甲"), LabelledQuestion("乙")], "user")
    first = questions.all()[0].id
    assert questions.remove([first, 999]) == 1
    assert [one.question for one in questions.labelled()] == ["乙"]


def test_halves_of_characters_do_not_stop_it(questions: QuestionList) -> None:
    questions.add([LabelledQuestion("问\ud800", (Expected(text="答\udfff"),))], "user")
    assert questions.labelled() == [LabelledQuestion("问?", (Expected(text="答?"),))]


def test_a_knowledge_base_made_before_the_list_gets_one(tmp_path: Path) -> None:
    (tmp_path / "kb").mkdir()
    old = Database(tmp_path / "kb" / "kb.sqlite", MIGRATIONS[:1])
    with old.write() as writing:
        records.write_manifest(writing, {"name": "旧的"})
    old.close()
    store = KnowledgeStore(tmp_path / "kb")
    assert store.manifest()["name"] == "旧的"
    store.close()
    connection = sqlite3.connect(tmp_path / "kb" / "kb.sqlite")
    assert connection.execute("SELECT count(*) FROM questions").fetchone() == (0,)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    connection.close()
