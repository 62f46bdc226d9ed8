"""Questions to knowledge bases: with which settings, which legs, which prompt and which model they are answered."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

from chains.answer import AnswerPlugs, Sources, answer_events
from chains.retrieve import DenseLeg, logistic, retrieve
from chains.retriever import KnowledgeRetriever
from configs.model_config import Settings
from configs.prompts import PROMPTS
from core.answers import AnswerEvent, AskOptions, Finished, Retrieval, RetrievalSettings, Turn
from core.messages import Language, well_formed
from core.plugs import ChunkStore
from core.traces import Trace
from service.embedding_model import EmbeddingModel
from service.evaluation import saved_settings
from service.language_model import LanguageModel
from service.traces import TraceStore, kb_version
from service.web_search import build_web_search
from service.web_store import web_store
from splitters.chinese import ChineseTextSplitter
from vectorstores.combined import CombinedStore
from vectorstores.knowledge_store import KnowledgeStore

_WEB_TIMEOUT_S = 15.0
_TRACED = {"llm", "precision", "device", "arithmetic", "adapter", "embedding", "history_turns", "rewrite", "prompt"}
_TRACED |= {"answer_tokens", "temperature", "top_p", "sample_top_k", "repetition_penalty", "seed", "web_search"}


@dataclass(frozen=True, slots=True)
class Prompt:
    """How the language model is asked.

    Attributes:
        template: with `{passages}` and `{question}`.
        system: what it is told beforehand.
    """

    template: str
    system: str


class Asking:
    """How questions are answered; every entry point comes through here."""

    def __init__(
        self,
        settings: Settings,
        language: Language,
        embedding: EmbeddingModel,
        model: LanguageModel,
        traces: TraceStore,
    ) -> None:
        self._settings, self._language = settings, language
        self._embedding, self._model, self._traces = embedding, model, traces

    def search(self, question: str, store: KnowledgeStore) -> Retrieval:
        """Return every candidate for a question, kept or dropped and why."""
        return retrieve(well_formed(question), store, self.retrieval_settings(store), self.dense(store))

    def retriever(self, store: KnowledgeStore) -> KnowledgeRetriever:
        """Return the same retrieval as a LangChain retriever, with the settings now in force."""
        return KnowledgeRetriever(store=store, settings=self.retrieval_settings(store), dense=self.dense(store))

    def ask(
        self, question: str, store: KnowledgeStore, history: Sequence[Turn], options: AskOptions
    ) -> Iterator[AnswerEvent]:
        """Answer a question as a stream of events, and keep its trace.

        Raises:
            EmbedderMismatch: the knowledge base's vectors are of another embedding.
            WebSearchOff: the options want a web search, and none is set up.
            ModelNotFound: they want the language model alone, and it is not here.
        """
        if options.mode == "chat":
            self._model.require()
        turns = [Turn(well_formed(turn.question), well_formed(turn.answer)) for turn in history]
        with_web, web_alone = options.mode in ("web", "kb+web"), options.mode == "web"
        sources = self._web_sources(store, alone=web_alone) if with_web else _only(store)
        plugs = self._plugs(store, sources, self.dense(None if web_alone else store))
        chunks = (0 if web_alone else store.chunk_count) + (self._settings.web_results if with_web else 0)
        settings = self.retrieval_settings(store, chunks)
        events = answer_events(well_formed(question), plugs, settings, turns, options)
        return self._traced(events, store, turns, options)

    def retrieval_settings(self, store: KnowledgeStore, chunks: int | None = None) -> RetrievalSettings:
        """Return the settings in force: a flag or variable, else what the knowledge base saved, else the default.

        What was calibrated for another embedding than the one that ranks now is no measure, and left out.

        Args:
            chunks: how many are searched, on which the default threshold depends; by default those of the knowledge
                base.
        """
        settings, stored = self._settings, store.embedding
        fingerprint = stored.fingerprint if stored and self._embedding.name != "lexical" else ""
        saved = saved_settings(store.manifest(), fingerprint)
        saved = {name: value for name, value in saved.items() if name not in settings.model_fields_set}
        threshold = saved.get("threshold", settings.threshold)
        weight = saved.get("dense_weight", settings.dense_weight)
        return RetrievalSettings(
            top_k=saved.get("top_k", settings.top_k),
            threshold=default_threshold(store.chunk_count if chunks is None else chunks)
            if threshold is None
            else threshold,
            dense_weight=self._embedding.dense_weight if weight is None else weight,
            passage_chars=settings.passage_chars,
            context_chars=settings.context_chars,
        )

    def dense(self, store: KnowledgeStore | None) -> DenseLeg | None:
        """Return the dense leg for a knowledge base's vectors, or for what is indexed now where there is none."""
        embeddings = self._embedding.get() if store is None else self._embedding.for_store(store)
        if embeddings is None:
            return None
        calibration = self._embedding.calibration
        return DenseLeg(embeddings, logistic(calibration.midpoint, calibration.scale))

    def _plugs(self, store: KnowledgeStore, sources: Sources, dense: DenseLeg | None) -> AnswerPlugs:
        prompt = self.prompt(store)
        return AnswerPlugs(
            sources=sources,
            dense=dense,
            llm=self._model.load if self._model.available else None,
            template=prompt.template,
            system=prompt.system,
            history_turns=self._settings.history_turns,
            language=self._language,
        )

    def _web_sources(self, store: KnowledgeStore, *, alone: bool) -> Sources:
        """Return what a web search finds, alone or beside the knowledge base, for as long as it is read."""
        settings = self._settings
        search = build_web_search(settings.web_search, settings.web_search_url, settings.web_results, _WEB_TIMEOUT_S)
        splitter = ChineseTextSplitter(settings.chunk_chars, settings.chunk_overlap_chars)
        embeddings = self._embedding.get() if alone else self._embedding.for_store(store)
        identity = self._embedding.identity() if embeddings else None

        @contextmanager
        def sources(question: str) -> Iterator[ChunkStore]:
            with web_store(search.find(question), settings.data_dir, splitter, embeddings, identity) as found:
                yield found if alone else CombinedStore([store, found])

        return sources

    def prompt(self, store: KnowledgeStore) -> Prompt:
        """Return the prompt in force: of a flag or variable, else the knowledge base's own, else the default."""
        settings, explicit, saved = self._settings, self._settings.model_fields_set, store.manifest()
        template = saved.get("prompt_template") if "prompt" not in explicit else None
        system = saved.get("system_prompt") if "system_prompt" not in explicit else None
        return Prompt(
            PROMPTS[settings.prompt] if template is None else template,
            settings.system_prompt if system is None else system,
        )

    def _traced(
        self, events: Iterator[AnswerEvent], store: KnowledgeStore, history: Sequence[Turn], options: AskOptions
    ) -> Iterator[AnswerEvent]:
        """Add to the finished answer what wrote it and where its trace is kept."""
        manifest = store.manifest()  # before anything can change
        for event in events:
            if isinstance(event, Finished):
                by = self._model.in_force if event.answer.mode == "llm" else ""
                answer = replace(event.answer, model=by)
                kb = manifest.get("name", "") if options.mode in ("kb", "retrieval") else ""
                in_force = self._settings.model_dump(mode="json", include=_TRACED)
                trace = Trace(answer, kb, kb_version(manifest), tuple(history), self._language, in_force)
                yield Finished(replace(answer, trace_id=self._traces.save(trace)))
            else:
                yield event


def _only(store: ChunkStore) -> Sources:
    return lambda _: nullcontext(store)


def default_threshold(chunk_count: int) -> float:
    """Return the threshold of a knowledge base that has not been calibrated.

    The more chunks, the better the best wrong one: the line that separates answerable from unanswerable questions
    rises with the logarithm of their number (measured in `bench/retrieval.py`).
    """
    return 0.24 + 0.055 * math.log10(max(chunk_count, 5) / 5)
