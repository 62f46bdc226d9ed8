"""Files on their way from a browser into a knowledge base: received one by one, kept until a job has read them."""

import json
import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from chains.splitting import SourceFile
from core.errors import ConfigError
from core.job_errors import UploadNotFound
from core.load_errors import UnsupportedFile
from core.messages import Message
from loaders.registry import SUPPORTED_SUFFIXES
from service.knowledge.file_names import document_name
from service.knowledge.receiving import Receiver, received, unwritable
from service.process_lock import ProcessLock
from vectorstores.originals import write_durably

_MARKER = "upload.json"  # there once an upload is complete
_LOCK = "lock"
_PARTIAL = ".partial"
_ABANDONED_S = 86_400.0

_SUFFIX = Message("后缀是 {suffix}", "its suffix is {suffix}")
_NOT_READ = Message(
    "KNOWGLM_UPLOAD_TYPES={suffix}：不能读这种文件，能读的有 {known}",
    "KNOWGLM_UPLOAD_TYPES={suffix}: such files cannot be read; those that can are {known}",
)
_NO_SUFFIX = Message("没有后缀", "it has no suffix")


@dataclass(frozen=True, slots=True)
class Upload:
    """Files that belong together.

    Attributes:
        kb: the knowledge base that they are for.
        files: names of the documents to be, with the name of each file on the disk, which is a number.
        attempts: how often reading them has been begun without coming to an end.
    """

    id: str
    kb: str
    owner: str
    files: tuple[tuple[str, str], ...] = ()
    attempts: int = 0


@dataclass(slots=True)
class _Batch:
    upload: Upload
    folder: Path
    lock: ProcessLock
    is_complete: bool = False
    files: dict[str, str] = field(default_factory=dict)  # as in `Upload`
    numbers: int = 0


def accepted_suffixes(wanted: str) -> tuple[str, ...]:
    """Return the suffixes of the files that may be uploaded.

    Args:
        wanted: those that the settings name, parted by blanks; empty for all that can be read.

    Raises:
        ConfigError: one of them cannot be read.
    """
    named = tuple(wanted.lower().split())
    if unknown := [suffix for suffix in named if suffix not in SUPPORTED_SUFFIXES]:
        known = " ".join(SUPPORTED_SUFFIXES)
        raise ConfigError([_NOT_READ.filled(suffix=suffix, known=known) for suffix in unknown])
    return named or SUPPORTED_SUFFIXES


