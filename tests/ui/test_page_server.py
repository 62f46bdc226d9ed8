"""The whole server behind its gate: what Gradio offers, to whom, and with which headers."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from page_visits import ADDRESS, PAGE, Site, fired, heard
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from service.knowledge_qa import KnowledgeQA
from ui.login import Login

pytestmark = pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting'")  # Gradio's, of its statistics
OPEN = {"/login", "/assets/x", "/favicon.ico"}
OFFERED = {"/zh/", "/zh/theme.css", "/zh/gradio_api/app_id"}


def addresses(routes: list[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the method and an example of the path of everything that a server answers to."""
    for route in routes:
        if isinstance(route, Mount):
            inner = getattr(route.app, "routes", None)
            yield from addresses(inner, prefix + route.path) if inner else [("GET", f"{prefix}{route.path}/x")]
        elif hasattr(route, "original_router"):  # how FastAPI holds a router within another
            yield from addresses(route.original_router.routes, prefix)
        elif isinstance(route, Route) or hasattr(route, "methods"):
            path = prefix + re.sub(r"\{[^}]*\}", "x", route.path)
            yield from ((method, path) for method in sorted(route.methods or {"GET"}))
        else:
            raise AssertionError(f"{route} is of no known kind")


def test_the_routes_of_both_pages_are_looked_at(closed_site: Site) -> None:
    paths = {path for _, path in addresses(list(closed_site.server.routes))}
    assert {"/originals", "/uploads/x", "/zh/gradio_api/upload", "/en/gradio_api/file=x", "/zh/config"} <= paths
    assert len(paths) > 100


def test_nothing_answers_before_somebody_has_logged_in(closed_site: Site) -> None:
    browser = closed_site.browser()
    for method, path in addresses(list(closed_site.server.routes)):
        answer = browser.request(method, path, follow_redirects=False)
        assert path in OPEN or answer.status_code == 401, (method, path, answer.status_code)
        assert "set-cookie" not in answer.headers


def test_of_gradio_only_what_its_pages_need_is_offered(open_site: Site) -> None:
    browser = open_site.browser()
    for method, path in addresses(list(open_site.server.routes)):
        if path.startswith(("/zh", "/en")):
            is_offered = path.replace("/en", "/zh") in OFFERED or "/static/" in path or "/assets/" in path
            is_event = re.search(r"/gradio_api/(queue/(join|data)|cancel|reset|heartbeat/x)$", path)
            if is_offered or is_event:
                continue
            answer = browser.request(method, path, follow_redirects=False)
            assert answer.status_code == 404, (method, path)
            assert method == "HEAD" or answer.json()["error"] == "not_offered", (method, path)


FILES = (
    "/etc/passwd",
    "/etc/hostname",
    "../../../../etc/passwd",
    "%2e%2e%2f%2e%2e%2fetc/passwd",
    "http://example.com/",
)


@pytest.mark.parametrize(
    "address", ["file=", "file/", "proxy=", "stream/x/1/2/", "custom_component/x/client/component/"]
)
def test_gradio_gives_no_file_of_the_machine(open_site: Site, served: KnowledgeQA, address: str) -> None:
    own = [str(path) for path in served.settings.data_dir.rglob("*") if path.is_file()]
    assert own
    for path in [*FILES, *own]:
        answer = open_site.browser().get(f"/zh/gradio_api/{address}{path}")
        assert answer.status_code == 404, path


def test_assets_are_those_of_the_page_and_nothing_above_them(open_site: Site) -> None:
    browser = open_site.browser()
    assert browser.get("/assets/page.js").status_code == 200
    for path in ("../gate.py", "..%2fgate.py", "%2e%2e/gate.py", "..\\gate.py", "/etc/passwd", ""):
        assert browser.get(f"/assets/{path}").status_code == 404, path
        assert browser.get(f"/zh/assets/{path}").status_code in (403, 404), path


@pytest.mark.parametrize(
    "body",
    [
        {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
        {"deep": [{"path": "http://example.com/", "url": "http://example.com/", "meta": {"_type": "gradio.FileData"}}]},
    ],
    ids=["disk", "internet"],
)
def test_gradio_is_handed_no_file_to_fetch(open_site: Site, body: Any) -> None:
    event = {"fn_index": 0, "data": [body], "session_hash": "abc"}
    answer = open_site.browser().post("/zh/gradio_api/queue/join", json=event)
    assert answer.status_code == 400
    assert answer.json()["error"] == "unusable_request"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b"1" * 5000], ids=str)
def test_an_event_that_no_page_sends_is_refused(open_site: Site, body: bytes) -> None:
    assert open_site.browser().post("/zh/gradio_api/queue/join", content=body).status_code == 400


