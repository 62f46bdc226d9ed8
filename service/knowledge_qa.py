"""The façade: everything that an entry point may ask of the product."""

import math
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_text_splitters import TextSplitter

from chains.answer import AnswerPlugs, answer_events
from chains.ingest import IngestPipeline, SourceFile, ingest
from chains.retrieve import DenseLeg, logistic, retrieve
from chains.retriever import KnowledgeRetriever
from configs.environment import load_settings
from configs.model_config import Settings
from configs.prompts import PROMPTS
from core.answers import (
    AnswerEvent,
    ProgressCallback,
    Retrieval,
    RetrievalSettings,
    Turn,
    ignore_progress,
)
from core.documents import Chunk, DocumentRecord, IngestReport, KnowledgeBaseInfo, Renewal
from core.errors import DocumentNotFound, EmbedderMismatch
from core.messages import Language, Message, well_formed
from loaders.registry import load_file
from service.embedding_model import EmbeddingModel
from service.language_model import LanguageModel
from service.library import SAMPLES, Library
from splitters.chinese import ChineseTextSplitter
from vectorstores.knowledge_store import KnowledgeStore

_NO_VECTORS = Message(
    "知识库“{name}”里有 {count} 块没有向量，检索只用词面匹配；运行 kb rebuild {name} 补上。",
    "{count} chunks of the knowledge base “{name}” have no vectors: they are found lexically only. "
    "Run kb rebuild {name}.",
)
_OTHER_SPLIT = Message(
    "知识库“{name}”按 {stored} 字切分，当前设置是 {wanted} 字；运行 kb rebuild {name} 后生效。",
    "The knowledge base “{name}” was split at {stored} characters, the setting is {wanted}; "
    "run kb rebuild {name} to apply it.",
)


