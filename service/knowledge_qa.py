"""The façade: everything that an entry point may ask of the product."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chains.evaluation.draft_questions import draft_questions
from chains.retriever import KnowledgeRetriever
from chains.splitting import SourceFile
from configs.model_config import Settings
from core.answers import AnswerEvent, AskOptions, ProgressCallback, Retrieval, RetrievalSettings, Turn, ignore_progress
from core.documents import Chunk, DocumentRecord, IngestReport, KnowledgeBaseInfo
from core.evaluation import Evaluation, LabelledQuestion, Origin
from core.explanations import Explanation
from core.messages import Language, Message
from core.traces import ReplayReport, Trace, TraceSummary
from service.answers.asking import Asking
from service.answers.traces import TraceStore, kb_version, replay, searched_kbs
from service.conversations.store import Conversations
from service.evaluating.question_book import QuestionBook
from service.jobs import Jobs
from service.knowledge.curation import Curation
from service.knowledge.indexing import Indexing
from service.knowledge.intake import Intake
from service.knowledge.kb_settings import KnowledgeBaseSettings, Prompt
from service.knowledge.library import SAMPLES, Library
from service.knowledge.uploads import Uploads, accepted_suffixes
from service.models.changes import with_model_changes
from service.models.embedding_model import EmbeddingModel
from service.models.embedding_models import EmbeddingModels
from service.models.language_model import LanguageModel
from service.people.accounts import USERS_FILE, Accounts
from vectorstores.knowledge_store import KnowledgeStore

Kbs = str | Sequence[str]  # one knowledge base by its name, or several


class KnowledgeQA:
    """Knowledge bases, and questions to them. Threads may share an instance; build it with `service.factory.build_app`.

    Every method that takes the name of a knowledge base raises `KnowledgeBaseNotFound` if there is none. One that takes
    several names treats them as one; a search raises `EmbeddingsDiffer` where it cannot, and `NoKnowledgeBase` where
    there are none.
    """

    def __init__(
        self, settings: Settings, language: Language, library: Library, embedding: EmbeddingModel, model: LanguageModel
    ) -> None:
        self.language = language
        self._library = library
        self._embeddings = EmbeddingModels(settings, embedding)
        self._model = model
        self._changing = threading.Lock()
        self._traces = TraceStore(settings.data_dir / ".traces", settings.traces)
        self.kb_settings = KnowledgeBaseSettings(settings, library, self._embeddings)
        self.curation = Curation(settings, library, self.kb_settings.indexing, self.kb_settings.embeddings)
        self.conversations = Conversations(settings.data_dir / ".conversations.sqlite")
        self.accounts = Accounts(settings.data_dir / USERS_FILE)
        self.jobs = Jobs()
        types = accepted_suffixes(settings.upload_types)
        self.uploads = Uploads(settings.data_dir / ".uploads", settings.max_file_mb, types)
        self.intake = Intake(self.uploads, self.jobs, self.add)
        self.question_book = QuestionBook(library, settings.max_file_mb)
        self._asking = Asking(language, self.kb_settings, embedding, model, self._traces)

    @property
    def settings(self) -> Settings:
        """The settings in force, with what `use_model` has changed."""
        return self._model.settings

    # --- knowledge bases -------------------------------------------------------------------------------------------

    def knowledge_bases(self) -> list[KnowledgeBaseInfo]:
        """Return every knowledge base; the samples come first."""
        self._library.open(SAMPLES)
        return self._library.infos()

    def create(self, name: str) -> None:
        """Create an empty knowledge base."""
        self._library.create(name)

    def rename(self, name: str, new: str) -> None:
        """Give a knowledge base another name, by which conversations, accounts and uploads know it from then on."""
        self._library.rename(name, new)
        for part in (self.accounts, self.intake, self.conversations):
            part.rename_kb(name, new)

    def delete(self, name: str) -> None:
        """Delete a knowledge base with its documents; the roles in it end with it."""
        self._library.delete(name)
        self.accounts.forget_kb(name)

    def add(
        self, name: str, paths: Sequence[Path | SourceFile], progress: ProgressCallback = ignore_progress
    ) -> IngestReport:
        """Add files, and the files in folders at any depth; what is already there unchanged is left alone."""
        store = self._library.open(name)
        return self.kb_settings.indexing(store).add(store, paths, progress)

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
        Indexing(self.settings, self._embeddings.default).remove(self._library.open(name), name, document)

    def rebuild(self, name: str, progress: ProgressCallback = ignore_progress) -> IngestReport:
        """Read every original again and index it with the settings in force, all at once at the end.

        A file that can no longer be read keeps what was indexed of it. A knowledge base whose database is gone is
        rebuilt from the originals alone.
        """
        store = self._library.open(name)
        return self.kb_settings.indexing(store, anew=True).rebuild(store, progress)

    def reindex(
        self, name: str, documents: Sequence[str], progress: ProgressCallback = ignore_progress
    ) -> IngestReport:
        """Read single documents again from their originals, and index them as the knowledge base is indexed.

        Raises:
            DocumentNotFound: the knowledge base has no document of one of these names.
        """
        store = self._library.open(name)
        return self.kb_settings.indexing(store).reindex(store, documents, progress)

    def refresh_samples(self, progress: ProgressCallback = ignore_progress) -> IngestReport:
        """Index what is new or changed in the samples' folder."""
        store = self._library.open(SAMPLES)
        return self.kb_settings.indexing(store).refresh(store, progress)

    # --- questions -------------------------------------------------------------------------------------------------

    def search(self, question: str, kb: Kbs = SAMPLES, overrides: Mapping[str, float] | None = None) -> Retrieval:
        """Return every candidate for a question, kept or dropped and why, without answering it.

        Args:
            overrides: settings for this question alone, by the names of `RetrievalSettings`.

        Raises:
            ConfigError: an override is unknown or its value is not valid.
        """
        return self._asking.search(question, self._opened(kb), overrides)

    def retriever(self, kb: Kbs = SAMPLES) -> KnowledgeRetriever:
        """Return the same retrieval as a LangChain retriever, with the settings now in force."""
        return self._asking.retriever(self._opened(kb))

    def retrieval_settings(self, kb: Kbs = SAMPLES) -> RetrievalSettings:
        """Return the settings in force for questions to one knowledge base, or to several together."""
        return self.kb_settings.retrieval(self._opened(kb))

    def ask(
        self, question: str, kb: Kbs = SAMPLES, history: Sequence[Turn] = (), options: AskOptions | None = None
    ) -> Iterator[AnswerEvent]:
        """Answer a question from knowledge bases, as a stream of events; close the stream to stop.

        Args:
            history: earlier turns of the conversation, oldest first.
            options: by default from the knowledge bases, follow-ups rewritten as the settings say.

        Raises:
            ConfigError: an override of the options is unknown or its value is not valid.
            WebSearchOff: the options want a web search, and none is set up.
        """
        chosen = options or AskOptions(rewrite=self.settings.rewrite)
        return self._asking.ask(question, self._opened(kb), history, chosen)

    def explain(self, question: str, kb: str, expect: str, overrides: Mapping[str, float] | None = None) -> Explanation:
        """Tell which stage loses what should have been found.

        Args:
            expect: a file of the knowledge base, a file and a page as "file:3", or a text.
            overrides: settings for this question alone.
        """
        return self._asking.explain(question, self._library.open(kb), expect, overrides)

    def _opened(self, kb: Kbs) -> list[KnowledgeStore]:
        """Return the stores of one or several knowledge bases, each once."""
        return list(dict.fromkeys(self._library.open(name) for name in ([kb] if isinstance(kb, str) else kb)))

    # --- prompts, calibration, traces ---------------------------------------------------------------------------------

    def prompt(self, kb: Kbs = SAMPLES) -> Prompt:
        """Return how the language model is asked about one knowledge base, or about several together."""
        return self.kb_settings.prompt(self._opened(kb))

    def evaluate(
        self, kb: str, questions: Sequence[LabelledQuestion], progress: ProgressCallback = ignore_progress
    ) -> Evaluation:
        """Measure a knowledge base on questions whose answers are known."""
        return self._asking.evaluator(self._library.open(kb)).evaluate(questions, progress)

    def questions(self, kb: str) -> list[LabelledQuestion]:
        """Return the knowledge base's own list of questions whose answers are known."""
        return self._library.open(kb).questions.labelled()

    def add_questions(self, kb: str, questions: Sequence[LabelledQuestion], origin: Origin) -> int:
        """Add questions to that list, and return how many are new or changed."""
        return self._library.open(kb).questions.add(questions, origin)

    def draft_questions(self, kb: str, count: int) -> list[LabelledQuestion]:
        """Draft questions from the documents, to start a list with."""
        store = self._library.open(kb)
        names = [document.name for document in store.documents() if document.state == "indexed"]
        return draft_questions({name: store.document_chunks(name) for name in names}, count)

    def traces(self, limit: int | None = None) -> list[TraceSummary]:
        """Return the kept traces, the newest first."""
        return self._traces.summaries(limit)

    def trace(self, trace_id: str) -> Trace:
        """Return all that is known of one answer."""
        return self._traces.load(trace_id)

    def replay(self, trace_id: str) -> ReplayReport:
        """Retrieve again for a trace, with its settings, and return what has changed."""
        trace = self._traces.load(trace_id)
        stores = self._opened(searched_kbs(trace))
        return replay(
            trace,
            lambda question, settings: self._asking.search_with(question, stores, settings),
            kb_version=kb_version(store.manifest() for store in stores),
            settings=self.kb_settings.retrieval(stores),
        )

    def clear_traces(self) -> None:
        """Delete every trace."""
        self._traces.clear()

    def notices(self, kb: Kbs = SAMPLES) -> list[Message]:
        """Return what the user should know: models that are missing, settings that a rebuild would apply."""
        of_kbs = (notice for store in self._opened(kb) for notice in self.kb_settings.notices(store))
        return list(dict.fromkeys([*self._model.notices(), *of_kbs, *self._traces.notices()]))

    def close(self) -> None:
        """End what works in the background, close every knowledge base and free the models."""
        self.jobs.close()
        self.uploads.close()
        self.conversations.close()
        self._model.close()
        self._embeddings.close()
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

    def unload_model(self, progress: ProgressCallback = ignore_progress, *, wait: bool = True) -> None:
        """Free the memory of the language model; the next question loads it again. See `use_model` for `wait`."""
        self._model.unload(progress, wait=wait)

    def use_model(self, progress: ProgressCallback = ignore_progress, *, wait: bool = False, **changes: Any) -> str:
        """Change settings of the language model while the program runs, and return what is in force then.

        The model that was loaded is freed before the new one is loaded.

        Args:
            wait: let the answers that it is writing come to their end, while new questions wait; otherwise they end.
            changes: settings by name, such as `llm`, `precision` or `device`.

        Raises:
            ConfigError: a setting is unknown or its value is not valid.
            ModelBusy: an answer does not come to its end; nothing has changed.
            ModelNotFound: the weights are not on this machine; nothing has changed.
        """
        with self._changing:
            settings = with_model_changes(self.settings, changes)
            self._model.use(settings, progress, wait=wait)
        return self._model.in_force
