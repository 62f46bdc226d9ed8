"""What counts as right, what a ranking tells, and the figures made of both."""

from collections.abc import Callable
from typing import Any

import pytest
from fakes import HashedEmbeddings

from chains.evaluation.evaluate import (
    MOST_TOP_K,
    Ranking,
    curve_point,
    figures,
    is_right,
    outcome,
    rank_chunks,
    same_file,
    threshold_curve,
    top_k_curve,
)
from core.answers import RetrievalSettings
from core.documents import Chunk
from core.evaluation import Expected, LabelledQuestion

SETTINGS = RetrievalSettings(top_k=5, threshold=0.2, dense_weight=0.3, passage_chars=500, context_chars=2000)


def chunk(text: str, source: str = "人事/员工手册.docx", **about: Any) -> Chunk:
    places = {"page": None, "slide": None, "sheet": None, "row": None, **about}
    return Chunk(1, 1, 0, 0, len(text), text, source, "", "text", **places)


def asked(*expected: Expected) -> LabelledQuestion:
    return LabelledQuestion("问", expected)


@pytest.mark.parametrize(
    ("expected", "right"),
    [
        (Expected(file="人事/员工手册.docx"), True),
        (Expected(file="员工手册.docx"), True),
        (Expected(file="人事\\员工手册.docx"), True),
        (Expected(file="手册.docx"), False),
        (Expected(page=3), True),
        (Expected(page=4), False),
        (Expected(text="试用期为3个月"), True),
        (Expected(text="試用期 為３個月"), True),
        (Expected(text="试用期为 6 个月"), False),
        (Expected("员工手册.docx", 3, "3 个月"), True),
        (Expected("员工手册.docx", 4, "3 个月"), False),
        (Expected("规章.docx", 3, "3 个月"), False),
    ],
    ids=[
        *("path", "name", "backslash", "other_name", "page", "other_page", "text", "folded", "other_text"),
        *("all", "all_but_page", "all_but_file"),
    ],
)
def test_a_chunk_is_right_if_file_page_and_text_are(expected: Expected, right: bool) -> None:
    assert is_right(chunk("新员工的试用期为 3 个月。", page=3), asked(expected)) is right


def test_any_one_of_several_places_is_right_and_none_of_no_places() -> None:
    assert is_right(chunk("甲乙丙"), asked(Expected(text="丁"), Expected(text="乙")))
    assert not is_right(chunk("甲乙丙"), asked())


def test_table_cells_are_compared_without_their_rulings() -> None:
    assert is_right(chunk("| 满 3 年 | 10 天 |"), asked(Expected(text="满3年10天")))


def test_a_long_text_is_found_though_the_splitter_cut_it() -> None:
    longest = "连续病假超过一天的员工必须在返岗当天提交二级及以上医院出具的诊断证明和病历复印件。"
    whole = f"员工每年有五天全薪病假。{longest}逾期没有提交的按事假处理。当天的工资按照考勤制度的规定扣除。"
    assert len(whole) > 80
    assert is_right(chunk(f"前文。{longest}"), asked(Expected(text=whole)))
    assert not is_right(chunk("员工每年有五天全薪病假。"), asked(Expected(text=whole)))


def test_a_page_does_not_matter_where_the_format_has_none() -> None:
    assert is_right(chunk("甲"), asked(Expected(page=7)))
    assert is_right(chunk("甲", slide=7), asked(Expected(page=7)))
    assert not is_right(chunk("甲", slide=8), asked(Expected(page=7)))


def test_names_are_compared_in_composed_characters() -> None:
    assert same_file("r\u00e9sum\u00e9.txt", "re\u0301sume\u0301.txt")


def fill(bench: Any) -> None:
    bench.put("住宿.txt", [f"第{n}类城市的出差住宿标准是每晚{n}00元。" + "说明文字。" * n * 8 for n in range(1, 9)])
    bench.put("复本.txt", ["第3类城市的出差住宿标准是每晚300元。" + "说明文字。" * 24])
    bench.put("餐补.txt", ["出差的伙食补助每天一百元。", "住宿发票须在三十天内提交。"])


@pytest.mark.parametrize("with_vectors", [False, True], ids=["lexical", "fused"])
def test_a_ranking_tells_what_every_threshold_and_top_k_would_use(bench: Any, with_vectors: bool) -> None:
    """The whole calibration rests on this: it is read off one retrieval and must be what retrieval then does."""
    if with_vectors:
        bench.use(HashedEmbeddings())
    fill(bench)
    question = LabelledQuestion("第3类城市出差的住宿标准是多少元？", (Expected(text="每晚300元"),))
    settings = RetrievalSettings(5, 0.2, 0.3, 300, 700)
    ranking = rank_chunks(question, bench.store, settings, bench.dense)
    assert not all(ranking.fits)
    limits = {"passage_chars": 300, "context_chars": 700}
    seen = set()
    for threshold in (0.0, 0.1, *(one - 1e-9 for one in ranking.relevance), *(one + 1e-9 for one in ranking.relevance)):
        for top_k in (1, 2, 3, 5, 8, MOST_TOP_K):
            retrieval = bench.retrieve(question.question, threshold=threshold, top_k=top_k, **limits)
            kept = [is_right(hit.chunk, question) for hit in retrieval.hits if hit.kept]
            assert ranking.used(threshold, top_k) == kept
            seen.add(len(kept))
    assert len(seen) > 2


