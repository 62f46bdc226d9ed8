"""Work on the models in the background: downloads, and changes of the one that writes the answers."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from configs.hub import hub_endpoint
from configs.model_config import Settings
from core.answers import Progress, ProgressCallback
from core.errors import KnowGLMError
from core.job_errors import JobCancelled, JobFailed
from core.jobs import JobState
from core.messages import Message
from core.model_errors import ModelUnsupported
from service.knowledge_qa import KnowledgeQA
from service.models.doctor_machine import Check, check_space
from service.models.inventory import ModelEntry, download_model, downloadable

_NOT_ON_A_HUB = Message("它不在可下载的模型之列", "it is none of those that can be downloaded")

_PATIENCE_S = 30.0

Work = Callable[[ProgressCallback], object]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DownloadTerms:
    """What a download takes.

    Attributes:
        host: where the files come from, with the port where it is not the usual one.
        size_gb: what is still to come, about, in GB.
        space: the look at the disk.
    """

    host: str
    size_gb: float
    space: Check


def download_terms(entry: ModelEntry, settings: Settings) -> DownloadTerms:
    """Return what the download of a model takes; nothing is contacted.

    Raises:
        ConfigError: HF_ENDPOINT is no address.
    """
    address = urlsplit(hub_endpoint())
    size_gb = max(entry.download_gb - entry.report.size_bytes / 1e9, 0.0)
    space = check_space("disk", settings.model_dir, "KNOWGLM_MODEL_DIR", size_gb)
    return DownloadTerms(address.netloc.rpartition("@")[2], size_gb, space)


def start_download(qa: KnowledgeQA, name: str, owner: str) -> str:
    """Download a model of the catalogue in the background, and return the id of the job.

    One that was cancelled or that failed goes on where it stopped; where it is being downloaded already, that is it.

    Raises:
        ModelUnsupported: it is none of those that can be downloaded.
    """
    if name not in downloadable():
        raise ModelUnsupported(path=name, why=_NOT_ON_A_HUB)
    settings = qa.settings

    def work(progress: ProgressCallback) -> None:
        download_model(name, settings, progress)

    running = next((job.id for job in qa.jobs.of(name) if job.kind == "download" and not job.ended), None)
    return running or qa.jobs.start("download", name, owner, work)


@dataclass(frozen=True, slots=True)
class ModelChange:
    """A change of the language model, as it was at one moment.

    Attributes:
        number: counts the changes from 1.
        about: what it changes.
        error: why it failed or was cancelled.
    """

    number: int
    about: Message
    state: JobState
    progress: Progress | None
    error: KnowGLMError | None

    @property
    def ended(self) -> bool:
        """Whether nothing about it will change any more."""
        return self.state not in ("waiting", "running")


class ModelChanges:
    """The changes of the language model of one server, shared by its pages: one at a time.

    A change goes on when the page is closed on which it was begun. It holds up no work on documents, and no download
    holds it up.
    """

    def __init__(self) -> None:
        self._last: _Running | None = None
        self._starting = threading.Lock()

    def start(self, about: Message, work: Work) -> bool:
        """Make a change; return False, and do nothing, where another one is being made.

        Args:
            about: what it changes.
            work: is given the callback to report to; what that raises ends the work and must not be caught.
        """
        with self._starting:
            if self._last is not None and self._last.thread.is_alive():
                return False
            self._last = _Running(self._last.number + 1 if self._last else 1, about, work)
            self._last.thread.start()
            return True

    @property
    def last(self) -> ModelChange | None:
        """The change that is being made, or else the last one; None where there was none."""
        return self._last.snapshot() if self._last else None

    def cancel(self) -> None:
        """End the change that is being made at its next step; the old model is then in force."""
        if self._last is not None:
            self._last.is_cancelled = True

    def close(self) -> None:
        """End the change that is being made, and wait for it."""
        self.cancel()
        if self._last is not None:
            self._last.thread.join(_PATIENCE_S)


class _Running:
    """A change as it is made, on a thread of its own."""

    def __init__(self, number: int, about: Message, work: Work) -> None:
        self.number, self.is_cancelled = number, False
        self.thread = threading.Thread(target=self._run, args=(work,), name=f"model-change-{number}", daemon=True)
        self._about = about
        self._state: JobState = "running"
        self._progress: Progress | None = None
        self._error: KnowGLMError | None = None

    def snapshot(self) -> ModelChange:
        return ModelChange(self.number, self._about, self._state, self._progress, self._error)

    def _run(self, work: Work) -> None:
        try:
            self._do(work)
            self._state = "done"
        except KnowGLMError as error:
            self._error = error
            self._state = "cancelled" if isinstance(error, JobCancelled) else "failed"

    def _do(self, work: Work) -> None:
        """Do the work; what nobody foresaw becomes an error that says so, and goes to the log in full."""
        try:
            work(self._step)
        except KnowGLMError:
            raise
        except (Exception, SystemExit) as error:
            _log.exception("a change of the language model failed")
            raise JobFailed(detail=f"{type(error).__name__}: {error}") from error

    def _step(self, progress: Progress) -> None:
        if self.is_cancelled:
            raise JobCancelled
        self._progress = progress
