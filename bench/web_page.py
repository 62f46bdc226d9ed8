"""What the web page costs, in headless Chromium: against the façade without a page, and a bare page of Gradio's.

    python bench/web_page.py                    everything, some minutes
    python bench/web_page.py --json OUT.json

The server is `webui.py` in a process of its own, in embedded mode, with the samples and the questions that come with
them. The browser works on the same machine, and has its share in every time that is taken in it.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from bench.follow_ups import sample_questions
from bench.page_visits import BARE_PAGE, PAGE, Site, chromium, first_visit, serving, visited, visitor
from bench.talks import Figures, Talk, answer_to, asked_of, asked_on, mixed_up, overhead
from configs.environment import load_settings
from service.factory import build_app
from service.knowledge.library import SAMPLES
from service.knowledge_qa import KnowledgeQA
from ui.texts import shell

if TYPE_CHECKING:
    from playwright.async_api import Browser

_ROUNDS = 3
_REST_S = 3  # in which a server sees that pages have gone
_QUESTIONS, _VISITORS, _EACH = 30, (1, 4, 8), 8
_KB, _OWNER = "bench", "a" * 22
_SMALL, _LARGE = (1, 1), (2000, 1000)  # documents and conversations
_SENTENCES = 48  # of a document, which make five chunks


def against(figures: Figures, peer: Mapping[str, float], name: str) -> Figures:
    """Return figures, each followed by its ratio to that of a peer, which may not have it or have 0."""
    result: Figures = {}
    for one, value in figures.items():
        result[one] = value
        if peer.get(one):
            result[f"{one} ÷ {name}"] = value / peer[one]
    return result


def measure_start(folder: Path) -> Figures:
    """Start without any data, start again, and import alone what the page stands on."""
    times: dict[str, list[float]] = {"import gradio_s": [], "without data_s": [], "again_s": []}
    for number in range(_ROUNDS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import gradio"], check=True)
        times["import gradio_s"].append(time.perf_counter() - started)
        for name in ("without data_s", "again_s"):
            with serving(PAGE, folder / f"start {number}") as site:
                times[name].append(site.seconds)
    figures: Figures = {name: median(taken) for name, taken in times.items()}
    floor = figures["import gradio_s"]
    return against(figures, {"without data_s": floor, "again_s": floor}, "import gradio")


async def measure_visits(browser: "Browser", site: Site) -> Figures:
    """Visit a site as somebody who was never there, and again; count what the first visit loads, and from where."""
    visits = [await first_visit(browser, site) for _ in range(_ROUNDS)]
    return {name: median(visit[name] for visit in visits) for name in visits[0]}


async def measure_visitors(browser: "Browser", site: Site, talks: Sequence[Talk]) -> tuple[Figures, Figures]:
    """Let more and more visitors ask at once, each in a conversation; return how that goes, and the server's memory."""
    figures, memory, wrong = Figures(), {"started_mb": site.memory_mb()}, 0
    for count in _VISITORS:
        pages = [await visitor(browser, site) for _ in range(count)]
        asked = [[question for question, _ in talk.exchanges] for talk in talks[:count]]
        started = time.perf_counter()
        shown = await asyncio.gather(*(asked_on(*one) for one in zip(pages, asked, strict=True)))
        figures[f"{count} at once, answers/s"] = count * _EACH / (time.perf_counter() - started)
        figures[f"{count} at once_ms"] = 1000 * median(seconds for talk in shown for seconds in talk.seconds)
        wrong += sum(mixed_up(*pair) for pair in zip(shown, talks[:count], strict=True))
        memory[f"{count} at once_mb"] = site.memory_mb()
        for page in pages:
            await page.context.close()
        await asyncio.sleep(_REST_S)
        memory[f"{count} gone_mb"] = site.memory_mb()
    alone = {name: figures[f"1 at once{name.partition(' at once')[2]}"] for name in list(figures)[2:]}
    figures = against(figures, alone, "1") | {"answers mixed up": wrong}
    return figures, against(memory, dict.fromkeys(list(memory)[1:], memory["started_mb"]), "started")


@contextmanager
def _application(data: Path) -> Iterator[KnowledgeQA]:
    app = build_app(load_settings({"data_dir": data, "embedding": "lexical", "llm": "extractive"}, environ={}))
    try:
        app.refresh_samples()
        yield app
    finally:
        app.close()


