"""Documents in: hash, split, embed, store. One bad file never stops the rest."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from chains.splitting import IngestPipeline, SourceFile, SplitFile, split_file
from core.answers import Progress, ProgressCallback
from core.documents import DocumentRecord, DocumentRow, FileOutcome, FileReport, IngestReport, NewDocument, Renewal
from core.jobs import FileProgress
from core.load_errors import LoadError, MissingFile, SameName, UnreadableFile
from core.messages import Message, literal
from core.plugs import DocumentStore
from core.vectors import Matrix

_BATCH_CHUNKS = 1_000  # embedded in one call, stored in one transaction
_BATCH_S = 2.0  # what was read longer ago is stored, for whoever watches and in case the program dies


def ingest(
    store: DocumentStore,
    files: Sequence[SourceFile],
    pipeline: IngestPipeline,
    *,
    renewal: Renewal | None = None,
    progress: ProgressCallback,
) -> IngestReport:
    """Add files to a knowledge base, or bring them up to date.

    A file whose bytes are stored under its name is left alone; one whose bytes are stored under another name is
    recorded as a duplicate; a changed file replaces its old self once it has been read. What was stored before an
    interruption stays, and the next run goes on from there.

    Args:
        renewal: makes this a rebuild: every file is read again, and all of them replace their old selves in one
            transaction at the end, together with what the renewal changes. A rebuild cut short changes nothing.
        progress: called before each file and each call of the embedding, and with a FileProgress once a file is stored
            or refused; an exception from it ends the work.
    """
    run = _Run(store, pipeline, progress, renewal, len(files))
    try:
        for number, file in enumerate(files):
            progress(Progress(number, len(files), file.name))
            run.take(number, file)
        run.flush()
    finally:
        store.discard_originals()
    progress(Progress(len(files), len(files), ""))
    return IngestReport(tuple(run.reports[number] for number in sorted(run.reports)))


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A file that has been split, and waits for its batch."""

    number: int
    row: DocumentRow
    file: SplitFile
    outcome: FileOutcome


