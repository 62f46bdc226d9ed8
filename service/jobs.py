"""Work in the background: in threads, one job at a time for each target, to be watched and cancelled by anybody."""

import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from core.answers import Progress
from core.documents import FileReport, IngestReport
from core.errors import KnowGLMError
from core.job_errors import JobCancelled, JobFailed, JobInterrupted, JobNotFound
from core.jobs import FileProgress, Job, JobKind, JobState, Work

Ended = Callable[[Job], None]

_PARALLEL = 2  # of downloads, and of the other jobs, which they do not hold up
_REMEMBERED = 50
_PATIENCE_S = 30.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Entry:
    """A job as it changes; read and written under the lock of `Jobs`."""

    id: str
    kind: JobKind
    target: str
    owner: str
    work: Work
    ended: Ended | None
    started: float = field(default_factory=time.time)
    state: JobState = "waiting"
    progress: Progress | None = None
    report: IngestReport | None = None
    error: KnowGLMError | None = None
    files: list[FileReport] = field(default_factory=list)
    is_cancelled: bool = False

    def snapshot(self) -> Job:
        return Job(
            id=self.id,
            kind=self.kind,
            target=self.target,
            owner=self.owner,
            state=self.state,
            progress=self.progress,
            report=self.report,
            error=self.error,
            started=self.started,
            files=self.report.files if self.report else tuple(self.files),
        )

    def tell(self, job: Job) -> None:
        if self.ended:
            self.ended(job)


class Jobs:
    """The jobs of one program. Threads may share it.

    Jobs on one target run in the order in which they were asked for, those on different targets side by side, two at a
    time; downloads are counted apart. A job that has ended is remembered until fifty later ones have.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}  # in the order in which they were asked for
        self._threads: set[threading.Thread] = set()
        self._is_closing = False
        self._lock = threading.RLock()

    def start(
        self,
        kind: JobKind,
        target: str,
        owner: str,
        work: Work,
        *,
        id: str | None = None,
        ended: Ended | None = None,
    ) -> str:
        """Have work done as soon as its turn comes, and return the id of its job.

        Args:
            work: is given the callback to report to; what that raises ends the work and must not be caught.
            id: asked for again, a job of this id is not started again unless it failed or was cancelled.
            ended: called once, with the job in its last state.

        Raises:
            JobInterrupted: the program is ending.
        """
        with self._lock:
            known = self._entries.get(id or "")
            if known and known.state not in ("failed", "cancelled"):
                return known.id
            if self._is_closing:
                raise JobInterrupted
            entry = _Entry(id or secrets.token_hex(8), kind, target, owner, work, ended)
            self._entries.pop(entry.id, None)  # the one that failed, whose place in the order is not inherited
            self._entries[entry.id] = entry
            self._start_those_whose_turn_it_is()
            return entry.id

    def get(self, id: str) -> Job:
        """Return a job as it is now.

        Raises:
            JobNotFound: there is none, or it has been forgotten.
        """
        with self._lock:
            if id not in self._entries:
                raise JobNotFound(id=id)
            return self._entries[id].snapshot()

    def of(self, target: str) -> list[Job]:
        """Return the jobs of a knowledge base or a model, the newest first."""
        with self._lock:
            return [entry.snapshot() for entry in reversed(self._entries.values()) if entry.target == target]

    def cancel(self, id: str) -> None:
        """End a job at its next step, or before its first; one that has ended stays as it is.

        Raises:
            JobNotFound: there is none, or it has been forgotten.
        """
        with self._lock:
            self.get(id)
            entry = self._entries[id]
            entry.is_cancelled = True
            job = self._settled(entry, JobCancelled()) if entry.state == "waiting" else None
        if job:
            entry.tell(job)

    def rename_target(self, old: str, new: str) -> None:
        """Follow a knowledge base to its new name."""
        with self._lock:
            for entry in self._entries.values():
                if entry.target == old:
                    entry.target = new

    def close(self) -> None:
        """Interrupt every job and wait for their threads; no other can be started."""
        with self._lock:
            self._is_closing = True
            waiting = [entry for entry in self._entries.values() if entry.state == "waiting"]
            dropped = [self._settled(entry, JobInterrupted()) for entry in waiting]
            threads = self._threads - {threading.current_thread()}
        for entry, job in zip(waiting, dropped, strict=True):
            entry.tell(job)
        deadline = time.monotonic() + _PATIENCE_S
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0.0))

    def _start_those_whose_turn_it_is(self) -> None:
        if self._is_closing:
            return
        running = [entry for entry in self._entries.values() if entry.state == "running"]
        busy = {entry.target for entry in running}
        downloading = Counter(entry.kind == "download" for entry in running)
        for entry in self._entries.values():
            is_download = entry.kind == "download"
            if entry.state == "waiting" and entry.target not in busy and downloading[is_download] < _PARALLEL:
                busy.add(entry.target)
                downloading[is_download] += 1
                entry.state = "running"
                thread = threading.Thread(target=self._run, args=(entry,), name=f"job-{entry.id}", daemon=True)
                self._threads.add(thread)
                thread.start()

    def _run(self, entry: _Entry) -> None:
        report, error = None, None
        try:
            report = _done(entry.work, lambda progress: self._step(entry, progress))
        except KnowGLMError as raised:
            error = raised
        with self._lock:
            entry.report = report
            job = self._settled(entry, error)
        try:
            entry.tell(job)
        finally:
            with self._lock:
                self._threads.remove(threading.current_thread())
                self._start_those_whose_turn_it_is()

    def _step(self, entry: _Entry, progress: Progress) -> None:
        with self._lock:
            if entry.is_cancelled:
                raise JobCancelled
            if self._is_closing:
                raise JobInterrupted
            if isinstance(progress, FileProgress):
                entry.files.append(progress.report)
            else:
                entry.progress = progress

    def _settled(self, entry: _Entry, error: KnowGLMError | None) -> Job:
        """Put a job into its last state, and forget the oldest of those that have theirs."""
        if error and self._is_closing and not entry.is_cancelled:
            error = JobInterrupted()  # whatever it stumbled over while all was being closed
        entry.error = error
        is_cancelled = isinstance(error, JobCancelled | JobInterrupted)
        entry.state = "cancelled" if is_cancelled else "failed" if error else "done"
        ended = [other.id for other in self._entries.values() if other.state not in ("waiting", "running")]
        for id in ended[:-_REMEMBERED]:
            del self._entries[id]
        return entry.snapshot()


def _done(work: Work, progress: Callable[[Progress], None]) -> IngestReport | None:
    """Do the work; what nobody foresaw becomes an error that says so, and goes to the log in full."""
    try:
        return work(progress)
    except KnowGLMError:
        raise
    except (Exception, SystemExit) as error:
        _log.exception("a job failed")
        raise JobFailed(detail=f"{type(error).__name__}: {error}") from error
