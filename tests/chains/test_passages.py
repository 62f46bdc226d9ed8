"""Growing hits to passages: nothing is lost, nothing leaks from another document, the budget holds."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

Bench = Any
SECTIONS = [f"第{n}节：{'甲乙丙丁戊己庚辛'[n]}类设备的保养周期为{n + 1}个月，由班组负责。" for n in range(8)]


def whole_text(bench: Bench, passage: Any) -> str:
    return bench.store.text(passage.chunk.document_id, passage.start, passage.end)


def test_pain_14_single_chunk_file_is_found(bench: Bench) -> None:
    """Upstream 1: with expansion on, a file of one piece was never found."""
    bench.put("短.txt", ["员工入职满一年后有五天年假。"])
    (passage,) = bench.retrieve("年假有几天").passages
    assert passage.text == "员工入职满一年后有五天年假。"


def test_pain_14_a_hit_longer_than_the_passage_is_kept_whole(bench: Bench) -> None:
    text = "年假规定：" + "甲乙丙丁" * 200
    bench.put("长.txt", ["前文。", text, "后文。"])
    (passage,) = bench.retrieve("年假规定", passage_chars=100).passages
    assert passage.text == text


def test_upstream_2_last_piece_gets_preceding_context(bench: Bench) -> None:
    bench.put("前.txt", ["别的文件的最后一段。"])
    bench.put("中.txt", SECTIONS)
    bench.put("后.txt", ["又一个文件的第一段。"])
    (passage,) = bench.retrieve("辛类设备保养周期", top_k=1, passage_chars=120).passages
    assert passage.chunk.text == SECTIONS[7]
    assert passage.text == "\n".join(SECTIONS[4:])
    (passage,) = bench.retrieve("甲类设备保养周期", top_k=1, passage_chars=120).passages
    assert passage.text == "\n".join(SECTIONS[:4])


def test_one_side_that_ends_does_not_stop_the_other(bench: Bench) -> None:
    bench.put("中.txt", [*SECTIONS[:4], "尾" * 300, *SECTIONS[5:]])
    (passage,) = bench.retrieve("丁类设备保养周期", top_k=1, passage_chars=130).passages
    assert passage.text == "\n".join(SECTIONS[:4])


def test_pain_15_following_text_comes_first(bench: Bench) -> None:
    bench.put("问答.txt", ["无关的开头一二三。", "丙类设备怎么保养？", "答：每三个月一次。", "无关的结尾四五六。"])
    (passage,) = bench.retrieve("丙类设备怎么保养", top_k=1, passage_chars=19).passages
    assert passage.text == "丙类设备怎么保养？\n答：每三个月一次。"


def test_pain_18_no_growth_where_passage_chars_is_0(bench: Bench) -> None:
    bench.put("中.txt", SECTIONS)
    (passage,) = bench.retrieve("丁类设备保养周期", top_k=1, passage_chars=0).passages
    assert passage.text == SECTIONS[3]


@pytest.mark.parametrize("limit", [50, 100, 200, 1000])
def test_a_grown_passage_keeps_to_its_length(bench: Bench, limit: int) -> None:
    bench.put("中.txt", SECTIONS)
    (passage,) = bench.retrieve("丁类设备保养周期", top_k=1, passage_chars=limit).passages
    assert len(SECTIONS[3]) <= len(passage.text) <= limit
    assert SECTIONS[3] in passage.text


def test_pain_13_passages_never_cross_a_document(bench: Bench, others: Callable[[], None]) -> None:
    others()
    for number in range(5):
        bench.put(f"{number}.txt", [f"第{number}册：年假第{n}条。" for n in range(4)])
    retrieval = bench.retrieve("年假条", threshold=0.0, top_k=20, passage_chars=4000, context_chars=100_000)
    for passage in retrieval.passages:
        books = {text[:3] for text in passage.text.split("\n")}
        assert len(books) == 1
        assert passage.text == whole_text(bench, passage)


def test_neighbouring_hits_are_joined_and_take_the_best_relevance(bench: Bench) -> None:
    bench.put("假期.txt", ["年假申请须提前。", "年假最多五天。", *["无关的内容。" * 30] * 3, "年假证明。"])
    retrieval = bench.retrieve("年假申请", threshold=0.0, passage_chars=0)
    first, second = retrieval.passages
    assert first.text == "年假申请须提前。\n年假最多五天。"
    assert first.relevance == retrieval.hits[0].relevance
    assert first.chunk == retrieval.hits[0].chunk
    assert second.text == "年假证明。"


def test_text_and_a_table_that_overlap_are_one_passage(bench: Bench) -> None:
    """Otherwise the table stands in the prompt twice and takes its part of the budget twice."""
    bench.put("假期.docx", ["年假天数见下表。", "| 工龄 | 年假天数 |"], metadata=[{}, {"kind": "table"}])
    retrieval = bench.retrieve("年假天数", threshold=0.0)
    assert len([hit for hit in retrieval.hits if hit.kept]) == 2
    assert "".join(passage.text for passage in retrieval.passages).count("| 工龄 |") == 1


def test_rows_stand_for_themselves(bench: Bench) -> None:
    rows = [f"姓名：员工{n}；年假：{n}天" for n in range(6)]
    bench.put("名单.csv", rows, metadata=[{"kind": "row", "row": n + 2} for n in range(6)])
    retrieval = bench.retrieve("员工3的年假", threshold=0.0)
    assert sorted(passage.text for passage in retrieval.passages) == sorted(
        hit.chunk.text for hit in retrieval.hits if hit.kept
    )


def test_pain_15_16_rows_do_not_grow_into_each_other(bench: Bench) -> None:
    """Text beside a row does not swallow it either."""
    metadata = [{}, {"kind": "row", "row": 2}, {"kind": "row", "row": 3}, {}]
    bench.put("混合.xlsx", ["年假说明如下。", "年假：五天", "病假：十天", "附注若干。"], metadata=metadata)
    (passage,) = bench.retrieve("年假说明", top_k=1).passages
    assert passage.text == "年假说明如下。"
    (passage,) = bench.retrieve("病假十天", top_k=1).passages
    assert passage.text == "病假：十天"


def test_a_short_row_between_two_hits_is_not_swallowed(bench: Bench) -> None:
    """Only blanks may lie between ranges that are joined."""
    metadata = [{}, {"kind": "row", "row": 2}, {}]
    bench.put("混合.xlsx", ["年假说明，按工龄。", "年假：五天", "年假附注若干条。"], metadata=metadata)
    retrieval = bench.retrieve("年假说明附注五天", threshold=0.0)
    assert all(hit.kept for hit in retrieval.hits)
    assert sum(passage.text.count("年假：五天") for passage in retrieval.passages) == 1


def test_the_best_hit_is_kept_even_over_the_budget(bench: Bench) -> None:
    bench.put("长.txt", ["年假规定：" + "甲" * 500])
    (passage,) = bench.retrieve("年假规定", context_chars=100).passages
    assert len(passage.text) == 505


def test_the_best_hit_grows_only_within_the_budget(bench: Bench) -> None:
    """It is kept whatever its length, but its neighbours have no such right."""
    bench.put("中.txt", SECTIONS)
    retrieval = bench.retrieve("丁类设备保养周期", top_k=1, passage_chars=500, context_chars=100)
    assert sum(len(passage.text) for passage in retrieval.passages) <= 100


def test_no_hit_is_lost_and_every_passage_is_verbatim_whatever_the_settings(bench: Bench) -> None:
    chance = random.Random(9)
    subjects = ["年假", "病假", "产假", "补贴", "加班", "出差"]
    for number in range(8):
        texts = [f"{chance.choice(subjects)}的第{n}条规定，{'详见附件。' * chance.randrange(1, 12)}" for n in range(9)]
        kinds = [{"kind": chance.choice(["text", "text", "table", "row"]), "page": n // 3 + 1} for n in range(9)]
        bench.put(f"{number}.pdf", texts, metadata=kinds, between=chance.choice(["\n", "\n\n", "", " " * 30]))
    for _ in range(80):
        settings = {
            "threshold": chance.choice([0.0, 0.1, 0.3]),
            "top_k": chance.choice([1, 3, 10, 50]),
            "passage_chars": chance.choice([0, 80, 300, 4000]),
            "context_chars": chance.choice([100, 400, 2000, 100_000]),
        }
        retrieval = bench.retrieve(f"{chance.choice(subjects)}规定", **settings)
        kept = [hit for hit in retrieval.hits if hit.kept]
        assert bool(kept) is bool(retrieval.passages)
        if kept:
            assert kept[0] is next(hit for hit in retrieval.hits if hit.dropped_by in (None, "budget"))
        for hit in kept:
            holders = [
                passage
                for passage in retrieval.passages
                if passage.chunk.document_id == hit.chunk.document_id
                and passage.start <= hit.chunk.start
                and hit.chunk.end <= passage.end
            ]
            assert holders, "a kept hit is in no passage"
            assert hit.chunk.text in holders[0].text
        for passage in retrieval.passages:
            assert passage.text == whole_text(bench, passage)
        ranges = sorted((one.chunk.document_id, one.start, one.end) for one in retrieval.passages)
        for one, two in pairwise(ranges):
            assert one[0] != two[0] or one[2] <= two[1], "two passages overlap"
        relevance = [passage.relevance for passage in retrieval.passages]
        assert relevance == sorted(relevance, reverse=True)
        if len(retrieval.passages) > 1:
            assert sum(len(passage.text) for passage in retrieval.passages) <= settings["context_chars"]
