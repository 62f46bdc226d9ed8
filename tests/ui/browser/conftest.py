"""The page in a real browser: `webui.py` as a process of its own, and headless Chromium.

Without Chromium these tests are skipped; with REQUIRE_BROWSER=1, as in CI, that is a failure.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from web_site import Site, chromium, serving

PATIENCE_MS = 30_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    own = [item for item in items if Path(item.path).parent == Path(__file__).parent]
    if own and (missing := _missing()):
        if os.environ.get("REQUIRE_BROWSER"):
            raise pytest.UsageError(f"the browser tests cannot run: {missing}")
        for item in own:
            item.add_marker(pytest.mark.skip(reason=missing))


def _missing() -> str:
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed"
    return "" if chromium() else "there is no Chromium on this machine"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for the tests that need no special one; each makes the knowledge bases that it changes."""
    with serving(tmp_path_factory.mktemp("web") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
        running = playwright.chromium.launch(executable_path=chromium(), args=options)
        yield running
        running.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open pages as new visitors; a page that loads from elsewhere, or whose script fails, fails the test."""
    contexts, troubles = [], []

    def open_page(url: str, *, locale: str = "zh-CN", width: int = 1280, height: int = 800, **options: Any) -> Any:
        context = browser.new_context(locale=locale, viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        site = url.split("/")[2]
        page.on("pageerror", lambda error: troubles.append(f"script: {error}"))
        page.on("request", lambda request: troubles.extend(_foreign(request.url, site)))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def _foreign(url: str, site: str) -> list[str]:
    return [] if url.startswith(("data:", "blob:")) or url.split("/")[2] == site else [f"loads {url}"]
