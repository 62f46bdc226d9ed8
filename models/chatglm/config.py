"""What a checkpoint's `config.json` says: which generation of ChatGLM it is, its sizes and its special ids.

Both families call themselves `model_type: chatglm`; they are told apart by their keys. ChatGLM-6B is "v1" (Du et al.,
2022, GLM; two-dimensional rotary positions, a prompt that sees itself in both directions). ChatGLM2-6B and
ChatGLM3-6B are "v2" (a causal decoder with grouped queries).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.messages import Message, literal
from core.model_errors import CheckpointUnreadable, ModelUnsupported

Family = Literal["v1", "v2"]
OLD_VOCABULARY, IMAGE_TOKENS = 150_528, 20_000

_V1_KEYS = {"inner_hidden_size"}
_V2_KEYS = {"padded_vocab_size", "ffn_hidden_size", "multi_query_attention"}
# What the released models have, the first value being that of a configuration that does not say.
_ANY_STRUCTURE: dict[str, tuple[object, ...]] = {"quantization_bit": (0, 4, 8, None)}
_V1_STRUCTURE = _ANY_STRUCTURE | {"position_encoding_2d": (True,)}
_V2_STRUCTURE = _ANY_STRUCTURE | {
    "add_qkv_bias": (True,),
    "add_bias_linear": (False,),
    "rmsnorm": (True,),
    "post_layer_norm": (True,),
    "apply_residual_connection_post_layernorm": (False,),
    "rope_ratio": (1,),
}
_ANOTHER_MODEL = Message("config.json 不是 ChatGLM 的", "its config.json is not a ChatGLM's")
_WRONG_VALUE = Message("{key} 缺少或不对：{value}", "{key} is missing or wrong: {value}")
_INCOMPLETE = Message(
    "重新下载这个模型：`python cli_demo.py models download 名字`。",
    "Fetch the model again: `python cli_demo.py models download NAME`.",
)


@dataclass(frozen=True, slots=True)
class ChatGLMConfig:
    """The sizes and special ids of one checkpoint, in the terms of the current vocabulary.

    Attributes:
        heads, kv_heads: attention heads of the queries, and of the keys and values.
        ffn_size: width of the feed-forward layer, for v2 of each of its two halves.
        vocab_size: rows of the vocabulary, without the image tokens of old checkpoints.
        context_tokens: longest prompt plus answer that the model was made for.
        bits: 4 or 8 where the checkpoint is quantised, else 0.
        quantized_embedding: the word embedding is quantised too (int4-qe).
        gmask_id, mask_id, sop_id: mark the end of a v1 prompt; v2 has them in its tokenizer.
        eos_id, pad_id: end of an answer; filler at the left of a batch.
        image_tokens: rows at the start of an old vocabulary that stand for images and are left out.
    """

    family: Family
    layers: int
    hidden_size: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn_size: int
    vocab_size: int
    norm_epsilon: float
    context_tokens: int
    bits: Literal[0, 4, 8]
    quantized_embedding: bool
    gmask_id: int
    mask_id: int
    sop_id: int
    eos_id: int
    pad_id: int
    image_tokens: int = 0

    @property
    def cache_numbers_per_token(self) -> int:
        """Numbers in the keys and values of one token over all layers."""
        return self.layers * 2 * self.kv_heads * self.head_dim


def is_chatglm(values: Mapping[str, Any]) -> bool:
    """Tell whether a `config.json` is of one of the two families."""
    return values.get("model_type") == "chatglm" and (values.keys() >= _V1_KEYS or values.keys() >= _V2_KEYS)


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        CheckpointUnreadable: the file is missing or holds something else.
    """
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise CheckpointUnreadable(
            file=path, why=Message("没有这个文件", "it is missing"), remedy=_INCOMPLETE
        ) from error
    except (OSError, ValueError) as error:
        why = Message("不是 JSON（{detail}）", "it is not JSON ({detail})").filled(detail=error)
        raise CheckpointUnreadable(file=path, why=why, remedy=_INCOMPLETE) from error
    if not isinstance(values, dict):
        raise CheckpointUnreadable(
            file=path, why=Message("不是 JSON 对象", "it is not a JSON object"), remedy=_INCOMPLETE
        )
    return values


