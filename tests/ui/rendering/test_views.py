"""What each view shows, and what its controls hand back."""

import json
import re
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import pytest
from page_samples import SETTINGS, a_chunk, a_hit, an_exchange, every_view, found

from core.answers import Citation, Hit, Passage, Retrieval
from core.conversations import ConversationSummary
from core.curation import PreviewChunk, SourceView
from core.evaluation import CurvePoint, Expected
from core.explanations import Explanation, Step
from core.grounding import Grounding, Verdict
from core.messages import literal
from ui.rendering import views
from ui.rendering.highlights import supports


def tree(html: str) -> Element:
    root: Element = html5lib.parseFragment(html, namespaceHTMLElements=False)
    return root


def words(html: str | Element) -> str:
    return " ".join(" ".join((tree(html) if isinstance(html, str) else html).itertext()).split())


def of_class(html: str, name: str) -> list[Element]:
    return [one for one in tree(html).iter() if name in (one.get("class") or "").split()]


def controls(html: str, action: str) -> list[Element]:
    return [one for one in tree(html).iter() if one.get("data-action") == action]


def actions(html: str) -> set[str]:
    return {one.get("data-action", "") for one in tree(html).iter()} - {""}


def test_every_control_is_a_control_and_has_a_name() -> None:
    for view, html in every_view("7", "zh").items():
        for element in tree(html).iter():
            if element.get("data-action"):
                assert element.tag in ("button", "a", "input"), view
            if element.tag in ("button", "a", "input"):
                label = next((one for one in tree(html).iter("label") if one.find("input") is not None), None)
                assert element.get("aria-label") or words(element) or label is not None, view
            if element.tag == "button":
                assert element.get("type") == "button", view


# --- answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        ("writing", set()),
        ("done", {"copy", "rate"}),
        ("stopped", {"copy"}),
        ("failed", {"copy"}),
    ],
)
def test_what_can_be_done_with_an_answer(state: str, offered: set[str]) -> None:
    exchange = an_exchange(state)
    assert actions(views.exchange(exchange, language="zh")) == offered
    assert actions(views.exchange(exchange, language="zh", is_last=True)) - offered == ({"retry"} if offered else set())


def test_what_became_of_an_answer_is_said() -> None:
    assert "正在查找" in words(views.exchange(replace(an_exchange("writing"), text=""), language="zh"))
    assert "正在查找" not in words(views.exchange(an_exchange("writing"), language="zh"))
    assert "已停止" in words(views.exchange(an_exchange("stopped"), language="zh"))
    failed = views.exchange(replace(an_exchange("failed"), text="文件太大。\n拆成几个。"), language="zh")
    assert [one.text for one in tree(failed).iter() if one.get("role") == "alert"] == ["文件太大。\n拆成几个。"]


def test_copying_takes_the_answer_as_it_was_written() -> None:
    html = views.exchange(an_exchange(text="**五天**[1]。"), language="zh")
    assert [one.get("data-text") for one in controls(html, "copy")] == ["**五天**[1]。"]


@pytest.mark.parametrize(
    ("rating", "pressed", "next_ratings"), [(0, [], ["1", "-1"]), (1, ["0"], ["0", "-1"]), (-1, ["0"], ["1", "0"])]
)
def test_a_rating_is_shown_and_taken_back(rating: Any, pressed: list[str], next_ratings: list[str]) -> None:
    thumbs = controls(views.exchange(replace(an_exchange(), rating=rating), language="zh"), "rate")
    assert [one.get("data-rating") for one in thumbs] == next_ratings
    assert [one.get("data-rating") for one in thumbs if one.get("aria-pressed") == "true"] == pressed


@pytest.mark.parametrize(
    ("mode", "author"),
    [("extractive", "内置模式：摘录原句"), ("llm", "语言模型 · chatglm-6b int4"), ("small_talk", "寒暄")],
)
def test_who_wrote_an_answer_is_said(mode: Any, author: str) -> None:
    html = views.exchange(an_exchange(mode=mode, model="chatglm-6b int4"), language="zh")
    assert [words(one) for one in of_class(html, "author")] == [author]


