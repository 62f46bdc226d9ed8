"""A knowledge base as a LangChain `VectorStore`, for anyone's LangChain program."""

import hashlib
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from core.documents import DocumentRecord, DocumentRow, EmbeddingIdentity, NewDocument
from core.vectors import Vector
from vectorstores.knowledge_store import KnowledgeStore


class KnowledgeVectorStore(VectorStore):
    """Durable, exact search by cosine over texts with metadata. A text is a document of one chunk, named by its id.

    Metadata must be JSON. Adding under an id that is there replaces the text.

    Args:
        folder: where the store is, or will be; one folder a store.
        embedding: of texts and questions. Vectors of another embedding in the folder are deleted.
    """

    def __init__(self, folder: Path, embedding: Embeddings) -> None:
        self._store = KnowledgeStore(folder)
        self._embedding = embedding
        dimensions = len(embedding.embed_query("维度"))
        name = type(embedding).__name__
        self._store.use_embedding(EmbeddingIdentity(name, f"{name}:{dimensions}", dimensions))

    @property
    def embeddings(self) -> Embeddings:
        """The embedding of texts and questions."""
        return self._embedding

    @classmethod
    def from_texts(
        cls, texts: list[str], embedding: Embeddings, metadatas: list[dict[str, Any]] | None = None, **kwargs: Any
    ) -> "KnowledgeVectorStore":
        """Make a store in `folder` (required by keyword) and add the texts; `ids` may name them."""
        store = cls(Path(kwargs["folder"]), embedding)
        store.add_texts(texts, metadatas, ids=kwargs.get("ids"))
        return store

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add texts in one transaction and return their ids."""
        texts = list(texts)
        metadatas = metadatas or [{}] * len(texts)
        given = ids or [""] * len(texts)
        ids = [id or str(uuid.uuid4()) for id in given]
        vectors = np.asarray(self._embedding.embed_documents(texts), dtype=np.float32)
        new = [_new_document(*row) for row in zip(ids, texts, metadatas, vectors, strict=True)]
        self._store.put_documents(list({document.row.name: document for document in new}.values()))
        return ids

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Delete texts by id; ids that are not there are no error. None deletes all."""
        names = [record.name for record in self._store.documents()] if ids is None else ids
        for name in names:
            self._store.delete_document(name)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return the texts that are there, in the order of `ids`."""
        records = [record for id in ids if (record := self._store.document(id))]
        return [self._document(record) for record in records]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the `k` texts nearest to a question."""
        return [document for document, _ in self.similarity_search_with_score(query, k)]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """Return the `k` texts nearest to a question, each with its cosine (−1 to 1, higher is better)."""
        return self._nearest(np.asarray(self._embedding.embed_query(query), dtype=np.float32), k)

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the `k` texts nearest to a vector."""
        return [document for document, _ in self._nearest(np.asarray(embedding, dtype=np.float32), k)]

    def close(self) -> None:
        """Close the database."""
        self._store.close()

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda cosine: (cosine + 1) / 2

    def _nearest(self, vector: Vector, k: int) -> list[tuple[Document, float]]:
        unit = vector / max(float(np.linalg.norm(vector)), 1e-12)
        ids = self._store.nearest(unit, k)
        cosines, chunks = self._store.cosines(unit, ids), self._store.chunks(ids)
        found = [(self._store.document(chunks[id].source), cosines[id]) for id in ids if id in chunks]
        return [(self._document(record), cosine) for record, cosine in found if record]

    def _document(self, record: DocumentRecord) -> Document:
        text = self._store.text(record.id, 0, record.chars)
        return Document(id=record.name, page_content=text, metadata=dict(record.metadata))


def _new_document(id: str, text: str, metadata: dict[str, Any], vector: Vector) -> NewDocument:
    size, sha256 = len(text.encode()), hashlib.sha256(text.encode()).hexdigest()
    row = DocumentRow(id, sha256, "indexed", size, chars=len(text), metadata=metadata)
    chunk = Document(page_content=text, metadata={"start": 0, "end": len(text)})
    return NewDocument(row, text, [chunk], [text], vector[None, :])
