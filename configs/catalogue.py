"""The models KnowGLM knows by name. Data only: adding a model is adding one entry here."""

from dataclasses import dataclass
from typing import Literal

LLMBackend = Literal["chatglm", "extractive"]
EmbeddingBackend = Literal["sentence_transformers", "lexical"]


@dataclass(frozen=True, slots=True)
class LLMSpec:
    """A language model.

    Attributes:
        backend: the runtime that serves it; "extractive" quotes sentences and needs no weights.
        repository: id on the model hub, also shown as the place to download from.
        context_tokens: longest prompt plus answer, in tokens.
        memory_gb: memory that the weights take at fp16, in GB.
    """

    backend: LLMBackend
    repository: str = ""
    context_tokens: int = 2048
    memory_gb: float = 0.0


@dataclass(frozen=True, slots=True)
class CosineCalibration:
    """How a model's cosine similarity becomes relevance: 1 / (1 + exp(-(cosine - midpoint) / scale)).

    Attributes:
        midpoint: the cosine that means 50 % relevance.
        scale: the cosine distance over which relevance changes by a factor e in odds.
        source: where the two numbers come from.
    """

    midpoint: float
    scale: float
    source: str


@dataclass(frozen=True, slots=True)
class EmbeddingSpec:
    """An embedding model.

    Attributes:
        repository: id on the model hub.
        pooling: how token vectors become one vector where the model's own files do not say it.
        max_tokens: longest text the model reads; longer text is cut by the model.
        query_instruction: text put before a question (never before a passage).
        calibration: cosine to relevance.
        dense_weight: share of the dense leg in the fused relevance, 0–1, until measured on the user's own questions.
    """

    backend: EmbeddingBackend
    repository: str = ""
    pooling: Literal["mean", "cls"] = "mean"
    max_tokens: int = 512
    query_instruction: str = ""
    calibration: CosineCalibration = CosineCalibration(0.5, 0.1, "generic default, not measured for this model")
    dense_weight: float = 0.3


LLMS: dict[str, LLMSpec] = {
    "chatglm-6b": LLMSpec("chatglm", "THUDM/chatglm-6b", memory_gb=12.4),
    "chatglm-6b-int8": LLMSpec("chatglm", "THUDM/chatglm-6b-int8", memory_gb=6.7),
    "chatglm-6b-int4": LLMSpec("chatglm", "THUDM/chatglm-6b-int4", memory_gb=3.9),
    "chatglm2-6b": LLMSpec("chatglm", "THUDM/chatglm2-6b", context_tokens=8192, memory_gb=12.5),
    "chatglm2-6b-int4": LLMSpec("chatglm", "THUDM/chatglm2-6b-int4", context_tokens=8192, memory_gb=3.9),
    "chatglm3-6b": LLMSpec("chatglm", "THUDM/chatglm3-6b", context_tokens=8192, memory_gb=12.5),
    "extractive": LLMSpec("extractive"),
}

_BGE_QUERY = "为这个句子生成表示以用于检索相关文章："

EMBEDDINGS: dict[str, EmbeddingSpec] = {
    "text2vec-large-chinese": EmbeddingSpec(
        "sentence_transformers",
        "GanymedeNil/text2vec-large-chinese",
        calibration=CosineCalibration(0.60, 0.08, "bands of 649 passages of one corpus, passage against passage"),
    ),
    "text2vec-base-chinese": EmbeddingSpec(
        "sentence_transformers",
        "shibing624/text2vec-base-chinese",
        calibration=CosineCalibration(0.60, 0.08, "taken over from text2vec-large-chinese, not measured"),
    ),
    "m3e-base": EmbeddingSpec(
        "sentence_transformers",
        "moka-ai/m3e-base",
        calibration=CosineCalibration(0.78, 0.04, "estimate, not measured"),
    ),
    "bge-base-zh-v1.5": EmbeddingSpec(
        "sentence_transformers",
        "BAAI/bge-base-zh-v1.5",
        pooling="cls",
        query_instruction=_BGE_QUERY,
        calibration=CosineCalibration(0.50, 0.08, "estimate, not measured"),
        dense_weight=0.5,
    ),
    "bge-large-zh-v1.5": EmbeddingSpec(
        "sentence_transformers",
        "BAAI/bge-large-zh-v1.5",
        pooling="cls",
        query_instruction=_BGE_QUERY,
        calibration=CosineCalibration(0.50, 0.08, "estimate, not measured"),
        dense_weight=0.5,
    ),
    "lexical": EmbeddingSpec("lexical"),
}
