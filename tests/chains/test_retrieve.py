"""One retrieval: order, scores, and the fate of every candidate."""

import json
import random
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from edge_texts import EDGE_TEXTS
from fakes import HashedEmbeddings

from chains.retrieve import logistic

Bench = Any
LEAVE = ["员工入职满一年后有五天年假。", "年假须提前三天申请。", "病假须提供医院证明。", "出差补贴每天一百元。"]


def texts(retrieval: Any, *, kept: bool = True) -> list[str]:
    return [hit.chunk.text for hit in retrieval.hits if hit.kept is kept]


def test_upstream_3_results_are_sorted_by_relevance(bench: Bench, others: Callable[[], None]) -> None:
    others()
    bench.put("假期.txt", LEAVE[::-1])
    for with_dense in (False, True):
        if with_dense:
            bench.use(HashedEmbeddings())
            bench.put("假期.txt", LEAVE[::-1])
        retrieval = bench.retrieve("年假有几天", threshold=0.0, top_k=50, passage_chars=0)
        relevance = [hit.relevance for hit in retrieval.hits]
        assert relevance == sorted(relevance, reverse=True)
        assert [hit.rank for hit in retrieval.hits] == list(range(1, len(relevance) + 1))
        assert [passage.relevance for passage in retrieval.passages] == sorted(
            (passage.relevance for passage in retrieval.passages), reverse=True
        )
        assert retrieval.hits[0].chunk.text == LEAVE[0]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 25.1, 1e4], ids=["tiny", "unit", "text2vec", "huge"])
def test_upstream_4_scores_are_0_to_1_for_any_embedding_scale(bench: Bench, scale: float) -> None:
    bench.use(HashedEmbeddings(scale=scale))
    bench.put("假期.txt", LEAVE)
    retrieval = bench.retrieve("员工入职满一年后有五天年假。", threshold=0.0)
    for hit in retrieval.hits:
        assert hit.dense is not None
        assert 0 <= hit.dense <= 1
        assert 0 <= hit.lexical <= 1
        assert 0 <= hit.relevance <= 1
    best, *_, worst = retrieval.hits
    assert best.chunk.text == LEAVE[0]
    assert best.dense == pytest.approx(1 / (1 + np.exp(-5)), abs=0.01)  # cosine 1, midpoint 0.5, scale 0.1
    assert worst.dense < 0.5
    assert bench.retrieve("员工入职满一年后有五天年假。", threshold=0.9, dense_weight=1.0).passages


def test_pain_12_hits_have_their_own_scores(bench: Bench) -> None:
    bench.use(HashedEmbeddings())
    bench.put("假期.txt", LEAVE)
    hits = bench.retrieve("年假须提前几天申请", threshold=0.0).hits
    assert len({hit.relevance for hit in hits}) == len({hit.dense for hit in hits}) == len(hits) > 2


def test_the_fused_relevance_is_the_weighted_mean_of_both_legs(bench: Bench) -> None:
    bench.use(HashedEmbeddings())
    bench.put("假期.txt", LEAVE)
    for weight in (0.0, 0.3, 1.0):
        for hit in bench.retrieve("年假申请", threshold=0.0, dense_weight=weight).hits:
            assert hit.relevance == pytest.approx((1 - weight) * hit.lexical + weight * hit.dense)


def test_the_dense_leg_finds_what_shares_no_term(bench: Bench) -> None:
    """A vector given by hand stands for a paraphrase."""
    embeddings = HashedEmbeddings()
    bench.use(embeddings)
    bench.put("假期.txt", LEAVE)
    known = embeddings._vector

    def paraphrase(text: str) -> list[float]:
        return known(LEAVE[0]) if text == "vacation entitlement" else known(text)

    embeddings._vector = paraphrase  # type: ignore[method-assign]
    retrieval = bench.retrieve("vacation entitlement", threshold=0.2)
    assert texts(retrieval)[0] == LEAVE[0]
    assert retrieval.hits[0].lexical == 0
    assert bench.retrieve("vacation entitlement", threshold=0.2, dense_weight=0.0).passages == ()


