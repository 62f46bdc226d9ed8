"""Logging in and out: by a plain form, slowly for guessers, and never to another site."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cheap_accounts import GOOD
from page_visits import PAGE, Site
from starlette.testclient import TestClient

from core.account_errors import LoginFailed, UsersFileUnusable
from core.messages import Message
from service.people.login_pace import FREE_FOR_CLIENT, FREE_FOR_NAME
from ui.gate import SESSION_COOKIE
from ui.login import Login

FORM = {"user": "读者", "password": GOOD}


def page_of(site: Site, **headers: str) -> str:
    return site.browser(**headers).get("/login").text


@pytest.mark.parametrize(
    ("language", "words"),
    [("zh-CN,zh;q=0.9,en;q=0.8", ("登录", "用户名", "密码")), ("en-GB,en", ("Log in", "User name", "Password"))],
    ids=["zh", "en"],
)
def test_the_login_page_needs_no_script_and_speaks_the_browsers_language(
    closed_site: Site, language: str, words: tuple[str, ...]
) -> None:
    page = page_of(closed_site, **{"Accept-Language": language})
    assert all(word in page for word in words)
    assert "<script" not in page
    assert re.findall(r'(?:src|href|action)="([^"]*)"', page) == ["/assets/icon.svg", "/assets/login.css", "/login"]
    assert 'method="post"' in page


def test_the_login_page_follows_the_page_that_was_wanted(closed_site: Site) -> None:
    page = page_of(closed_site, Referer="http://127.0.0.1:7860/en/?c=1", **{"Accept-Language": "zh"})
    assert "Log in" in page


def test_who_logs_in_is_in_until_they_log_out(closed_site: Site) -> None:
    browser = closed_site.browser(**PAGE)
    answer = browser.post("/login", data=FORM, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert answer.headers["cache-control"] == "no-store"
    assert "读者" not in answer.headers["set-cookie"]
    assert browser.get("/zh/").status_code == 200
    token = browser.cookies[SESSION_COOKIE]
    assert browser.post("/logout", follow_redirects=False).headers["location"] == "/login"
    assert SESSION_COOKIE not in browser.cookies
    browser.cookies.set(SESSION_COOKIE, token)
    assert browser.get("/zh/", follow_redirects=False).headers["location"].startswith("/login")


def test_a_session_that_was_slipped_in_is_not_the_one_that_is_opened(closed_site: Site) -> None:
    slipped_in = {"Cookie": f"{SESSION_COOKIE}=chosen-by-somebody-else"}
    answer = closed_site.browser().post("/login", data=FORM, headers=slipped_in, follow_redirects=False)
    assert answer.cookies[SESSION_COOKIE] != "chosen-by-somebody-else"
    assert closed_site.browser(**slipped_in).get("/zh/").status_code == 401


def test_logging_in_again_ends_the_session_before(closed_site: Site, enter: Callable[[str], TestClient]) -> None:
    browser = enter("读者")
    before = browser.cookies[SESSION_COOKIE]
    browser.post("/login", data=FORM)
    assert browser.cookies[SESSION_COOKIE] != before
    old = closed_site.browser()
    old.cookies.set(SESSION_COOKIE, before)
    assert old.get("/zh/").status_code == 401


def test_a_link_logs_nobody_out(enter: Callable[[str], TestClient]) -> None:
    browser = enter("读者")
    assert browser.get("/logout").status_code == 405
    assert browser.get("/zh/").status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example/",
        "\\\\evil.example/",
        "/\t/evil.example/",
        "/\n/evil.example/",
        "\t//evil.example/",
        "https:evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "evil.example",
        " //evil.example",
        "/%09/evil.example",
        "/login?next=//evil.example",
        "",
        "/zh/\r\nSet-Cookie: x=y",
        "/@evil.example",
    ],
    ids=range(18),
)
def test_a_login_leads_to_no_other_site(closed_site: Site, target: str) -> None:
    answer = closed_site.browser().post("/login", data={**FORM, "next": target}, follow_redirects=False)
    place = answer.headers["location"]
    assert answer.status_code == 303
    assert place.startswith("/")
    assert not place.startswith(("//", "/\\", "/login"))
    assert not set(place) & set("\\\t\r\n ")
    assert [name for name, _ in answer.headers.multi_items()].count("set-cookie") == 1


def test_a_wrong_password_is_said_and_the_name_is_kept(closed_site: Site) -> None:
    form = {"user": '<b>"x"', "password": "falsches Passwort", "next": "/en/"}
    answer = closed_site.browser().post("/login", data=form)
    assert answer.status_code == 401
    assert "用户名或密码不对" in answer.text
    assert 'value="&lt;b&gt;&#34;x&#34;"' in answer.text
    assert 'name="next" value="/en/"' in answer.text
    assert "falsches" not in answer.text
    assert "set-cookie" not in answer.headers


def test_guessing_is_slowed_whatever_address_the_guesser_claims(closed_site: Site) -> None:
    for attempt in range(FREE_FOR_NAME):
        browser = TestClient(closed_site.server, "http://127.0.0.1:7860", client=("192.0.2.7", 5000))
        headers = {
            "X-Forwarded-For": f"10.0.0.{attempt}",
            "X-Real-IP": f"10.0.0.{attempt}",
            "Forwarded": f"for=10.0.0.{attempt}",
        }
        assert (
            browser.post("/login", data={"user": "编辑", "password": "wrong one"}, headers=headers).status_code == 401
        )
    answer = browser.post(
        "/login", data={"user": "编辑", "password": GOOD}, headers={"X-Forwarded-For": "10.9.9.9", **PAGE}
    )
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert "秒后再试" in answer.text
    assert "<form" in answer.text
    elsewhere = TestClient(closed_site.server, "http://127.0.0.1:7860", client=("192.0.2.8", 5000))
    assert elsewhere.post("/login", data={"user": "编辑", "password": GOOD}, follow_redirects=False).status_code == 303


def test_guessing_many_names_is_slowed_too(closed_site: Site) -> None:
    browser = TestClient(closed_site.server, "http://127.0.0.1:7860", client=("192.0.2.9", 5000))
    codes = [
        browser.post("/login", data={"user": f"name {n}", "password": "wrong one"}).status_code
        for n in range(FREE_FOR_CLIENT + 1)
    ]
    assert codes == [401] * FREE_FOR_CLIENT + [429]


@pytest.mark.parametrize(
    "media_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]
)
def test_nobody_fills_the_memory_or_the_disk_with_a_login(closed_site: Site, media_type: str) -> None:
    pulled = 0

    def pieces() -> Iterator[bytes]:
        nonlocal pulled
        while pulled < 1000:
            pulled += 1
            yield b"user=" + b"x" * 65_000

    answer = closed_site.browser().post("/login", content=pieces(), headers={"Content-Type": media_type})
    assert answer.status_code == 413
    assert "<form" in answer.text


@pytest.mark.parametrize("body", [b"", b"%", b"user=%ff%fe&password=%00", b"&&&=", b"\xff" * 100], ids=range(5))
def test_a_form_that_no_page_sends_is_a_failed_login(closed_site: Site, body: bytes) -> None:
    browser = TestClient(closed_site.server, "http://127.0.0.1:7860", client=("192.0.2.10", 5000))
    assert browser.post("/login", content=body).status_code == 401


def test_accounts_that_cannot_be_read_are_said_on_the_login_page(
    closed_site: Site, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> None:
        raise UsersFileUnusable(path="users.json", why=Message("坏了", "broken"))

    monkeypatch.setattr(login.accounts, "verify", unreadable)
    answer = closed_site.browser().post("/login", data=FORM)
    assert answer.status_code == 500
    assert "users.json" in answer.text
    assert "<form" in answer.text


def test_a_storm_of_logins_leaves_room_for_those_who_are_in(
    closed_site: Site, login: Login, enter: Callable[[str], TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, over = enter("读者"), threading.Event()

    def slow(*_: object) -> None:
        over.wait(20)
        raise LoginFailed

    monkeypatch.setattr(login.accounts, "verify", slow)
    with ThreadPoolExecutor(60) as storm:
        for _ in range(60):  # more than there are threads
            storm.submit(lambda: closed_site.browser().post("/login", data=FORM))
        time.sleep(0.2)
        began = time.monotonic()
        try:
            assert inside.get("/originals", params={"kb": "人事", "document": "人事.txt"}).status_code == 200
            assert time.monotonic() - began < 5
        finally:
            over.set()
