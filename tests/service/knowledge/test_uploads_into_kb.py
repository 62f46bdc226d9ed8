"""Uploads all the way into a knowledge base: jobs, deaths of the program, and what the user sees of them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import DocumentNotFound, KnowledgeBaseNotFound, StoreUnwritable
from core.job_errors import JobInterrupted, UploadGivenUp, UploadNotFound
from core.jobs import Job
from loaders.registry import SUPPORTED_SUFFIXES
from service.jobs import Jobs
from service.knowledge import uploads as uploads_module
from service.knowledge.intake import Intake
from service.knowledge.uploads import Uploads

ROOT = Path(__file__).resolve().parents[3]
App = Any
LEAVE = "云杉公司假期规定\n员工入职满一年后有五天年假。\n年假须提前三天申请。\n".encode()


class Desk:
    """What the page works with: uploads and jobs over an application."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.uploads = Uploads(app.settings.data_dir / ".uploads", app.settings.max_file_mb, SUPPORTED_SUFFIXES)
        self.jobs = Jobs()
        self.intake = Intake(self.uploads, self.jobs, app.add)

    def send(self, batch: str, name: str, data: bytes, owner: str = "王") -> None:
        with self.uploads.receive(batch, owner, name) as receiver:
            receiver.write(data)

    def batch(self, kb: str = "人事", owner: str = "王", **files: bytes) -> str:
        batch = self.uploads.begin(kb, owner)
        for name, data in files.items():
            self.send(batch, name, data, owner)
        return batch

    def ended(self, job: str, seconds: float = 30.0) -> Job:
        deadline = time.monotonic() + seconds
        while not self.jobs.get(job).ended or self.staged(job):
            assert time.monotonic() < deadline, self.jobs.get(job)
            time.sleep(0.005)
            if isinstance(self.jobs.get(job).error, StoreUnwritable | JobInterrupted):
                break  # its upload stays
        return self.jobs.get(job)

    def staged(self, batch: str) -> bool:
        return (self.app.settings.data_dir / ".uploads" / batch).exists()

    def names(self, kb: str = "人事") -> list[str]:
        return [document.name for document in self.app.files(kb)]