def test_pain_23_sources_with_file_page_and_relevance_stand_below_an_answer() -> None:
    citation = Citation(1, a_chunk(page=12), 0, 5, 0.753, "年假五天。")
    html = views.exchange(an_exchange(citations=(citation,)), language="zh")
    cite, chip = controls(html, "source")
    assert cite.get("data-n") == chip.get("data-n") == "1"
    assert words(chip) == "1 员工手册.pdf · 第 12 页 75%"
    assert [one.get("value") for one in chip.iter("meter")] == ["0.753"]


def test_pain_22_a_refusal_shows_the_nearest_misses_and_no_sources() -> None:
    misses = tuple(a_hit(n, n, 0.4 - n / 10, "threshold", text=f"近{n}。") for n in (1, 2, 3))
    html = views.exchange(
        an_exchange(text="没有找到。", refused=True, mode="none", retrieval=found(*misses)), language="zh"
    )
    assert not controls(html, "source")
    assert not of_class(html, "sources")
    assert next(words(one) for one in of_class(html, "misses")[0].iter("li")) == "30% 员工手册.pdf 近1。"
    assert "阈值 40%" in words(html)
    assert [one.get("data-prompt") is not None for one in controls(html, "why")] == [True]


def test_pain_24_passages_without_an_answer() -> None:
    passage = Passage(a_chunk(), 0, 5, "年假五天。", 0.8)
    retrieval = Retrieval("年假？", (), (passage,), SETTINGS, 0.1)
    html = views.exchange(an_exchange(text="", mode="none", retrieval=retrieval), language="zh")
    assert [words(one) for one in of_class(html, "passages")] == ["80% 员工手册.pdf 年假五天。"]


def test_the_fold_tells_how_the_answer_came_about() -> None:
    exchange = an_exchange(
        prompt="system: x", trace_id="20240102-1", removed_citations=(7, 9), rewritten="员工年假几天？"
    )
    html = views.exchange(exchange, language="zh", kbs=("人事", "财务"), mode="kb+web")
    fold = words(of_class(html, "fold")[0])
    for told in (
        "人事 · 财务",
        "阈值 40%",
        "条数 5",
        "检索 0.25 秒，其余 0.75 秒，共 1.00 秒",
        "7 · 9",
        "20240102-1",
        "system: x",
    ):
        assert told in fold
    assert "检索用的问题：员工年假几天？" in words(html)
    assert "放不下" not in fold


def test_quotes_of_the_embedded_mode_are_no_markdown() -> None:
    html = views.exchange(an_exchange(text="# 标题 *a*\n__init__", mode="extractive"), language="zh")
    assert "# 标题 *a*" in words(html)
    assert not list(tree(html).iter("em"))
    assert list(tree(views.exchange(an_exchange(text="# 标题 *a*"), language="zh")).iter("em"))


# --- a source ----------------------------------------------------------------------------------------------------


def a_source(n: int = 2, numbers: tuple[int, ...] = (1, 2, 3), supported: Any = (), original: str = "") -> str:
    view = SourceView("人事", "员工手册.pdf", "第三章 > 休假", 12, "前文。", "年假五天。须申请。", "后文。", 100, 109)
    citation = Citation(n, a_chunk(page=12), 100, 109, 0.75, view.text)
    return str(
        views.source_panel(citation, view, language="zh", supports=supported, numbers=numbers, original=original)
    )


def test_a_source_shows_where_it_stands() -> None:
    html = a_source()
    assert "员工手册.pdf" in words(html)
    assert "75% 人事 第 12 页" in words(html)
    assert [words(one) for one in of_class(html, "breadcrumb")[0]] == ["第三章", "休假"]
    assert [words(one) for one in of_class(html, "around")] == ["前文。", "后文。"]