class Uploads:
    """The uploads of one program. Threads may share it; others' uploads are as if they were not there.

    A complete upload stays until it is discarded, whatever happens to the program. One that is never completed goes
    with the program that received it, or after a day.

    Args:
        folder: holds one folder an upload; created if need be.
        max_file_mb: the largest file accepted, in units of 1024 * 1024 bytes.
        suffixes: those of the files that can be read, such as ".pdf".
    """

    def __init__(self, folder: Path, max_file_mb: int, suffixes: Sequence[str]) -> None:
        self._folder, self._max_file_mb, self.suffixes = folder, max_file_mb, tuple(suffixes)
        self._batches: dict[str, _Batch] = {}
        self._lock = threading.RLock()

    def begin(self, kb: str, owner: str) -> str:
        """Begin an upload and return its id.

        Raises:
            StoreUnwritable: the data directory cannot be written.
        """
        upload = Upload(secrets.token_hex(16), kb, owner)
        folder = self._folder / upload.id
        with unwritable(folder):
            folder.mkdir(parents=True)
        self._sweep()
        with self._lock:
            self._batches[upload.id] = _Batch(upload, folder, ProcessLock(folder / _LOCK))
        return upload.id

    @contextmanager
    def receive(self, batch: str, owner: str, name: str, size: int | None = None) -> Iterator[Receiver]:
        """Receive one file; it counts once the block has ended without an exception, else nothing is left of it.

        A file that is sent again under the same name takes the place of the first.

        Args:
            name: as the browser gives it, with the path below the folder that was dropped.
            size: in bytes, where it is known beforehand.

        Raises:
            InvalidFileName: no document may be called so.
            UnsupportedFile: no loader reads such files.
            FileTooLarge: it is larger than the settings allow.
            EmptyFile: nothing arrived.
            UnreadableFile: not all of it arrived.
            StoreUnwritable: the disk is full.
            UploadNotFound: the owner has no such upload, or it is complete.
        """
        name = document_name(name)
        suffix = self._supported_suffix(name)
        with self._lock:
            found = self._open_batch(batch, owner)
            found.numbers += 1
            stored_as = f"{found.numbers}{suffix}"
        partial = found.folder / f"{stored_as}{_PARTIAL}"
        try:
            with received(partial, name, self._max_file_mb, size) as receiver:
                yield receiver
            self._keep(partial, found, name, stored_as)
        finally:
            partial.unlink(missing_ok=True)

    def files(self, batch: str, owner: str) -> list[SourceFile]:
        """Return the files that have arrived, in the order in which they did.

        Raises:
            UploadNotFound: the owner has no such upload.
        """
        with self._lock:
            found = self._batch(batch, owner)
            return [SourceFile(found.folder / stored_as, name) for name, stored_as in found.files.items()]

    def get(self, batch: str, owner: str) -> Upload:
        """Return what there is to say about an upload.

        Raises:
            UploadNotFound: the owner has no such upload.
        """
        with self._lock:
            found = self._batch(batch, owner)
            return replace(found.upload, files=tuple(found.files.items()))

    def finish(self, batch: str, owner: str) -> None:
        """Complete an upload: from now on it outlives the program. To do so again changes nothing.

        Raises:
            UploadNotFound: the owner has no such upload.
            StoreUnwritable: the disk is full.
        """
        with self._lock:
            found = self._batch(batch, owner)
            if not found.is_complete:
                found.lock.acquire()
                self._mark(found)
                found.is_complete = True

    def note_attempts(self, batch: str, owner: str, attempts: int) -> None:
        """Remember beyond the program's death how often reading an upload has been begun.

        Raises:
            UploadNotFound: the owner has no such upload.
            StoreUnwritable: the disk is full.
        """
        with self._lock:
            found = self._batch(batch, owner)
            found.upload = replace(found.upload, attempts=attempts)
            self._mark(found)

    def unfinished(self) -> list[Upload]:
        """Return the complete uploads that nobody has discarded, but for those of another program that is running."""
        self._sweep()
        with self._lock:
            for marker in sorted(self._folder.glob(f"*/{_MARKER}")):
                if marker.parent.name not in self._batches:
                    self._take_up(marker)
            complete = [batch.upload for batch in self._batches.values() if batch.is_complete]
            return [self.get(upload.id, upload.owner) for upload in complete]

    def discard(self, batch: str, owner: str) -> None:
        """Delete an upload and its files.

        Raises:
            UploadNotFound: the owner has no such upload.
        """
        with self._lock:
            found = self._batch(batch, owner)
            del self._batches[batch]
            (found.folder / _MARKER).unlink(missing_ok=True)  # first: a deletion cut short leaves no complete upload
            found.lock.release()
        shutil.rmtree(found.folder, ignore_errors=True)

    def give_up(self, batch: str, owner: str) -> None:
        """Delete an upload that is not complete.

        Raises:
            UploadNotFound: the owner has no such upload, or it is complete and on its way into the knowledge base.
        """
        with self._lock:
            self._open_batch(batch, owner)
            self.discard(batch, owner)

    def close(self) -> None:
        """Forget every upload; the complete ones are there for whoever opens the folder next."""
        with self._lock:
            for batch in self._batches.values():
                batch.lock.release()
            self._batches.clear()

    def rename_kb(self, old: str, new: str) -> None:
        """Follow a knowledge base to its new name."""
        with self._lock:
            for batch in self._batches.values():
                if batch.upload.kb == old:
                    batch.upload = replace(batch.upload, kb=new)
                    if batch.is_complete:
                        self._mark(batch)

    def _batch(self, batch: str, owner: str) -> _Batch:
        found = self._batches.get(batch)
        if found is None or found.upload.owner != owner:
            raise UploadNotFound(id=batch[:32])
        return found

    def _open_batch(self, batch: str, owner: str) -> _Batch:
        found = self._batch(batch, owner)
        if found.is_complete:
            raise UploadNotFound(id=batch)
        return found

    def _keep(self, partial: Path, batch: _Batch, name: str, stored_as: str) -> None:
        with self._lock, unwritable(batch.folder):
            self._open_batch(batch.upload.id, batch.upload.owner)  # it may have been completed in the meantime
            partial.rename(batch.folder / stored_as)
            replaced = batch.files.pop(name, None)
            batch.files[name] = stored_as
            if replaced:
                (batch.folder / replaced).unlink()

    def _supported_suffix(self, name: str) -> str:
        suffix = PurePosixPath(name).suffix.lower()
        if suffix not in self.suffixes:
            detail = _SUFFIX.filled(suffix=suffix) if suffix else _NO_SUFFIX
            raise UnsupportedFile(name=name, detail=detail, supported=" ".join(self.suffixes))
        return suffix

    def _mark(self, batch: _Batch) -> None:
        upload = batch.upload
        known = {"kb": upload.kb, "owner": upload.owner, "attempts": upload.attempts, "files": batch.files}
        with unwritable(batch.folder):
            write_durably(batch.folder / _MARKER, json.dumps(known, ensure_ascii=False).encode())

    def _take_up(self, marker: Path) -> None:
        """Make an upload of an earlier run of the program one of this run's."""
        folder = marker.parent
        lock = ProcessLock(folder / _LOCK)
        if not lock.acquire():
            return
        with suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(marker.read_bytes())
            upload = Upload(folder.name, str(known["kb"]), str(known["owner"]), (), int(known["attempts"]))
            self._batches[upload.id] = _Batch(upload, folder, lock, True, dict(known["files"]), len(known["files"]))
            return
        lock.release()

    def _sweep(self) -> None:
        """Delete what was begun more than a day ago and never completed."""
        with self._lock, suppress(FileNotFoundError):
            for folder in self._folder.iterdir():
                is_old = time.time() - folder.stat().st_mtime > _ABANDONED_S
                if is_old and not (folder / _MARKER).exists():
                    self._batches.pop(folder.name, None)
                    shutil.rmtree(folder, ignore_errors=True)
