"""The files of a knowledge base on the page: listed in parts, found, read again in the background, deleted."""

import html
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import gradio as gr
import pytest
from gradio_page import GradioPage, built

from core.accounts import User
from core.answers import Progress, ProgressCallback
from core.documents import FileReport, IngestReport
from core.jobs import FileProgress
from core.messages import Language, literal
from service.knowledge_qa import KnowledgeQA
from ui.rendering import knowledge_bases as pictures
from ui.tabs import kb_files
from ui.tabs.knowledge_bases import KnowledgeBasesTab

KB = "人事"
FILES = {"年假.txt": "员工每年有五天年假。", "病假.txt": "病假凭医院证明。", "合同/甲&乙.txt": "甲方应在三十日内付款。"}


@pytest.fixture
def qa(app: KnowledgeQA, tmp_path: Path) -> KnowledgeQA:
    folder = tmp_path / "files"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    (folder / "坏.pdf").write_bytes(b"%PDF-1.7 nothing of the kind")
    app.create(KB)
    app.add(KB, [folder])
    return app


class Visit:
    """A page at one knowledge base."""

    def __init__(self, qa: KnowledgeQA, *, user: User | None = None, language: Language = "zh") -> None:
        self.blocks, tab = built(lambda: KnowledgeBasesTab(qa, language))
        self.page = GradioPage(self.blocks, user) if user else GradioPage(self.blocks)
        self.page.load(lambda request: tab.opened(KB, request), tab.on_select["outputs"])

    def click(self, **data: Any) -> None:
        self.page.fire("kb-file-list", "click", data)

    def listed(self) -> list[str]:
        found = re.findall(r'<th scope="row"><bdi>(.*?)</bdi>', self.page.value("kb-file-list"))
        return [html.unescape(name) for name in found]

    def tick(self) -> bool:
        """Let the page's timer run out once, and tell whether it goes on."""
        (fn,) = [fn for fn in self.blocks.fns.values() if any(event == "tick" for _, event in fn.targets)]
        (step,) = self.page._run(fn, gr.EventData(None, {}))
        (timer,) = [one for one in step.values() if isinstance(one, gr.Timer)]
        return bool(timer.active)

    def follow(self) -> None:
        """Follow the jobs to their end, as the page does."""
        deadline = time.monotonic() + 20
        while self.tick():
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture
def visit(qa: KnowledgeQA) -> Visit:
    return Visit(qa)


@pytest.fixture
def work() -> Iterator[Callable[[ProgressCallback], IngestReport]]:
    """Work that reports two of three files and waits to be let go, or cancelled."""
    released = threading.Event()

    def do(progress: ProgressCallback) -> IngestReport:
        reason = literal("读不了", "unreadable")
        files = [FileReport("甲.txt", "added"), FileReport("乙.txt", "failed", reason)]
        for done, file in enumerate(files, start=1):
            progress(FileProgress(done, 3, file.name, file))
        while not released.wait(0.01):
            progress(Progress(2, 3, "丙.txt"))
        return IngestReport((*files, FileReport("丙.txt", "added")))

    do.release = released.set  # type: ignore[attr-defined]
    yield do
    released.set()


# --- the list ------------------------------------------------------------------------------------------------------


def test_each_file_is_listed_with_what_became_of_it(visit: Visit) -> None:
    assert visit.listed() == ["合同/甲&乙.txt", "坏.pdf", "年假.txt", "病假.txt"]
    assert "文件已损坏" in visit.page.value("kb-file-list")


def test_originals_are_offered_under_their_whole_names(visit: Visit) -> None:
    addresses = re.findall(r'<a href="([^"]*)"', visit.page.value("kb-file-list"))
    wanted = [parse_qs(urlsplit(html.unescape(address)).query) for address in addresses]
    assert {"kb": [KB], "document": ["合同/甲&乙.txt"]} in wanted
    assert len(wanted) == 3  # not of the one that failed


def test_files_are_found_by_name_and_state(visit: Visit) -> None:
    visit.page.fire("kb-find-file", "change", value="事假")
    assert "没有符合的" in visit.page.value("kb-file-list")
    visit.page.fire("kb-find-file", "change", value=" 假.TXT ")
    assert visit.listed() == ["年假.txt", "病假.txt"]
    visit.page.write("kb-find-file", "")
    visit.page.fire("kb-find-state", "input", value="failed")
    assert visit.listed() == ["坏.pdf"]


def test_a_long_list_is_shown_in_pages(qa: KnowledgeQA, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kb_files, "_PER_PAGE", 3)
    visit = Visit(qa)
    assert "第 1–3 个，共 4 个" in visit.page.value("kb-file-list")
    visit.click(action="page", page="2")
    assert visit.listed() == ["病假.txt"]
    visit.click(action="delete", document="病假.txt")
    assert len(visit.listed()) == 3  # the page that was on show is no more


def test_a_reader_cannot_change_the_list(qa: KnowledgeQA) -> None:
    visit = Visit(qa, user=User("读者", roles={KB: "reader"}))
    assert set(re.findall(r'data-action="(.*?)"', visit.page.value("kb-file-list"))) == {"chunks"}
    assert visit.page.value("kb-dropzone") == ""


# --- deleting and reading again ------------------------------------------------------------------------------------


def test_checked_files_are_deleted_and_the_counts_follow(qa: KnowledgeQA, visit: Visit) -> None:
    visit.page.fire("kb-find-file", "change", value="假")
    visit.click(action="delete", names=["年假.txt", "坏.pdf", "早就没有.txt"])
    assert [one.name for one in qa.files(KB)] == ["合同/甲&乙.txt", "病假.txt"]
    assert visit.listed() == ["病假.txt"]  # what is searched for stays
    assert re.search(r'data-kb="人事".*?<td data-label="文件">2</td>', visit.page.value("kb-list"), re.DOTALL)


