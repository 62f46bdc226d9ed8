"""Files into knowledge bases: adding, reading again, rebuilding, keeping the samples up to date."""

from collections.abc import Sequence
from pathlib import Path

from langchain_core.documents import Document

from chains.ingest import ingest
from chains.splitting import IngestPipeline, SourceFile, SplitFile, split_file
from configs.model_config import Settings
from core.answers import ProgressCallback
from core.curation import Correction
from core.documents import DocumentRecord, FileReport, IngestReport, Renewal
from core.errors import DocumentNotFound
from core.messages import Message
from loaders.registry import load_file
from service.knowledge.file_names import composed, is_hidden
from service.models.embedding_model import EmbeddingModel
from splitters.chinese import ChineseTextSplitter
from vectorstores.knowledge_store import KnowledgeStore

_NOT_KEPT = Message("没有保存它的原始文件", "its original was not kept")
_ADD_AGAIN = Message("重新添加这个文件。", "Add the file again.")


class Indexing:
    """What changes the documents of a knowledge base."""

    def __init__(self, settings: Settings, embedding: EmbeddingModel) -> None:
        self._settings, self._embedding = settings, embedding

    def add(
        self, store: KnowledgeStore, paths: Sequence[Path | SourceFile], progress: ProgressCallback
    ) -> IngestReport:
        """Add files, and the files in folders at any depth; a SourceFile brings the name that it will have."""
        return self._ingest(store, _source_files(paths), progress)

    def refresh(self, store: KnowledgeStore, progress: ProgressCallback) -> IngestReport:
        """Index what was put into the knowledge base's own folder by hand."""
        folder = store.originals.folder
        files = [SourceFile(path, path.relative_to(folder).as_posix()) for path in store.originals.put_in_by_hand()]
        return self._ingest(store, files, progress)

    def rebuild(self, store: KnowledgeStore, progress: ProgressCallback) -> IngestReport:
        """Read every original again and index it with the settings in force, all at once at the end."""
        settings = self._settings
        splitting = {"chunk_chars": settings.chunk_chars, "overlap_chars": settings.chunk_overlap_chars}
        splitter = ChineseTextSplitter(settings.chunk_chars, settings.chunk_overlap_chars)
        pipeline = IngestPipeline(self._load, splitter, self._embedding.get())
        renewal = Renewal(self._embedding.identity(), splitting)
        report = ingest(store, _originals(store), pipeline, renewal=renewal, progress=progress)
        store.fold_index()
        return report

    def reindex(self, store: KnowledgeStore, names: Sequence[str], progress: ProgressCallback) -> IngestReport:
        """Read single documents again from their originals, and index them as the knowledge base is indexed.

        All of them change at once at the end. One that can no longer be read keeps what was indexed of it.

        Raises:
            DocumentNotFound: the knowledge base has no document of one of these names.
        """
        documents = _documents(store, names)
        files = [
            SourceFile(store.originals.path(document.stored_as), document.name)
            for document in documents
            if document.state == "indexed"
        ]
        pipeline = IngestPipeline(self._load, self._splitter(store), self._embedding.for_store(store))
        report = ingest(store, files, pipeline, renewal=Renewal(None, {}), progress=progress)
        store.fold_index()
        read = {file.name: file for file in report.files}
        return IngestReport(tuple(read.get(document.name) or _unread(document) for document in documents))

    def remove(self, store: KnowledgeStore, kb: str, document: str) -> None:
        """Remove a document.

        Raises:
            DocumentNotFound: the knowledge base has no document of this name.
        """
        if not store.delete_document(composed(document)):
            raise DocumentNotFound(kb=kb, name=document)
        store.fold_index()

    def _ingest(self, store: KnowledgeStore, files: Sequence[SourceFile], progress: ProgressCallback) -> IngestReport:
        if not store.chunk_count and (identity := self._embedding.identity()):  # which loads the model
            store.use_embedding(identity)
        pipeline = IngestPipeline(self._load, self._splitter(store), self._embedding.for_store(store))
        report = ingest(store, files, pipeline, progress=progress)
        store.fold_index()
        return report

    def _load(self, path: Path, name: str) -> list[Document]:
        return _load(path, name, self._settings)

    def _splitter(self, store: KnowledgeStore) -> ChineseTextSplitter:
        manifest = store.manifest()
        return ChineseTextSplitter(
            manifest.get("chunk_chars", self._settings.chunk_chars),
            manifest.get("overlap_chars", self._settings.chunk_overlap_chars),
        )


def split_preview(file: SourceFile, settings: Settings, corrections: Sequence[Correction] = ()) -> SplitFile:
    """Return what indexing with these settings would make of a file, and store nothing.

    Raises:
        LoadError: the file cannot be read, or holds nothing that could be searched for.
    """
    splitter = ChineseTextSplitter(settings.chunk_chars, settings.chunk_overlap_chars)
    pipeline = IngestPipeline(lambda path, name: _load(path, name, settings), splitter, None)
    return split_file(file, pipeline, corrections)


def _load(path: Path, name: str, settings: Settings) -> list[Document]:
    return load_file(path, name=name, max_mb=settings.max_file_mb)


def _documents(store: KnowledgeStore, names: Sequence[str]) -> list[DocumentRecord]:
    """Return the documents of these names, each once."""
    wanted = dict.fromkeys(composed(name) for name in names)
    known = {document.name: document for document in store.documents()}
    for name in wanted:
        if name not in known:
            raise DocumentNotFound(kb=store.manifest().get("name", store.folder.name), name=name)
    return [known[name] for name in wanted]


def _unread(document: DocumentRecord) -> FileReport:
    """Report a document that has no text of its own: a duplicate stays one, what failed has left no original."""
    if document.state == "duplicate":
        return FileReport(document.name, "duplicate", document.reason, pages=document.pages)
    return FileReport(document.name, "failed", _NOT_KEPT, _ADD_AGAIN)


def _source_files(paths: Sequence[Path | SourceFile]) -> list[SourceFile]:
    """Return the files to add: a file by its name, a folder's by their path below it; hidden ones are left out."""
    files: list[SourceFile] = []
    for path in paths:
        if isinstance(path, SourceFile):
            files.append(path)
            continue
        if not path.is_dir():
            files.append(SourceFile(path, composed(path.name)))
            continue
        for file in sorted(path.rglob("*")):
            below = file.relative_to(path)
            if file.is_file() and not any(is_hidden(part) for part in below.parts):
                files.append(SourceFile(file, composed(below.as_posix())))
    return files


def _originals(store: KnowledgeStore) -> list[SourceFile]:
    """Return the originals of every document that is to be searchable, and those that were put in by hand."""
    documents, folder = store.documents(), store.originals.folder
    duplicates = {document.name for document in documents if document.state == "duplicate"}
    found = store.originals.put_in_by_hand() if documents else store.originals.all()
    files = {path.relative_to(folder).as_posix(): path for path in found}
    files |= {document.name: folder / document.stored_as for document in documents if document.state == "indexed"}
    return [SourceFile(path, name) for name, path in files.items() if name not in duplicates]
