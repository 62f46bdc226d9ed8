"""What every tab looks like: in both languages, by day and by night, on a desk and on a phone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from web_pages import answered, ask, open_tab
from web_site import Site

from core.messages import Language
from ui.texts import shell

FAULTS = Path(__file__).with_name("looks.js").read_text("utf-8")
TABS = (shell.TAB_CHAT, shell.TAB_KNOWLEDGE_BASES, shell.TAB_RETRIEVAL_TEST, shell.TAB_MODELS)
QUESTIONS: dict[Language, str] = {
    "zh": "ChatGLM-6B INT4 需要多少显存？",
    "en": "How does the program answer in embedded mode?",
}


def filled(page: Any, tab: str, question: str) -> None:
    """Let a tab show what it has to show."""
    if tab == "chat":
        ask(page, question)
        answered(page).locator("button.cite").first.click()
        page.locator("section.source").wait_for()
    elif tab == "knowledge-bases":
        page.locator("#file-table tbody tr").nth(3).wait_for()
    elif tab == "retrieval-test":
        page.wait_for_selector("#test-question :enabled")
        page.fill("#test-question textarea, #test-question input", question)
        page.locator("#test-results .below").first.wait_for()
    else:
        page.locator("#model-catalogue .precision.fits, #model-catalogue .precision.too-large").first.wait_for()


@pytest.mark.parametrize(
    "window",
    [
        {"locale": "zh-CN", "color_scheme": "light", "width": 1280, "height": 800},
        {"locale": "en-US", "color_scheme": "dark", "width": 1280, "height": 800},
        {"locale": "zh-CN", "color_scheme": "light", "width": 360, "height": 740},
    ],
    ids=["desk", "night", "phone"],
)
def test_every_tab_can_be_read_by_everybody(
    site: Site, visit: Callable[..., Any], tmp_path: Path, window: dict[str, Any]
) -> None:
    page = visit(site.url, **window)
    console: list[str] = []
    page.on("console", lambda message: console.append(message.text) if message.type == "error" else None)
    page.reload()
    page.wait_for_selector(".welcome")
    language: Language = "en" if window["locale"] == "en-US" else "zh"
    faults: dict[str, list[str]] = {}
    for name, tab in zip(("chat", "knowledge-bases", "retrieval-test", "models"), TABS, strict=True):
        open_tab(page, tab.text(language))
        filled(page, name, QUESTIONS[language])
        page.screenshot(path=tmp_path / f"{name}.png")
        found = page.evaluate(FAULTS)
        assert found["seen"] > 20
        faults |= {name: found["faults"]} if found["faults"] else {}
        if name == "chat":
            page.click("section.source [data-action=close]")
    assert faults == {}
    assert console == []
