"""The façade: everything that an entry point may ask of the product."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from chains.evaluation.draft_questions import draft_questions
from chains.explaining.expected import parse_expected
from chains.explaining.explain import explain
from chains.retrieve import retrieve
from chains.retriever import KnowledgeRetriever
from configs.environment import PREFIX, load_settings
from configs.model_config import Settings
from configs.prompts import require_placeholders
from core.answers import AnswerEvent, AskOptions, ProgressCallback, Retrieval, Turn, ignore_progress
from core.documents import Chunk, DocumentRecord, IngestReport, KnowledgeBaseInfo
from core.errors import ConfigError
from core.evaluation import Evaluation, LabelledQuestion, Origin, Suggestion
from core.explanations import Explanation
from core.messages import Language, Message, well_formed
from core.traces import ReplayReport, Trace, TraceSummary
from service.asking import Asking, Prompt
from service.embedding_model import EmbeddingModel
from service.evaluation import Evaluator
from service.indexing import Indexing
from service.language_model import LanguageModel
from service.library import SAMPLES, Library
from service.traces import TraceStore, kb_version, replay, searched_kb

MODEL_SETTINGS = {"llm", "precision", "device", "arithmetic", "adapter", "llm_url", "llm_api_key", "server_timeout_s"}
MODEL_SETTINGS |= {"answer_tokens", "temperature", "top_p", "sample_top_k", "repetition_penalty", "seed"}
"""What `use_model` can change."""

_NOT_THE_MODELS = Message(
    "{name} 不是语言模型的设置，不能在运行中更改",
    "{name} is no setting of the language model, and cannot be changed while the program runs",
)
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
        self._traces = TraceStore(settings.data_dir / ".traces", settings.traces)
        self._indexing = Indexing(settings, embedding)
        self._asking = Asking(settings, language, embedding, model, self._traces)

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

    def ask(
        self, question: str, kb: str = SAMPLES, history: Sequence[Turn] = (), options: AskOptions | None = None
    ) -> Iterator[AnswerEvent]:
        """Answer a question from a knowledge base, as a stream of events; close the stream to stop.

        Args:
            history: earlier turns of the conversation, oldest first.
            options: by default from the knowledge base, follow-ups rewritten as the settings say.

        Raises:
            WebSearchOff: the options want a web search, and none is set up.
        """
        chosen = options or AskOptions(rewrite=self.settings.rewrite)
        return self._asking.ask(question, self._library.open(kb), history, chosen)

    def explain(self, question: str, kb: str, expect: str) -> Explanation:
        """Tell which stage loses what should have been found.

        Args:
            expect: a file of the knowledge base, a file and a page as "file:3", or a text.
        """
        store = self._library.open(kb)
        expected = parse_expected(expect, [document.name for document in store.documents()])
        settings, dense = self._asking.retrieval_settings(store), self._asking.dense(store)
        return explain(well_formed(question), expected, store, settings, dense)

    # --- prompts, calibration, traces ---------------------------------------------------------------------------------

    def prompt(self, kb: str = SAMPLES) -> Prompt:
        """Return how the language model is asked about a knowledge base."""
        return self._asking.prompt(self._library.open(kb))

    def set_prompt(self, kb: str, *, template: str | None = None, system: str | None = None) -> None:
        """Save a prompt with a knowledge base; None goes back to that of the settings.

        Raises:
            InvalidPrompt: the template lacks a placeholder, or has one that is unknown.
        """
        if template is not None:
            require_placeholders(template)
        self._library.open(kb).set_manifest(prompt_template=template, system_prompt=system)

    def evaluate(
        self, kb: str, questions: Sequence[LabelledQuestion], progress: ProgressCallback = ignore_progress
    ) -> Evaluation:
        """Measure a knowledge base on questions whose answers are known."""
        store = self._library.open(kb)
        evaluator = Evaluator(store, self._asking.retrieval_settings(store), self._asking.dense(store))
        return evaluator.evaluate(questions, progress)

    def apply(self, kb: str, suggestion: Suggestion) -> None:
        """Save suggested settings with a knowledge base; chat, command line and programs then use them alike."""
        self._library.open(kb).set_manifest(**suggestion.entries)

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
        store = self._library.open(searched_kb(trace))
        return replay(
            trace,
            lambda question, settings: retrieve(question, store, settings, self._asking.dense(store)),
            kb_version=kb_version(store.manifest()),
            settings=self._asking.retrieval_settings(store),
        )

    def clear_traces(self) -> None:
        """Delete every trace."""
        self._traces.clear()

    def notices(self, kb: str = SAMPLES) -> list[Message]:
        """Return what the user should know: models that are missing, settings that a rebuild would apply."""
        store = self._library.open(kb)
        manifest, notices = (
            store.manifest(),
            [*self._model.notices(), *self._embedding.notices(), *self._traces.notices()],
        )
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
        self._embedding.close()
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
        explicit = {name: getattr(self.settings, name) for name in self.settings.model_fields_set - changes.keys()}
        environ = {PREFIX + name.upper(): str(value) for name, value in changes.items() if value is not None}
        settings = load_settings(explicit, environ=environ)
        if others := changes.keys() - MODEL_SETTINGS:
            raise ConfigError([_NOT_THE_MODELS.filled(name=name) for name in sorted(others)])
        try:
            self._model.use(settings, progress)
        finally:
            self.settings = self._model.settings
            self._asking = Asking(self.settings, self.language, self._embedding, self._model, self._traces)
        return self._model.in_force
