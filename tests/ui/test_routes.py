"""Originals, conversations and lists of questions: to be saved, by those who may, and by nobody else."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from page_visits import PAGE, Site
from starlette.testclient import TestClient

from core.evaluation import LabelledQuestion
from service.knowledge_qa import KnowledgeQA
from ui.gate import VISITOR_COOKIE

TEXT = "人事制度：员工入职满一年后有五天年假。"
ODD_NAMES = ['说明 "引号".txt', "a;b, c'd.txt", "100%.txt", "emoji 🙂 名.txt", "夹/子/里面.txt", "-rf.txt", "<b>.txt"]


@pytest.fixture(scope="module")
def odd(served: KnowledgeQA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A knowledge base of documents with odd names, a duplicate and one without an original."""
    from chains.splitting import SourceFile

    folder, kb = tmp_path_factory.mktemp("odd"), "怪 & 名"
    served.create(kb)
    for number, name in enumerate([*ODD_NAMES, "没了.txt"]):
        (folder / f"{number}.txt").write_text(f"第{number}份文件，讲的是{number}号设备的保养。", "utf-8")
        served.add(kb, [SourceFile(folder / f"{number}.txt", name)])
    served.add(kb, [SourceFile(folder / "0.txt", "同样的.txt")])
    yield kb
    served.delete(kb)


def original(browser: TestClient, kb: str, document: str, **headers: str) -> Any:
    return browser.get("/originals", params={"kb": kb, "document": document}, headers=headers)


def name_in(disposition: str) -> str:
    kind, _, name = disposition.partition("; filename")
    assert kind == "attachment"
    return unquote(name.partition("''")[2]) if name.startswith("*") else name[2:-1]


# --- originals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["读者", "编辑", "管理员", "小明"], ids=["reader", "editor", "admin", "reader_of_kb"])
def test_an_original_is_for_those_who_may_read_it(enter: Callable[[str], TestClient], user: str) -> None:
    answer = original(enter(user), "人事", "人事.txt")
    assert answer.status_code == 200
    assert answer.content.decode() == TEXT


def test_a_knowledge_base_of_others_is_as_if_it_were_not_there(enter: Callable[[str], TestClient]) -> None:
    browser = enter("小明")
    hidden, missing = original(browser, "财务", "财务.txt"), original(browser, "没有", "财务.txt")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.text.replace("财务", "没有") == missing.text.replace("财务", "没有")
    assert hidden.json()["error"] == "kb_not_found"
    assert set(hidden.headers) == set(missing.headers)


def test_no_original_without_login(closed_site: Site) -> None:
    answer = original(closed_site.browser(), "人事", "人事.txt")
    assert answer.status_code == 401
    assert TEXT not in answer.text


@pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
def test_an_original_keeps_its_name_and_is_never_shown_as_a_page(open_site: Site, odd: str, name: str) -> None:
    answer = original(open_site.browser(), odd, name)
    assert answer.status_code == 200
    assert name_in(answer.headers["content-disposition"]) == name.rpartition("/")[2]
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_the_original_of_a_duplicate_is_sent_too(open_site: Site, odd: str) -> None:
    answer = original(open_site.browser(), odd, "同样的.txt")
    assert answer.content == original(open_site.browser(), odd, ODD_NAMES[0]).content
    assert answer.status_code == 200


def test_an_original_that_is_gone_is_said_in_words_to_who_follows_the_link(
    open_site: Site, served: KnowledgeQA, odd: str
) -> None:
    served.curation.original(odd, "没了.txt").unlink()
    answer = original(open_site.browser(), odd, "没了.txt", **PAGE, **{"Accept-Language": "en"})
    assert answer.status_code == 404
    assert answer.text == "The original of “没了.txt” is not there.\nAdd the file again."


@pytest.mark.parametrize(
    "document",
    ["../人事.txt", "../../.users.json", "/etc/passwd", "..\\..\\x", "人事.txt\n", "人事.txt/", "\x00", "", ".", "*"],
    ids=range(10),
)
def test_a_path_is_no_document(open_site: Site, document: str) -> None:
    assert original(open_site.browser(), "人事", document).status_code == 404


@pytest.mark.parametrize("kb", ["../人事", "", ".", "/", "\x00", "x" * 5000], ids=range(6))
def test_a_path_is_no_knowledge_base(open_site: Site, kb: str) -> None:
    assert original(open_site.browser(), kb, "人事.txt").status_code == 404


