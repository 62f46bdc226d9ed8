"""A store to retrieve from, and short ways to fill and to ask it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import HashedEmbeddings, new_document

from chains.answer import AnswerPlugs, answer_events
from chains.retrieve import DenseLeg, logistic, retrieve
from configs.prompts import PROMPTS
from core.answers import Answer, AnswerEvent, Finished, Retrieval, RetrievalSettings, Turn
from core.documents import EmbeddingIdentity
from vectorstores.knowledge_store import KnowledgeStore

DEFAULTS = {"top_k": 5, "threshold": 0.2, "dense_weight": 0.3, "passage_chars": 500, "context_chars": 2000}


class Bench:
    """One knowledge base and everything that is asked of it in a test."""

    def __init__(self, store: KnowledgeStore) -> None:
        self.store = store
        self.dense: DenseLeg | None = None
        self.embeddings: HashedEmbeddings | None = None

    def use(self, embeddings: HashedEmbeddings, *, midpoint: float = 0.5, scale: float = 0.1) -> None:
        self.embeddings = embeddings
        self.store.use_embedding(EmbeddingIdentity("hashed", "f", embeddings.dimensions))
        self.dense = DenseLeg(embeddings, logistic(midpoint, scale))

    def put(self, name: str, texts: Sequence[str], **about: Any) -> None:
        if self.embeddings is not None:
            about["vectors"] = np.asarray(self.embeddings.embed_documents(list(texts)), dtype=np.float32)
        self.store.put_documents([new_document(name, texts, **about)])

    def retrieve(self, question: str, **changed: Any) -> Retrieval:
        return retrieve(question, self.store, RetrievalSettings(**{**DEFAULTS, **changed}), self.dense)

    def events(
        self,
        question: str,
        llm: Any = None,
        history: Sequence[Turn] = (),
        *,
        history_turns: int = 3,
        prompt: str = "default",
        **changed: Any,
    ) -> Iterator[AnswerEvent]:
        plugs = AnswerPlugs(
            lambda _: nullcontext(self.store),
            self.dense,
            llm and (lambda: llm),
            PROMPTS[prompt],
            "",
            history_turns,
            "zh",
        )
        return answer_events(question, plugs, RetrievalSettings(**{**DEFAULTS, **changed}), history)

    def ask(self, question: str, *arguments: Any, **changed: Any) -> Answer:
        *_, last = self.events(question, *arguments, **changed)
        assert isinstance(last, Finished)
        return last.answer


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    store = KnowledgeStore(tmp_path / "kb")
    yield Bench(store)
    store.close()


@pytest.fixture
def others(bench: Bench) -> Callable[[], None]:
    """Put in twenty documents about something else, so that frequencies mean something."""

    def fill() -> None:
        for number in range(20):
            bench.put(f"别的{number}.txt", [f"第{number}号工程按图纸施工，混凝土标号为C{number}。"])

    return fill
