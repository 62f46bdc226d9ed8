"""What people do on the page, step by step, in a browser."""

from pathlib import Path
from typing import Any

DONE = ".exchange.done"


def log_in(page: Any, name: str, password: str) -> None:
    page.fill("[name=user]", name)
    page.fill("[name=password]", password)
    page.click("main button")


def open_tab(page: Any, name: str) -> None:
    """Turn to a tab by what stands on it."""
    page.get_by_role("tab", name=name, exact=True).click()


def ask(page: Any, question: str) -> None:
    page.fill("#question textarea", question)
    page.press("#question textarea", "Enter")


def answered(page: Any, count: int = 1) -> Any:
    """Wait for so many finished answers and return the last one."""
    page.locator(DONE).nth(count - 1).wait_for()
    return page.locator(DONE).nth(count - 1)


def choose(page: Any, dropdown: str, *names: str) -> None:
    """Choose these and no others in a list of several."""
    widget = page.locator(dropdown)
    chosen = widget.locator(".token")
    for name in names:
        if not chosen.get_by_text(name, exact=True).count():
            widget.locator("input").click()
            page.get_by_role("option", name=name, exact=True).click()
    for other in [text for text in chosen.all_inner_texts() if text.strip() not in names]:
        chosen.filter(has_text=other.strip()).locator(".token-remove").click()
    page.keyboard.press("Escape")


def create_kb(page: Any, name: str) -> None:
    """Create a knowledge base and leave it open."""
    open_tab(page, "知识库")
    page.fill("#kb-names textarea", name)
    page.click("#kb-create")
    page.locator("#kb-head h2", has_text=name).wait_for()


def upload(page: Any, files: list[Path]) -> Any:
    """Send files to the knowledge base that is open, and return the job that has read them."""
    page.set_input_files("#kb-dropzone input[name=files]", files)
    job = page.locator("#kb-jobs .job.done").first
    job.wait_for()
    return job


def row(page: Any, table: str, name: str) -> Any:
    """Return the row of a table of this name."""
    return page.locator(f"{table} tbody tr", has=page.get_by_role("rowheader").get_by_text(name, exact=True))


def said(page: Any, text: str) -> None:
    """Wait until the page has told this, and take the message away."""
    message = page.locator(".toast-body", has_text=text).first
    message.wait_for()
    assert not message.locator(".toast-title").is_visible()  # an English word
    message.locator("button").click()
