"""Nouns of the work in the background: what it does, how far it is, and what became of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from core.answers import Progress, ProgressCallback
from core.documents import FileReport, IngestReport
from core.errors import KnowGLMError

JobKind = Literal["add", "reindex", "rebuild", "download"]
JobState = Literal["waiting", "running", "done", "failed", "cancelled"]
Work = Callable[[ProgressCallback], IngestReport | None]
"""What a job does; it is given the callback to report to, which raises once the job is to end."""


@dataclass(frozen=True, slots=True)
class FileProgress(Progress):
    """A step of an ingestion at which the fate of one file becomes known."""

    report: FileReport


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it was at one moment.

    Attributes:
        target: the knowledge base or the model that it works on.
        owner: who wanted it.
        progress: the last step reported that was more than the fate of a file; None before the first one.
        report: of an ingestion that is done.
        error: why it failed or was cancelled; None otherwise.
        started: when it was asked for, in seconds since the epoch.
        files: the fate of each file that is known so far, in the order in which it became known; that of the files
            given once the job is done.
    """

    id: str
    kind: JobKind
    target: str
    owner: str
    state: JobState
    progress: Progress | None
    report: IngestReport | None
    error: KnowGLMError | None
    started: float
    files: tuple[FileReport, ...]

    @property
    def ended(self) -> bool:
        """Whether nothing about it will change any more."""
        return self.state not in ("waiting", "running")
