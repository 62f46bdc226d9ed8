"""The chat as people use it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai_server import running
from web_pages import DONE, answered, ask
from web_site import Site, serving

Visit = Callable[..., Any]


def test_a_first_visit_answers_from_the_samples_without_any_weights(site: Site, visit: Visit) -> None:
    page = visit(site.url)
    page.wait_for_selector(".welcome")
    assert "内置模式" in page.inner_text("#status")
    page.click(".welcome .examples button >> nth=0")
    answer = answered(page)
    assert "6 GB" in answer.inner_text()
    answer.locator("button.cite").first.click()
    source = page.locator("section.source")
    source.wait_for()
    assert "ChatGLM-6B 部署指南.pdf" in source.inner_text()
    assert "6 GB" in source.locator("mark").first.inner_text()
    with page.expect_download() as download:
        source.locator("a.download").click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF")
    assert download.value.suggested_filename == "ChatGLM-6B 部署指南.pdf"
    source.locator("[data-action=close]").click()
    source.wait_for(state="detached")


def test_conversations_survive_a_reload_and_a_restart_of_the_server(tmp_path: Path, visit: Visit) -> None:
    """Chats were gone after a refresh (LC#2348, LC#2620, LC#3262)."""
    with serving(tmp_path / "data") as first:
        page = visit(first.url)
        page.wait_for_selector(".welcome")
        ask(page, "ChatGLM-6B 有多少参数？")
        assert "62 亿" in answered(page).inner_text()
        page.wait_for_url(re.compile(r"c="))
        page.reload()
        assert "62 亿" in answered(page).inner_text()
        port, cookies = first.url.rpartition(":")[2], page.context.cookies()
        address = page.url
    with serving(tmp_path / "data") as second:
        new = visit(second.url)
        new.context.add_cookies([{**cookie, "domain": "127.0.0.1"} for cookie in cookies])
        new.goto(address.replace(port, second.url.rpartition(":")[2]))
        assert "62 亿" in answered(new).inner_text()
        assert "参数" in new.inner_text("#conversation-list")


def test_conversations_are_renamed_searched_cleared_and_deleted(site: Site, visit: Visit) -> None:
    page = visit(site.url)
    page.wait_for_selector(".welcome")
    page.fill("#question textarea", "ChatGLM-6B 有多少参数？")
    page.dblclick("#send")  # one question all the same
    answered(page)
    assert page.locator("#conversation-list [data-conversation]").count() == 1
    page.on("dialog", lambda dialog: dialog.accept("模型的大小" if dialog.type == "prompt" else None))
    page.hover("#conversation-list [data-conversation]")
    page.click("#conversation-list [data-action=rename]")
    page.wait_for_selector("#conversation-list >> text=模型的大小")
    page.click("#new-conversation")
    page.wait_for_selector(".welcome")
    search = page.locator("#conversation-search textarea, #conversation-search input")
    search.press_sequentially("没有这样的会话")
    page.wait_for_selector("#conversation-list [data-conversation]", state="detached")
    search.clear()
    search.press_sequentially("大小")
    page.wait_for_selector("#conversation-list [data-conversation]")
    page.click("#conversation-list [data-action=open]")
    answered(page)
    page.click("#transcript [data-action=clear]")
    page.wait_for_selector(DONE, state="detached")
    page.hover("#conversation-list [data-conversation]")
    page.click("#conversation-list [data-action=delete]")
    page.wait_for_selector(".welcome")
    page.wait_for_selector("#conversation-list [data-conversation]", state="detached")


def test_a_follow_up_a_retry_and_a_rating(site: Site, visit: Visit) -> None:
    page = visit(site.url)
    page.wait_for_selector(".welcome")
    ask(page, "ChatGLM-6B 有多少参数？")
    answered(page)
    ask(page, "它的训练长度呢？")
    second = answered(page, 2)
    assert "2048" in second.inner_text()
    number = second.get_attribute("data-exchange")
    page.locator("[data-action=retry]").click()
    page.wait_for_selector(f".exchange[data-exchange='{number}']", state="detached")
    assert "2048" in answered(page, 2).inner_text()
    page.locator("[data-action=rate][data-rating='1']").last.click()
    page.locator("[data-action=rate][aria-pressed=true]").wait_for()
    page.reload()
    page.locator("[data-action=rate][aria-pressed=true]").wait_for()
    assert page.locator(DONE).count() == 2


def test_a_refusal_shows_the_nearest_misses_and_why_something_was_not_found(site: Site, visit: Visit) -> None:
    """Nothing relevant, yet an invented answer (LC#15, LC#19, LC#1049)."""
    page = visit(site.url)
    page.wait_for_selector(".welcome")
    ask(page, "明年奥运会的开幕式在哪个城市举行？")
    answer = answered(page)
    assert "不作回答" in answer.inner_text()
    assert answer.locator(".misses li").count() > 0
    page.on("dialog", lambda dialog: dialog.accept("62 亿"))
    answer.locator("[data-action=why]").click()
    page.locator("section.why .steps li").first.wait_for()


def test_an_answer_can_be_stopped_while_it_is_written(tmp_path: Path, visit: Visit) -> None:
    with running() as models:
        variables = {"KNOWGLM_LLM": "tiny", "KNOWGLM_LLM_URL": f"{models}/endless/stop/v1"}
        with serving(tmp_path / "data", **variables) as site:
            page = visit(site.url)
            page.wait_for_selector(".welcome")
            ask(page, "ChatGLM-6B 有多少参数？")
            page.locator("#current .answer >> text=字字").wait_for()
            other = visit(site.url)
            other.wait_for_selector(".welcome")
            ask(other, "ChatGLM-6B 有多少参数？")
            other.locator("#current .answer >> text=字字").wait_for()  # while the first goes on (LC#333, LC#1787)
            assert page.locator("#current .answer").count() == 1
            page.click("#stop")
            page.wait_for_selector(".exchange.stopped")
            assert "字字" in page.inner_text(".exchange.stopped .answer")
            page.wait_for_selector("#send:visible")
            page.wait_for_selector("#stop", state="hidden")
            page.reload()
            page.wait_for_selector(".exchange.stopped")


def test_a_conversation_that_is_left_while_it_is_answered_does_not_come_back(tmp_path: Path, visit: Visit) -> None:
    with running() as models:
        variables = {"KNOWGLM_LLM": "tiny", "KNOWGLM_LLM_URL": f"{models}/endless/left/v1"}
        with serving(tmp_path / "data", **variables) as site:
            page = visit(site.url)
            page.wait_for_selector(".welcome")
            ask(page, "ChatGLM-6B 有多少参数？")
            page.locator("#current .answer >> text=字字").wait_for()
            page.click("#new-conversation")
            page.wait_for_selector(".welcome")
            ask(page, "INT4 最低需要多少显存？")
            page.locator("#current .exchange >> text=INT4").wait_for()
            page.locator("#current .answer >> text=字字").wait_for()
            assert "参数" not in page.inner_text("#scroll")
            page.click("#stop")
            page.wait_for_selector(".exchange.stopped >> text=INT4")
            page.locator("#conversation-list [data-action=open] >> text=参数").click()
            page.wait_for_selector(".exchange.stopped >> text=参数")


def test_what_a_model_writes_is_only_text(tmp_path: Path, visit: Visit) -> None:
    with running() as models:
        variables = {"KNOWGLM_LLM": "tiny", "KNOWGLM_LLM_URL": f"{models}/hostile/x/v1"}
        with serving(tmp_path / "data", **variables) as site:
            page = visit(site.url)
            page.wait_for_selector(".welcome")
            ask(page, "ChatGLM-6B 有多少参数？")
            answer = answered(page)
            assert "<script>" in answer.inner_text()
            assert answer.locator("script, img, iframe, svg:not(button svg), a[href^=javascript]").count() == 0
            assert page.evaluate("window.taken") is None


def test_two_users_at_once_keep_their_own_state(site: Site, visit: Visit) -> None:
    """Answers were mixed up between users and tabs (LC#333, LC#405, LC#2059)."""
    one, other = visit(site.url), visit(site.url, locale="en-US")
    one.wait_for_selector(".welcome")
    other.wait_for_selector(".welcome")
    ask(one, "ChatGLM-6B 有多少参数？")
    ask(other, "Which Python version does KnowGLM need?")
    assert "62 亿" in answered(one).inner_text()
    assert "3.11" in answered(other).inner_text()
    for page in (one, other):
        assert page.locator("#conversation-list [data-action=open]").count() == 1
        assert page.locator(DONE).count() == 1


def test_the_language_follows_the_browser_and_can_be_changed(site: Site, visit: Visit) -> None:
    page = visit(site.url, locale="en-US")
    page.wait_for_selector(".welcome")
    assert page.url.startswith(f"{site.url}/en/")
    assert "Embedded mode" in page.inner_text("#status")
    texts = [page.inner_text(part) for part in (".welcome", "#ask", "#tabs")]
    assert not re.search("[\u4e00-\u9fff]", "".join(texts))
    ask(page, "What is the capital of the moon's largest colony?")
    assert "there is no answer" in answered(page).inner_text()
    page.click("nav a[hreflang=zh]")
    page.wait_for_selector(".welcome")
    assert "内置模式" in page.inner_text("#status")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone(site: Site, visit: Visit, scheme: str) -> None:
    page = visit(site.url, width=360, height=740, has_touch=True, color_scheme=scheme)
    page.wait_for_selector(".welcome")
    assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
    ask(page, "ChatGLM-6B 有多少参数？")
    answer = answered(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    answer.locator("button.cite").first.click()
    box = page.locator("section.source").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 360
    page.locator("section.source [data-action=close]").click()
    page.click("[data-action=drawer]")
    page.wait_for_selector("#conversation-list:visible")