def test_a_download_that_broke_off_is_taken_up(open_site: Site) -> None:
    browser = open_site.browser()
    whole = original(browser, "人事", "人事.txt")
    part = original(browser, "人事", "人事.txt", Range="bytes=3-8", **{"If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[3:9])
    assert part.headers["content-disposition"].startswith("attachment")
    changed = original(browser, "人事", "人事.txt", Range="bytes=3-8", **{"If-Range": '"another"'})
    assert changed.status_code == 200
    assert original(browser, "人事", "人事.txt", Range="bytes=9999-").status_code == 416


def test_asking_for_the_head_of_an_original_sends_none_of_it(open_site: Site) -> None:
    answer = open_site.browser().head("/originals", params={"kb": "人事", "document": "人事.txt"})
    assert (answer.status_code, answer.content) == (200, b"")


# --- conversations -----------------------------------------------------------------------------------------------


@pytest.fixture
def talked(open_site: Site, served: KnowledgeQA) -> tuple[TestClient, str]:
    """A browser, and its conversation."""
    browser = open_site.browser()
    owner = browser.get("/zh/").cookies[VISITOR_COOKIE]
    id = served.conversations.create(owner, ["人事"], "kb")
    exchange = served.conversations.begin(owner, id, '年假/"有"几天\n？')
    served.conversations.stop(owner, exchange, "有五天")
    return browser, id


def test_a_conversation_is_taken_along_as_text(talked: tuple[TestClient, str]) -> None:
    browser, id = talked
    answer = browser.get(f"/conversations/{id}.md")
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert name_in(answer.headers["content-disposition"]) == '年假/"有"几天 ？.md'
    assert "有五天" in answer.text
    assert "知识库" in answer.text
    assert "knowledge bases" in browser.get(f"/conversations/{id}.md", headers={"Accept-Language": "en"}).text


def test_a_conversation_is_taken_along_for_programs(talked: tuple[TestClient, str]) -> None:
    browser, id = talked
    answer = browser.get(f"/conversations/{id}.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.json()["exchanges"][0]["question"].startswith("年假")


def test_a_conversation_without_a_title_has_a_name_all_the_same(open_site: Site, served: KnowledgeQA) -> None:
    browser = open_site.browser()
    owner = browser.get("/zh/").cookies[VISITOR_COOKIE]
    id = served.conversations.create(owner, ["人事"], "kb")
    assert name_in(browser.get(f"/conversations/{id}.md").headers["content-disposition"]) == "KnowGLM.md"


def test_a_conversation_is_its_visitors_alone(open_site: Site, talked: tuple[TestClient, str]) -> None:
    _, id = talked
    stranger = open_site.browser()
    theirs, none = stranger.get(f"/conversations/{id}.md"), stranger.get(f"/conversations/{'0' * 32}.md")
    assert theirs.status_code == none.status_code == 404
    assert theirs.json()["error"] == none.json()["error"] == "conversation_not_found"


@pytest.mark.parametrize("kind", ["txt", "html", "md/x", "md.html", "exe", ""])
def test_a_conversation_comes_in_no_other_form(talked: tuple[TestClient, str], kind: str) -> None:
    browser, id = talked
    assert browser.get(f"/conversations/{id}.{kind}").status_code == 404


# --- of the retrieval test ---------------------------------------------------------------------------------------


def test_a_list_of_questions_goes_out_and_comes_back(open_site: Site, served: KnowledgeQA) -> None:
    browser = open_site.browser()
    served.add_questions("财务", [LabelledQuestion("报销多久到账？")], "user")
    out = browser.get("/questions", params={"kb": "财务", "kind": "jsonl"})
    assert name_in(out.headers["content-disposition"]) == "财务.questions.jsonl"
    back = browser.post("/questions", params={"kb": "人事", "name": "x.jsonl"}, content=out.content)
    assert back.json() == {"kb": "人事", "added": 1}


@pytest.mark.parametrize(
    ("user", "code"), [("读者", 403), ("小明", 403), ("编辑", 200)], ids=["reader", "of_kb", "editor"]
)
def test_a_list_of_questions_is_added_to_by_editors(enter: Callable[[str], TestClient], user: str, code: int) -> None:
    line = json.dumps({"question": f"{user}问的？", "answerable": False}).encode()
    answer = enter(user).post("/questions", params={"kb": "人事", "name": "x.jsonl"}, content=line)
    assert answer.status_code == code, answer.text


def test_the_list_of_a_knowledge_base_of_others_is_not_there(enter: Callable[[str], TestClient]) -> None:
    browser = enter("小明")
    assert browser.get("/questions", params={"kb": "财务", "kind": "csv"}).status_code == 404
    assert browser.post("/questions", params={"kb": "财务", "name": "x.csv"}, content=b"x").status_code == 404


def test_a_list_of_questions_has_the_size_of_a_file_at_most(open_site: Site) -> None:
    answer = open_site.browser().post("/questions", params={"kb": "人事", "name": "x.csv"}, content=b"x" * 1_100_000)
    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/questions?kb=人事&kind=exe", "/evaluations/none.json", "/evaluations/none.exe"])
def test_what_is_not_there_is_said(open_site: Site, path: str) -> None:
    assert open_site.browser().get(path).status_code in (404, 422)


def test_files_of_the_data_directory_have_no_address(open_site: Site, served: KnowledgeQA) -> None:
    for path in served.settings.data_dir.rglob("*"):
        name = Path(path).relative_to(served.settings.data_dir).as_posix()
        assert open_site.browser().get(f"/{name}").status_code in (404, 405), name
