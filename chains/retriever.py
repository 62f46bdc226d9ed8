"""The one retrieval path as a LangChain retriever, for anyone's LangChain program."""

from dataclasses import replace
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from chains.retrieve import DenseLeg, retrieve
from core.answers import Passage, RetrievalSettings


class KnowledgeRetriever(BaseRetriever):
    """Returns the passages that an answer would rest on, by falling relevance; none where the threshold refuses.

    Metadata of a document: `kb`, `source`, `heading`, `page`, `start` and `end` (characters of the extracted text), and
    `relevance` (0–1).

    Attributes:
        store: a `ChunkStore`.
        k: most hits to use, in the place of `settings.top_k`; also an argument of `invoke`.
    """

    store: Any
    settings: RetrievalSettings
    dense: DenseLeg | None = None
    k: int | None = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        top_k = k or self.k or self.settings.top_k
        retrieval = retrieve(query, self.store, replace(self.settings, top_k=top_k), self.dense)
        return [_as_document(passage) for passage in retrieval.passages]


def _as_document(passage: Passage) -> Document:
    chunk = passage.chunk
    metadata = {
        "kb": chunk.kb,
        "source": chunk.source,
        "heading": chunk.heading,
        "page": chunk.page,
        "start": passage.start,
        "end": passage.end,
        "relevance": passage.relevance,
    }
    return Document(page_content=passage.text, metadata=metadata)
