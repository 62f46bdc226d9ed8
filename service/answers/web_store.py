"""A knowledge base of a web search's results, on disk for as long as one question takes."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_text_splitters import TextSplitter

from core.documents import DocumentRow, EmbeddingIdentity, NewDocument
from core.errors import StoreUnwritable
from service.answers.web_search import WebResult
from vectorstores.knowledge_store import KnowledgeStore


@contextmanager
def web_store(
    results: Sequence[WebResult],
    folder: Path,
    splitter: TextSplitter,
    embeddings: Embeddings | None,
    identity: EmbeddingIdentity | None,
) -> Iterator[KnowledgeStore]:
    """Give a knowledge base of the results, which is deleted afterwards.

    A result is a document whose text is title and snippet. Its name, and so the `source` of its chunks, is the title;
    the chunks' `heading` is the address, which is shown but not searched, and their `kind` is "web".

    Args:
        folder: where the knowledge base has a hidden folder of its own.
        embeddings: which `identity` names; None for a knowledge base without a dense leg.

    Raises:
        StoreUnwritable: `folder` cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        own = TemporaryDirectory(prefix=".web-", dir=folder, ignore_cleanup_errors=True)
    except OSError as error:
        raise StoreUnwritable(path=folder, detail=error.strerror or error) from error
    with own, closing(KnowledgeStore(Path(own.name))) as store:
        if identity is not None:
            store.use_embedding(identity)
        store.put_documents(_embedded(_documents(results, splitter), embeddings))
        yield store


def _documents(results: Sequence[WebResult], splitter: TextSplitter) -> list[NewDocument]:
    documents: dict[str, NewDocument] = {}
    for result in results:
        name, number = result.title, 1
        while name in documents:
            number += 1
            name = f"{result.title} ({number})"
        documents[name] = _document(name, result, splitter)
    return [document for document in documents.values() if document.chunks]


def _document(name: str, result: WebResult, splitter: TextSplitter) -> NewDocument:
    text = f"{result.title}\n\n{result.snippet}"
    chunks = splitter.split_documents([Document(text, metadata={"kind": "web", "heading": result.url})])
    data = text.encode()
    row = DocumentRow(
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        state="indexed",
        size=len(data),
        chars=len(text),
        title=result.title,
        metadata={"url": result.url},
    )
    return NewDocument(row, text, chunks, [f"{result.title}\n{chunk.page_content}" for chunk in chunks], None)


def _embedded(documents: list[NewDocument], embeddings: Embeddings | None) -> list[NewDocument]:
    """Return the documents with the vectors of their chunks, all of them from one call of the embedding."""
    if embeddings is None or not documents:
        return documents
    texts = [text for document in documents for text in document.indexed_texts]
    vectors = np.asarray(embeddings.embed_documents(texts), dtype=np.float32)
    ends = list(accumulate(len(document.chunks) for document in documents))
    rows = np.split(vectors, ends[:-1])
    return [replace(document, vectors=own) for document, own in zip(documents, rows, strict=True)]