@pytest.mark.parametrize(
    ("supported", "marked"),
    [
        ([], ""),
        ([(100, 105)], "年假五天。"),
        ([(100, 103), (102, 105)], "年假五天。"),
        ([(98, 102)], "文。年假"),
        ([(0, 500)], "前文。年假五天。须申请。后文。"),
        ([(0, 50), (400, 500), (103, 103)], ""),
    ],
    ids=["none", "one", "overlapping", "into_the_text_before", "everything", "elsewhere"],
)
def test_what_supports_the_answer_is_highlighted(supported: list[tuple[int, int]], marked: str) -> None:
    html = a_source(supported=supported)
    assert "".join(words(one) for one in tree(html).iter("mark")) == marked
    assert "".join(of_class(html, "passage")[0].itertext()) == "前文。年假五天。须申请。后文。"


@pytest.mark.parametrize(
    ("n", "numbers", "beside"),
    [(1, (1, 2), ["2"]), (2, (1, 2, 5), ["1", "5"]), (2, (1, 2), ["1"]), (1, (1,), []), (1, (), [])],
    ids=["first", "middle", "last", "only", "unknown"],
)
def test_one_source_leads_to_the_next(n: int, numbers: tuple[int, ...], beside: list[str]) -> None:
    assert [one.get("data-n") for one in controls(a_source(n, numbers), "source")] == beside


def test_the_original_is_offered_only_where_it_may_be_had() -> None:
    assert not list(tree(a_source()).iter("a"))
    link = next(tree(a_source(original="/originals?kb=%E4%BA%BA&document=a.pdf")).iter("a"))
    assert link.get("href") == "/originals?kb=%E4%BA%BA&document=a.pdf"
    assert link.get("download") is not None


def test_supports_are_those_of_the_same_document() -> None:
    passages = tuple(Passage(a_chunk(n, document_id=n), 0, 5, "年假五天。", 0.8) for n in (1, 2))
    verdicts = (
        Verdict(0, 3, "supported", 1.0, 1, 0, 2),
        Verdict(3, 6, "partly", 0.5, 2, 4, 5),
        Verdict(6, 9, "unsupported", 0.0, None, 0, 0),
        Verdict(9, 12, "supported", 1.0, 7, 0, 3),
    )
    retrieval = Retrieval("年假？", (), passages, SETTINGS, 0.1)
    answer = an_exchange(retrieval=retrieval, grounding=Grounding(verdicts, 0.5)).answer
    assert answer is not None
    assert supports(answer, Citation(1, a_chunk(1, document_id=1), 0, 5, 0.8, "")) == ((0, 2),)
    assert supports(answer, Citation(2, a_chunk(9, document_id=2), 0, 5, 0.8, "")) == ((4, 5),)
    assert supports(answer, Citation(2, a_chunk(9, document_id=2, kb="财务"), 0, 5, 0.8, "")) == ()
    assert supports(replace(answer, grounding=None), Citation(1, a_chunk(), 0, 5, 0.8, "")) == ()


# --- the retrieval test ------------------------------------------------------------------------------------------

HITS = (a_hit(1, 1, 0.9), a_hit(2, 2, 0.5, "duplicate"), a_hit(3, 3, 0.4), a_hit(4, 4, 0.39, "threshold"))


@pytest.mark.parametrize(
    ("threshold", "below"), [(0.0, []), (0.4, ["0.39"]), (0.5, ["0.4", "0.39"]), (1.0, ["0.9", "0.5", "0.4", "0.39"])]
)
def test_hits_below_the_threshold_are_greyed_and_not_hidden(threshold: float, below: list[str]) -> None:
    html = views.retrieval(found(*HITS), threshold=threshold, language="zh")
    assert [one.get("data-relevance") for one in of_class(html, "hit")] == ["0.9", "0.5", "0.4", "0.39"]
    assert [one.get("data-relevance") for one in of_class(html, "below")] == below
    rows = list(of_class(html, "hits")[0])
    assert [one.get("class") for one in rows].index("line") == 4 - len(below)


