"""Questions to knowledge bases: with which settings, which legs, which prompt and which model they are answered."""

import math
from collections.abc import Iterator, Sequence

from chains.answer import AnswerPlugs, answer_events
from chains.retrieve import DenseLeg, logistic, retrieve
from chains.retriever import KnowledgeRetriever
from configs.model_config import Settings
from configs.prompts import PROMPTS
from core.answers import AnswerEvent, Retrieval, RetrievalSettings, Turn
from core.messages import Language, well_formed
from service.embedding_model import EmbeddingModel
from service.language_model import LanguageModel
from vectorstores.knowledge_store import KnowledgeStore


class Asking:
    """How questions are answered; every entry point comes through here."""

    def __init__(self, settings: Settings, language: Language, embedding: EmbeddingModel, model: LanguageModel) -> None:
        self._settings, self._language = settings, language
        self._embedding, self._model = embedding, model

    def search(self, question: str, store: KnowledgeStore) -> Retrieval:
        """Return every candidate for a question, kept or dropped and why."""
        return retrieve(well_formed(question), store, self.retrieval_settings(store), self.dense(store))

    def retriever(self, store: KnowledgeStore) -> KnowledgeRetriever:
        """Return the same retrieval as a LangChain retriever, with the settings now in force."""
        return KnowledgeRetriever(store=store, settings=self.retrieval_settings(store), dense=self.dense(store))

    def ask(self, question: str, store: KnowledgeStore, history: Sequence[Turn]) -> Iterator[AnswerEvent]:
        """Answer a question as a stream of events."""
        return answer_events(well_formed(question), self._plugs(store), self.retrieval_settings(store), history)

    def retrieval_settings(self, store: KnowledgeStore) -> RetrievalSettings:
        """Return the settings in force for a knowledge base."""
        settings, weight, threshold = self._settings, self._settings.dense_weight, self._settings.threshold
        return RetrievalSettings(
            top_k=settings.top_k,
            threshold=default_threshold(store.chunk_count) if threshold is None else threshold,
            dense_weight=self._embedding.dense_weight if weight is None else weight,
            passage_chars=settings.passage_chars,
            context_chars=settings.context_chars,
        )

    def dense(self, store: KnowledgeStore) -> DenseLeg | None:
        """Return the dense leg of a knowledge base that has vectors."""
        embeddings = self._embedding.for_store(store)
        if embeddings is None:
            return None
        calibration = self._embedding.calibration
        return DenseLeg(embeddings, logistic(calibration.midpoint, calibration.scale))

    def _plugs(self, store: KnowledgeStore) -> AnswerPlugs:
        return AnswerPlugs(
            store=store,
            dense=self.dense(store),
            llm=self._model.load if self._model.available else None,
            template=PROMPTS[self._settings.prompt],
            history_turns=self._settings.history_turns,
            language=self._language,
        )


def default_threshold(chunk_count: int) -> float:
    """Return the threshold of a knowledge base that has not been calibrated.

    The more chunks, the better the best wrong one: the line that separates answerable from unanswerable questions
    rises with the logarithm of their number (measured in `bench/retrieval.py`).
    """
    return 0.24 + 0.055 * math.log10(max(chunk_count, 5) / 5)
