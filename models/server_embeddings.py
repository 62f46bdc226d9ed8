"""An embedding model behind an OpenAI-compatible server, behind LangChain's `Embeddings`."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from operator import itemgetter

import httpx
import numpy as np
import numpy.typing as npt
from langchain_core.embeddings import Embeddings

from core.messages import Message, well_formed
from core.model_errors import ServerRefused
from core.vectors import Matrix
from models.server_connection import ServerConnection
from models.server_errors import EMBEDDING_SETTINGS

_BATCH_TEXTS, _BATCH_CHARS = 64, 64_000  # of one request
_PROBES = (  # a paraphrase, a translation, something near, something far, a number
    "员工请假要提前三天申请。",
    "请假须提前三日提出。",
    "Leave must be requested three days in advance.",
    "病假需要医院证明。",
    "今天天气很好。",
    "2024",
)
_COSINE_STEP = 0.1  # differences that count between two embeddings of the probes
_COUNT = Message("{texts} 段文字得到 {vectors} 个向量", "{vectors} vectors for {texts} texts")
_SHAPE = Message(
    "向量的维数从 {before} 变成了 {now}", "vectors had {before} dimensions before and have {now} dimensions now"
)
_NO_VECTOR = Message("有向量为零或含非数字", "a vector is zero or holds what is not a number")


class ServerEmbeddings(Embeddings):
    """Vectors from `POST {url}/embeddings`, texts sent as plain strings, at most 64 and 64 000 characters a request.

    Vectors have unit length. A server that takes fewer texts at a time is asked with fewer. Errors are those of
    `ServerConnection`; vectors that cannot be used raise ServerRefused.

    Args:
        url: of the interface, such as http://127.0.0.1:8000/v1.
        model: its name on the server.
        api_key: empty for a server that needs none.
        timeout_s: longest silence, in seconds.
        query_instruction: put before a question.

    Raises:
        ConfigError, ServerUnreachable: the key or the address makes no sense.
    """

    def __init__(self, *, url: str, model: str, api_key: str, timeout_s: float, query_instruction: str = "") -> None:
        self.query_instruction = query_instruction
        self._model = model
        self._batch_texts = _BATCH_TEXTS
        self._columns = 0  # until the first reply
        self._connection = ServerConnection(
            url=url, model=model, api_key=api_key, timeout_s=timeout_s, settings=EMBEDDING_SETTINGS
        )

    @property
    def loaded(self) -> str:
        """The model and where it is asked, such as "bge-m3 at http://127.0.0.1:11434/v1"."""
        return f"{self._model} at {self._connection.url}"

    @property
    def dimensions(self) -> int:
        """Length of a vector; asks the server at the first call."""
        return int(self._probed.shape[1])

    @cached_property
    def fingerprint(self) -> str:
        """What tells this vector space from others; asks the server at the first call.

        A hash of the model's name, the dimensions, and how near some fixed texts are to each other, to a tenth: another
        model behind the same name differs in that, the jitter of floating-point arithmetic does not show.
        """
        cosines = (self._probed @ self._probed.T)[np.triu_indices(len(_PROBES), k=1)]
        steps = np.rint(cosines / _COSINE_STEP).astype(int).tolist()
        return hashlib.sha256(json.dumps([self._model, self.dimensions, steps]).encode()).hexdigest()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one unit vector per text."""
        return [row for batch in self._batches(texts) for row in self._embedded(batch).tolist()]

    def embed_query(self, text: str) -> list[float]:
        """Return the unit vector of a question."""
        return self.embed_documents([self.query_instruction + text])[0]

    def free(self) -> None:
        """Close the connections; the model cannot be asked any more."""
        self._connection.close()

    @cached_property
    def _probed(self) -> Matrix:
        return self._embedded(_PROBES)

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """Yield the texts in order, as many at a time as one request may hold."""
        batch: list[str] = []
        chars = 0
        for text in texts:
            chars += len(text)
            if batch and (len(batch) >= self._batch_texts or chars > _BATCH_CHARS):
                yield batch
                batch, chars = [], len(text)
            batch.append(text)
        if batch:
            yield batch

    def _embedded(self, texts: Sequence[str]) -> Matrix:
        """Return the unit vectors of one batch, in two halves where the server refuses the whole."""
        try:
            return self._requested(texts)
        except ServerRefused as error:
            if len(texts) == 1 or error.values["status"] not in (400, 413, 422):
                raise
        half = len(texts) // 2
        vectors = np.concatenate([self._embedded(texts[:half]), self._embedded(texts[half:])])
        self._batch_texts = min(self._batch_texts, half)
        return vectors

    def _requested(self, texts: Sequence[str]) -> Matrix:
        sent = [well_formed(text) or " " for text in texts]  # OpenAI's own service refuses an empty text
        vectors = self._read(self._connection.post("embeddings", json={"model": self._model, "input": sent}))
        if len(vectors) != len(texts):
            raise self._connection.unusable(_COUNT.filled(texts=len(texts), vectors=len(vectors)))
        self._columns = self._columns or vectors.shape[1]
        if vectors.shape[1] != self._columns:
            raise self._connection.unusable(_SHAPE.filled(before=self._columns, now=vectors.shape[1]))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise self._connection.unusable(_NO_VECTOR)
        unit: Matrix = (vectors / lengths).astype(np.float32)
        return unit

    def _read(self, response: httpx.Response) -> npt.NDArray[np.float64]:
        """Return the vectors of a reply, of shape (vectors, dimensions), in the order of the texts."""
        try:
            items = response.json()["data"]
            ordered = sorted(items, key=itemgetter("index")) if all("index" in item for item in items) else items
            vectors = np.array([item["embedding"] for item in ordered], dtype=np.float64)
        except (ValueError, LookupError, TypeError) as error:
            raise self._connection.malformed(response.text) from error
        if vectors.ndim != 2 or not vectors.size:
            raise self._connection.malformed(response.text)
        return vectors