def test_pain_10_the_threshold_can_be_dragged_and_says_what_it_is() -> None:
    html = views.retrieval(found(*HITS), threshold=0.45, language="zh")
    slider = next(one for one in tree(html).iter("button") if one.get("role") == "slider")
    names = ("aria-valuemin", "aria-valuemax", "aria-valuenow", "aria-valuetext")
    assert [slider.get(name) for name in names] == ["0", "1", "0.45", "45%"]
    assert words(of_class(html, "line")[0]) == "阈值 45%"


def test_pain_7_relevance_is_a_percentage_with_a_bar_and_higher_is_better() -> None:
    html = views.retrieval(found(*HITS), threshold=0.4, language="zh")
    head = words(of_class(html, "hit")[0])
    assert head.startswith("1 90% 词面 50% · 向量 25% 采用")
    meters = list(of_class(html, "hits")[0].iter("meter"))
    assert [one.get("value") for one in meters] == ["0.9", "0.5", "0.4", "0.39"]
    assert {(one.get("min"), one.get("max")) for one in meters} == {("0", "1")}


def test_a_hit_just_below_the_threshold_does_not_show_the_share_of_the_line() -> None:
    near = a_hit(1, 1, 0.3196), a_hit(2, 2, 0.3184, "threshold")
    html = views.retrieval(found(*near), threshold=0.319, language="zh")
    assert [words(one) for one in of_class(html, "relevance")] == ["32%", "31.8%"]
    assert [one.get("title") for one in of_class(html, "relevance")] == ["相关度 32%", "相关度 31.8%"]
    assert words(of_class(html, "line")[0]) == "阈值 31.9%"


def test_the_share_of_the_dense_leg_is_said_only_where_there_is_one() -> None:
    lexical = replace(a_hit(1, 1, 0.9), dense=None)
    for hit, is_said in ((a_hit(1, 1, 0.9), True), (lexical, False)):
        once = views.retrieval(found(hit), threshold=0.4, language="zh")
        twice = views.two_retrievals(found(hit), found(hit), language="zh")
        assert ("向量份额" in words(once), "向量份额" in words(twice)) == (is_said, is_said)


def test_every_candidate_tells_its_fate() -> None:
    html = views.retrieval(found(*HITS), threshold=0.4, language="zh")
    assert [words(one) for one in of_class(html, "fate")] == ["采用", "与上面某段相同", "采用", "低于阈值"]


def test_hits_are_marked_right_or_wrong() -> None:
    marks = {("人事", 1): True, ("人事", 2): False, ("财务", 3): True}
    buttons = controls(views.retrieval(found(*HITS), threshold=0.4, language="zh", marks=marks), "mark")
    pressed = [(one.get("data-chunk"), one.get("data-right")) for one in buttons if one.get("aria-pressed") == "true"]
    assert pressed == [("1", "true"), ("2", "false")]
    assert {one.get("data-kb") for one in buttons} == {"人事"}


def test_a_long_hit_is_folded_and_whole() -> None:
    text = "很长。" * 200
    html = views.retrieval(found(a_hit(1, 1, 0.9, text=text)), threshold=0.4, language="zh")
    assert words(of_class(html, "whole")[0]) == text
    assert len(words(next(tree(html).iter("summary")))) < 200


def test_the_growth_of_passages_is_seen() -> None:
    passage = Passage(a_chunk(text="五天。", start=3, end=6), 0, 9, "前文。五天。后文。", 0.9)
    hit = Hit(passage.chunk, 1, 0.9, 0.9, None, None)
    html = views.retrieval(Retrieval("x", (hit,), (passage,), SETTINGS, 0.1), threshold=0.4, language="zh")
    assert [words(one) for one in tree(html).iter("mark")] == ["五天。"]
    assert words(of_class(html, "passage")[0]).replace(" ", "") == "前文。五天。后文。"


