"""Chinese by default, English by the browser's wish, and one of them for good where the settings say so."""

import pytest
from page_visits import Site
from starlette.requests import HTTPConnection

from core.messages import Language
from ui.languages import FixedLanguage, language_in, language_of, other_language, preferred_language


@pytest.mark.parametrize(
    ("wish", "language"),
    [
        ("", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.9,zh-CN;q=0.8", "en"),
        ("en", "en"),
        ("EN-gb", "en"),
        ("zh-Hant-TW,en;q=0.5", "zh"),
        ("de-DE,de;q=0.9,en;q=0.8", "en"),
        ("de,fr;q=0.5", "zh"),
        ("*", "zh"),
        ("en;q=0.5,*;q=0.8", "zh"),
        ("zh;q=0,*", "en"),
        ("en;q=0", "zh"),
        ("en,zh", "zh"),
        ("en;q=1.2.3", "zh"),
        ("en; q=0.9 , zh ; q=0.8", "en"),
        (",,;q=1,en-,\x00,🙂", "zh"),
        ("x" * 100_000, "zh"),
    ],
    ids=range(17),
)
def test_the_language_a_browser_prefers(wish: str, language: Language) -> None:
    assert preferred_language(wish) == language


@pytest.mark.parametrize(
    ("path", "language"),
    [("/zh/", "zh"), ("/en", "en"), ("/en/x", "en"), ("/", None), ("", None), ("/english/", None), ("/EN/", None)],
)
def test_the_language_of_a_path(path: str, language: Language | None) -> None:
    assert language_in(path) == language


def connection(path: str = "/", **headers: str) -> HTTPConnection:
    raw = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection({"type": "http", "path": path, "headers": raw})


@pytest.mark.parametrize(
    ("asked", "fixed", "language"),
    [
        (connection(accept_language="en"), "auto", "en"),
        (connection(accept_language="en", referer="http://x/zh/?c=1"), "auto", "zh"),
        (connection(referer="http://x/en/"), "auto", "en"),
        (connection(referer="http://x/en"), "auto", "en"),
        (connection(referer="http://["), "auto", "zh"),
        (connection(referer="en"), "auto", "zh"),
        (connection("/en/gradio_api/queue/join", referer="http://x/zh/"), "auto", "en"),
        (connection("/en/", accept_language="en", referer="http://x/en/"), "zh", "zh"),
        (connection(), "en", "en"),
    ],
    ids=range(9),
)
def test_the_page_that_asks_comes_before_the_browser(
    asked: HTTPConnection, fixed: FixedLanguage, language: Language
) -> None:
    assert language_of(asked, fixed) == language


def test_the_other_language() -> None:
    assert (other_language("zh"), other_language("en")) == ("en", "zh")


@pytest.mark.parametrize(("wish", "page"), [("zh-CN", "/zh/"), ("en-US,en;q=0.9", "/en/"), ("fr", "/zh/")])
def test_the_first_address_leads_to_a_page_in_it(open_site: Site, wish: str, page: str) -> None:
    browser = open_site.browser(**{"Accept-Language": wish})
    assert browser.get("/", follow_redirects=False).headers["location"] == page
    assert browser.get("/").status_code == 200
