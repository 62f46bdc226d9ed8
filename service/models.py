"""Which models are wanted, which are there, and what to tell the user about the difference. Loading waits for use."""

import threading
from dataclasses import dataclass
from pathlib import Path

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel

from configs.catalogue import EMBEDDINGS, LLMS, CosineCalibration, EmbeddingSpec
from configs.model_config import Settings
from core.documents import EmbeddingIdentity
from core.errors import ModelNotFound
from core.messages import Message
from models.embeddings import SentenceTransformerEmbeddings, has_weights

_NO_LLM = Message(
    "当前为内置模式：没有语言模型，答案是从文档中摘出的原句。"
    "本版本尚不含 ChatGLM-6B 的运行时；权重可先从 {repository} 下载到 {folder}。",
    "Embedded mode: without a language model, answers are sentences quoted from the documents. This version does not "
    "run ChatGLM-6B yet; its weights ({repository}) belong in {folder}.",
)
_NO_EMBEDDING = Message(
    "没有找到嵌入模型 {name} 的权重，检索只用词面匹配。"
    "要启用向量检索，把 {repository} 下载到 {folder}，再运行 kb rebuild。",
    "The weights of the embedding {name} are not here, so retrieval is lexical only. For vector search download "
    "{repository} into {folder}, then run kb rebuild.",
)


@dataclass(frozen=True, slots=True)
class WantedEmbedding:
    """The configured embedding: its entry, its folder, and whether its weights are there."""

    name: str
    spec: EmbeddingSpec
    folder: Path
    present: bool


class Models:
    """The models of one application.

    Args:
        embeddings: replaces the configured embedding, for programs that bring their own.
        llm: replaces the configured language model.

    Raises:
        ModelNotFound: weights are missing and the settings say that this is an error.
    """

    def __init__(
        self, settings: Settings, *, embeddings: Embeddings | None = None, llm: BaseChatModel | None = None
    ) -> None:
        self._settings = settings
        self._given = embeddings
        self._loaded: SentenceTransformerEmbeddings | None = None
        self._lock = threading.Lock()
        self.llm = llm
        self.wanted = _wanted(settings)
        if settings.missing_model == "error":
            self._require()

    @property
    def embedding_name(self) -> str:
        """Name of the embedding in force; "lexical" for none."""
        if self._given is not None:
            return type(self._given).__name__
        return self.wanted.name if self.wanted.present else "lexical"

    def embeddings(self) -> Embeddings | None:
        """Return the embedding in force, loading it at the first call; None in lexical mode."""
        if self._given is not None:
            return self._given
        if not self.wanted.present:
            return None
        with self._lock:
            if self._loaded is None:
                self._loaded = SentenceTransformerEmbeddings(
                    self.wanted.folder,
                    pooling=self.wanted.spec.pooling,
                    max_tokens=self.wanted.spec.max_tokens,
                    query_instruction=self.wanted.spec.query_instruction,
                    device=self._settings.embedding_device,
                )
            return self._loaded

    def identity(self) -> EmbeddingIdentity | None:
        """Return what identifies the vector space of the embedding in force; None in lexical mode.

        An embedding that a program brought is known by its name and dimensions only.
        """
        model = self.embeddings()
        if model is None:
            return None
        if isinstance(model, SentenceTransformerEmbeddings):
            return EmbeddingIdentity(self.embedding_name, model.fingerprint, model.dimensions)
        dimensions = len(model.embed_query("维度"))
        return EmbeddingIdentity(self.embedding_name, f"{self.embedding_name}:{dimensions}", dimensions)

    @property
    def calibration(self) -> CosineCalibration:
        """How the cosines of the embedding in force become relevance."""
        return self._spec.calibration

    @property
    def dense_weight(self) -> float:
        """The catalogue's share of the dense leg for the embedding in force."""
        return self._spec.dense_weight

    @property
    def _spec(self) -> EmbeddingSpec:
        """The catalogue's entry of the embedding in force; a generic one for an embedding that a program brought."""
        return self.wanted.spec if self._given is None else EmbeddingSpec("sentence_transformers")

    def notices(self) -> list[Message]:
        """Return what the user should know about models that are not there."""
        notices = []
        if self.llm is None:
            name = self._settings.llm if self._settings.llm != "extractive" else "chatglm-6b"
            notices.append(_NO_LLM.filled(repository=LLMS[name].repository, folder=self._settings.model_dir / name))
        if self._given is None and not self.wanted.present and self.wanted.spec.backend != "lexical":
            wanted = self.wanted
            notices.append(
                _NO_EMBEDDING.filled(
                    name=wanted.name,
                    repository=wanted.spec.repository or wanted.name,
                    folder=wanted.folder,
                )
            )
        return notices

    def _require(self) -> None:
        llm = LLMS[self._settings.llm]
        folder = self._settings.model_dir / self._settings.llm
        if self.llm is None and llm.backend != "extractive" and not has_weights(folder):
            raise ModelNotFound(name=self._settings.llm, tried=folder, repository=llm.repository)
        wanted = self.wanted
        if self._given is None and not wanted.present and wanted.spec.backend != "lexical":
            repository = wanted.spec.repository or wanted.name
            raise ModelNotFound(name=wanted.name, tried=wanted.folder, repository=repository)


def _wanted(settings: Settings) -> WantedEmbedding:
    spec = EMBEDDINGS.get(settings.embedding)
    if spec is None:  # a folder of the user's own
        folder = Path(settings.embedding).expanduser()
        return WantedEmbedding(folder.name, EmbeddingSpec("sentence_transformers"), folder, has_weights(folder))
    folder = settings.model_dir / settings.embedding
    return WantedEmbedding(settings.embedding, spec, folder, spec.backend != "lexical" and has_weights(folder))
