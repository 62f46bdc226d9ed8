"""Who is let in, by which name, from which site, and as whom."""

import html
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from cheap_accounts import GOOD
from page_visits import PAGE, Site
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from core.account_errors import UsersFileUnusable
from core.messages import Message
from service.people.sessions import Sessions
from ui.doors import NamesAndAddresses
from ui.gate import SESSION_COOKIE, VISITOR_COOKIE, Gate
from ui.login import Login
from ui.origins import host_name

HERE = "http://127.0.0.1:7860"
WRITING = ("/uploads?kb=人事", "/zh/gradio_api/queue/join", "/zh/gradio_api/cancel", "/questions?kb=人事&name=x.csv")


# --- by which name -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:7860", "localhost"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:7860", "::1"),
        ("[::1]", "::1"),
        ("知识库.example", "知识库.example"),
        ("", ""),
        ("::1", ""),
        ("[::1", ""),
        ("[]", ""),
        ("evil@localhost", ""),
        ("localhost/evil", ""),
        ("localhost#evil", ""),
        ("localhost:80:80", ""),
        ("localhost:", ""),
        ("local host", ""),
    ],
    ids=range(16),
)
def test_the_name_of_a_host(host: str, name: str) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:7860", "LOCALHOST", "[::1]:7860"])
def test_this_machine_is_called_by_its_names(open_site: Site, host: str) -> None:
    assert open_site.browser(Host=host).get("/zh/").status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7860", "localhost.evil.example", "10.0.0.1", "localhost.", "x@localhost", "[", ""],
)
@pytest.mark.parametrize(
    "path", ["/", "/zh/", "/zh/gradio_api/queue/data", "/originals", "/assets/page.js", "/nowhere"]
)
def test_a_foreign_name_that_leads_here_is_not_answered(open_site: Site, host: str, path: str) -> None:
    answer = open_site.browser(Host=host).get(path, follow_redirects=False)
    assert answer.status_code == 421
    assert "set-cookie" not in answer.headers


def test_a_foreign_name_is_told_what_to_do(open_site: Site) -> None:
    answer = open_site.browser(Host="kb.example", **PAGE).get("/zh/")
    assert "--public-name" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")


def test_without_login_a_network_calls_by_address_or_own_name() -> None:
    names = NamesAndAddresses({"server"})
    assert "server" in names
    assert "192.168.1.20" in names
    assert "fe80::1" in names
    assert "evil.example" not in names
    assert "" not in names


# --- from which site ---------------------------------------------------------------------------------------------

FOREIGN: list[dict[str, str]] = [
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:8000"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://localhost:7860"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://["},
    {"Origin": "http://127.0.0.1:7860.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    {"Origin": HERE, "Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=range(len(FOREIGN)))
@pytest.mark.parametrize("path", WRITING)
def test_another_site_writes_nothing_on_behalf_of_its_visitors(
    open_site: Site, headers: dict[str, str], path: str
) -> None:
    answer = open_site.browser(**headers).post(path, json={})
    assert answer.status_code == 403
    assert answer.json()["error"] == "foreign_page"


@pytest.mark.parametrize(
    "headers", [one for one in FOREIGN if "Sec-Fetch-Mode" not in one], ids=range(len(FOREIGN) - 1)
)
def test_another_site_reads_nothing(open_site: Site, headers: dict[str, str]) -> None:
    for path in ("/zh/", "/originals?kb=人事&document=人事.txt", "/zh/gradio_api/queue/data?session_hash=abc"):
        answer = open_site.browser(**headers).get(path)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


def test_another_site_is_promised_nothing(open_site: Site) -> None:
    asking = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    for path in ("/zh/gradio_api/queue/join", "/uploads"):
        answer = open_site.browser(**asking).options(path)
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("headers", "is_let"),
    [
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, True),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, False),
    ],
    ids=["link", "typed", "image"],
)
def test_a_link_from_elsewhere_leads_here(open_site: Site, headers: dict[str, str], is_let: bool) -> None:
    assert open_site.browser(**headers).get("/zh/").status_code == (200 if is_let else 403)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": HERE},
        {"Origin": HERE, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
        {"Origin": "http://LOCALHOST:7860", "Host": "localhost:7860"},
        {"Origin": "http://localhost", "Host": "localhost:80"},
        {"Origin": "https://localhost", "Host": "localhost:443"},
        {"Origin": "https://localhost", "Host": "localhost"},
        {"Origin": "http://[::1]:7860", "Host": "[::1]:7860"},
    ],
    ids=["program", "origin", "fetch", "case", "port_80", "port_443", "encrypted_by_proxy", "ipv6"],
)
def test_its_own_page_and_programs_may_write(open_site: Site, headers: dict[str, str]) -> None:
    assert open_site.browser(**headers).post("/uploads?kb=人事").status_code == 200


def test_the_login_form_of_another_site_logs_nobody_in(closed_site: Site) -> None:
    form = {"user": "读者", "password": GOOD}
    answer = closed_site.browser(Origin="http://evil.example").post("/login", data=form, follow_redirects=False)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/zh/gradio_api/queue/join", "/assets/x"])
def test_websockets_are_refused(open_site: Site, path: str) -> None:
    with pytest.raises(WebSocketDisconnect), open_site.browser().websocket_connect(path):
        pass


