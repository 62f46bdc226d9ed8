"""The models KnowGLM knows by name. Data only: adding a model is adding one entry here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

LLMBackend = Literal["chatglm", "transformers", "openai", "extractive"]
EmbeddingBackend = Literal["sentence_transformers", "openai", "lexical"]
Precision = Literal["fp16", "bf16", "fp32", "int8", "int4"]
ChatStyle = Literal["template", "vicuna", "rwkv", "moss", "plain"]


@dataclass(frozen=True, slots=True)
class LLMSpec:
    """A language model.

    Attributes:
        backend: the runtime that serves it; "extractive" quotes sentences and needs no weights.
        repository: id on the model hub, also shown as the place to download from.
        context_tokens: longest prompt plus answer, in tokens.
        precision: the precision of the weights as they are published.
        weights_gb: memory that the weights take in each precision the model can run in, in GB.
        download_gb: size of the files on the hub, in GB.
        chat_style: how a conversation is written for it; "template" means the chat template of its own tokenizer.
    """

    backend: LLMBackend
    repository: str = ""
    context_tokens: int = 2048
    precision: Precision = "fp16"
    weights_gb: Mapping[Precision, float] = field(default_factory=dict)
    download_gb: float = 0.0
    chat_style: ChatStyle = "template"


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
        download_gb: size of the files on the hub, in GB.
    """

    backend: EmbeddingBackend
    repository: str = ""
    pooling: Literal["mean", "cls"] = "mean"
    max_tokens: int = 512
    query_instruction: str = ""
    calibration: CosineCalibration = CosineCalibration(0.5, 0.1, "generic default, not measured for this model")
    dense_weight: float = 0.3
    download_gb: float = 0.0


_GLM1: Mapping[Precision, float] = {"fp16": 12.4, "bf16": 12.4, "fp32": 24.7, "int8": 6.8, "int4": 4.6}
_GLM2: Mapping[Precision, float] = {"fp16": 12.5, "bf16": 12.5, "fp32": 25.0, "int8": 6.8, "int4": 4.6}


def _half(size_gb: float) -> Mapping[Precision, float]:
    return {"fp16": size_gb, "bf16": size_gb, "fp32": 2 * size_gb}


LLMS: dict[str, LLMSpec] = {
    "chatglm-6b": LLMSpec("chatglm", "THUDM/chatglm-6b", weights_gb=_GLM1, download_gb=13.4),
    "chatglm-6b-int8": LLMSpec(
        "chatglm", "THUDM/chatglm-6b-int8", precision="int8", weights_gb={"int8": 6.7}, download_gb=6.7
    ),
    "chatglm-6b-int4": LLMSpec(
        "chatglm", "THUDM/chatglm-6b-int4", precision="int4", weights_gb={"int4": 3.9}, download_gb=3.9
    ),
    "chatglm-6b-int4-qe": LLMSpec(
        "chatglm", "THUDM/chatglm-6b-int4-qe", precision="int4", weights_gb={"int4": 3.1}, download_gb=3.1
    ),
    "chatglm2-6b": LLMSpec("chatglm", "THUDM/chatglm2-6b", context_tokens=8192, weights_gb=_GLM2, download_gb=12.5),
    "chatglm2-6b-int4": LLMSpec(
        "chatglm",
        "THUDM/chatglm2-6b-int4",
        context_tokens=8192,
        precision="int4",
        weights_gb={"int4": 3.9},
        download_gb=3.9,
    ),
    "chatglm3-6b": LLMSpec("chatglm", "THUDM/chatglm3-6b", context_tokens=8192, weights_gb=_GLM2, download_gb=12.5),
    "qwen2.5-7b-instruct": LLMSpec(
        "transformers", "Qwen/Qwen2.5-7B-Instruct", 32_768, "bf16", weights_gb=_half(15.2), download_gb=15.2
    ),
    "qwen2.5-1.5b-instruct": LLMSpec(
        "transformers", "Qwen/Qwen2.5-1.5B-Instruct", 32_768, "bf16", weights_gb=_half(3.1), download_gb=3.1
    ),
    "glm-4-9b-chat-hf": LLMSpec(
        "transformers", "THUDM/glm-4-9b-chat-hf", 131_072, "bf16", weights_gb=_half(18.8), download_gb=18.8
    ),
    "vicuna-7b-v1.5": LLMSpec(
        "transformers", "lmsys/vicuna-7b-v1.5", 4096, weights_gb=_half(13.5), download_gb=13.5, chat_style="vicuna"
    ),
    "rwkv-raven-3b": LLMSpec(
        "transformers", "RWKV/rwkv-raven-3b", 4096, weights_gb=_half(6.0), download_gb=6.0, chat_style="rwkv"
    ),
    "moss-moon-003-sft": LLMSpec(
        "transformers", "fnlp/moss-moon-003-sft", 2048, weights_gb=_half(33.4), download_gb=33.4, chat_style="moss"
    ),
    "extractive": LLMSpec("extractive"),
}

_BGE_QUERY = "为这个句子生成表示以用于检索相关文章："

EMBEDDINGS: dict[str, EmbeddingSpec] = {
    "text2vec-large-chinese": EmbeddingSpec(
        "sentence_transformers",
        "GanymedeNil/text2vec-large-chinese",
        download_gb=1.3,
        calibration=CosineCalibration(0.60, 0.08, "bands of 649 passages of one corpus, passage against passage"),
    ),
    "text2vec-base-chinese": EmbeddingSpec(
        "sentence_transformers",
        "shibing624/text2vec-base-chinese",
        download_gb=0.4,
        calibration=CosineCalibration(0.60, 0.08, "taken over from text2vec-large-chinese, not measured"),
    ),
    "m3e-base": EmbeddingSpec(
        "sentence_transformers",
        "moka-ai/m3e-base",
        download_gb=0.4,
        calibration=CosineCalibration(0.78, 0.04, "estimate, not measured"),
    ),
    "bge-base-zh-v1.5": EmbeddingSpec(
        "sentence_transformers",
        "BAAI/bge-base-zh-v1.5",
        download_gb=0.4,
        pooling="cls",
        query_instruction=_BGE_QUERY,
        calibration=CosineCalibration(0.50, 0.08, "estimate, not measured"),
        dense_weight=0.5,
    ),
    "bge-large-zh-v1.5": EmbeddingSpec(
        "sentence_transformers",
        "BAAI/bge-large-zh-v1.5",
        download_gb=1.3,
        pooling="cls",
        query_instruction=_BGE_QUERY,
        calibration=CosineCalibration(0.50, 0.08, "estimate, not measured"),
        dense_weight=0.5,
    ),
    "lexical": EmbeddingSpec("lexical"),
}
