"""The thread that writes a model's answers, one after the other."""

import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue

from core.model_errors import MODEL_FREED, AnswerFailed
from models.answer_stream import AnswerStream

Job = Callable[[], None]


class AnswerWriter:
    """One thread, and the answers that wait for it or are being written.

    The thread does not keep a program from ending; what it writes then stops between two steps of the model.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._open: set[AnswerStream] = set()
        self._lock = threading.Lock()
        self._freed, self._released = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        weakref.finalize(self, self._jobs.put, None)  # ends the thread of a model that was not freed

    @property
    def freed(self) -> bool:
        """Whether nothing more is written."""
        return self._freed.is_set()

    def submit(self, answer: AnswerStream, job: Job) -> None:
        """Queue the job that writes an answer; it fails at once where nothing more is written."""
        with self._lock:
            if not self.freed:
                self._open.add(answer)
                self._put(job)
                return
        answer.abort(AnswerFailed(detail=MODEL_FREED))

    def done(self, answer: AnswerStream) -> None:
        """Forget an answer that is written."""
        self._open.discard(answer)

    def free(self, release: Job) -> None:
        """Stop every answer, then run `release` in the thread and end it."""
        with self._lock:
            if not self.freed:
                self._freed.set()
                self._put(lambda: _then(release, self._released.set))
                self._jobs.put(None)
        for answer in tuple(self._open):
            answer.abort(AnswerFailed(detail=MODEL_FREED))
        self._released.wait()

    def _put(self, job: Job) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=_work, args=(self._jobs,), name="language-model", daemon=True)
            self._thread.start()
        self._jobs.put(job)


def _work(jobs: SimpleQueue[Job | None]) -> None:
    while (job := jobs.get()) is not None:
        job()
        del job  # it holds the model


def _then(first: Job, second: Job) -> None:
    try:
        first()
    finally:
        second()
