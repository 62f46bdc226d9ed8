"""Servers in processes of their own, and visitors with a browser who ask them."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bench.talks import WATCH, Figures
from configs.model_config import PROJECT_DIR
from ui.gate import VISITOR_COOKIE

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Request

PAGE = ("webui.py", "--port", "0")
BARE_PAGE = (
    "-c",
    """
import gradio as gr
with gr.Blocks(analytics_enabled=False) as page:
    question = gr.Textbox(elem_id="question")
    answer = gr.HTML('<p class="welcome">Welcome</p><p class="status">Ready</p>')
    said = '<p class="exchange done"><span class="question">{0}</span><span class="answer">{0}</span></p>'
    question.submit(lambda asked: (said.format(asked), ""), question, [answer, question])
page.launch(theme=gr.themes.Base(font="sans-serif", font_mono="monospace"))
""",
)
"""What Gradio takes for a page that answers with the question, and for the browser to show it."""
_LAST_LOADS_S = 3


@dataclass(frozen=True, slots=True)
class Site:
    """A running server, and the seconds until it said its address."""

    url: str
    process: psutil.Process
    seconds: float

    def memory_mb(self) -> float:
        """Return the memory that it and its children hold now."""
        family = (self.process, *self.process.children(recursive=True))
        return float(sum(one.memory_info().rss for one in family)) / 1e6


@contextmanager
def serving(command: Sequence[str], data: Path) -> Iterator[Site]:
    """Run a Python program that is a server, in embedded mode, until the block ends."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("KNOWGLM_")}
    environ |= {"KNOWGLM_DATA_DIR": str(data), "KNOWGLM_LLM": "extractive", "KNOWGLM_EMBEDDING": "lexical"}
    environ |= {"PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore"}
    started = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - this very program, and a bare page
        [sys.executable, *command], cwd=PROJECT_DIR, env=environ, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        try:
            url = next(found[0] for line in process.stdout if (found := re.search(r"http://\S+:\d+", line)))
            yield Site(url, psutil.Process(process.pid), time.perf_counter() - started)
        finally:
            process.terminate()


@asynccontextmanager
async def chromium() -> AsyncIterator["Browser"]:
    """Run the machine's own Chromium; nothing is downloaded."""
    from playwright.async_api import async_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((path for name in names if (path := shutil.which(name))), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        await browser.close()


async def visited(page: "Page", site: Site) -> float:
    """Open a site and return the seconds until its welcome and its status are shown."""
    started = time.perf_counter()
    await page.goto(site.url, wait_until="commit")
    for name in (".welcome", ".status"):
        await page.locator(name).wait_for()
    return time.perf_counter() - started


async def visitor(browser: "Browser", site: Site, id: str = "") -> "Page":
    """Open a site as a visitor, by default a new one."""
    context = await browser.new_context(locale="zh-CN")
    await context.add_init_script(WATCH)
    if id:
        await context.add_cookies([{"name": VISITOR_COOKIE, "value": id, "url": site.url}])
    page = await context.new_page()
    await visited(page, site)
    return page


async def first_visit(browser: "Browser", site: Site) -> Figures:
    """Visit a site as somebody who was never there, and again; count what the first visit loads, and from where."""
    context = await browser.new_context(locale="zh-CN")
    page, requests, finished = await context.new_page(), list["Request"](), list["Request"]()
    page.on("request", lambda request: requests.append(request))  # noqa: PLW0108 - Playwright takes no built-in
    page.on("requestfinished", lambda request: finished.append(request))  # noqa: PLW0108
    first_s = await visited(page, site)
    await page.wait_for_timeout(1000 * _LAST_LOADS_S)
    sizes = [await request.sizes() for request in finished]
    again_s = await visited(await context.new_page(), site)
    await context.close()
    own = ("data:", "blob:", f"{site.url}/")
    return {
        "first_s": first_s,
        "again_s": again_s,
        "requests": len(requests),
        "loaded_mb": sum(one["responseHeadersSize"] + one["responseBodySize"] for one in sizes) / 1e6,
        "from elsewhere": sum(not request.url.startswith(own) for request in requests),
    }