def test_a_chunk_without_a_vector_is_judged_lexically(bench: Bench) -> None:
    bench.put("假期.txt", LEAVE)
    bench.use(HashedEmbeddings())
    bench.put("新.txt", ["产假为一百五十八天。"])
    retrieval = bench.retrieve("年假申请", threshold=0.0, top_k=50)
    by_source = {hit.chunk.source: hit for hit in retrieval.hits}
    assert by_source["假期.txt"].dense is None
    assert by_source["假期.txt"].relevance == by_source["假期.txt"].lexical
    assert by_source["新.txt"].dense is not None


def test_every_candidate_has_a_fate(bench: Bench, others: Callable[[], None]) -> None:
    others()
    bench.put("假期.txt", LEAVE)
    bench.put("副本.txt", [LEAVE[0], "年假是一种假期，与工程无关。"])
    retrieval = bench.retrieve(
        "年假有几天，年假申请，工程图纸", threshold=0.15, top_k=2, passage_chars=0, context_chars=100
    )
    fates = [hit.dropped_by for hit in retrieval.hits]
    assert set(fates) == {None, "threshold", "duplicate", "top_k"}
    for hit in retrieval.hits:
        assert hit.kept is (hit.dropped_by is None)
        assert (hit.dropped_by == "threshold") is (hit.relevance < 0.15)
    assert fates.count(None) == 2
    kept = {(hit.chunk.document_id, hit.chunk.start) for hit in retrieval.hits if hit.kept}
    covered = {
        (document, start)
        for document, start in kept
        for passage in retrieval.passages
        if passage.chunk.document_id == document and passage.start <= start < passage.end
    }
    assert covered == kept
    assert json.loads(json.dumps(asdict(retrieval)))["hits"][0]["rank"] == 1


def test_threshold_0_keeps_all_and_1_keeps_none(bench: Bench) -> None:
    bench.put("假期.txt", LEAVE)
    everything = bench.retrieve("年假申请证明", threshold=0.0, top_k=50)
    assert len(everything.hits) == 3
    assert all(hit.kept for hit in everything.hits)
    nothing = bench.retrieve(LEAVE[0], threshold=1.0)
    assert [hit.dropped_by for hit in nothing.hits] == ["threshold"] * len(nothing.hits)
    assert nothing.passages == ()
    assert nothing.nearest_misses == nothing.hits[:3]


def test_pain_11_a_threshold_that_nothing_reaches_is_an_empty_result(bench: Bench) -> None:
    assert bench.retrieve("年假", threshold=0.5).hits == ()
    bench.put("假期.txt", LEAVE)
    assert bench.retrieve("火星", threshold=0.5).passages == ()


@pytest.mark.parametrize("top_k", [1, 2, 3, 50])
def test_pain_10_top_k_is_the_most_that_is_kept(bench: Bench, top_k: int) -> None:
    bench.put("假期.txt", [f"第{n}种年假有{n}天。" for n in range(1, 7)])
    retrieval = bench.retrieve("年假天", threshold=0.0, top_k=top_k)
    assert len(texts(retrieval)) == min(top_k, 6)
    assert [hit.dropped_by for hit in retrieval.hits] == [None] * min(top_k, 6) + ["top_k"] * (6 - top_k)


def test_pain_10_a_higher_threshold_never_keeps_more(bench: Bench) -> None:
    bench.put("假期.txt", LEAVE)
    kept = [len(texts(bench.retrieve("年假申请证明", threshold=step / 20))) for step in range(21)]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] > kept[-1] == 0


def test_equal_texts_are_kept_once_and_the_next_takes_the_place(bench: Bench) -> None:
    for number in range(3):
        bench.put(f"{number}.txt", [LEAVE[0]])
    bench.put("申请.txt", [LEAVE[1]])
    retrieval = bench.retrieve("年假", threshold=0.0, top_k=2)
    assert sorted(texts(retrieval)) == sorted(LEAVE[:2])
    assert [hit.dropped_by for hit in retrieval.hits].count("duplicate") == 2


