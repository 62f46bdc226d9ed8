"""Questions to knowledge bases: with which settings, which legs, which prompt and which model they are answered."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from chains.answer import AnswerPlugs, Sources, answer_events
from chains.explaining.expected import parse_expected
from chains.explaining.explain import explain
from chains.retrieve import retrieve
from chains.retriever import KnowledgeRetriever
from configs.model_config import Settings
from core.answers import AnswerEvent, AskOptions, Finished, Retrieval, RetrievalSettings, Turn
from core.asking_errors import NoKnowledgeBase
from core.explanations import Explanation
from core.messages import Language, well_formed
from core.plugs import ChunkStore
from core.traces import Trace
from service.answers.scope import Scope, dense_leg, open_scope
from service.answers.traces import TraceStore, kb_version
from service.answers.web_search import build_web_search
from service.answers.web_store import web_store
from service.evaluating.evaluation import Evaluator
from service.knowledge.kb_settings import KnowledgeBaseSettings
from service.models.embedding_model import EmbeddingModel
from service.models.language_model import LanguageModel
from splitters.chinese import ChineseTextSplitter
from vectorstores.knowledge_store import KnowledgeStore

_WEB_TIMEOUT_S = 15.0
_TRACED = {"llm", "precision", "device", "arithmetic", "adapter", "embedding", "history_turns", "rewrite", "prompt"}
_TRACED |= {"answer_tokens", "temperature", "top_p", "sample_top_k", "repetition_penalty", "seed", "web_search"}

Stores = Sequence[KnowledgeStore]


class Asking:
    """How questions are answered; every entry point comes through here.

    Nothing of a question is kept here: threads with other settings never see each other's.

    Args:
        embedding: the application's own.
    """

    def __init__(
        self,
        language: Language,
        own: KnowledgeBaseSettings,
        embedding: EmbeddingModel,
        model: LanguageModel,
        traces: TraceStore,
    ) -> None:
        self._language, self._own = language, own
        self._embedding, self._model, self._traces = embedding, model, traces

    def search(self, question: str, stores: Stores, overrides: Mapping[str, float] | None = None) -> Retrieval:
        """Return every candidate for a question, kept or dropped and why."""
        return self.search_with(question, stores, self._own.retrieval(stores, overrides))

    def search_with(self, question: str, stores: Stores, settings: RetrievalSettings) -> Retrieval:
        """Return every candidate for a question with given settings in the place of those in force."""
        scope = open_scope(stores, self._own)
        return retrieve(well_formed(question), scope.store, settings, scope.dense)

    def retriever(self, stores: Stores) -> KnowledgeRetriever:
        """Return the same retrieval as a LangChain retriever, with the settings now in force."""
        scope = open_scope(stores, self._own)
        return KnowledgeRetriever(store=scope.store, settings=self._own.retrieval(stores), dense=scope.dense)

    def explain(
        self, question: str, store: KnowledgeStore, expect: str, overrides: Mapping[str, float] | None = None
    ) -> Explanation:
        """Tell which stage loses what should have been found."""
        expected = parse_expected(expect, [document.name for document in store.documents()])
        settings, scope = self._own.retrieval([store], overrides), open_scope([store], self._own)
        return explain(well_formed(question), expected, store, settings, scope.dense)

    def evaluator(self, store: KnowledgeStore) -> Evaluator:
        """Return what measures a knowledge base with the settings in force."""
        return Evaluator(store, self._own.retrieval([store]), open_scope([store], self._own).dense)

    def ask(self, question: str, stores: Stores, history: Sequence[Turn], options: AskOptions) -> Iterator[AnswerEvent]:
        """Answer a question as a stream of events, and keep its trace.

        Raises:
            NoKnowledgeBase: there is none, and the options want one.
            ConfigError: an override of the options is unknown or its value is not valid.
            EmbedderMismatch: the vectors of a knowledge base are of another embedding.
            EmbeddingsDiffer: those of two knowledge bases are of different ones.
            WebSearchOff: the options want a web search, and none is set up.
            ModelNotFound: they want the language model alone, and it is not here.
        """
        if options.mode == "chat":
            self._model.require()
        elif not stores and options.mode != "web":
            raise NoKnowledgeBase
        settings, is_web = self._model.settings, options.mode in ("web", "kb+web")
        scope = open_scope(() if options.mode in ("chat", "web") else stores, self._own)
        embedding = self._embedding if options.mode == "web" else scope.model
        chunks = sum(store.chunk_count for store in scope.stores) + (settings.web_results if is_web else 0)
        retrieval = self._own.retrieval(stores, options.overrides, chunks=chunks)
        prompt = self._own.prompt(stores)
        plugs = AnswerPlugs(
            sources=self._with_web(scope, embedding, settings) if is_web else lambda _: nullcontext(scope.store),
            dense=dense_leg(embedding),
            llm=self._model.load if self._model.available else None,
            template=prompt.template,
            system=prompt.system,
            history_turns=settings.history_turns,
            language=options.language or self._language,
        )
        turns = tuple(Turn(well_formed(turn.question), well_formed(turn.answer)) for turn in history)
        events = answer_events(well_formed(question), plugs, retrieval, turns, options)
        searched = [store.manifest() for store in stores if options.mode in ("kb", "retrieval")]
        trace = partial(
            Trace,
            kbs=tuple(str(manifest.get("name", "")) for manifest in searched),
            kb_version=kb_version(searched),
            history=turns,
            language=plugs.language,
        )
        return self._traced(events, embedding, trace)

    def _with_web(self, scope: Scope, embedding: EmbeddingModel | None, settings: Settings) -> Sources:
        """Return what a web search finds, alone or beside the knowledge bases, for as long as it is read."""
        search = build_web_search(settings.web_search, settings.web_search_url, settings.web_results, _WEB_TIMEOUT_S)
        splitter = ChineseTextSplitter(settings.chunk_chars, settings.chunk_overlap_chars)
        embeddings = embedding.get() if embedding else None
        identity = embedding.identity() if embedding else None

        @contextmanager
        def sources(question: str) -> Iterator[ChunkStore]:
            with web_store(search.find(question), settings.data_dir, splitter, embeddings, identity) as found:
                yield scope.beside(found)

        return sources

    def _traced(
        self, events: Iterator[AnswerEvent], embedding: EmbeddingModel | None, trace: Callable[..., Trace]
    ) -> Iterator[AnswerEvent]:
        """Add to the finished answer what wrote it and where its trace is kept; the model stays until then."""
        with self._model.answering():
            for event in events:
                if isinstance(event, Finished):
                    by = self._model.in_force if event.answer.mode == "llm" else ""
                    answer, settings = (
                        replace(event.answer, model=by),
                        _traced_settings(self._model.settings, embedding),
                    )
                    yield Finished(replace(answer, trace_id=self._traces.save(trace(answer, settings=settings))))
                else:
                    yield event


def _traced_settings(settings: Settings, embedding: EmbeddingModel | None) -> dict[str, Any]:
    in_force = settings.model_dump(mode="json", include=_TRACED)
    return {**in_force, "embedding": embedding.name if embedding else "lexical"}
