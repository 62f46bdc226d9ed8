"""Uploads over HTTP: within the limits, by those who may, and nothing left of what broke off."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest
from cheap_accounts import GOOD
from page_visits import Site
from starlette.testclient import TestClient

from core.jobs import Job
from service.knowledge_qa import KnowledgeQA
from ui.gate import VISITOR_COOKIE
from ui.login import Login

_NUMBERS = itertools.count(1)
NOTE = "上传的文件：打印机在三楼。".encode()


@pytest.fixture
def kb(served: KnowledgeQA) -> Iterator[str]:
    name = f"上传 {next(_NUMBERS)}"
    served.create(name)
    yield name
    served.delete(name)


def begun(browser: TestClient, kb: str) -> str:
    answer = browser.post("/uploads", params={"kb": kb})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["batch"])


def put(browser: TestClient, batch: str, name: str = "说明.txt", content: Any = NOTE, **headers: str) -> Any:
    return browser.put(f"/uploads/{batch}", params={"name": name}, content=content, headers=headers)


def ended(qa: KnowledgeQA, id: str) -> Job:
    deadline = time.monotonic() + 20
    while not (job := qa.jobs.get(id)).ended:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return job


def left(qa: KnowledgeQA, batch: str) -> list[str]:
    folder = qa.settings.data_dir / ".uploads" / batch
    return sorted(path.name for path in folder.glob("*") if path.name != "lock")


def test_a_file_comes_into_a_knowledge_base(open_site: Site, served: KnowledgeQA, kb: str) -> None:
    browser = open_site.browser()
    batch = begun(browser, kb)
    assert put(browser, batch, "夹/说明.txt").json() == {"name": "夹/说明.txt"}
    job = browser.post(f"/uploads/{batch}").json()["job"]
    assert ended(served, job).state == "done"
    assert [one.name for one in served.files(kb)] == ["夹/说明.txt"]


def test_finishing_twice_starts_one_job(open_site: Site, served: KnowledgeQA, kb: str) -> None:
    browser = open_site.browser()
    batch = begun(browser, kb)
    put(browser, batch)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: browser.post(f"/uploads/{batch}"), range(4)))
    ended(served, batch)
    answers.append(browser.post(f"/uploads/{batch}"))  # once it is through, too
    assert [answer.json() for answer in answers] == [{"job": batch}] * 5
    assert len([job for job in served.jobs.of(kb) if job.id == batch]) == 1


def test_an_upload_that_is_given_up_leaves_nothing_but_not_one_that_is_complete(
    open_site: Site, served: KnowledgeQA, kb: str
) -> None:
    browser = open_site.browser()
    batch = begun(browser, kb)
    put(browser, batch)
    folder = served.settings.data_dir / ".uploads" / batch
    assert folder.is_dir()
    assert open_site.browser().delete(f"/uploads/{batch}").status_code == 404  # somebody else
    assert browser.delete(f"/uploads/{batch}").status_code == 200
    assert not folder.exists()
    complete = begun(browser, kb)
    put(browser, complete)
    browser.post(f"/uploads/{complete}")
    assert browser.delete(f"/uploads/{complete}").status_code == 404
    assert ended(served, complete).state == "done"


def test_several_files_at_once(open_site: Site, served: KnowledgeQA, kb: str) -> None:
    browser = open_site.browser()
    batch = begun(browser, kb)
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda n: put(browser, batch, f"{n}.txt", NOTE + b"%d" % n).status_code, range(24)))
    assert codes == [200] * 24
    assert len(left(served, batch)) == 24


# --- who ---------------------------------------------------------------------------------------------------------


def test_a_reader_adds_nothing(enter: Callable[[str], TestClient]) -> None:
    answer = enter("读者").post("/uploads", params={"kb": "人事"})
    assert answer.status_code == 403
    assert answer.json()["error"] == "forbidden"


@pytest.mark.parametrize("name", ["没有", "", "../人事", "财务"])
def test_there_is_nothing_to_upload_to(enter: Callable[[str], TestClient], name: str) -> None:
    browser = enter("小明" if name == "财务" else "编辑")
    assert browser.post("/uploads", params={"kb": name}).status_code == 404


@pytest.mark.parametrize("user", ["编辑", "读者"], ids=["editor", "reader"])
def test_the_upload_of_somebody_else_is_not_there(
    served: KnowledgeQA, enter: Callable[[str], TestClient], kb: str, user: str
) -> None:
    batch, other = begun(enter("管理员"), kb), enter(user)
    for answer in (put(other, batch), other.post(f"/uploads/{batch}")):
        assert answer.status_code == 404
        assert answer.json()["error"] == "upload_not_found"
    assert left(served, batch) == []


def test_a_visitor_without_a_name_cannot_take_over_an_upload(open_site: Site, served: KnowledgeQA, kb: str) -> None:
    batch = begun(open_site.browser(), kb)
    assert put(open_site.browser(), batch).status_code == 404
    assert left(served, batch) == []


def test_a_role_that_is_taken_away_ends_the_upload(
    served: KnowledgeQA, login: Login, enter: Callable[[str], TestClient], kb: str
) -> None:
    login.accounts.add("短暂", GOOD, roles={kb: "editor"})
    browser = enter("短暂")
    batch = begun(browser, kb)
    assert put(browser, batch).status_code == 200
    login.accounts.set_role("短暂", "reader", kb)
    for answer in (put(browser, batch, "二.txt"), browser.post(f"/uploads/{batch}")):
        assert answer.status_code == 403
    assert served.jobs.of(kb) == []
    assert left(served, batch) == ["1.txt"]
    login.accounts.remove("短暂")


# --- what --------------------------------------------------------------------------------------------------------

TOO_LARGE = b"x" * (1024 * 1024 + 1)


def pieces(data: bytes) -> Iterator[bytes]:
    """Give the body without its length."""
    yield from (data[start : start + 65_536] for start in range(0, len(data), 65_536))


@pytest.mark.parametrize(
    ("name", "content", "headers", "error"),
    [
        ("大.txt", TOO_LARGE, {}, "too_large"),
        ("大.txt", pieces(TOO_LARGE), {}, "too_large"),
        ("大.txt", NOTE, {"Content-Length": "9999999999"}, "too_large"),
        ("短.txt", NOTE, {"Content-Length": "1000"}, "unreadable"),
        ("长.txt", NOTE, {"Content-Length": "3"}, "unreadable"),
        ("空.txt", b"", {}, "empty"),
        ("空.txt", pieces(b""), {}, "empty"),
        ("a.exe", NOTE, {}, "unsupported"),
        ("没有后缀", NOTE, {}, "unsupported"),
        ("a.txt\x00.exe", NOTE, {}, "invalid_file_name"),
        ("../../a.txt", NOTE, {}, "invalid_file_name"),
        ("..\\a.txt", NOTE, {}, "invalid_file_name"),
        ("C:\\a.txt", NOTE, {}, "invalid_file_name"),
        (".hidden.txt", NOTE, {}, "invalid_file_name"),
        ("", NOTE, {}, "invalid_file_name"),
    ],
    ids=range(15),
)
def test_what_is_refused_leaves_nothing_behind(  # noqa: PLR0917
    open_site: Site, served: KnowledgeQA, kb: str, name: str, content: Any, headers: dict[str, str], error: str
) -> None:
    browser = open_site.browser()
    batch = begun(browser, kb)
    answer = put(browser, batch, name, content, **headers)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"] == error
    assert left(served, batch) == []
    assert put(browser, batch).status_code == 200


@pytest.mark.parametrize(("page", "words"), [("zh", "文件太大"), ("en", "the limit")])
def test_why_is_said_in_the_pages_language(open_site: Site, kb: str, page: str, words: str) -> None:
    browser = open_site.browser(Referer=f"http://127.0.0.1:7860/{page}/", **{"Accept-Language": "en,zh;q=0.5"})
    answer = put(browser, begun(browser, kb), "大.txt", TOO_LARGE).json()
    assert words in answer["reason"] + answer["advice"]


def test_an_upload_that_breaks_off_leaves_nothing_behind(
    open_site: Site, served: KnowledgeQA, kb: str, caplog: pytest.LogCaptureFixture
) -> None:
    browser = open_site.browser()
    batch = begun(browser, kb)
    statuses: list[int] = []
    messages = [{"type": "http.request", "body": NOTE, "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    cookie = f"{VISITOR_COOKIE}={browser.cookies[VISITOR_COOKIE]}".encode()
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "PUT",
        "scheme": "http",
        "path": f"/uploads/{batch}",
        "query_string": b"name=x.txt",
        "headers": [(b"host", b"127.0.0.1:7860"), (b"cookie", cookie)],
    }

    async def send_half() -> None:
        await open_site.server(scope, receive, send)

    anyio.run(send_half)
    assert statuses == [400]
    assert left(served, batch) == []
    assert not caplog.records


def test_a_disk_that_is_slow_holds_up_nobody_else(
    open_site: Site, served: KnowledgeQA, kb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def slow(*_: object) -> None:
        threads.append(threading.current_thread().name)

    monkeypatch.setattr("service.knowledge.receiving.os.fsync", slow)
    browser = open_site.browser()
    assert put(browser, begun(browser, kb)).status_code == 200
    assert all(name.startswith("AnyIO worker") for name in threads)
    assert threads