def load_config(folder: Path, embedding_rows: int | None = None) -> ChatGLMConfig:
    """Read `config.json`.

    Args:
        embedding_rows: rows of the word embedding in the checkpoint; they, not the configuration, tell an old
            vocabulary from a new one.

    Raises:
        CheckpointUnreadable: no configuration, or one that lacks a key.
        ModelUnsupported: not a ChatGLM, or one of another structure.
    """
    values = read_json(folder / "config.json")
    if not is_chatglm(values):
        raise ModelUnsupported(path=folder, why=_ANOTHER_MODEL)
    is_v1 = values.keys() >= _V1_KEYS
    _require_structure(folder, values, _V1_STRUCTURE if is_v1 else _V2_STRUCTURE)
    try:
        return _v1(values, embedding_rows) if is_v1 else _v2(values)
    except ValueError as error:
        why = _WRONG_VALUE.filled(key=error, value=values.get(str(error)))
        raise CheckpointUnreadable(file=folder / "config.json", why=why, remedy=_INCOMPLETE) from error


def _require_structure(folder: Path, values: Mapping[str, Any], structure: Mapping[str, tuple[object, ...]]) -> None:
    """Refuse a model that differs from the released ones in a way that would be computed wrongly."""
    for key, released in structure.items():
        given = values.get(key, released[0])
        if given not in released or isinstance(given, bool) != isinstance(released[0], bool):
            listed = ", ".join(str(value) for value in released if value is not None)
            why = literal(f"{key}={given}，只支持 {listed}", f"{key} is {given}, only {listed} is supported")
            raise ModelUnsupported(path=folder, why=why)


def _v1(values: Mapping[str, Any], embedding_rows: int | None) -> ChatGLMConfig:
    stated_rows = _size(values, "vocab_size")
    rows = embedding_rows or stated_rows
    image_tokens = IMAGE_TOKENS if rows == OLD_VOCABULARY else 0
    skipped = IMAGE_TOKENS if stated_rows == OLD_VOCABULARY else 0  # in the ids, whatever the age of the weights

    def token(key: str, released: int) -> int:
        given = _token(values, key, released + skipped)
        return given - skipped if given >= skipped else released  # the class default of 0 names an image token

    heads, hidden_size = _size(values, "num_attention_heads"), _size(values, "hidden_size")
    return ChatGLMConfig(
        family="v1",
        layers=_size(values, "num_layers"),
        hidden_size=hidden_size,
        heads=heads,
        kv_heads=heads,
        head_dim=hidden_size // heads,
        ffn_size=_size(values, "inner_hidden_size"),
        vocab_size=rows - image_tokens,
        norm_epsilon=_epsilon(values),
        context_tokens=_size(values, "max_sequence_length", 2048),
        bits=values.get("quantization_bit") or 0,
        quantized_embedding=bool(values.get("quantization_embeddings")),
        gmask_id=token("gmask_token_id", 130_001),
        mask_id=token("mask_token_id", 130_000),
        sop_id=token("bos_token_id", 130_004),
        eos_id=token("eos_token_id", 130_005),
        pad_id=token("pad_token_id", 3),
        image_tokens=image_tokens,
    )


def _v2(values: Mapping[str, Any]) -> ChatGLMConfig:
    heads = _size(values, "num_attention_heads")
    return ChatGLMConfig(
        family="v2",
        layers=_size(values, "num_layers"),
        hidden_size=_size(values, "hidden_size"),
        heads=heads,
        kv_heads=_size(values, "multi_query_group_num") if values["multi_query_attention"] else heads,
        head_dim=_size(values, "kv_channels"),
        ffn_size=_size(values, "ffn_hidden_size"),
        vocab_size=_size(values, "padded_vocab_size"),
        norm_epsilon=_epsilon(values),
        context_tokens=_size(values, "seq_length", 8192),
        bits=values.get("quantization_bit") or 0,
        quantized_embedding=False,
        gmask_id=-1,
        mask_id=-1,
        sop_id=-1,
        eos_id=_token(values, "eos_token_id", 2),
        pad_id=_token(values, "pad_token_id", 0),
    )


def _size(values: Mapping[str, Any], key: str, default: int = 0) -> int:
    """Return a positive whole number.

    Raises:
        ValueError: with the key, where it is anything else.
    """
    given = values.get(key, default)
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise ValueError(key)
    return given


def _token(values: Mapping[str, Any], key: str, default: int) -> int:
    """Return the id under a key, the first of several; null means the default. Raises ValueError as `_size`."""
    given = values.get(key)
    if isinstance(given, list) and given:
        given = given[0]
    if given is None:
        return default
    if not isinstance(given, int) or given < 0:
        raise ValueError(key)
    return given


def _epsilon(values: Mapping[str, Any]) -> float:
    given = values.get("layernorm_epsilon", 1e-5)
    if isinstance(given, float | int) and given > 0:
        return float(given)
    raise ValueError("layernorm_epsilon")