def test_files_are_read_again_in_the_background(qa: KnowledgeQA, visit: Visit) -> None:
    before = {one.name: one.added_at for one in qa.files(KB)}
    visit.click(action="reindex", names=["年假.txt", "病假.txt"])
    visit.follow()
    assert "重新索引“人事”的文件" in visit.page.value("kb-jobs")
    assert "完成" in visit.page.value("kb-jobs")
    (job,) = qa.jobs.of(KB)
    assert (job.kind, [file.name for file in job.files]) == ("reindex", ["年假.txt", "病假.txt"])
    assert before.keys() == {one.name for one in qa.files(KB)}


def test_a_knowledge_base_is_rebuilt_in_the_background(qa: KnowledgeQA, visit: Visit) -> None:
    visit.page.fire("kb-head", "click", {"action": "rebuild"})
    visit.follow()
    assert qa.jobs.of(KB)[0].kind == "rebuild"
    assert qa.jobs.of(KB)[0].state == "done"


# --- work that goes on without the page ----------------------------------------------------------------------------


def test_a_page_that_is_opened_later_follows_the_work_to_its_end(qa: KnowledgeQA, work: Any) -> None:
    qa.jobs.start("add", KB, "somebody", work)
    while len(qa.jobs.of(KB)[0].files) < 2:
        time.sleep(0.01)
    visit = Visit(qa)
    shown = visit.page.value("kb-jobs")
    assert "进行中" in shown
    assert "读不了" in shown
    assert visit.tick()
    qa.remove(KB, "年假.txt")
    work.release()
    visit.follow()
    assert "完成" in visit.page.value("kb-jobs")
    assert "2 个已添加" in visit.page.value("kb-jobs")
    assert "年假.txt" not in visit.listed()  # the list is brought up to date once


def test_work_is_cancelled(qa: KnowledgeQA, work: Any) -> None:
    qa.jobs.start("add", KB, "somebody", work)
    visit = Visit(qa)
    visit.page.fire("kb-jobs", "click", {"action": "cancel", "job": qa.jobs.of(KB)[0].id})
    visit.follow()
    assert qa.jobs.of(KB)[0].state == "cancelled"
    assert "已取消" in visit.page.value("kb-jobs")


def test_work_on_another_knowledge_base_is_not_shown(qa: KnowledgeQA, work: Any) -> None:
    qa.create("财务")
    qa.jobs.start("add", "财务", "somebody", work)
    assert Visit(qa).page.value("kb-jobs") == ""


def test_a_reader_does_not_see_the_work(qa: KnowledgeQA, work: Any) -> None:
    qa.jobs.start("add", KB, "else", work)
    visit = Visit(qa, user=User("读者", roles={KB: "reader"}))
    assert visit.page.value("kb-jobs") == ""
    assert not visit.tick()


def test_of_thousands_of_files_those_that_failed_are_listed(qa: KnowledgeQA) -> None:
    files = [FileReport(f"{n}.txt", "failed" if n % 100 == 0 else "added") for n in range(5000)]
    id = qa.jobs.start("add", KB, "somebody", lambda _: IngestReport(tuple(files)))
    while not qa.jobs.get(id).ended:
        time.sleep(0.01)
    shown = pictures.jobs([qa.jobs.get(id)], language="zh")
    assert shown.count("<li") == 20
    assert "4950 个已添加" in shown
    assert "50 个失败" in shown
    assert "另有 30 个文件没有列出" in shown


# --- the drop zone -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "said"), [("zh", "超过 7 MB 的上限。"), ("en", "Larger than the limit of 7 MB.")])
def test_the_drop_zone_knows_what_the_server_takes(language: Language, said: str) -> None:
    shown = pictures.dropzone('a"<b>', limit_mb=7, suffixes=(".txt", ".pdf"), language=language)
    data = {name: html.unescape(value) for name, value in re.findall(r'data-([a-z-]+)="([^"]*)"', shown)}
    assert (data["kb"], data["limit-mb"], data["suffixes"]) == ('a"<b>', "7", ".txt .pdf")
    assert json.loads(data["texts"])["too_large"] == said
    assert 'accept=".txt,.pdf"' in shown


def test_its_script_finds_every_text_that_it_asks_for(root: Path) -> None:
    script = (root / "ui" / "assets" / "dropzone.js").read_text("utf-8")
    asked = set(re.findall(r"texts\.(\w+)", script)) | set(re.findall(r'(?:become|button)\("(\w+)"', script))
    shown = pictures.dropzone(KB, limit_mb=1, suffixes=(".txt",), language="zh")
    texts = json.loads(html.unescape(re.findall(r'data-texts="([^"]*)"', shown)[0]))
    assert {"refused", "cancelled", "retry", "lost"} <= asked
    assert asked | {"refused", "cancelled"} == set(texts)
    for name in ("count", "failed"):
        assert set(re.findall(r"\{(\w+)\}", texts[name])) == {"count": {"done", "total"}, "failed": {"status"}}[name]


def test_an_upload_becomes_files_of_the_list(qa: KnowledgeQA, visit: Visit) -> None:
    batch = qa.uploads.begin(KB, "somebody")
    with qa.uploads.receive(batch, "somebody", "制度/考勤.md") as receiver:
        receiver.write("# 考勤\n\n迟到三次记旷工一天。".encode())
    visit.page.fire("kb-dropzone", "click", {"action": "uploaded", "job": qa.intake.start(batch, "somebody")})
    visit.follow()
    assert "制度/考勤.md" in visit.listed()
    assert "1 个已添加" in visit.page.value("kb-jobs")
