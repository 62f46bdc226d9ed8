"""Jobs in the background: their order, their snapshots, their ends."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.answers import Progress
from core.documents import FileReport, IngestReport
from core.errors import KnowledgeBaseNotFound
from core.job_errors import JobCancelled, JobFailed, JobInterrupted, JobNotFound
from core.jobs import FileProgress, Job
from service import jobs as jobs_module
from service.jobs import Jobs

STEP = Progress(0, 1, "")


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    jobs = Jobs()
    yield jobs
    jobs.close()


def until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.002)


def ended(jobs: Jobs, id: str) -> Job:
    until(lambda: jobs.get(id).ended)
    return jobs.get(id)


class Work:
    """Work that goes on, step by step, until it is let go."""

    def __init__(self, result: IngestReport | None = None) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.result = result

    def __call__(self, progress: Callable[[Progress], None]) -> IngestReport | None:
        self.begun.set()
        while not self.go_on.wait(0.002):
            progress(STEP)
        return self.result


def test_a_job_is_watched_from_its_beginning_to_its_end(jobs: Jobs) -> None:
    first, second = FileReport("甲.txt", "added", chunks=2), FileReport("乙.pdf", "failed")
    reached, go_on = threading.Event(), threading.Event()

    def work(progress: Callable[[Progress], None]) -> IngestReport:
        progress(Progress(0, 2, "甲.txt"))
        progress(FileProgress(1, 2, "甲.txt", first))
        reached.set()
        go_on.wait(10)
        return IngestReport((second, first))

    before = time.time()
    id = jobs.start("add", "人事", "王", work)
    assert reached.wait(10)
    job = jobs.get(id)
    assert (job.kind, job.target, job.owner, job.state, job.ended) == ("add", "人事", "王", "running", False)
    assert (job.progress, job.files, job.report) == (Progress(0, 2, "甲.txt"), (first,), None)
    assert before <= job.started <= time.time()
    go_on.set()
    last = ended(jobs, id)
    assert (last.state, last.report, last.files) == ("done", IngestReport((second, first)), (second, first))
    assert (job.state, job.files) == ("running", (first,))  # a snapshot stays as it was


def test_jobs_on_one_target_run_one_after_the_other_in_the_order_in_which_they_came(jobs: Jobs) -> None:
    order, at_once, lock = list[int](), [0], threading.Lock()

    def work(number: int) -> Callable[[Any], None]:
        def run(_: Any) -> None:
            with lock:
                at_once[0] += 1
                assert at_once[0] == 1
                order.append(number)
            time.sleep(0.002)
            with lock:
                at_once[0] -= 1

        return run

    ids = [jobs.start("rebuild", "人事", "", work(number)) for number in range(12)]
    states = [ended(jobs, id).state for id in ids]
    assert states == ["done"] * 12
    assert order == list(range(12))
    assert [job.id for job in jobs.of("人事")] == ids[::-1]
    assert jobs.of("财务") == []


def test_downloads_do_not_hold_up_documents(jobs: Jobs) -> None:
    downloads, add = [Work() for _ in range(3)], Work()
    for number, download in enumerate(downloads):
        jobs.start("download", f"model-{number}", "me", download)
    jobs.start("add", "甲", "me", add)
    assert add.begun.wait(5)
    assert downloads[0].begun.wait(5) and downloads[1].begun.wait(5)
    assert not downloads[2].begun.is_set()
    downloads[0].go_on.set()
    assert downloads[2].begun.wait(5)
    for work in (*downloads, add):
        work.go_on.set()


def test_two_targets_are_worked_on_side_by_side_and_a_third_waits(jobs: Jobs) -> None:
    works = [Work(), Work(), Work()]
    ids = [jobs.start("add", f"库{number}", "", work) for number, work in enumerate(works)]
    assert works[0].begun.wait(10)
    assert works[1].begun.wait(10)
    time.sleep(0.02)
    assert [jobs.get(id).state for id in ids] == ["running", "running", "waiting"]
    works[1].go_on.set()
    assert works[2].begun.wait(10)
    assert jobs.get(ids[0]).state == "running"


def test_a_waiting_target_does_not_keep_others_from_running(jobs: Jobs) -> None:
    first, second, other = Work(), Work(), Work()
    jobs.start("add", "人事", "", first)
    waiting = jobs.start("add", "人事", "", second)
    jobs.start("add", "财务", "", other)
    assert other.begun.wait(10)
    assert jobs.get(waiting).state == "waiting"


def test_cancelling_ends_a_running_job_at_its_next_step(jobs: Jobs) -> None:
    work, told = Work(), list[Job]()
    id = jobs.start("add", "人事", "", work, ended=told.append)
    assert work.begun.wait(10)
    jobs.cancel(id)
    job = ended(jobs, id)
    assert (job.state, type(job.error)) == ("cancelled", JobCancelled)
    until(lambda: told)
    jobs.cancel(id)
    assert told == [job]


def test_cancelling_a_waiting_job_ends_it_at_once_and_the_next_one_runs(jobs: Jobs) -> None:
    running, waiting, next_one, told = Work(), Work(), Work(), list[Job]()
    jobs.start("add", "人事", "", running)
    id = jobs.start("add", "人事", "", waiting, ended=told.append)
    jobs.start("add", "人事", "", next_one)
    jobs.cancel(id)
    assert [job.state for job in told] == [jobs.get(id).state] == ["cancelled"]
    running.go_on.set()
    assert next_one.begun.wait(10)
    assert not waiting.begun.is_set()


def test_what_is_done_before_it_can_be_cancelled_is_done(jobs: Jobs) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def work(_: Any) -> None:
        reached.set()
        go_on.wait(10)

    id = jobs.start("add", "人事", "", work)
    assert reached.wait(10)
    jobs.cancel(id)
    go_on.set()
    assert ended(jobs, id).state == "done"


def test_an_error_of_ours_stays_as_it_is(jobs: Jobs) -> None:
    error = KnowledgeBaseNotFound(name="人事", known="–")

    def work(_: Any) -> None:
        raise error

    job = ended(jobs, jobs.start("add", "人事", "", work))
    assert (job.state, job.error) == ("failed", error)


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("零{}"), MemoryError(), SystemExit(3)], ids=lambda e: type(e).__name__
)
def test_any_other_error_is_named_and_its_traceback_is_in_the_log(
    jobs: Jobs, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def work(_: Any) -> None:
        raise error

    with caplog.at_level(logging.ERROR):
        job = ended(jobs, jobs.start("add", "人事", "", work))
    assert (job.state, type(job.error)) == ("failed", JobFailed)
    assert job.error
    assert type(error).__name__ in job.error.reason("zh")
    assert "in work" in caplog.text
    assert ended(jobs, jobs.start("add", "人事", "", lambda _: None)).state == "done"


def test_pain_33_a_page_that_asks_three_times_starts_one_job(jobs: Jobs) -> None:
    """A page that had no answer in time sent the same job again, and again."""
    work, runs = Work(), list[int]()

    def counted(progress: Any) -> None:
        runs.append(1)
        work(progress)

    assert {jobs.start("add", "人事", "", counted, id="甲") for _ in range(3)} == {"甲"}
    work.go_on.set()
    ended(jobs, "甲")
    jobs.start("add", "人事", "", counted, id="甲")
    assert (runs, len(jobs.of("人事"))) == ([1], 1)


def test_a_job_that_failed_may_be_started_again_under_its_id(jobs: Jobs) -> None:
    def fail(_: Any) -> None:
        raise KnowledgeBaseNotFound(name="人事", known="–")

    jobs.start("add", "人事", "", fail, id="甲")
    assert ended(jobs, "甲").state == "failed"
    jobs.start("add", "人事", "", lambda _: None, id="甲")
    assert ended(jobs, "甲").error is None


def test_the_last_fifty_are_remembered_and_none_that_is_not_through(jobs: Jobs) -> None:
    work = Work()
    running = jobs.start("add", "慢", "", work)
    ids = [jobs.start("add", "人事", "", lambda _: None) for _ in range(60)]
    ended(jobs, ids[-1])
    assert [job.id for job in jobs.of("人事")] == ids[:-51:-1]
    assert jobs.get(running).state == "running"
    with pytest.raises(JobNotFound):
        jobs.get(ids[0])
    with pytest.raises(JobNotFound):
        jobs.cancel(ids[0])


def test_a_renamed_target_stays_one_target(jobs: Jobs) -> None:
    first, second = Work(), Work()
    jobs.start("add", "旧", "", first)
    jobs.rename_target("旧", "新")
    id = jobs.start("add", "新", "", second)
    time.sleep(0.02)
    assert jobs.get(id).state == "waiting"
    assert (len(jobs.of("新")), jobs.of("旧")) == (2, [])


def test_closing_interrupts_every_job_and_waits_for_it() -> None:
    jobs, running, waiting, told = Jobs(), Work(), Work(), list[Job]()
    ids = [jobs.start("add", "人事", "", work, ended=told.append) for work in (running, waiting)]
    assert running.begun.wait(10)
    jobs.close()
    assert [jobs.get(id).state for id in ids] == ["cancelled", "cancelled"]
    assert [type(job.error) for job in told] == [JobInterrupted, JobInterrupted]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("job-")]
    with pytest.raises(JobInterrupted):
        jobs.start("add", "人事", "", waiting)
    jobs.close()


def test_what_fails_because_all_is_being_closed_counts_as_interrupted() -> None:
    jobs, closing = Jobs(), threading.Event()

    def work(_: Any) -> None:
        closing.wait(10)
        raise KnowledgeBaseNotFound(name="人事", known="–")

    id = jobs.start("add", "人事", "", work)
    threading.Timer(0.05, closing.set).start()
    jobs.close()
    assert isinstance(jobs.get(id).error, JobInterrupted)


def test_closing_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "_PATIENCE_S", 0.05)
    jobs, go_on = Jobs(), threading.Event()
    id, begun = jobs.start("add", "人事", "", lambda _: go_on.wait(10) and None), time.monotonic()
    jobs.close()
    assert time.monotonic() - begun < 5
    assert jobs.get(id).state == "running"
    go_on.set()


def test_threads_that_start_watch_and_cancel_do_not_get_in_each_others_way(jobs: Jobs) -> None:
    seen: list[Job] = []

    def user(name: str) -> None:
        for number in range(20):
            id = jobs.start("add", f"库{number % 3}", name, lambda progress: progress(STEP))
            if number % 4 == 0:
                jobs.cancel(id)
            until(lambda: jobs.get(id).ended)  # noqa: B023 - called at once
            seen.append(jobs.get(id))

    threads = [threading.Thread(target=user, args=(name,)) for name in "甲乙"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(seen) == 40
    assert {job.state for job in seen} <= {"done", "cancelled"}
    assert all(job.owner in "甲乙" for job in seen)