class KnowledgeQA:
    """Knowledge bases, and questions to them. Threads may share an instance; build it with `service.factory.build_app`.

    Every method that takes the name of a knowledge base raises `KnowledgeBaseNotFound` if there is none.
    """

    def __init__(
        self, settings: Settings, language: Language, library: Library, embedding: EmbeddingModel, model: LanguageModel
    ) -> None:
        self.settings = settings
        self.language = language
        self._library = library
        self._embedding = embedding
        self._model = model

    # --- knowledge bases -------------------------------------------------------------------------------------------

    def knowledge_bases(self) -> list[KnowledgeBaseInfo]:
        """Return every knowledge base; the samples come first."""
        self._library.open(SAMPLES)
        return self._library.infos()

    def create(self, name: str) -> None:
        """Create an empty knowledge base."""
        self._library.create(name)

    def delete(self, name: str) -> None:
        """Delete a knowledge base with its documents."""
        self._library.delete(name)

    def add(self, name: str, paths: Sequence[Path], progress: ProgressCallback = ignore_progress) -> IngestReport:
        """Add files, and the files in folders at any depth; what is already there unchanged is left alone."""
        return self._ingest(self._library.open(name), _source_files(paths), progress)

    def files(self, name: str) -> list[DocumentRecord]:
        """Return the documents of a knowledge base, those that failed included, by name."""
        return self._library.open(name).documents()

    def chunks(self, name: str, document: str) -> list[Chunk]:
        """Return the chunks of a document, in document order."""
        return self._library.open(name).document_chunks(document)

    def remove(self, name: str, document: str) -> None:
        """Remove a document; a duplicate that it stood for takes its place.

        Raises:
            DocumentNotFound: the knowledge base has no document of this name.
        """
        store = self._library.open(name)
        if not store.delete_document(unicodedata.normalize("NFC", document)):
            raise DocumentNotFound(kb=name, name=document)
        store.fold_index()

    def rebuild(self, name: str, progress: ProgressCallback = ignore_progress) -> IngestReport:
        """Read every original again and index it with the settings in force, all at once at the end.

        A file that can no longer be read keeps what was indexed of it. A knowledge base whose database is gone is
        rebuilt from the originals alone.
        """
        store, settings = self._library.open(name), self.settings
        splitting = {"chunk_chars": settings.chunk_chars, "overlap_chars": settings.chunk_overlap_chars}
        splitter = ChineseTextSplitter(settings.chunk_chars, settings.chunk_overlap_chars)
        pipeline = IngestPipeline(self._load, splitter, self._embedding.get())
        renewal = Renewal(self._embedding.identity(), splitting)
        report = ingest(store, _originals(store), pipeline, renewal=renewal, progress=progress)
        store.fold_index()
        return report

    def refresh_samples(self, progress: ProgressCallback = ignore_progress) -> IngestReport:
        """Index what is new or changed in the samples' folder."""
        store = self._library.open(SAMPLES)
        files = [
            SourceFile(path, path.relative_to(store.originals.folder).as_posix())
            for path in store.originals.put_in_by_hand()
        ]
        return self._ingest(store, files, progress)

    # --- questions -------------------------------------------------------------------------------------------------

    def search(self, question: str, kb: str = SAMPLES) -> Retrieval:
        """Return every candidate for a question, kept or dropped and why, without answering it."""
        store = self._library.open(kb)
        return retrieve(well_formed(question), store, self._retrieval_settings(store), self._dense(store))

    def retriever(self, kb: str = SAMPLES) -> KnowledgeRetriever:
        """Return the same retrieval as a LangChain retriever, with the settings now in force."""
        store = self._library.open(kb)
        return KnowledgeRetriever(store=store, settings=self._retrieval_settings(store), dense=self._dense(store))

    def ask(self, question: str, kb: str = SAMPLES, history: Sequence[Turn] = ()) -> Iterator[AnswerEvent]:
        """Answer a question from a knowledge base, as a stream of events; close the stream to stop."""
        store = self._library.open(kb)
        plugs = AnswerPlugs(
            store=store,
            dense=self._dense(store),
            llm=self._model.load if self._model.available else None,
            template=PROMPTS[self.settings.prompt],
            history_turns=self.settings.history_turns,
            language=self.language,
        )
        return answer_events(well_formed(question), plugs, self._retrieval_settings(store), history)

    def notices(self, kb: str = SAMPLES) -> list[Message]:
        """Return what the user should know: models that are missing, settings that a rebuild would apply."""
        store = self._library.open(kb)
        manifest, notices = store.manifest(), [*self._model.notices(), *self._embedding.notices()]
        missing = store.chunks_without_vectors if self._embedding.name != "lexical" else 0
        if missing:
            notices.append(_NO_VECTORS.filled(name=kb, count=missing))
        stored = manifest.get("chunk_chars", self.settings.chunk_chars)
        if stored != self.settings.chunk_chars:
            notices.append(_OTHER_SPLIT.filled(name=kb, stored=stored, wanted=self.settings.chunk_chars))
        return notices

    def close(self) -> None:
        """Close every knowledge base and free the models."""
        self._model.close()
        self._library.close()

    # --- the language model ------------------------------------------------------------------------------------------

    @property
    def model_in_force(self) -> str:
        """What writes the answers, with precision and device once it is loaded; "extractive" where none does."""
        return self._model.in_force

    def load_model(self, progress: ProgressCallback = ignore_progress) -> str:
        """Load the language model now instead of at the first answer, and return what is in force."""
        if self._model.available:
            self._model.load(progress)
        return self._model.in_force

    def use_model(self, progress: ProgressCallback = ignore_progress, **changes: Any) -> str:
        """Change settings of the language model while the program runs, and return what is in force then.

        The model that was loaded is freed before the new one is loaded; answers it was writing end.

        Args:
            changes: settings by name, such as `llm`, `precision` or `device`.

        Raises:
            ConfigError: a setting is unknown or its value is not valid.
            ModelNotFound: the weights are not on this machine; nothing has changed.
        """
        explicit = {name: getattr(self.settings, name) for name in self.settings.model_fields_set}
        settings = load_settings({**explicit, **changes}, environ={})
        self._model.use(settings, progress)
        self.settings = settings
        return self._model.in_force

    # --- how a knowledge base is worked with -----------------------------------------------------------------------

    def _ingest(self, store: KnowledgeStore, files: Sequence[SourceFile], progress: ProgressCallback) -> IngestReport:
        if not store.chunk_count and (identity := self._embedding.identity()):  # which loads the model
            store.use_embedding(identity)
        pipeline = IngestPipeline(self._load, self._splitter(store), self._embeddings(store))
        report = ingest(store, files, pipeline, progress=progress)
        store.fold_index()
        return report

    def _load(self, path: Path, name: str) -> list[Document]:
        return load_file(path, name=name, max_mb=self.settings.max_file_mb)

    def _splitter(self, store: KnowledgeStore) -> TextSplitter:
        manifest = store.manifest()
        return ChineseTextSplitter(
            manifest.get("chunk_chars", self.settings.chunk_chars),
            manifest.get("overlap_chars", self.settings.chunk_overlap_chars),
        )

    def _embeddings(self, store: KnowledgeStore) -> Embeddings | None:
        """Return the embedding in force if it is the one that the knowledge base's vectors are of."""
        stored = store.embedding
        identity = self._embedding.identity() if stored else None
        if stored is None or identity is None:
            return None
        if stored.fingerprint != identity.fingerprint:
            name = store.manifest().get("name", "")
            raise EmbedderMismatch(name=name, stored=stored.name, configured=identity.name)
        return self._embedding.get()

    def _dense(self, store: KnowledgeStore) -> DenseLeg | None:
        embeddings = self._embeddings(store)
        if embeddings is None:
            return None
        calibration = self._embedding.calibration
        return DenseLeg(embeddings, logistic(calibration.midpoint, calibration.scale))

    def _retrieval_settings(self, store: KnowledgeStore) -> RetrievalSettings:
        settings, weight, threshold = self.settings, self.settings.dense_weight, self.settings.threshold
        return RetrievalSettings(
            top_k=settings.top_k,
            threshold=default_threshold(store.chunk_count) if threshold is None else threshold,
            dense_weight=self._embedding.dense_weight if weight is None else weight,
            passage_chars=settings.passage_chars,
            context_chars=settings.context_chars,
        )


def default_threshold(chunk_count: int) -> float:
    """Return the threshold of a knowledge base that has not been calibrated.

    The more chunks, the better the best wrong one: the line that separates answerable from unanswerable questions
    rises with the logarithm of their number (measured in `bench/retrieval.py`).
    """
    return 0.24 + 0.055 * math.log10(max(chunk_count, 5) / 5)


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