@dataclass(slots=True)
class _Run:
    """One run of `ingest`: what it works with, the batch it has open, and the reports by number of the file."""

    store: DocumentStore
    pipeline: IngestPipeline
    progress: ProgressCallback
    renewal: Renewal | None
    total: int
    began: float = 0.0  # when the first file of the batch was read
    batch: list[_Waiting] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)  # names and hashes in the batch
    waiting_chunks: int = 0
    taken: set[str] = field(default_factory=set)  # names
    reports: dict[int, FileReport] = field(default_factory=dict)

    def take(self, number: int, file: SourceFile) -> None:
        """Read one file into the batch, or report why not."""
        try:
            self._take(number, file)
        except LoadError as error:
            self._fail(number, file, error)
        except OSError as error:
            self._fail(number, file, UnreadableFile(name=file.name, detail=error.strerror or error))

    def flush(self) -> None:
        """Embed and store what has been read so far."""
        indexed_texts = [one.file.indexed_texts for one in self.batch]
        vectors = self._embedded([text for texts in indexed_texts for text in texts])
        documents, start = [], 0
        for one, texts in zip(self.batch, indexed_texts, strict=True):
            end = start + len(texts)
            own = None if vectors is None else vectors[start:end]
            documents.append(NewDocument(one.row, one.file.text, one.file.chunks, texts, own))
            start = end
        if documents or self.renewal:
            corrections = [correction for one in self.batch for correction in one.file.corrections]
            self.store.put_documents(documents, self.renewal, corrections)
        stored, self.batch, self.waiting_chunks = self.batch, [], 0
        self.waiting.clear()
        for one in stored:
            chunks, pages = one.file.searchable, one.row.pages
            report = FileReport(one.row.name, one.outcome, one.file.notice, chunks=chunks, pages=pages)
            self._report(one.number, report)

    def _take(self, number: int, file: SourceFile) -> None:
        if not file.path.is_file():
            raise MissingFile(name=file.path)
        sha256 = _sha256(file.path)
        if self.renewal is None and self._is_known(number, file, sha256):
            return
        if file.name in self.taken:
            raise SameName(name=file.name)
        self.taken.add(file.name)
        known = self.store.document(file.name)
        replaces = known is not None and known.state == "indexed"
        split = self._split(number, file, sha256, "replaced" if replaces else "added")
        self.began = self.began if self.batch else time.monotonic()
        self.batch.append(split)
        self.waiting |= {sha256, file.name}
        self.waiting_chunks += len(split.file.chunks)
        is_due = self.waiting_chunks >= _BATCH_CHUNKS or time.monotonic() - self.began > _BATCH_S
        if is_due and self.renewal is None:
            self.flush()

    def _is_known(self, number: int, file: SourceFile, sha256: str) -> bool:
        """Report a file whose bytes are there already, under its own name or another."""
        if not self.waiting.isdisjoint((sha256, file.name)):
            self.flush()  # so that the store can tell whether this file is the same
        known, twin = self.store.document(file.name), self.store.indexed_twin(sha256, file.name)
        if twin and twin.name in self.waiting:  # it is about to be replaced
            self.flush()
            twin = self.store.indexed_twin(sha256, file.name)
        if known and known.sha256 == sha256 and (known.state == "indexed" or (known.state == "duplicate" and twin)):
            self._report(number, FileReport(file.name, "unchanged", chunks=known.chunks, pages=known.pages))
        elif twin and file.name not in self.taken and self.store.put_unindexed(_duplicate_row(file, sha256, twin)):
            self._report(number, FileReport(file.name, "duplicate", _same_as(twin), pages=twin.pages))
        else:
            return False
        self.taken.add(file.name)
        return True

    def _fail(self, number: int, file: SourceFile, error: LoadError) -> None:
        reason = literal(error.reason("zh"), error.reason("en"))
        cure = literal(error.advice("zh"), error.advice("en"))
        self.taken.add(file.name)
        if not isinstance(error, MissingFile | UnreadableFile | SameName):
            row = DocumentRow(file.name, _sha256(file.path), "failed", file.path.stat().st_size, reason)
            self.store.put_unindexed(row)
        self._report(number, FileReport(file.name, "failed", reason, cure))

    def _report(self, number: int, report: FileReport) -> None:
        self.reports[number] = report
        self.progress(FileProgress(len(self.taken), self.total, report.name, report))

    def _split(self, number: int, file: SourceFile, sha256: str, outcome: FileOutcome) -> _Waiting:
        split = split_file(file, self.pipeline, self.store.corrections(file.name))
        row = DocumentRow(
            name=file.name,
            sha256=sha256,
            state="indexed",
            size=file.path.stat().st_size,
            pages=split.pages,
            chars=len(split.text),
            title=split.title,
            stored_as=self.store.keep_original(file.path, sha256),
        )
        return _Waiting(number, row, split, outcome)

    def _embedded(self, texts: list[str]) -> Matrix | None:
        if self.pipeline.embeddings is None or not texts:
            return None
        blocks: list[Matrix] = []
        for start in range(0, len(texts), _BATCH_CHUNKS):
            self.progress(Progress(start, len(texts), self.batch[-1].row.name))
            vectors = self.pipeline.embeddings.embed_documents(texts[start : start + _BATCH_CHUNKS])
            blocks.append(np.asarray(vectors, dtype=np.float32))
        return np.concatenate(blocks)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _same_as(twin: DocumentRecord) -> Message:
    return literal(f"与“{twin.name}”内容相同", f"same content as “{twin.name}”")


def _duplicate_row(file: SourceFile, sha256: str, twin: DocumentRecord) -> DocumentRow:
    return DocumentRow(
        name=file.name,
        sha256=sha256,
        state="duplicate",
        size=twin.size,
        reason=_same_as(twin),
        pages=twin.pages,
        chars=twin.chars,
        title=twin.title,
        stored_as=twin.stored_as,
    )
