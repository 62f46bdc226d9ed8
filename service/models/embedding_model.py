"""The embedding of one application: which is wanted, whether it is there, and what it makes of a cosine."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from langchain_core.embeddings import Embeddings

from configs.catalogue import EMBEDDINGS, CosineCalibration, EmbeddingSpec
from configs.model_config import Settings
from core.documents import EmbeddingIdentity
from core.errors import EmbedderMismatch
from core.messages import Message
from core.model_errors import ModelFolderMissing, ModelNotFound
from models.embeddings import SentenceTransformerEmbeddings, has_weights
from service.models.idle_settings import idle_embedding_settings
from vectorstores.knowledge_store import KnowledgeStore

_ABSENT = Message(
    "没有找到嵌入模型 {name} 的权重，检索只用词面匹配。"
    "要启用向量检索，运行 models download {name}（或把 {repository} 放到 {folder}），再运行 kb rebuild。",
    "The weights of the embedding {name} are not here, so retrieval is lexical only. For vector search run models "
    "download {name} (or put {repository} into {folder}), then kb rebuild.",
)

_ABSENT_FOLDER = Message(
    "目录 {folder} 里没有嵌入模型，检索只用词面匹配。",
    "The folder {folder} holds no embedding, so retrieval is lexical only.",
)


@runtime_checkable
class Freeable(Protocol):
    """An embedding that holds connections."""

    def free(self) -> None:
        """Close them."""
        ...


class EmbeddingModel:
    """The configured embedding, loaded at the first use. Threads may share it.

    Args:
        given: used in the place of the configured one, for programs that bring their own.
    """

    def __init__(self, settings: Settings, given: Embeddings | None = None) -> None:
        self._settings, self._given = settings, given
        self._loaded: Embeddings | None = None
        self._lock = threading.Lock()
        self._wanted, self._folder = settings.embedding, settings.model_dir / settings.embedding
        self._spec = EMBEDDINGS.get(self._wanted, EmbeddingSpec("sentence_transformers"))
        self._is_own = self._wanted not in EMBEDDINGS and not settings.embedding_url
        if settings.embedding_url and self._spec.backend != "lexical":
            self._spec = replace(self._spec, backend="openai")
        elif self._is_own:
            self._folder = Path(self._wanted).expanduser()
            self._wanted = self._folder.resolve().name
        if given is not None:
            self._spec, self._wanted = EmbeddingSpec("sentence_transformers"), type(given).__name__

    @property
    def name(self) -> str:
        """Name of the embedding in force; "lexical" for none."""
        return self._wanted if self._present else "lexical"

    @property
    def configured(self) -> str:
        """Name of the embedding that the settings ask for, whether its weights are here or not."""
        return self._wanted

    def get(self) -> Embeddings | None:
        """Return the embedding in force, loading it at the first call; None in lexical mode."""
        if self._given is not None or not self._present:
            return self._given
        with self._lock:
            if self._loaded is None:
                self._loaded = self._on_server() if self._spec.backend == "openai" else self._from_folder()
            return self._loaded

    def identity(self) -> EmbeddingIdentity | None:
        """Return what identifies the vector space of the embedding in force; None in lexical mode.

        An embedding that a program brought is known by its name and dimensions only.
        """
        model = self.get()
        if model is None:
            return None
        if self._given is None:
            return EmbeddingIdentity(self.name, model.fingerprint, model.dimensions)  # type: ignore[attr-defined]
        dimensions = len(model.embed_query("维度"))
        return EmbeddingIdentity(self.name, f"{self.name}:{dimensions}", dimensions)

    def for_store(self, store: KnowledgeStore) -> Embeddings | None:
        """Return the embedding in force, where a knowledge base's vectors are of it; None for one without vectors.

        Raises:
            EmbedderMismatch: they are of another one.
        """
        stored = store.embedding
        identity = self.identity() if stored else None
        if stored is None or identity is None:
            return None
        if stored.fingerprint != identity.fingerprint:
            name = store.manifest().get("name", "")
            raise EmbedderMismatch(name=name, stored=stored.name, configured=identity.name)
        return self.get()

    @property
    def calibration(self) -> CosineCalibration:
        """How the cosines of the embedding in force become relevance."""
        return self._spec.calibration

    @property
    def dense_weight(self) -> float:
        """The catalogue's share of the dense leg for the embedding in force."""
        return self._spec.dense_weight

    def notices(self) -> list[Message]:
        """Return what the user should know: that the weights are not there."""
        if self._given is not None:
            return []
        return [*self._absence(), *idle_embedding_settings(self._settings)]

    def _absence(self) -> list[Message]:
        if self._present or self._spec.backend == "lexical":
            return []
        if self._is_own:
            return [_ABSENT_FOLDER.filled(folder=self._folder)]
        return [_ABSENT.filled(name=self._wanted, repository=self._spec.repository, folder=self._folder)]

    def require(self) -> None:
        """Raise ModelNotFound where the weights are not there."""
        if not self._present and self._spec.backend != "lexical":
            error = ModelFolderMissing if self._is_own else ModelNotFound
            raise error(name=self._wanted, tried=self._folder)

    def close(self) -> None:
        """Let go of the model, or of the connections to its server."""
        with self._lock:
            loaded, self._loaded = self._loaded, None
        if isinstance(loaded, Freeable):
            loaded.free()

    @property
    def _present(self) -> bool:
        if self._given is not None or self._spec.backend == "openai":
            return True
        return self._spec.backend != "lexical" and has_weights(self._folder)

    def _from_folder(self) -> Embeddings:
        return SentenceTransformerEmbeddings(
            self._folder,
            pooling=self._spec.pooling,
            max_tokens=self._spec.max_tokens,
            query_instruction=self._spec.query_instruction,
            device=self._settings.embedding_device,
        )

    def _on_server(self) -> Embeddings:
        from models.server_embeddings import ServerEmbeddings

        return ServerEmbeddings(
            url=self._settings.embedding_url,
            model=self._wanted,
            api_key=self._settings.embedding_api_key.get_secret_value(),
            timeout_s=self._settings.server_timeout_s,
            query_instruction=self._spec.query_instruction,
        )
