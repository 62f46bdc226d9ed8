"""The LangChain face of retrieval: LangChain's own suite, and the same passages as every other entry."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import HashedEmbeddings
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from chains.retriever import KnowledgeRetriever
from service.knowledge_qa import KnowledgeQA

CITIES = ("北京", "上海", "广州", "深圳", "成都")


@pytest.fixture
def filled(make_app: Callable[..., KnowledgeQA], tmp_path: Path) -> KnowledgeQA:
    app = make_app(embeddings=HashedEmbeddings(), threshold=0)
    app.create("城市")
    for city in CITIES:
        (tmp_path / f"{city}.txt").write_text(f"{city}的出差住宿标准是每晚五百元。", encoding="utf-8")
    app.add("城市", [tmp_path / f"{city}.txt" for city in CITIES])
    return app


class TestStandard(RetrieversIntegrationTests):
    """LangChain's suite for retrievers."""

    @pytest.fixture(autouse=True)
    def _use(self, filled: KnowledgeQA) -> None:
        made = filled.retriever("城市")
        self._params = {"store": made.store, "settings": made.settings, "dense": made.dense}

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return KnowledgeRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return self._params

    @property
    def retriever_query_example(self) -> str:
        return "出差住宿标准是多少"


def test_it_returns_what_search_keeps(filled: KnowledgeQA) -> None:
    documents = filled.retriever("城市").invoke("上海的住宿标准")
    passages = filled.search("上海的住宿标准", "城市").passages
    assert [document.page_content for document in documents] == [passage.text for passage in passages]
    assert documents[0].metadata["source"] == "上海.txt"
    assert documents[0].metadata["relevance"] == passages[0].relevance


def test_nothing_relevant_is_an_empty_list(make_app: Callable[..., KnowledgeQA], tmp_path: Path) -> None:
    app = make_app(threshold=0.5)
    app.create("空")
    (tmp_path / "a.txt").write_text("年假有五天。", encoding="utf-8")
    app.add("空", [tmp_path / "a.txt"])
    assert app.retriever("空").invoke("量子计算机的价格") == []