@pytest.fixture
def make_desk(make_app: Callable[..., App]) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def build(**flags: Any) -> Desk:
        made.append(Desk(make_app(**flags)))
        return made[-1]

    yield build
    for desk in made:
        desk.jobs.close()
        desk.uploads.close()


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    desk = make_desk()
    desk.app.create("人事")
    return desk


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Reading a file waits until this is set."""
    from service.knowledge import indexing

    go_on, load = threading.Event(), indexing.load_file

    def wait(*arguments: Any, **options: Any) -> Any:
        assert go_on.wait(30)
        return load(*arguments, **options)

    monkeypatch.setattr(indexing, "load_file", wait)
    yield go_on
    go_on.set()


def test_a_dropped_folder_becomes_searchable_under_its_own_names(desk: Desk, found: Callable[..., set[str]]) -> None:
    batch = desk.batch(**{"合同/2024/假期.txt": LEAVE, "合同/报销.md": "# 报销\n\n出差补贴每天一百元。".encode()})
    job = desk.ended(desk.intake.start(batch, "王"))
    assert (job.id, job.kind, job.target, job.owner, job.state) == (batch, "add", "人事", "王", "done")
    assert [(file.name, file.outcome) for file in job.files] == [
        ("合同/2024/假期.txt", "added"),
        ("合同/报销.md", "added"),
    ]
    assert found(desk.app, "年假有几天", "人事") == {"合同/2024/假期.txt"}
    assert not desk.staged(batch)
    desk.app.rebuild("人事")
    assert found(desk.app, "出差补贴", "人事") == {"合同/报销.md"}


def test_pain_6_each_file_of_many_has_its_own_fate(desk: Desk) -> None:
    batch = desk.batch(**{"坏.pdf": b"%PDF-1.7 broken", "甲.txt": LEAVE, "空.md": b"  \n", "乙.txt": LEAVE})
    job = desk.ended(desk.intake.start(batch, "王"))
    assert job.state == "done"
    assert [file.outcome for file in job.files] == ["failed", "added", "failed", "duplicate"]
    assert all(file.reason and file.cure for file in job.files if file.outcome == "failed")


def test_pain_33_the_same_upload_started_three_times_is_added_once(desk: Desk) -> None:
    batch = desk.batch(**{"甲.txt": LEAVE})
    assert {desk.intake.start(batch, "王") for _ in range(3)} == {batch}
    desk.ended(batch)
    assert desk.intake.start(batch, "王") == batch
    assert len(desk.jobs.of("人事")) == 1
    assert desk.names() == ["甲.txt"]
    with pytest.raises(UploadNotFound):
        desk.intake.start(batch, "李")


def test_two_users_uploads_to_one_knowledge_base_come_one_after_the_other(desk: Desk) -> None:
    def user(name: str) -> None:
        for number in range(3):
            text = f"{name}的第{number}份文件，讲差旅。".encode()
            desk.intake.start(desk.batch(owner=name, **{f"{name}{number}.txt": text}), name)

    threads = [threading.Thread(target=user, args=(name,)) for name in ("王", "李")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for job in desk.jobs.of("人事"):
        assert desk.ended(job.id).state == "done"
    assert desk.names() == sorted(f"{name}{number}.txt" for name in ("王", "李") for number in range(3))


def test_progress_says_which_file_is_being_read(desk: Desk, slow: threading.Event) -> None:
    batch = desk.batch(**{"甲.txt": LEAVE, "乙.txt": b"x"})
    desk.intake.start(batch, "王")
    while not (progress := desk.jobs.get(batch).progress):
        time.sleep(0.005)
    assert (progress.done, progress.total, progress.label) == (0, 2, "甲.txt")
    slow.set()
    assert desk.ended(batch).state == "done"


def test_cancelling_keeps_what_is_stored_and_deletes_the_rest(desk: Desk, slow: threading.Event) -> None:
    batch = desk.batch(**{"甲.txt": LEAVE, "乙.txt": b"x"})
    desk.intake.start(batch, "王")
    while not desk.jobs.get(batch).progress:
        time.sleep(0.005)
    desk.jobs.cancel(batch)
    slow.set()
    assert desk.ended(batch).state == "cancelled"
    assert not desk.staged(batch)
    assert set(desk.names()) <= {"甲.txt"}
    assert desk.intake.resume() == []


def test_an_upload_to_a_knowledge_base_that_is_gone_fails_with_the_reason(desk: Desk, slow: threading.Event) -> None:
    first, second = desk.batch(**{"甲.txt": LEAVE}), desk.batch(**{"乙.txt": LEAVE})
    for batch in (first, second):
        desk.intake.start(batch, "王")
    while not desk.jobs.get(first).progress:
        time.sleep(0.005)
    desk.app.delete("人事")
    slow.set()
    assert desk.ended(first).state == "failed"
    job = desk.ended(second)
    assert (job.state, type(job.error)) == ("failed", KnowledgeBaseNotFound)


def test_an_upload_on_its_way_follows_a_renaming(desk: Desk, slow: threading.Event) -> None:
    running, waiting = desk.batch(**{"甲.txt": LEAVE}), desk.batch(**{"乙.txt": "补贴一百元".encode()})
    for batch in (running, waiting):
        desk.intake.start(batch, "王")
    while not desk.jobs.get(running).progress:
        time.sleep(0.005)
    desk.app.rename("人事", "人力")
    desk.intake.rename_kb("人事", "人力")
    slow.set()
    assert [desk.ended(batch).state for batch in (running, waiting)] == ["done", "done"]
    assert sorted(desk.names("人力")) == ["乙.txt", "甲.txt"]
    assert len(desk.jobs.of("人力")) == 2


def test_closing_keeps_the_upload_for_the_next_start(make_desk: Callable[..., Desk], slow: threading.Event) -> None:
    desk = make_desk()
    desk.app.create("人事")
    batch = desk.batch(**{"甲.txt": LEAVE, "乙.txt": b"x"})
    desk.intake.start(batch, "王")
    while not desk.jobs.get(batch).progress:
        time.sleep(0.005)
    threading.Timer(0.05, slow.set).start()
    desk.jobs.close()
    assert isinstance(desk.jobs.get(batch).error, JobInterrupted)
    assert desk.uploads.get(batch, "王").attempts == 0
    desk.uploads.close()
    again = make_desk()
    assert again.intake.resume() == [batch]
    assert again.ended(batch).state == "done"
    assert again.names() == ["乙.txt", "甲.txt"]


def test_a_full_disk_keeps_the_upload_so_that_it_can_be_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise StoreUnwritable(path="–", detail="full")

    batch = desk.batch(**{"甲.txt": LEAVE})
    with monkeypatch.context() as patch:
        patch.setattr(desk.intake, "_add_to", full)
        assert isinstance(desk.ended(desk.intake.start(batch, "王")).error, StoreUnwritable)
    while not [upload for upload in desk.uploads.unfinished() if upload.attempts == 0]:
        time.sleep(0.005)
    assert desk.ended(desk.intake.start(batch, "王")).state == "done"
    assert desk.names() == ["甲.txt"]


def test_a_full_disk_is_no_obstacle_to_the_next_job(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the number of attempts can be written then."""

    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    batch = desk.batch(**{"甲.txt": LEAVE})
    desk.uploads.finish(batch, "王")
    with monkeypatch.context() as patch:
        patch.setattr(uploads_module, "write_durably", full)
        assert isinstance(desk.ended(desk.intake.start(batch, "王")).error, StoreUnwritable)
    assert desk.ended(desk.intake.start(desk.batch(**{"乙.txt": b"x"}), "王")).state == "done"


