"""Stand-ins for models and loaders: deterministic, offline, without weights."""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, PrivateAttr

from core.documents import DocumentRow, NewDocument


class HashedEmbeddings(Embeddings):
    """Character unigrams and bigrams hashed into `dimensions` counters; texts that share characters are near.

    Args:
        dimensions: length of a vector.
        scale: length of the vectors, to show that nothing depends on it.
    """

    def __init__(self, dimensions: int = 256, scale: float = 1.0) -> None:
        self.dimensions = dimensions
        self.scale = scale
        self.embedded: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.embedded += texts
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._vector(text)

    def _vector(self, text: str) -> list[float]:
        vector = np.zeros(self.dimensions)
        for gram in (*text, *(text[i : i + 2] for i in range(len(text) - 1))):
            vector[zlib.crc32(gram.encode()) % self.dimensions] += 1.0
        vector[0] += 1e-3  # no text is the zero vector
        return [float(value) for value in self.scale * vector / np.linalg.norm(vector)]


class OtherEmbeddings(HashedEmbeddings):
    """Another embedding, for tests that switch."""


class ScriptedChat(BaseChatModel):
    """Streams the given pieces, and remembers what it was sent and whether it was stopped."""

    pieces: list[str] = Field(default_factory=list)
    _calls: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _streamed: int = PrivateAttr(default=0)
    _closed: bool = PrivateAttr(default=False)

    @property
    def calls(self) -> list[list[BaseMessage]]:
        return self._calls

    @property
    def streamed(self) -> int:
        """Pieces that left the model."""
        return self._streamed

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def prompt(self) -> str:
        """The last message of the last call."""
        return str(self._calls[-1][-1].content)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        self._calls.append(messages)
        return ChatResult(generations=[ChatGeneration(message=AIMessage("".join(self.pieces)))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> Iterator[ChatGenerationChunk]:
        self._calls.append(messages)
        try:
            for piece in self.pieces:
                self._streamed += 1
                yield ChatGenerationChunk(message=AIMessageChunk(piece))
        finally:
            self._closed = True


class ForbiddenChat(ScriptedChat):
    """A language model that must not be asked."""

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise AssertionError("the language model was called")

    def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        raise AssertionError("the language model was called")


def new_document(
    name: str,
    texts: Sequence[str],
    *,
    vectors: Any = None,
    between: str = "\n",
    metadata: Sequence[dict[str, Any]] | None = None,
    title: str = "",
    stored_as: str = "",
) -> NewDocument:
    """Return a document whose chunks are `texts`, standing in its text one after the other with `between` in between.

    Args:
        metadata: of each chunk, such as `{"page": 2}`.
    """
    whole = between.join(texts)
    chunks, start = [], 0
    for number, text in enumerate(texts):
        known = {"kind": "text", **(metadata[number] if metadata else {})}
        chunks.append(Document(page_content=text, metadata={**known, "start": start, "end": start + len(text)}))
        start += len(text) + len(between)
    data = whole.encode("utf-8", "surrogatepass")
    row = DocumentRow(
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        state="indexed",
        size=len(data),
        chars=len(whole),
        title=title,
        stored_as=stored_as,
    )
    return NewDocument(row, whole, chunks, [f"{title}\n{text}" if title else text for text in texts], vectors)
