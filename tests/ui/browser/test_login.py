"""The way in, and what a reader sees of what belongs to others."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from web_pages import answered, ask, create_kb, log_in, open_tab
from web_site import Site, serving

from service.people.accounts import USERS_FILE, Accounts

Visit = Callable[..., Any]
PASSWORDS = {"管理员": "correct horse battery", "读者": "又 一匹 正确的马"}
SESSION = "knowglm_session"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with an admin, and with a reader of nothing but the samples."""
    data_dir = tmp_path_factory.mktemp("locked") / "data"
    data_dir.mkdir()
    accounts = Accounts(data_dir / USERS_FILE)
    accounts.add("管理员", PASSWORDS["管理员"], "admin")
    accounts.add("读者", PASSWORDS["读者"], None, {"samples": "reader"})
    with serving(data_dir, "--users", str(data_dir / USERS_FILE)) as running:
        yield running


@pytest.fixture
def enter(locked: Site, visit: Visit) -> Callable[[str], Any]:
    """Open the page as somebody: `enter("读者")`."""

    def open_as(name: str) -> Any:
        page = visit(locked.url)
        log_in(page, name, PASSWORDS[name])
        page.wait_for_selector(".welcome")
        return page

    return open_as


def test_nobody_sees_anything_before_the_right_password(locked: Site, visit: Visit) -> None:
    page = visit(f"{locked.url}/zh/?c=abc")
    assert page.url.startswith(f"{locked.url}/login?next=")
    log_in(page, "管理员", "wrong horse battery")
    page.locator(".problem").wait_for()
    assert "密码" in page.inner_text(".problem")
    assert page.input_value("[name=user]") == "管理员"
    assert all(cookie["name"] != SESSION for cookie in page.context.cookies())
    log_in(page, "管理员", PASSWORDS["管理员"])
    page.wait_for_selector(".welcome")
    assert page.url.startswith(f"{locked.url}/zh/")
    (session,) = [cookie for cookie in page.context.cookies() if cookie["name"] == SESSION]
    assert session["httpOnly"]
    assert session["sameSite"] in ("Lax", "Strict")
    assert SESSION not in page.evaluate("document.cookie")
    assert page.inner_text("nav .user") == "管理员"


def test_logging_out_ends_the_session_for_good(enter: Callable[[str], Any], locked: Site) -> None:
    page = enter("管理员")
    cookies = page.context.cookies()
    page.click("nav form button")
    page.wait_for_selector("[name=password]")
    page.context.add_cookies(cookies)
    page.goto(locked.url)
    page.wait_for_selector("[name=password]")


def test_a_reader_sees_and_changes_only_what_is_his(enter: Callable[[str], Any], locked: Site) -> None:
    admin, reader = enter("管理员"), enter("读者")
    ask(admin, "ChatGLM-6B 有多少参数？")
    answered(admin)
    admin.wait_for_url(re.compile("c="))
    create_kb(admin, "机密")

    reader.goto(admin.url)
    reader.wait_for_selector(".welcome")
    assert reader.locator("#conversation-list [data-conversation]").count() == 0
    reader.click("#chat-kbs input")
    reader.get_by_role("option", name="samples", exact=True).wait_for()
    assert reader.get_by_role("option", name="机密", exact=True).count() == 0
    reader.keyboard.press("Escape")
    open_tab(reader, "知识库")
    reader.locator("#file-table").wait_for()
    assert "机密" not in reader.inner_text("#kb-list")
    assert reader.locator("#kb-new, #kb-dropzone .dropzone, #kb-head button").locator("visible=true").count() == 0
    for action in ("rename", "delete", "reindex", "rebuild", "checked"):
        assert reader.locator(f"#kb-work [data-action={action}], #kb-list [data-action={action}]").count() == 0
    open_tab(reader, "检索测试")
    reader.wait_for_selector("#test-question :enabled")
    reader.fill("#test-question textarea, #test-question input", "ChatGLM-6B 有多少参数？")
    reader.wait_for_selector("#test-results [data-threshold]")
    for change in ("#test-apply", "#test-defaults", "#test-results [data-action=mark]"):
        assert reader.locator(change).locator("visible=true").count() == 0
    assert reader.request.get(f"{locked.url}/originals", params={"kb": "机密", "document": "x"}).status in (403, 404)


def test_the_login_page_speaks_english_and_fits_a_phone(locked: Site, visit: Visit) -> None:
    page = visit(locked.url, locale="en-US", width=360, height=740, color_scheme="dark")
    assert "Log in" in page.inner_text("main button")
    log_in(page, "nobody", "wrong horse battery")
    page.locator(".problem").wait_for()
    assert not re.search("[\u4e00-\u9fff]", page.inner_text("body"))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    log_in(page, "管理员", PASSWORDS["管理员"])
    page.wait_for_selector(".welcome")
    assert page.url.startswith(f"{locked.url}/en/")
