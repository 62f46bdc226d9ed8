"""The retrieval test as people use it: typed into, dragged, compared, applied, measured."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from web_pages import answered, ask, choose, create_kb, open_tab, row, said, upload
from web_site import Site

Visit = Callable[..., Any]
QUESTION = "#test-question textarea, #test-question input"
HITS = "#test-results [data-relevance]"
LINE = "#test-results [data-threshold]"
RULES = "\n\n".join(
    f"## {place}\n\n{place}停车每小时收费{price}元，{place}须登记车牌。"
    for place, price in {"东门": "三", "西门": "四", "南门": "五", "北门": "六", "地库": "七", "访客区": "八"}.items()
)


def shown(page: Any) -> tuple[list[float], float]:
    """Return the relevance of each candidate and the threshold; what lies below it is greyed, and nothing else."""
    rows, threshold = page.evaluate(
        "([hits, line]) => [[...document.querySelectorAll(hits)].map("
        "(row) => [Number(row.dataset.relevance), row.classList.contains('below'), row.offsetHeight]), "
        "Number(document.querySelector(line).dataset.threshold)]",
        [HITS, LINE],
    )
    assert rows
    assert all(is_below == (relevance < threshold) and height for relevance, is_below, height in rows)
    return [relevance for relevance, *_ in rows], threshold


def slider(page: Any, name: str) -> Any:
    return page.locator(f"#test-{name} input[type=number]")


def becomes(page: Any, name: str, value: str) -> None:
    """Wait until a slider shows a value."""
    page.wait_for_function(f"document.querySelector('#test-{name} input[type=number]').value === '{value}'")


@pytest.fixture
def testing(site: Site, visit: Visit) -> Any:
    """The tab, at the samples."""
    page = visit(site.url)
    open_tab(page, "检索测试")
    page.wait_for_selector("#test-question :enabled")
    return page


@pytest.fixture
def rules(site: Site, visit: Visit, tmp_path: Path) -> Callable[[str], Any]:
    """The tab at a knowledge base of its own: `rules(name)`."""

    def open_at(name: str) -> Any:
        page = visit(site.url)
        create_kb(page, name)
        (tmp_path / "停车.md").write_text(RULES, "utf-8")
        upload(page, [tmp_path / "停车.md"])
        open_tab(page, "检索测试")
        page.wait_for_selector("#test-question :enabled")
        of_samples = slider(page, "a-threshold").input_value()
        page.click("#test-kbs .token-remove")
        page.locator("#test-apply").wait_for(state="hidden")  # only one knowledge base can be saved to
        choose(page, "#test-kbs", name)
        page.locator("#test-apply").wait_for()
        threshold = "document.querySelector('#test-a-threshold input[type=number]').value"
        page.wait_for_function(f"{threshold} !== '{of_samples}'")  # a question typed before would meet the old one
        return page

    return open_at


def test_the_line_is_dragged_over_every_hit_applied_and_obeyed_by_the_chat(rules: Callable[[str], Any]) -> None:
    """What was tried on the test tab never reached the chat, whose threshold was another one."""
    page, question = rules("停车（拖动）"), "访客区停车每小时收费多少？"
    page.click(QUESTION)
    page.keyboard.insert_text(question)
    page.wait_for_selector(LINE)
    relevances, before = shown(page)
    assert before < relevances[0]
    page.locator("#test-results .line").scroll_into_view_if_needed()
    box = page.locator(f"{LINE} [role=slider]").bounding_box()
    top = page.locator(HITS).first.bounding_box()
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(x, (box["y"] + top["y"]) / 2, steps=5)
    page.mouse.move(x, top["y"] + 2, steps=5)
    held, threshold = shown(page)
    assert held == relevances
    assert threshold > relevances[0]
    assert slider(page, "a-threshold").input_value() == f"{before * 100:.4g}"
    page.mouse.up()
    becomes(page, "a-threshold", f"{threshold * 100:.4g}")
    page.locator(".retrieval .note", has_text=f"{threshold:.0%}").wait_for()
    assert shown(page) == (relevances, threshold)

    page.click("#test-apply")
    page.locator("#test-saved", has_text="停车（拖动）").wait_for()
    open_tab(page, "对话")
    choose(page, "#chat-kbs", "停车（拖动）")
    ask(page, question)
    answer = answered(page)
    assert "不作回答" in answer.inner_text()
    assert f"阈值 {threshold:.0%}" in answer.locator(".misses").inner_text()
    assert "访客区" in answer.locator(".misses li").first.inner_text()

    open_tab(page, "检索测试")
    page.click("#test-defaults")
    page.locator("#test-saved", has_text="不再有自己的检索设置").wait_for()
    open_tab(page, "对话")
    ask(page, question)
    assert "八元" in answered(page, 2).locator(".answer").inner_text()


def test_the_line_moves_by_keys_and_keeps_the_focus(testing: Any) -> None:
    page = testing
    page.fill(QUESTION, "ChatGLM-6B INT4 需要多少显存？")
    page.wait_for_selector(LINE)
    relevances, before = shown(page)
    handle = page.locator(f"{LINE} [role=slider]")
    handle.focus()
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    assert shown(page)[1] == round(before + 0.03, 2)
    becomes(page, "a-threshold", f"{round(before + 0.03, 2) * 100:.4g}")
    for key, end in (("End", "100"), ("Home", "0")):
        handle.press(key)
        becomes(page, "a-threshold", end)
        page.wait_for_function("document.activeElement.getAttribute('role') === 'slider'")
    assert shown(page) == (relevances, 0)


def test_two_settings_stand_side_by_side(testing: Any) -> None:
    page = testing
    page.fill(QUESTION, "年假有几天？")
    page.wait_for_selector(LINE)
    page.check("#test-compare input")
    page.locator(".two section").nth(1).wait_for()
    slider(page, "b-threshold").fill("100")
    slider(page, "b-threshold").press("Tab")
    first, second = page.locator(".two section").all()
    second.locator(".note", has_text="采用 0 个").wait_for()
    assert first.locator(".hit.kept").count()
    assert second.locator(".hit").count() == first.locator(".hit").count()
    assert second.locator(".change.out").count() == first.locator(".hit.kept").count()


def test_marks_make_a_list_and_the_list_a_curve(rules: Callable[[str], Any]) -> None:
    page = rules("停车（标记）")
    for place in ("东门", "西门", "地库"):
        page.fill(QUESTION, f"{place}停车每小时收费多少？")
        hit = page.locator(HITS, has_text=f"{place}停车").first
        hit.locator("[data-right=true]").click()
        page.locator(f"{HITS} [aria-pressed=true]").wait_for()
    page.fill(QUESTION, "停车场的经理是谁？")
    page.locator("#test-results [data-action=unanswerable]").click()
    page.locator("#test-results .listed", has_text="没有答案").wait_for()

    page.get_by_role("tab", name="问题列表和曲线").click()
    row(page, "#test-list", "地库停车每小时收费多少？").wait_for()
    assert page.locator("#test-list tbody tr").count() == 4
    page.click("#test-run")
    page.wait_for_selector("#test-measured svg line.suggested", state="attached")
    assert page.locator("#test-measured .legend li").count() == 5

    assert json.loads(downloaded(page, "#test-measured a[href*=json]"))["knowledge_base"] == "停车（标记）"
    outcomes = list(csv.DictReader(io.StringIO(downloaded(page, "#test-measured a[href*=csv]"))))
    assert len(outcomes) == 4
    assert "停车场的经理是谁？" in downloaded(page, "#test-list a[href*=csv]")


def test_a_file_of_questions_is_taken_or_says_why_not(rules: Callable[[str], Any]) -> None:
    page = rules("停车（导入）")
    page.get_by_role("tab", name="问题列表和曲线").click()
    for content, reply in {"a,b\n1,2\n": "没有“问题”", "问题,无答案\n火星有几座山？,是\n": "1 个问题"}.items():
        file = {"name": "列表.csv", "mimeType": "text/csv", "buffer": content.encode()}
        page.set_input_files("#test-import input[type=file]", file)
        said(page, reply)
    row(page, "#test-list", "火星有几座山？").wait_for()
    assert page.locator("#test-list tbody tr").count() == 1


def test_what_was_not_found_is_explained_and_the_advice_is_tried(testing: Any) -> None:
    page = testing
    page.fill(QUESTION, "去一线城市出差，住宿标准是每晚多少钱？")
    page.wait_for_selector(LINE)
    slider(page, "a-threshold").fill("99")
    slider(page, "a-threshold").press("Tab")
    page.locator(".retrieval .note", has_text="采用 0 个").wait_for()
    page.get_by_text("为什么没找到？").click()
    page.fill("#test-expected textarea, #test-expected input", "云杉科技员工手册.docx")
    page.click("#test-explain")
    page.locator("#test-explanation .steps li.lost", has_text="阈值").wait_for()
    page.click("#test-explanation [data-action=apply]")
    page.wait_for_function("Number(document.querySelector('#test-a-threshold input[type=number]').value) < 99")
    page.locator(f"{HITS}.kept").first.wait_for()


def downloaded(page: Any, link: str) -> str:
    with page.expect_download() as download:
        page.locator(link).first.click()
    return Path(download.value.path()).read_text("utf-8-sig")