def test_an_event_of_endless_size_is_refused(open_site: Site) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"data": ["'
        for _ in range(100):
            yield b"x" * 65_536

    answer = open_site.browser().post("/zh/gradio_api/queue/join", content=pieces())
    assert answer.status_code == 413


# --- events ------------------------------------------------------------------------------------------------------


def test_an_event_is_answered(open_site: Site) -> None:
    ended = fired(open_site.browser(), open_site.handler("ChatTab.new"), [None])
    assert ended["success"], ended


def test_nobody_hears_what_another_visitors_session_is_told(open_site: Site) -> None:
    mine, other = open_site.browser(), open_site.browser()
    mine.get("/zh/", headers=PAGE)
    handler = open_site.handler("ChatTab.new")
    body = {"fn_index": handler, "data": [None], "session_hash": "known-to-both"}
    assert mine.post("/zh/gradio_api/queue/join", json=body).status_code == 200
    overheard = heard(other, "known-to-both")
    assert [message["msg"] for message in overheard] == ["unexpected_error"]
    assert any(message["msg"] == "process_completed" for message in heard(mine, "known-to-both"))


def test_a_session_cannot_be_named_in_the_form_it_has_inside(open_site: Site) -> None:
    mine, other = open_site.browser(), open_site.browser()
    own = mine.get("/zh/", headers=PAGE).cookies["knowglm_visitor"]
    inside = f"{hashlib.sha256(own.encode()).hexdigest()[:16]}-mine"
    body = {"fn_index": open_site.handler("ChatTab.new"), "data": [None], "session_hash": "mine"}
    mine.post("/zh/gradio_api/queue/join", json=body)
    assert [message["msg"] for message in heard(other, inside)] == ["unexpected_error"]


@pytest.mark.parametrize(("name", "is_let"), [("读者", False), ("编辑", True)], ids=["reader", "editor"])
def test_a_handler_called_without_its_button_asks_for_the_role_all_the_same(
    closed_site: Site, served: KnowledgeQA, enter: Callable[[str], TestClient], name: str, is_let: bool
) -> None:
    handler = closed_site.handler("KnowledgeBasesTab.create")
    kb = f"由{name}建"
    ended = fired(enter(name), handler, [kb, None])
    assert (kb in {info.name for info in served.knowledge_bases()}) is is_let
    assert ended["success"] is is_let
    assert is_let or "编辑" in ended["output"]["error"]


@pytest.mark.parametrize("action", ["open", "rename", "delete"])
def test_a_click_that_was_made_up_reaches_no_knowledge_base_of_others(
    closed_site: Site, served: KnowledgeQA, enter: Callable[[str], TestClient], action: str
) -> None:
    event = {"action": action, "kb": "财务", "value": "夺来"}
    ended = fired(enter("小明"), closed_site.handler("KnowledgeBasesTab.act"), [None], event=event)
    assert "财务制度" not in json.dumps(ended, ensure_ascii=False)
    assert {"人事", "财务"} <= {info.name for info in served.knowledge_bases()}


@pytest.mark.parametrize("address", ["run/predict", "api/predict", "call/new", "call/v2/new", "component_server"])
def test_handlers_answer_only_to_the_queue(open_site: Site, address: str) -> None:
    body = {"fn_index": open_site.handler("ChatTab.new"), "data": [None], "session_hash": "abc"}
    assert open_site.browser().post(f"/zh/gradio_api/{address}", json=body).status_code == 404


# --- headers -----------------------------------------------------------------------------------------------------

PATHS = (
    "/",
    "/zh/",
    "/en/",
    "/zh",
    "/zh/theme.css",
    "/assets/page.js",
    "/originals",
    "/nowhere",
    "/zh/config",
    "/uploads",
)


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_tells_the_browser_to_be_careful(open_site: Site, path: str) -> None:
    headers = open_site.browser().get(path, follow_redirects=False).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    "path", ["/", "/zh/", "/originals?kb=人事&document=人事.txt", "/conversations/x.md", "/zh/config"]
)
def test_nothing_private_is_kept_by_a_browser(open_site: Site, path: str) -> None:
    assert open_site.browser().get(path, follow_redirects=False).headers["cache-control"] == "no-store"


def test_assets_are_kept_and_asked_for_again(open_site: Site) -> None:
    browser = open_site.browser()
    first = browser.get("/assets/page.js")
    assert first.headers["cache-control"] == "no-cache"
    again = browser.get("/assets/page.js", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


def test_what_comes_with_gradio_is_kept_by_the_browser(open_site: Site) -> None:
    browser = open_site.browser()
    page = browser.get("/zh/").text
    script = next(iter(re.findall(r'"\./(assets/[^"]+\.js)"', page)))
    assert "max-age=86400" in browser.get(f"/zh/{script}").headers["cache-control"]
    assert browser.get("/zh/assets/none.js").headers["cache-control"] == "no-store"


def test_no_cookie_of_the_visitor_stands_in_the_page(open_site: Site) -> None:
    browser = open_site.browser()
    page = browser.get("/zh/", headers=PAGE)
    assert page.cookies["knowglm_visitor"] not in page.text


def test_what_fails_unforeseen_is_said_without_its_details(
    open_site: Site, served: KnowledgeQA, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(served.conversations, "load", broken)
    browser = TestClient(open_site.server, ADDRESS, raise_server_exceptions=False, headers={"Accept-Language": "en"})
    answer = browser.get("/conversations/x.md")
    assert answer.status_code == 500
    assert answer.text.startswith("An internal error: RuntimeError.")
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_website_whose_login_is_off_has_no_login_page(open_site: Site, login: Login) -> None:
    assert open_site.browser().get("/login").status_code == 404
    assert open_site.browser().post("/logout").status_code == 404
