"""The store in a LangChain program: LangChain's own suite for vector stores, and what it does not ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import HashedEmbeddings
from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from vectorstores.langchain_store import KnowledgeVectorStore


class TestStandard(VectorStoreIntegrationTests):
    """LangChain's suite."""

    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[VectorStore]:
        store = KnowledgeVectorStore(tmp_path / "store", self.get_embeddings())
        yield store
        store.close()


def test_texts_and_metadata_survive_a_restart(tmp_path: Path) -> None:
    first = KnowledgeVectorStore.from_texts(
        ["年假有五天。", "食堂在二楼。"], HashedEmbeddings(), [{"页": 1}, {}], folder=tmp_path, ids=["甲", "乙"]
    )
    first.close()
    again = KnowledgeVectorStore(tmp_path, HashedEmbeddings())
    assert again.get_by_ids(["甲"]) == [Document(id="甲", page_content="年假有五天。", metadata={"页": 1})]
    assert [document.id for document in again.similarity_search("年假几天", k=1)] == ["甲"]
    again.close()


def test_equal_texts_under_two_ids_are_two(tmp_path: Path) -> None:
    store = KnowledgeVectorStore.from_texts(
        ["同一句。", "同一句。"], HashedEmbeddings(), folder=tmp_path, ids=["a", "b"]
    )
    assert store.delete(["a"])
    assert [document.id for document in store.similarity_search("同一句", k=5)] == ["b"]
    store.close()


def test_scores_are_cosines_and_relevance_is_0_to_1(tmp_path: Path) -> None:
    store = KnowledgeVectorStore.from_texts(["年假有五天。", "食堂在二楼。"], HashedEmbeddings(), folder=tmp_path)
    (best, cosine), (_, worse) = store.similarity_search_with_score("年假有五天。", k=2)
    assert best.page_content == "年假有五天。"
    assert cosine == pytest.approx(1, abs=1e-3)
    assert worse < cosine
    assert all(0 <= score <= 1.001 for _, score in store.similarity_search_with_relevance_scores("年假", k=2))
    store.close()