def test_hits_that_do_not_fit_the_budget_are_named(bench: Bench) -> None:
    for number in range(6):
        bench.put(f"{number}.txt", [f"第{number}号年假规定：" + "甲乙丙丁" * 10])
    retrieval = bench.retrieve("年假规定", threshold=0.0, top_k=6, context_chars=110)
    assert [hit.dropped_by for hit in retrieval.hits] == [None, None, *["budget"] * 4]
    assert sum(len(passage.text) for passage in retrieval.passages) <= 110


def test_a_smaller_hit_may_still_fit_after_a_larger_one_did_not(bench: Bench) -> None:
    bench.put("长.txt", ["年假规定年假规定。" + "甲" * 80])
    bench.put("中.txt", ["年假规定。" + "乙" * 60])
    bench.put("短.txt", ["年假可以申请。"])
    retrieval = bench.retrieve("年假规定", threshold=0.0, context_chars=110)
    fates = {hit.chunk.source: hit.dropped_by for hit in retrieval.hits}
    assert fates["短.txt"] is None
    assert list(fates.values()).count("budget") == 1


@pytest.mark.parametrize("question", EDGE_TEXTS.values(), ids=EDGE_TEXTS)
def test_every_edge_text_finds_itself(bench: Bench, question: str) -> None:
    bench.use(HashedEmbeddings())
    for name, text in EDGE_TEXTS.items():
        bench.put(f"{name}.txt", [text])
    best = bench.retrieve(question, threshold=0.0).hits[0]
    variants = {"full_width", "half_width"}, {"traditional", "simplified"}
    name = next(name for name, text in EDGE_TEXTS.items() if text == question)
    allowed = next((pair for pair in variants if name in pair), {name})
    assert best.chunk.source.removesuffix(".txt") in allowed


@pytest.mark.parametrize(
    "question",
    ["", " ", "？？？", "的", "什么", "🎉"],
    ids=["empty", "blank", "marks", "particle", "word", "emoji"],
)
def test_a_question_about_nothing_finds_nothing_relevant(bench: Bench, question: str) -> None:
    bench.use(HashedEmbeddings())
    bench.put("假期.txt", LEAVE)
    retrieval = bench.retrieve(question, threshold=0.2)
    assert retrieval.passages == ()
    assert retrieval.question == question


def test_pain_13_results_do_not_grow_with_each_query(bench: Bench) -> None:
    bench.put("假期.txt", LEAVE)
    bench.put("别的.txt", ["年会抽奖。", "食堂菜单。"])
    first = bench.retrieve("年假申请", threshold=0.0)
    for _ in range(5):
        again = bench.retrieve("年假申请", threshold=0.0)
        assert (again.hits, again.passages) == (first.hits, first.passages)


def test_the_order_does_not_depend_on_the_order_of_adding(bench: Bench) -> None:
    chance = random.Random(1)
    documents = [f"{n}号规定：年假{n}天，病假{20 - n}天。" for n in range(10)]
    orders = []
    for _ in range(3):
        chance.shuffle(documents)
        for text in documents:
            bench.put(f"{text[:1]}.txt", [text])
        hits = bench.retrieve("3号规定的年假", threshold=0.0, top_k=50).hits
        orders.append({hit.chunk.text: round(hit.relevance, 9) for hit in hits})
    assert orders[0] == orders[1] == orders[2]


def test_the_calibration_is_increasing_and_stays_inside_0_and_1() -> None:
    relevance = logistic(0.6, 0.08)
    values = [relevance(cosine / 100) for cosine in range(-100, 101)]
    assert values == sorted(values)
    assert 0 <= values[0] < 0.01
    assert relevance(0.6) == 0.5
    assert 0.99 < values[-1] <= 1
