"""How much memory a checkpoint takes in each precision, before any of it is read."""

from dataclasses import dataclass
from typing import Literal

from models.chatglm.config import ChatGLMConfig

Precision = Literal["fp16", "bf16", "fp32", "int8", "int4"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "bf16", "int8", "int4")

GROUP_SIZE = 32  # weights that share a scale and an offset where int4 is made while loading
_WORKING_BYTES = 600_000_000  # activations of a prompt, one layer expanded to bf16, the interpreter's own
_GROUP_BYTES = 4  # a scale and an offset, 16 bits each
_WEIGHT_BYTES: dict[Precision, float] = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1, "int4": 0.5}


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory of one loaded model, in bytes.

    Attributes:
        layer: weights, keys and values of one layer.
        embedding, head: of the two ends; one matrix is both where they are `tied` and on one device.
        working: what a computation takes besides, on each device.
    """

    layer: float
    layers: int
    embedding: float
    head: float
    tied: bool
    working: float = _WORKING_BYTES

    @property
    def ends(self) -> float:
        """Embedding and head where both are on one device."""
        return self.embedding + (0 if self.tied else self.head)

    @property
    def total_gb(self) -> float:
        """Everything together on one device, in GB (10⁹ bytes)."""
        return (self.layer * self.layers + self.ends + self.working) / 1e9


def footprint(config: ChatGLMConfig, precision: Precision, cached_tokens: int, *, wide_bytes: int = 2) -> Footprint:
    """Estimate the memory of a checkpoint.

    Args:
        precision: of the linear layers.
        cached_tokens: room for keys and values, in tokens.
        wide_bytes: width of what is not quantised: embedding, head, keys and values.
    """
    weights = _layer_weights(config)
    per_weight = _WEIGHT_BYTES[precision]
    if precision == "int4" and not config.bits:
        per_weight += _GROUP_BYTES / GROUP_SIZE
    cache = cached_tokens * config.cache_numbers_per_token * wide_bytes / config.layers
    table = config.vocab_size * config.hidden_size * (config.bits / 8 if config.quantized_embedding else wide_bytes)
    tied = config.family == "v1" and not config.quantized_embedding  # the codes of a quantised head are packed anew
    return Footprint(weights * per_weight + cache, config.layers, table, table, tied)


def _layer_weights(config: ChatGLMConfig) -> int:
    """Return the number of weights in the linear layers of one layer."""
    hidden, heads = config.hidden_size, config.heads * config.head_dim
    qkv = hidden * (config.heads + 2 * config.kv_heads) * config.head_dim
    halves = 1 if config.family == "v1" else 2
    return qkv + heads * hidden + (halves + 1) * hidden * config.ffn_size
