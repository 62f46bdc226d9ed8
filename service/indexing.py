"""Files into knowledge bases: adding, rebuilding, keeping the samples up to date."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from langchain_core.documents import Document

from chains.ingest import IngestPipeline, SourceFile, ingest
from configs.model_config import Settings
from core.answers import ProgressCallback
from core.documents import IngestReport, Renewal
from core.errors import DocumentNotFound
from core.messages import well_formed
from loaders.registry import load_file
from service.embedding_model import EmbeddingModel
from splitters.chinese import ChineseTextSplitter
from vectorstores.knowledge_store import KnowledgeStore


class Indexing:
    """What changes the documents of a knowledge base."""

    def __init__(self, settings: Settings, embedding: EmbeddingModel) -> None:
        self._settings, self._embedding = settings, embedding

    def add(self, store: KnowledgeStore, paths: Sequence[Path], progress: ProgressCallback) -> IngestReport:
        """Add files, and the files in folders at any depth."""
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

    def remove(self, store: KnowledgeStore, kb: str, document: str) -> None:
        """Remove a document.

        Raises:
            DocumentNotFound: the knowledge base has no document of this name.
        """
        if not store.delete_document(unicodedata.normalize("NFC", document)):
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
        return load_file(path, name=name, max_mb=self._settings.max_file_mb)

    def _splitter(self, store: KnowledgeStore) -> ChineseTextSplitter:
        manifest = store.manifest()
        return ChineseTextSplitter(
            manifest.get("chunk_chars", self._settings.chunk_chars),
            manifest.get("overlap_chars", self._settings.chunk_overlap_chars),
        )


def _source_files(paths: Sequence[Path]) -> list[SourceFile]:
    """Return the files to add: a file by its name, a folder's by their path below it; hidden ones are left out."""
    files: list[SourceFile] = []
    for path in paths:
        if not path.is_dir():
            files.append(_source_file(path, path.name))
            continue
        for file in sorted(path.rglob("*")):
            below = file.relative_to(path)
            if file.is_file() and not any(part.startswith((".", "~$")) for part in below.parts):
                files.append(_source_file(file, below.as_posix()))
    return files


def _source_file(path: Path, name: str) -> SourceFile:
    """Name a file in composed characters, so that one name is one document whatever system it comes from."""
    return SourceFile(path, unicodedata.normalize("NFC", well_formed(name)))


def _originals(store: KnowledgeStore) -> list[SourceFile]:
    """Return the originals of every document that is to be searchable, and those that were put in by hand."""
    documents, folder = store.documents(), store.originals.folder
    duplicates = {document.name for document in documents if document.state == "duplicate"}
    found = store.originals.put_in_by_hand() if documents else store.originals.all()
    files = {path.relative_to(folder).as_posix(): path for path in found}
    files |= {document.name: folder / document.stored_as for document in documents if document.state == "indexed"}
    return [SourceFile(path, name) for name, path in files.items() if name not in duplicates]
