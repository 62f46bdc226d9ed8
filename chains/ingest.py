"""Documents in: hash, load, split, embed, store. One bad file never stops the rest."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_text_splitters import TextSplitter

from core.answers import Progress, ProgressCallback
from core.documents import DocumentRecord, DocumentRow, FileOutcome, FileReport, IngestReport, NewDocument, Renewal
from core.load_errors import EmptyFile, LoadError, MissingFile, SameName, UnreadableFile
from core.messages import Message, literal, well_formed
from core.plugs import DocumentStore
from core.vectors import Matrix

_BATCH_CHUNKS = 1_000  # embedded in one call, stored in one transaction

_NO_CHUNKS = Message("没有可检索的文字", "nothing that could be searched for")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to add, and the name it will have in the knowledge base."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class IngestPipeline:
    """The plugs that turn a file into searchable chunks.

    Attributes:
        load: reads a file (path, name) into parts whose concatenation is its text.
        embeddings: None for a knowledge base without a dense leg.
    """

    load: Callable[[Path, str], list[Document]]
    splitter: TextSplitter
    embeddings: Embeddings | None


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
        progress: called before each file and each call of the embedding; an exception from it ends the work.
    """
    run = _Run(store, pipeline, progress, renewal)
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
class _Split:
    """A file that has been read and split, and waits for its batch."""

    number: int
    row: DocumentRow
    text: str
    chunks: list[Document]
    indexed_texts: list[str]
    outcome: FileOutcome


@dataclass(slots=True)
class _Run:
    """One run of `ingest`: what it works with, the batch it has open, and the reports by number of the file."""

    store: DocumentStore
    pipeline: IngestPipeline
    progress: ProgressCallback
    renewal: Renewal | None
    batch: list[_Split] = field(default_factory=list)
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
        vectors = self._embedded([text for split in self.batch for text in split.indexed_texts])
        documents, start = [], 0
        for split in self.batch:
            end = start + len(split.chunks)
            own = None if vectors is None else vectors[start:end]
            documents.append(NewDocument(split.row, split.text, split.chunks, split.indexed_texts, own))
            start = end
        if documents or self.renewal:
            self.store.put_documents(documents, self.renewal)
        for split in self.batch:
            report = FileReport(split.row.name, split.outcome, chunks=len(split.chunks), pages=split.row.pages)
            self.reports[split.number] = report
        self.batch.clear()
        self.waiting.clear()
        self.waiting_chunks = 0

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
        self.batch.append(split)
        self.waiting |= {sha256, file.name}
        self.waiting_chunks += len(split.chunks)
        if self.waiting_chunks >= _BATCH_CHUNKS and self.renewal is None:
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
            self.reports[number] = FileReport(file.name, "unchanged", chunks=known.chunks, pages=known.pages)
        elif twin and file.name not in self.taken and self.store.put_unindexed(_duplicate_row(file, sha256, twin)):
            self.reports[number] = FileReport(file.name, "duplicate", _same_as(twin), pages=twin.pages)
        else:
            return False
        self.taken.add(file.name)
        return True

    def _fail(self, number: int, file: SourceFile, error: LoadError) -> None:
        reason = literal(error.reason("zh"), error.reason("en"))
        cure = literal(error.advice("zh"), error.advice("en"))
        self.reports[number] = FileReport(file.name, "failed", reason, cure)
        self.taken.add(file.name)
        if not isinstance(error, MissingFile | UnreadableFile | SameName):
            row = DocumentRow(file.name, _sha256(file.path), "failed", file.path.stat().st_size, reason)
            self.store.put_unindexed(row)

    def _split(self, number: int, file: SourceFile, sha256: str, outcome: FileOutcome) -> _Split:
        parts = [_well_formed(part) for part in self.pipeline.load(file.path, file.name)]
        chunks = self.pipeline.splitter.split_documents(parts)
        if not chunks:
            raise EmptyFile(name=file.name, detail=_NO_CHUNKS)
        title = _title(file.name, parts)
        text = "".join(part.page_content for part in parts)
        row = DocumentRow(
            name=file.name,
            sha256=sha256,
            state="indexed",
            size=file.path.stat().st_size,
            pages=max((part.metadata["pages"] for part in parts if "pages" in part.metadata), default=None),
            chars=len(text),
            title=title,
            stored_as=self.store.keep_original(file.path, sha256),
        )
        return _Split(number, row, text, chunks, [_indexed_text(title, chunk) for chunk in chunks], outcome)

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


def _well_formed(part: Document) -> Document:
    metadata = {key: well_formed(value) if isinstance(value, str) else value for key, value in part.metadata.items()}
    return Document(page_content=well_formed(part.page_content), metadata=metadata)


def _title(name: str, parts: Sequence[Document]) -> str:
    """Return the file's stem, and the document's own title where that says more."""
    stem = PurePosixPath(name).stem
    own = next((str(part.metadata["title"]) for part in parts if part.metadata.get("title")), "")
    return stem if not own or own in stem else own if stem in own else f"{stem} {own}"


def _indexed_text(title: str, chunk: Document) -> str:
    """Return what is searched: title, heading path and the head of a cut table stand before the chunk's own text."""
    breadcrumb = (title, chunk.metadata.get("heading", ""), chunk.metadata.get("table_header", ""))
    return "\n".join(text for text in (*breadcrumb, chunk.page_content) if text)