def test_equal_texts_take_one_place_in_the_ranking(bench: Any) -> None:
    bench.put("甲.txt", ["差旅标准是每晚五百元。"])
    bench.put("乙.txt", ["差旅标准是每晚五百元。"])
    bench.put("丙.txt", ["差旅报销的流程。"])
    question = LabelledQuestion("差旅标准是多少元？", (Expected(file="丙.txt"),))
    ranking = rank_chunks(question, bench.store, SETTINGS, None)
    assert (len(ranking.right), ranking.rank) == (2, 2)


def test_an_outcome_takes_the_answer_of_the_settings_in_force(bench: Any, others: Callable[[], None]) -> None:
    fill(bench)
    others()
    question = LabelledQuestion("第3类城市出差的住宿标准是多少元？", (Expected("住宿.txt", None, "每晚300元"),))
    ranking = rank_chunks(question, bench.store, SETTINGS, None)
    found = outcome(question, bench.ask(question.question), ranking)
    assert (found.rank, found.refused, found.answer_found) == (1, False, True)
    assert found.source in ("住宿.txt", "复本.txt")
    assert found.seconds > 0
    refused = outcome(question, bench.ask(question.question, threshold=0.99), ranking)
    assert (refused.rank, refused.refused, refused.answer_found) == (1, True, False)
    only_file = LabelledQuestion(question.question, (Expected("住宿.txt"),))
    assert outcome(only_file, bench.ask(question.question), ranking).answer_found is None


def test_a_greeting_is_no_answer_from_the_documents(bench: Any) -> None:
    question = LabelledQuestion("你好")
    assert outcome(question, bench.ask("你好"), rank_chunks(question, bench.store, SETTINGS, None)).refused


def ranking(*right: bool, relevance: float = 0.5, answerable: bool = True) -> Ranking:
    falling = tuple(relevance - 0.01 * n for n in range(len(right)))
    return Ranking(answerable, falling, right, (True,) * len(right))


def test_figures_count_refusals_both_ways(bench: Any, others: Callable[[], None]) -> None:
    fill(bench)
    others()
    questions = [
        LabelledQuestion("第3类城市出差的住宿标准是多少元？", (Expected("住宿.txt", None, "每晚300元"),)),
        LabelledQuestion("红楼梦的作者是谁？"),
        LabelledQuestion("量子纠缠态怎样测得？", (Expected("餐补.txt", None, "一百元"),)),
    ]
    rankings = [rank_chunks(question, bench.store, SETTINGS, None) for question in questions]
    answers = [bench.ask(question.question) for question in questions]
    outcomes = [outcome(*one) for one in zip(questions, answers, rankings, strict=True)]
    assert [one.refused for one in outcomes] == [False, True, True]
    values = figures(outcomes, rankings)
    assert values["refusal_precision"] == 0.5
    assert values["refusal_recall"] == 1
    assert values["answer_hit"] == 0.5
    assert values["hit@1"] == values["mrr"] == 0.5
    assert 0 < values["p50_ms"] <= values["p95_ms"]


def test_figures_that_the_list_cannot_tell_are_missing(bench: Any) -> None:
    fill(bench)
    question = LabelledQuestion("第3类城市出差的住宿标准是多少元？", (Expected("住宿.txt"),))
    one = rank_chunks(question, bench.store, SETTINGS, None)
    values = figures([outcome(question, bench.ask(question.question), one)], [one])
    assert not {"refusal_precision", "refusal_recall", "answer_hit"} & set(values)


def test_a_point_of_the_curve_counts_answers_and_refusals() -> None:
    rankings = [
        ranking(True, False, relevance=0.8),
        ranking(False, True, relevance=0.6),
        ranking(False, relevance=0.3),
        ranking(False, False, relevance=0.7, answerable=False),
        ranking(answerable=False),
    ]
    point = curve_point(rankings, 0.5, 1, 0.5)
    assert (point.precision, point.recall) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert (point.refused, point.wrongly_refused, point.used) == (0.5, pytest.approx(1 / 3), 1)
    assert curve_point(rankings, 0.5, 2, 2).recall == pytest.approx(2 / 3)
    nothing = curve_point(rankings, 0.9, 5, 0.9)
    assert (nothing.precision, nothing.recall, nothing.refused, nothing.used) == (None, 0, 1, 0)


def test_curves_run_over_the_whole_range() -> None:
    rankings = [ranking(True, relevance=0.8), ranking(False, relevance=0.4, answerable=False)]
    thresholds = threshold_curve(rankings, 5)
    assert (thresholds[0].value, thresholds[-1].value, len(thresholds)) == (0, 1, 51)
    refused = [point.refused or 0 for point in thresholds]
    assert refused == sorted(refused)
    assert [point.value for point in top_k_curve(rankings, 0.5)] == list(range(1, MOST_TOP_K + 1))
    assert curve_point(rankings[:1], 0.5, 5, 5).refused is None
