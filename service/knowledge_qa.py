"""The façade: everything that an entry point may ask of the product."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from chains.retriever import KnowledgeRetriever
from configs.environment import load_settings
from configs.model_config import Settings
from core.answers import AnswerEvent, ProgressCallback, Retrieval, Turn, ignore_progress
from core.documents import Chunk, DocumentRecord, IngestReport, KnowledgeBaseInfo
from core.messages import Language, Message
from service.asking import Asking
from service.embedding_model import EmbeddingModel
from service.indexing import Indexing
from service.language_model import LanguageModel
from service.library import SAMPLES, Library

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
        self._indexing = Indexing(settings, embedding)
        self._asking = Asking(settings, language, embedding, model)

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
        return self._indexing.add(self._library.open(name), paths, progress)

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
        self._indexing.remove(self._library.open(name), name, document)

    def rebuild(self, name: str, progress: ProgressCallback = ignore_progress) -> IngestReport:
        """Read every original again and index it with the settings in force, all at once at the end.

        A file that can no longer be read keeps what was indexed of it. A knowledge base whose database is gone is
        rebuilt from the originals alone.
        """
        return self._indexing.rebuild(self._library.open(name), progress)

    def refresh_samples(self, progress: ProgressCallback = ignore_progress) -> IngestReport:
        """Index what is new or changed in the samples' folder."""
        return self._indexing.refresh(self._library.open(SAMPLES), progress)

    # --- questions -------------------------------------------------------------------------------------------------

    def search(self, question: str, kb: str = SAMPLES) -> Retrieval:
        """Return every candidate for a question, kept or dropped and why, without answering it."""
        return self._asking.search(question, self._library.open(kb))

    def retriever(self, kb: str = SAMPLES) -> KnowledgeRetriever:
        """Return the same retrieval as a LangChain retriever, with the settings now in force."""
        return self._asking.retriever(self._library.open(kb))

    def ask(self, question: str, kb: str = SAMPLES, history: Sequence[Turn] = ()) -> Iterator[AnswerEvent]:
        """Answer a question from a knowledge base, as a stream of events; close the stream to stop."""
        return self._asking.ask(question, self._library.open(kb), history)

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
        self._asking = Asking(settings, self.language, self._embedding, self._model)
        return self._model.in_force