def test_two_settings_side_by_side_say_what_changes() -> None:
    before = found(a_hit(1, 1, 0.9), a_hit(2, 2, 0.8), a_hit(3, 3, 0.7), a_hit(4, 4, 0.2, "threshold"))
    after = found(
        a_hit(3, 1, 0.9), a_hit(1, 2, 0.8), a_hit(4, 3, 0.7), a_hit(2, 4, 0.2, "threshold"), a_hit(5, 5, 0.1, "top_k")
    )
    html = views.two_retrievals(before, after, language="zh")
    left, right = (
        [(one.get("data-relevance"), words(next(iter(one.iter("strong")), Element("x")))) for one in side.iter("li")]
        for side in tree(html).iter("section")
    )
    assert left == [("0.9", ""), ("0.8", "不再采用"), ("0.7", ""), ("0.2", "")]
    assert right == [("0.9", "上升 2"), ("0.8", "下降 1"), ("0.7", "新采用"), ("0.2", "不再采用"), ("0.1", "新出现")]


def test_equal_ids_of_two_knowledge_bases_are_two_chunks() -> None:
    html = views.two_retrievals(found(a_hit(1, 1, 0.9)), found(a_hit(1, 1, 0.9, kb="财务")), language="zh")
    assert [words(one) for one in of_class(html, "change")] == ["消失", "新采用"]


def test_an_explanation_hands_over_the_changes_that_help() -> None:
    steps = (
        Step("file", "passed", literal("有", "there")),
        Step("threshold", "lost", literal("低", "low"), literal("降", "x")),
    )
    lost = Explanation("年假？", Expected("a.pdf"), steps, {"threshold": 0.31, "top_k": 7})
    html = views.explanation(lost, language="zh")
    assert [json.loads(one.get("data-changes", "")) for one in controls(html, "apply")] == [
        {"threshold": 0.31, "top_k": 7}
    ]
    assert [one.get("class") for one in of_class(html, "steps")[0]] == ["passed", "lost"]
    assert "没有找到，丢在：阈值 降 相关度阈值 → 31% 取用条数 → 7" in words(html)
    assert not controls(views.explanation(replace(lost, changes={}), language="zh"), "apply")
    reached = views.explanation(replace(lost, steps=steps[:1], changes={}), language="zh")
    assert "找到了" in words(reached)


def test_curves_are_drawn_over_the_whole_range_and_interrupted_where_nothing_is_known() -> None:
    points = [CurvePoint(n / 4, None if n == 2 else n / 4, 1.0, None, 0.0, 1.0) for n in range(5)]
    html = views.curve(points, suggested=0.5, in_force=0.25, language="zh")
    drawn = {
        one.get("class"): one.get("points", "").split() for one in tree(html).iter() if one.tag.endswith("polyline")
    }
    assert set(drawn) == {"precision", "recall"}
    runs = re.findall(r'<polyline class="precision" points="([^"]*)"', html)
    assert [len(run.split()) for run in runs] == [2, 2]
    assert drawn["recall"] == ["42.0,12.0", "128.5,12.0", "215.0,12.0", "301.5,12.0", "388.0,12.0"]
    assert "现在的阈值 25% 建议的阈值 50%" in words(html)
    assert re.search("<title>[^<]+</title>", html)


def test_without_a_suggestion_none_is_drawn() -> None:
    assert 'class="suggested"' in every_view("7", "zh")["curve"]
    assert 'class="suggested"' not in views.curve([], suggested=None, in_force=0.4, language="zh")


def test_figures_show_shares_times_and_what_is_suggested() -> None:
    html = every_view("7", "zh")["figures"]
    assert "第 1 条就是正确段落 50% 耗时中位数 12 毫秒" in words(html)
    assert "建议：相关度阈值 42%（现在 40%）" in words(html)
    assert "建议：取用条数 3（现在 5）" in words(html)
    assert len(controls(html, "apply")) == 1


# --- lists -------------------------------------------------------------------------------------------------------


def test_a_reader_is_offered_nothing_that_changes_anything() -> None:
    shown = every_view("7", "zh")
    assert actions(shown["files_of_a_reader"]) == {"chunks"}
    assert actions(shown["models_of_a_reader"]) == set()
    assert not list(tree(shown["files_of_a_reader"]).iter("input"))


