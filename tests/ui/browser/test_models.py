"""The models tab: what runs, what there is, and the change from one to another."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai_server import running
from web_pages import answered, ask, log_in, open_tab, row
from web_site import Site, serving

Visit = Callable[..., Any]
QUESTION = "ChatGLM-6B 有多少参数？"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose answers come from a model server, and that asks for a login."""
    with running() as models:
        data_dir = tmp_path_factory.mktemp("served") / "data"
        variables = {"KNOWGLM_LLM": "tiny", "KNOWGLM_LLM_URL": f"{models}/good/switch/v1"}
        with serving(data_dir, "--auth", "管理员:correct horse battery", **variables) as site:
            yield site


def test_the_tab_says_what_runs_and_what_there_is(site: Site, visit: Visit) -> None:
    page = visit(site.url)
    open_tab(page, "模型")
    page.locator("#model-now", has_text="内置模式").wait_for()
    chatglm = row(page, "#model-catalogue", "chatglm-6b")
    chatglm.locator(".fits, .too-large").first.wait_for()
    assert "没有" in chatglm.inner_text()
    assert "GB" in chatglm.inner_text()
    page.click("#model-diagnose")
    page.locator("#model-doctor .doctor li", has_text="Python").wait_for()


def test_another_model_is_confirmed_shown_and_asked(served: Site, visit: Visit) -> None:
    page = visit(served.url)
    log_in(page, "管理员", "correct horse battery")
    page.wait_for_selector(".welcome")
    ask(page, QUESTION)
    assert "请假需要主管批准" in answered(page).locator(".answer").inner_text()
    open_tab(page, "模型")
    page.locator("#model-now", has_text="tiny").wait_for()

    asked: list[str] = []

    def refuse(dialog: Any) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.once("dialog", refuse)
    change_to(page, "内置模式")
    assert "更换" in asked[0]
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#model-switch button")
    page.locator("#model-now", has_text="内置模式").wait_for()
    open_tab(page, "对话")
    page.locator("#status", has_text="内置模式").wait_for()
    ask(page, QUESTION)
    assert "62 亿" in answered(page, 2).locator(".answer").inner_text()

    open_tab(page, "模型")
    page.once("dialog", lambda dialog: dialog.accept())
    change_to(page, "tiny")
    page.locator("#model-now", has_text="tiny").wait_for()
    page.locator("#model-work", has_text="完成").first.wait_for()


def change_to(page: Any, name: str) -> None:
    page.click("#model-name input")
    page.get_by_role("option").filter(has_text=name).click()
    page.click("#model-switch button")