@pytest.mark.parametrize("method", ["HEAD", "GET", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "FOO"])
def test_no_method_passes_by_the_login(closed_site: Site, method: str) -> None:
    for path in ("/zh/", "/originals", "/", "/uploads/x", "/zh/gradio_api/queue/join"):
        assert closed_site.browser().request(method, path, follow_redirects=False).status_code == 401


# --- as whom -----------------------------------------------------------------------------------------------------


def attributes(cookie: str) -> set[str]:
    return {part.strip().lower() for part in cookie.split(";")[1:]}


def test_a_new_visitor_gets_a_name_that_nobody_guesses(open_site: Site) -> None:
    names = {open_site.browser().get("/zh/").cookies[VISITOR_COOKIE] for _ in range(5)}
    assert len(names) == 5
    assert {len(name) for name in names} == {22}


def test_the_visitors_cookie_is_for_this_site_alone(open_site: Site) -> None:
    cookie = open_site.browser().get("/zh/").headers["set-cookie"]
    assert attributes(cookie) == {"httponly", "max-age=2592000", "path=/", "samesite=lax"}


def test_the_visitors_cookie_lasts_as_long_as_it_is_used(open_site: Site) -> None:
    browser = open_site.browser()
    name = browser.get("/zh/", headers=PAGE).cookies[VISITOR_COOKIE]
    again = browser.get("/zh/", headers=PAGE)
    assert again.cookies[VISITOR_COOKIE] == name
    assert "set-cookie" not in browser.get("/zh/theme.css").headers


@pytest.mark.parametrize(
    "value", ["", "user:admin", "short", "a" * 23, "../../etc/passwd......", '"' + "a" * 22 + '"x']
)
def test_a_name_of_another_form_is_not_believed(open_site: Site, value: str) -> None:
    browser = open_site.browser(Cookie=f"{VISITOR_COOKIE}={value}")
    assert len(browser.get("/zh/").cookies[VISITOR_COOKIE]) == 22


def test_over_https_the_cookies_travel_nowhere_else(open_site: Site) -> None:
    browser = TestClient(open_site.server, "https://localhost")
    assert "secure" in attributes(browser.get("/login").headers["set-cookie"])


def test_the_session_lasts_as_long_as_it_is_used(enter: Callable[[str], TestClient]) -> None:
    browser = enter("读者")
    token = browser.cookies[SESSION_COOKIE]
    page = browser.get("/zh/", headers=PAGE)
    assert page.cookies[SESSION_COOKIE] == token
    assert attributes(page.headers["set-cookie"]) == {"httponly", "max-age=2592000", "path=/", "samesite=lax"}


def test_the_session_ends_when_the_account_goes(login: Login, enter: Callable[[str], TestClient]) -> None:
    login.accounts.add("临时", GOOD, "reader")
    browser = enter("临时")
    assert browser.get("/zh/").status_code == 200
    login.accounts.remove("临时")
    assert browser.get("/zh/").status_code == 401


def test_accounts_that_cannot_be_read_let_nobody_in_and_say_so(
    enter: Callable[[str], TestClient], login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> None:
        raise UsersFileUnusable(path="users.json", why=Message("坏了", "broken"))

    browser = enter("读者")
    monkeypatch.setattr(login.accounts, "get", unreadable)
    answer = browser.get("/zh/", headers=PAGE)
    assert answer.status_code == 500
    assert "users.json" in answer.text


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/zh/", "/zh/"),
        ("/zh/?c=abc&__theme=dark", "/zh/?c=abc&__theme=dark"),
        ("/originals?kb=人事&document=a%26b.txt", "/originals?kb=%E4%BA%BA%E4%BA%8B&document=a%26b.txt"),
    ],
    ids=["page", "conversation", "original"],
)
def test_who_logs_in_comes_to_where_they_were_going(closed_site: Site, path: str, target: str) -> None:
    browser = closed_site.browser(**PAGE)
    sent = browser.get(path, follow_redirects=False)
    assert sent.status_code == 303
    form = browser.get(sent.headers["location"]).text
    answer = browser.post(
        "/login", data={"user": "读者", "password": GOOD, "next": _hidden(form, "next")}, follow_redirects=False
    )
    assert answer.headers["location"] == target


def _hidden(form: str, name: str) -> str:
    match = re.search(rf'name="{name}" value="([^"]*)"', form)
    assert match
    return html.unescape(match[1])


def test_scripts_are_told_in_their_own_way_that_a_session_is_over(closed_site: Site) -> None:
    for path, language in (("/zh/gradio_api/queue/join", "没有登录"), ("/en/gradio_api/queue/join", "not logged in")):
        answer = closed_site.browser().post(path, json={})
        assert answer.status_code == 401
        assert language in answer.json()["detail"]
        assert answer.json()["error"] == "not_logged_in"


def test_asking_who_somebody_is_does_not_hold_up_the_others(login: Login) -> None:
    """The sessions are on a disk; the event loop is for everybody."""
    threads: list[str] = []

    class Slow(Sessions):
        def user_of(self, token: str) -> Any:
            threads.append(threading.current_thread().name)

    slow = Slow.__new__(Slow)

    async def nowhere(*_: Any) -> None:
        raise AssertionError("let in")

    gate = Gate(nowhere, None, Login(login.accounts, slow), "auto")
    TestClient(gate, HERE, cookies={SESSION_COOKIE: "x"}).get("/zh/")
    assert threads
    assert not any("asyncio" in name or name.startswith("MainThread") for name in threads)
    assert all(name.startswith("AnyIO worker") for name in threads)
