"""A knowledge base evaluated from end to end; reports, comparisons and floors."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import HashedEmbeddings, new_document

from chains.retrieve import DenseLeg, logistic, retrieve
from core.answers import Progress, RetrievalSettings
from core.documents import EmbeddingIdentity
from core.errors import ConfigError
from core.evaluation import Evaluation, Expected, LabelledQuestion
from core.evaluation_errors import NoQuestions, WrongReport
from core.load_errors import MissingFile
from service.evaluating.evaluation import (
    QUALITY,
    Evaluator,
    compare,
    failed_gates,
    read_report,
    report_json,
)
from service.evaluating.question_lists import read_questions
from vectorstores.knowledge_store import KnowledgeStore

SETTINGS = RetrievalSettings(top_k=5, threshold=0.3, dense_weight=0.3, passage_chars=500, context_chars=2000)
FACTS = {
    "住宿": ("出差的住宿标准是每晚五百元。", "出差住宿标准是每晚多少元？", "五百元"),
    "年假": ("员工入职满一年享受七天年假。", "入职满一年享受几天年假？", "七天"),
    "密码": ("办公系统的密码至少十二位。", "办公系统的密码至少几位？", "十二位"),
    "报销": ("报销单须在三十天内提交。", "报销单须在多少天内提交？", "三十天"),
}
QUESTIONS = [
    *(LabelledQuestion(asked, (Expected(f"{name}.txt", None, text),)) for name, (_, asked, text) in FACTS.items()),
    LabelledQuestion("红楼梦的作者是谁？"),
    LabelledQuestion("澳大利亚首都叫什么？"),
]


class CountingEmbeddings(HashedEmbeddings):
    """Counts what it is asked."""

    asked = 0

    def embed_query(self, text: str) -> list[float]:
        self.asked += 1
        return super().embed_query(text)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened = KnowledgeStore(tmp_path / "kb")
    opened.set_manifest(name="制度")
    opened.put_documents([new_document(f"{name}.txt", [text]) for name, (text, _, _) in FACTS.items()])
    opened.put_documents([new_document(f"别的{n}.txt", [f"第{n}号工程按图纸施工。"]) for n in range(12)])
    yield opened
    opened.close()


def with_vectors(store: KnowledgeStore, embeddings: HashedEmbeddings) -> DenseLeg:
    store.use_embedding(EmbeddingIdentity("hashed", "hashed:256", embeddings.dimensions))
    for name, (text, _, _) in FACTS.items():
        store.put_documents(
            [
                new_document(
                    f"{name}.txt", [text], vectors=np.asarray(embeddings.embed_documents([text]), dtype=np.float32)
                )
            ]
        )
    return DenseLeg(embeddings, logistic(0.5, 0.1))


def evaluated(store: KnowledgeStore, questions: list[LabelledQuestion] | None = None, **changed: Any) -> Evaluation:
    return Evaluator(store, replace(SETTINGS, **changed), None).evaluate(QUESTIONS if questions is None else questions)


def test_everything_of_an_evaluation(store: KnowledgeStore) -> None:
    evaluation = evaluated(store)
    assert (evaluation.knowledge_base, evaluation.chunks) == ("制度", 16)
    figures = evaluation.figures
    assert set(figures) == {*QUALITY, "p50_ms", "p95_ms"}
    assert figures["hit@1"] == figures["mrr"] == figures["answer_hit"] == figures["refusal_recall"] == 1
    assert [one.labelled for one in evaluation.outcomes] == QUESTIONS
    assert {one.setting for one in evaluation.suggestion.settings} == {"threshold", "top_k"}
    assert evaluation.suggestion.value("top_k") == 1
    assert evaluation.weights == ()


def test_the_suggestion_does_what_it_says(store: KnowledgeStore) -> None:
    """Its score, computed from rankings, is what the product does with the suggested settings."""
    suggestion = evaluated(store, threshold=0.9).suggestion
    threshold = suggestion.value("threshold")
    assert threshold is not None
    assert evaluated(store, threshold=0.9).figures["refusal_precision"] < 1
    after = evaluated(store, threshold=threshold, top_k=int(suggestion.value("top_k") or 0))
    assert after.figures["refusal_precision"] == after.figures["refusal_recall"] == after.figures["answer_hit"] == 1
    assert next(one.score for one in suggestion.settings if one.setting == "threshold") == 1


def test_with_a_dense_leg_the_weight_is_chosen_and_the_embedding_asked_once(store: KnowledgeStore) -> None:
    embeddings = CountingEmbeddings()
    leg = with_vectors(store, embeddings)
    evaluation = Evaluator(store, SETTINGS, leg).evaluate(QUESTIONS)
    assert embeddings.asked == len(QUESTIONS)
    assert [point.weight for point in evaluation.weights] == [step / 10 for step in range(11)]
    assert evaluation.suggestion.value("dense_weight") is not None
    assert evaluation.suggestion.entries["calibrated_for"] == "hashed:256"
    odd = Evaluator(store, replace(SETTINGS, dense_weight=0.37), leg).evaluate(QUESTIONS)
    assert 0.37 in [point.weight for point in odd.weights]


def test_progress_goes_from_the_first_question_to_the_last(store: KnowledgeStore) -> None:
    seen: list[Progress] = []
    Evaluator(store, SETTINGS, None).evaluate(QUESTIONS, seen.append)
    assert [one.done for one in seen] == list(range(len(QUESTIONS) + 1))
    assert seen[0].label == QUESTIONS[0].question
    assert {one.total for one in seen} == {len(QUESTIONS)}


def test_an_evaluation_is_the_same_path_as_search(store: KnowledgeStore) -> None:
    for one in evaluated(store).outcomes:
        retrieval = retrieve(one.labelled.question, store, SETTINGS)
        assert one.refused is not bool(retrieval.passages)
        assert one.relevance == (retrieval.hits[0].relevance if retrieval.hits else 0)


def test_files_that_are_not_there_are_named(store: KnowledgeStore) -> None:
    wrong = LabelledQuestion("出差住宿标准是多少？", (Expected("住宿标准.docx"), Expected("年假.txt")))
    evaluation = evaluated(store, [wrong, QUESTIONS[-1]])
    assert "住宿标准.docx" in evaluation.remarks[0].text("zh")
    assert "年假.txt" not in evaluation.remarks[0].text("en")
    assert evaluated(store).remarks == ()


def test_an_empty_list_says_how_to_get_one(store: KnowledgeStore) -> None:
    with pytest.raises(NoQuestions) as caught:
        evaluated(store, [])
    assert "eval 制度 --draft" in caught.value.text("zh")


def test_one_question_is_enough_and_an_empty_knowledge_base_too(tmp_path: Path, store: KnowledgeStore) -> None:
    assert evaluated(store, QUESTIONS[:1]).suggestion.value("threshold") is None
    assert evaluated(store, QUESTIONS[-1:]).figures["refusal_recall"] == 1
    empty = KnowledgeStore(tmp_path / "empty")
    evaluation = evaluated(empty)
    assert evaluation.figures["hit@10"] == 0
    assert evaluation.suggestion.settings == ()
    empty.close()


def written(path: Path, evaluation: Evaluation) -> Path:
    path.write_text(json.dumps(report_json(evaluation), ensure_ascii=False), encoding="utf-8")
    return path


def test_a_report_is_read_back_the_same(store: KnowledgeStore, tmp_path: Path) -> None:
    evaluation = evaluated(store, [*QUESTIONS, LabelledQuestion("大括号 {x}？", (Expected("无{}.txt", 3, "{0}"),))])
    assert read_report(written(tmp_path / "a.json", evaluation)) == evaluation


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"figures": {}}', b"\xff\xfe", b'{"version": 2}'],
    ids=["empty", "list", "nothing", "half", "bytes", "newer"],
)
def test_what_is_no_report_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(WrongReport) as caught:
        read_report(tmp_path / "a.json")
    assert "a.json" in caught.value.text("zh")


def test_a_report_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingFile):
        read_report(tmp_path / "a.json")


def test_a_comparison_names_what_was_lost_and_won(store: KnowledgeStore) -> None:
    before, after = evaluated(store), evaluated(store, threshold=0.99)
    comparison = compare(before, after)
    assert comparison.lost == tuple(question.question for question in QUESTIONS[:4])
    assert comparison.won == ()
    assert {"answer_hit", "refusal_precision"} <= set(comparison.worse)
    assert "hit@1" not in comparison.worse
    back = compare(after, before)
    assert (back.won, back.worse) == (comparison.lost, ())
    change = next(change for change in comparison.changes if change.figure == "answer_hit")
    assert (change.before, change.after) == (1, 0)


def test_a_comparison_of_different_lists_says_so(store: KnowledgeStore) -> None:
    comparison = compare(evaluated(store, QUESTIONS[:5]), evaluated(store, QUESTIONS[3:]))
    assert (comparison.only_before, comparison.only_after) == (3, 1)


@pytest.mark.parametrize(("fall", "is_worse"), [(0.01, False), (0.011, True), (-0.2, False)])
def test_a_fall_of_more_than_a_point_is_worse(store: KnowledgeStore, fall: float, is_worse: bool) -> None:
    before = evaluated(store)
    figures = {**before.figures, "mrr": 1 - fall, "p95_ms": 1e6}
    assert compare(before, replace(before, figures=figures)).worse == (("mrr",) if is_worse else ())


def test_a_figure_that_can_no_longer_be_told_is_worse(store: KnowledgeStore) -> None:
    before = evaluated(store)
    figures = {name: value for name, value in before.figures.items() if name != "refusal_recall"}
    assert compare(before, replace(before, figures=figures)).worse == ("refusal_recall",)


def test_gates(store: KnowledgeStore) -> None:
    evaluation = evaluated(store, threshold=0.99)
    assert failed_gates(evaluation, ["hit@5=0.9", "mrr=100%", " answer_hit = 0 "]) == ()
    failed = failed_gates(evaluation, ["hit@5=0.9", "answer_hit=0.5", "refusal_precision=40%"])
    assert [(gate.figure, gate.floor) for gate in failed] == [("answer_hit", 0.5), ("refusal_precision", 0.4)]
    unknown = failed_gates(evaluated(store, QUESTIONS[:4]), ["refusal_recall=0"])
    assert [gate.measured for gate in unknown] == [None]


@pytest.mark.parametrize("gate", ["hit@5", "hit@5=", "hit@7=0.5", "mrr=2", "mrr=-1", "p95_ms=20", "=0.5", "mrr=nan"])
def test_what_is_no_gate_is_refused(store: KnowledgeStore, gate: str) -> None:
    with pytest.raises(ConfigError) as caught:
        failed_gates(evaluated(store), ["mrr=0.5", gate])
    assert len(caught.value.problems) == 1
    assert "hit@10" in caught.value.text("zh")


def test_the_samples_evaluate_well(make_app: Callable[..., Any], root: Path) -> None:
    """The list that ships with the program, through everything."""
    app = make_app()
    app.refresh_samples()
    questions = read_questions(root / "knowledge_base" / "samples" / "questions.csv")
    opened = app._library.open("samples")
    evaluation = Evaluator(opened, replace(SETTINGS, threshold=0.31), None).evaluate(questions)
    assert evaluation.figures["hit@5"] >= 0.95
    assert evaluation.figures["answer_hit"] >= 0.9
    one = next(one for one in evaluation.suggestion.settings if one.setting == "threshold")
    assert one.score >= one.score_in_force
    assert evaluation.remarks == ()
