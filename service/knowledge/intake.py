"""Uploaded files into knowledge bases: one job for each upload, taken up again where the program died in between."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from chains.splitting import SourceFile
from core.answers import ProgressCallback
from core.documents import IngestReport
from core.errors import KnowledgeBaseNotFound, StoreClosed, StoreUnwritable
from core.job_errors import JobCancelled, JobNotFound, UploadGivenUp, UploadNotFound
from core.jobs import Job
from service.jobs import Jobs
from service.knowledge.uploads import Upload, Uploads

_ATTEMPTS = 3
_SHOWN_NAMES = 5
_FINAL = (JobCancelled, KnowledgeBaseNotFound, StoreClosed, UploadGivenUp)
"""What is no reason to try again later."""


Add = Callable[[str, Sequence[SourceFile], ProgressCallback], IngestReport]


class Intake:
    """What happens to an upload once it is complete.

    Args:
        add: adds files to the knowledge base of a name.
    """

    def __init__(self, uploads: Uploads, jobs: Jobs, add: Add) -> None:
        self._uploads, self._jobs, self._add_to = uploads, jobs, add

    def start(self, batch: str, owner: str) -> str:
        """Complete an upload and have its files added; return the id of the job, which is that of the upload.

        Asked again, by a page that had no answer in time, it changes nothing; an upload whose job failed for a
        reason that may have passed, such as a full disk, is tried again.

        Raises:
            UploadNotFound: the owner has no such upload.
        """
        with suppress(JobNotFound):
            job = self._jobs.get(batch)
            if job.owner == owner and job.state not in ("failed", "cancelled"):
                return batch
        self._uploads.finish(batch, owner)
        return self._begin(self._uploads.get(batch, owner))

    def resume(self) -> list[str]:
        """Start the jobs of the complete uploads that an earlier run of the program has left; return their ids."""
        return [self._begin(upload) for upload in self._uploads.unfinished()]

    def rename_kb(self, old: str, new: str) -> None:
        """Follow a knowledge base to its new name."""
        self._uploads.rename_kb(old, new)
        self._jobs.rename_target(old, new)

    def _begin(self, upload: Upload) -> str:
        def work(progress: ProgressCallback) -> IngestReport:
            return self._add(self._uploads.get(upload.id, upload.owner), progress)

        return self._jobs.start("add", upload.kb, upload.owner, work, id=upload.id, ended=self._settle)

    def _add(self, upload: Upload, progress: ProgressCallback) -> IngestReport:
        if upload.attempts >= _ATTEMPTS:
            names = "、".join(name for name, _ in upload.files[:_SHOWN_NAMES])
            raise UploadGivenUp(count=upload.attempts, names=names + ("…" if len(upload.files) > _SHOWN_NAMES else ""))
        self._uploads.note_attempts(upload.id, upload.owner, upload.attempts + 1)
        return self._add_to(upload.kb, self._uploads.files(upload.id, upload.owner), progress)

    def _settle(self, job: Job) -> None:
        """Delete an upload that is through; one that may still succeed is kept, since the program has survived it."""
        with suppress(UploadNotFound, StoreUnwritable):
            if job.error is None or isinstance(job.error, _FINAL):
                self._uploads.discard(job.id, job.owner)
            else:
                self._uploads.note_attempts(job.id, job.owner, 0)