_PROGRAM = """
import os, sys, time
from configs.environment import load_settings
from loaders.registry import SUPPORTED_SUFFIXES
from service.knowledge import indexing
from service.factory import build_app
from service.knowledge.intake import Intake
from service.jobs import Jobs
from service.knowledge.uploads import Uploads

app = build_app(load_settings({"data_dir": sys.argv[1], "embedding": "lexical"}, environ={}))
uploads = Uploads(app.settings.data_dir / ".uploads", 1, SUPPORTED_SUFFIXES)
jobs = Jobs()
intake = Intake(uploads, jobs, app.add)
load = indexing.load_file

def dead_at(number):
    seen = []
    def read(*arguments, **options):
        seen.append(1)
        if len(seen) > number:
            os.kill(os.getpid(), 9)
        return load(*arguments, **options)
    indexing.load_file = read

def send(batch, count):
    for number in range(count):
        with uploads.receive(batch, "王", f"文件{number}.txt") as receiver:
            receiver.write(f"第{number}号文件讲的是第{number}个项目的预算。".encode())

def wait(*ids):
    while not all(jobs.get(id).ended for id in ids):
        time.sleep(0.01)

{script}
"""


def killed(data_dir: Path, script: str) -> None:
    """Run a program that is to be killed."""
    program = _PROGRAM.replace("{script}", script)
    done = subprocess.run(
        [sys.executable, "-c", program, str(data_dir)],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
class TestDeath:
    def test_pain_4_a_job_goes_on_where_the_program_died(self, make_desk: Callable[..., Desk], tmp_path: Path) -> None:
        script = """
app.create("人事")
batch = uploads.begin("人事", "王")
send(batch, 5)
# what the first run stored before it died
app.add("人事", uploads.files(batch, "王")[:2])
dead_at(1)
wait(intake.start(batch, "王"))
"""
        killed(tmp_path / "data", script)
        desk = make_desk(embedding="lexical")
        (batch,) = desk.intake.resume()
        job = desk.ended(batch)
        assert (job.state, job.owner, job.target) == ("done", "王", "人事")
        outcomes = [file.outcome for file in job.files]
        assert outcomes == ["unchanged"] * 2 + ["added"] * 3
        assert desk.names() == [f"文件{number}.txt" for number in range(5)]
        assert make_desk().intake.resume() == []

    def test_an_upload_cut_by_death_is_not_added_in_part(self, make_desk: Callable[..., Desk], tmp_path: Path) -> None:
        script = """
app.create("人事")
batch = uploads.begin("人事", "王")
send(batch, 2)
with uploads.receive(batch, "王", "半.txt") as receiver:
    receiver.write(b"x" * 500_000)
    os.kill(os.getpid(), 9)
"""
        killed(tmp_path / "data", script)
        desk = make_desk()
        assert desk.intake.resume() == []
        assert desk.names() == []
        (left,) = (tmp_path / "data" / ".uploads").iterdir()
        with pytest.raises(UploadNotFound):
            desk.send(left.name, "半.txt", b"x")
        os.utime(left, (0, 0))
        desk.uploads.begin("人事", "王")
        assert not left.exists()

    def test_a_file_that_kills_the_program_is_given_up_after_three_times(
        self, make_desk: Callable[..., Desk], tmp_path: Path
    ) -> None:
        killed(
            tmp_path / "data",
            'app.create("人事")\nbatch = uploads.begin("人事", "王")\nsend(batch, 1)\ndead_at(0)\n'
            'wait(intake.start(batch, "王"))',
        )
        for _ in range(2):
            killed(tmp_path / "data", "dead_at(0)\nwait(*intake.resume())")
        desk = make_desk()
        (batch,) = desk.intake.resume()
        job = desk.ended(batch)
        assert isinstance(job.error, UploadGivenUp)
        assert "文件0.txt" in job.error.reason("zh")
        assert make_desk().intake.resume() == []


class TestReindexing:
    @pytest.fixture
    def hr(self, desk: Desk, write: Callable[..., list[Path]]) -> Desk:
        files = {"甲.txt": LEAVE, "乙.txt": LEAVE, "坏.pdf": b"%PDF-1.7 broken", "丙.md": "# 丙\n\n出差补贴。".encode()}
        desk.app.add("人事", write(**files))
        return desk

    def reindex(self, desk: Desk, *names: str) -> list[tuple[str, str]]:
        report = desk.app.reindex("人事", names)
        return [(file.name, file.outcome) for file in report.files]

    def test_single_documents_are_read_again_from_their_originals(self, hr: Desk) -> None:
        before = {document.name: document for document in hr.app.files("人事")}
        assert self.reindex(hr, "甲.txt", "甲.txt", "丙.md") == [("甲.txt", "replaced"), ("丙.md", "replaced")]
        after = {document.name: document for document in hr.app.files("人事")}
        assert after.keys() == before.keys()
        assert after["甲.txt"].id != before["甲.txt"].id
        assert (after["坏.pdf"], after["甲.txt"].sha256) == (before["坏.pdf"], before["甲.txt"].sha256)
        assert len(hr.app.search("年假", "人事").hits) == 1

    def test_what_has_no_text_of_its_own_says_why(self, hr: Desk) -> None:
        assert self.reindex(hr, "坏.pdf", "乙.txt") == [("坏.pdf", "failed"), ("乙.txt", "duplicate")]
        assert {document.name: document.state for document in hr.app.files("人事")}["乙.txt"] == "duplicate"

    def test_one_whose_original_is_gone_keeps_what_was_indexed(self, hr: Desk, found: Callable[..., set[str]]) -> None:
        store = hr.app._library.open("人事")
        store.originals.path(store.document("丙.md").stored_as).unlink()
        assert self.reindex(hr, "丙.md") == [("丙.md", "failed")]
        assert found(hr.app, "出差补贴", "人事") == {"丙.md"}

    def test_an_unknown_document_changes_nothing(self, hr: Desk) -> None:
        before = hr.app.files("人事")
        with pytest.raises(DocumentNotFound) as caught:
            self.reindex(hr, "甲.txt", "没有.txt")
        assert "没有.txt" in caught.value.reason("zh")
        assert "人事" in caught.value.reason("zh")
        assert hr.app.files("人事") == before