def test_the_list_of_files_tells_state_size_pages_and_reason() -> None:
    good, bad = (words(row) for row in next(tree(every_view("甲.pdf", "zh")["files"]).iter("tbody")))
    assert re.match(r"甲\.pdf 可检索 2\.4 MB 12 4 20\d\d-\d\d-\d\d \d\d:\d\d – 查看块 下载 重新索引 删除", good)
    assert re.match(r"甲\.pdf2 失败 1 KB – 0 20\d\d-\d\d-\d\d \d\d:\d\d 甲\.pdf 重新索引 删除", bad)


def test_what_cannot_be_undone_is_confirmed() -> None:
    shown = every_view("7", "zh")
    for view in ("files", "conversations", "models"):
        for action in ("delete", "load", "unload", "download"):
            assert all(one.get("data-confirm") for one in controls(shown[view], action)), view
    together = [one for one in controls(shown["files"], "checked") if one.get("data-then") == "delete"]
    assert ["{count}" in (one.get("data-confirm") or "") for one in together] == [True]


def test_chunks_can_be_edited_and_switched() -> None:
    html = every_view("7", "zh")["chunks"]
    assert [(one.get("data-chunk"), one.get("data-enabled")) for one in controls(html, "toggle")] == [
        ("1", "false"),
        ("2", "true"),
    ]
    assert [words(one) for one in of_class(html, "badge")] == ["已修改", "已停用"]
    assert len(of_class(html, "disabled")) == 1


def test_a_preview_pales_what_two_chunks_share() -> None:
    chunks = [PreviewChunk("一二三四", "", None, 0, 4), PreviewChunk("三四五六七八", "", None, 2, 8)]
    html = views.preview(chunks, language="zh")
    assert [words(one) for one in of_class(html, "around")] == ["三四"]
    assert "2 块，平均 5 字，最长 6 字" in words(html)


def test_pain_6_a_job_tells_the_fate_of_each_file() -> None:
    running, failed, done = (every_view("甲.pdf", "zh")[f"job_{state}"] for state in ("running", "failed", "done"))
    assert [one.get("class") for one in of_class(running, "outcomes")[0]] == ["added", "failed", "duplicate"]
    assert "甲.pdf 失败 甲.pdf 甲.pdf" in words(running)
    assert [(one.get("value"), one.get("max")) for one in tree(running).iter("progress")] == [("1", "3")]
    assert [len(controls(html, "cancel")) for html in (running, failed, done)] == [1, 0, 0]
    assert "文件已损坏" in words(failed)
    assert not list(tree(done).iter("progress"))


def test_models_tell_what_fits_and_offer_what_can_be_done() -> None:
    rows = [row for body in tree(every_view("m", "zh")["models"]).iter("tbody") for row in body]
    offered = [[one.get("data-action") for one in row.iter("button")] for row in rows]
    assert offered == [["download"], ["download"], ["load"], ["unload"], ["load"], ["download"]]
    assert [words(one) for one in rows[0].iter("span") if "precision" in (one.get("class") or "")] == [
        "fp16 12.4 GB ✗",
        "int4 4.6 GB ✓",
    ]
    assert "使用中" in words(rows[2])
    assert "已载入" in words(rows[3])


def test_the_doctor_counts_and_cures() -> None:
    html = every_view("7", "zh")["doctor"]
    assert words(html).startswith("1 个问题，1 个提醒 正常 语言模型 7 问题 磁盘 7 7 提醒 下载来源 7")


def test_the_list_of_conversations_shows_which_one_is_open() -> None:
    summaries = [ConversationSummary("a", "年假", ("人事",), 0.0, 2), ConversationSummary("b", "", (), 0.0, 0)]
    html = views.conversations(summaries, "b", language="zh")
    assert [one.get("aria-current") for one in controls(html, "open")] == [None, "true"]
    assert [one.get("data-conversation") for one in tree(html).iter("li")] == ["a", "b"]
    assert [one.get("data-value") for one in controls(html, "rename")] == ["年假", "新会话"]