def _filled(data: Path, documents: int, conversations: int) -> int:
    """Make a knowledge base and somebody's conversations; return how many chunks there are."""
    originals = data.with_name(f"{data.name} originals")
    originals.mkdir()
    chance = random.Random(documents)
    for number in range(documents):
        text = (f"第{chance.randrange(10**6)}号设备每{chance.randrange(99)}天检修一次，" for _ in range(_SENTENCES))
        (originals / f"{number:04}.txt").write_text("负责人记下结果。".join(text), encoding="utf-8")
    with _application(data) as app:
        app.create(_KB)
        app.add(_KB, [originals])
        question = sample_questions()[0]
        answer = answer_to(app, question)
        for _ in range(conversations):
            id = app.conversations.create(_OWNER, [SAMPLES], "kb")
            app.conversations.finish(_OWNER, app.conversations.begin(_OWNER, id, question), answer)
        return next(info.chunks for info in app.knowledge_bases() if info.name == _KB)


async def measure_lists(browser: "Browser", folder: Path, documents: int, conversations: int) -> Figures:
    """Take the time until somebody's conversations, the knowledge bases and the documents of one are shown."""
    data = folder / f"{documents} documents"
    figures: Figures = {"documents": documents, "conversations": conversations}
    figures["chunks"] = _filled(data, documents, conversations)
    with serving(PAGE, data) as site:
        page = await visitor(browser, site, _OWNER)
        tab = page.get_by_role("tab", name=shell.TAB_KNOWLEDGE_BASES.zh)
        base = page.locator("#kb-list button.open", has_text=_KB)
        steps: dict[str, list[float]] = {"page with list_ms": [], "knowledge bases_ms": [], "documents_ms": []}
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            await visited(page, site)
            await page.locator("#conversation-list [data-conversation]").nth(conversations - 1).wait_for()
            steps["page with list_ms"].append(time.perf_counter() - started)
            for name, button, shown in (
                ("knowledge bases_ms", tab, base),
                ("documents_ms", base, page.locator("#kb-files tr", has_text="0000.txt")),
            ):
                started = time.perf_counter()
                await button.click()
                await shown.wait_for()
                steps[name].append(time.perf_counter() - started)
        await page.context.close()
    return figures | {name: 1000 * median(taken) for name, taken in steps.items()}


async def in_browser(folder: Path, facade: Talk, talks: Sequence[Talk]) -> dict[str, Figures]:
    """Measure what takes a browser; `folder / "data"` has the samples, of which the façade has been asked."""
    questions = [question for question, _ in facade.exchanges]
    async with chromium() as browser:
        with serving(BARE_PAGE, folder) as bare:
            floor = await measure_visits(browser, bare)
            echo = await asked_on(await visitor(browser, bare), questions)
        with serving(PAGE, folder / "data") as site:
            rates, memory = await measure_visitors(browser, site, talks)
            visits = await measure_visits(browser, site)
            page = await asked_on(await visitor(browser, site), questions)
        small, large = [await measure_lists(browser, folder, *size) for size in (_SMALL, _LARGE)]
    times = {name: value for name, value in small.items() if name.endswith("_ms")}
    return {
        "visit": against(visits, floor, "bare Gradio"),
        "questions": overhead(page, facade, echo) | {"answers mixed up": mixed_up(page, facade)},
        "visitors": rates,
        "memory": memory,
        "size": against(large, times, "with one of each"),
    }


def standard(folder: Path) -> dict[str, Figures]:
    """Measure everything, with data in an empty folder."""
    questions = sample_questions()
    with _application(folder / "data") as app:
        talks = [asked_of(app, questions[_EACH * one :][:_EACH]) for one in range(max(_VISITORS))]
        facade = asked_of(app, questions[:_QUESTIONS])
    return {"start": measure_start(folder)} | asyncio.run(in_browser(folder, facade, talks))


def goals_met(results: Mapping[str, Figures]) -> bool:
    """Tell whether every visitor got the answers to their own questions, and nothing came from another machine."""
    return not any(figures.get(bad) for figures in results.values() for bad in ("answers mixed up", "from elsewhere"))


def _print(results: Mapping[str, Figures]) -> None:
    table = Table("set", "figure", "value", title="the web page")
    for name, figures in results.items():
        for figure, value in figures.items():
            table.add_row(name, figure, str(value) if isinstance(value, int) else f"{value:.4g}")
    Console().print(table)


def main() -> int:
    """Run what the arguments ask for; exit with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = standard(Path(folder))
    _print(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, ensure_ascii=False, indent=2), encoding="utf-8")
    return 0 if goals_met(results) else 1


if __name__ == "__main__":
    sys.exit(main())
