"""Take the pictures of the web page that the READMEs show: `python docs/make_screenshots.py [--only NAME ...]`.

It serves a new data folder with the samples, drives the machine's own Chromium (nothing is downloaded), and writes
`docs/screenshots/NAME.LANGUAGE.png`: Chinese in light, English in dark colours.
"""

import argparse
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from configs.environment import load_settings
from configs.model_config import PROJECT_DIR
from core.messages import Language, Message
from service.factory import build_app
from service.knowledge_qa import KnowledgeQA
from ui.texts import chat, shell

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOLDER = PROJECT_DIR / "docs" / "screenshots"
SIZES = {"knowledge-bases": (1280, 1100), "retrieval-test": (1280, 1000), "models": (1280, 1000), "phone": (390, 780)}
LOOKS: dict[Language, str] = {"zh": "light", "en": "dark"}
PATIENCE_MS = 20_000

_SAMPLES = PROJECT_DIR / "knowledge_base" / "samples" / "content"
_HANDBOOK = Message("员工资料", "Staff handbook")
_TESTED = Message("出差的住宿标准是多少？", "Which precision of ChatGLM-6B fits the memory?")
_BROKEN = "scan.pdf"


def _chat(page: "Page", language: Language) -> None:
    _ask(page, chat.EXAMPLES[0].text(language))
    page.locator(".exchange.done button.cite").first.click()
    page.locator("section.source mark").first.wait_for()


def _knowledge_bases(page: "Page", language: Language) -> None:
    page.get_by_role("tab", name=shell.TAB_KNOWLEDGE_BASES.text(language)).click()
    page.locator("#kb-list button.open", has_text=_HANDBOOK.text(language)).click()
    page.locator("#kb-head", has_text=_HANDBOOK.text(language)).wait_for()
    page.locator("#kb-files tr", has_text=_BROKEN).wait_for()


def _retrieval_test(page: "Page", language: Language) -> None:
    page.get_by_role("tab", name=shell.TAB_RETRIEVAL_TEST.text(language)).click()
    page.locator("#test-question textarea:enabled, #test-question input:enabled").fill(_TESTED.text(language))
    page.locator("#test-results .hit.below").first.wait_for()


def _models(page: "Page", language: Language) -> None:
    page.get_by_role("tab", name=shell.TAB_MODELS.text(language)).click()
    page.locator("#model-catalogue .fits").first.wait_for()
    page.locator("#model-manage").wait_for()


def _phone(page: "Page", language: Language) -> None:
    _ask(page, chat.EXAMPLES[1].text(language))


def _ask(page: "Page", question: str) -> None:
    page.fill("#question textarea", question)
    page.press("#question textarea", "Enter")
    page.locator(".exchange.done").wait_for()


SCENES: dict[str, Callable[["Page", Language], None]] = {
    "chat": _chat,
    "knowledge-bases": _knowledge_bases,
    "retrieval-test": _retrieval_test,
    "models": _models,
    "phone": _phone,
}


@contextmanager
def _served(qa: KnowledgeQA) -> Iterator[str]:
    """Serve an application from a thread, on a free port; yield the address."""
    import uvicorn

    from ui.doors import listen
    from ui.server import build_server

    with listen("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(build_server(qa, login=None), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _filled(scratch: Path) -> KnowledgeQA:
    """Return an application with the samples, and in each language a knowledge base with a file that is broken."""
    qa = build_app(
        load_settings({"data_dir": scratch / "data", "llm": "extractive", "embedding": "lexical"}, environ={})
    )
    qa.refresh_samples()
    broken = scratch / _BROKEN
    broken.write_bytes(b"%PDF-1.4 a page that was cut off")
    files = [path for path in sorted(_SAMPLES.iterdir()) if path.suffix in (".docx", ".md", ".pdf", ".xlsx")]
    for language in LOOKS:
        name = _HANDBOOK.text(language)
        qa.create(name)
        qa.add(name, [*files, broken])
    return qa


def _photograph(browser: "Browser", url: str, name: str, language: Language) -> None:
    """Take one picture as a new visitor."""
    width, height = SIZES.get(name, (1280, 800))
    page = browser.new_page(
        viewport={"width": width, "height": height},
        locale="zh-CN" if language == "zh" else "en-US",
        color_scheme="dark" if LOOKS[language] == "dark" else "light",
        reduced_motion="reduce",
    )
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    page.locator(".welcome").wait_for()
    SCENES[name](page, language)
    page.mouse.move(0, 0)
    page.screenshot(path=FOLDER / f"{name}.{language}.png", animations="disabled")
    page.context.close()


def main() -> None:
    """Take the pictures."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SCENES, default=list(SCENES))
    names = parser.parse_args().only
    FOLDER.mkdir(exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(_filled(Path(scratch))) as qa,
        _served(qa) as url,  # before Playwright, whose loop in this thread Gradio would take for its own
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name in names:
            for language in LOOKS:
                _photograph(browser, url, name, language)
        browser.close()


if __name__ == "__main__":
    main()
