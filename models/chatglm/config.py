"""What a checkpoint's `config.json` says: which generation of ChatGLM it is, its sizes and its special ids.

Both families call themselves `model_type: chatglm`; they are told apart by their keys. ChatGLM-6B is "v1" (Du et al.,
2022, GLM; two-dimensional rotary positions, a prompt that sees itself in both directions). ChatGLM2-6B and
ChatGLM3-6B are "v2" (a causal decoder with grouped queries).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from core.messages import Message, literal
from core.model_errors import CheckpointUnreadable, ModelUnsupported

Family = Literal["v1", "v2"]
OLD_VOCABULARY, IMAGE_TOKENS = 150_528, 20_000

_V1_KEYS = {"inner_hidden_size", "position_encoding_2d"}
_V2_KEYS = {"padded_vocab_size", "ffn_hidden_size", "multi_query_attention"}
_V2_STRUCTURE = {  # the released models; a checkpoint that differs would be computed wrongly
    "add_qkv_bias": True,
    "add_bias_linear": False,
    "rmsnorm": True,
    "post_layer_norm": True,
    "apply_residual_connection_post_layernorm": False,
    "rope_ratio": 1,
}
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
        prefix_tokens: length of a P-Tuning v2 prefix, 0 for none.
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
    prefix_tokens: int
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
        raise _unsupported(folder, "config.json 不是 ChatGLM 的", "its config.json is not a ChatGLM's")
    try:
        return _v1(folder, values, embedding_rows) if values.keys() >= _V1_KEYS else _v2(folder, values)
    except KeyError as error:
        why = Message("缺少 {key}", "it lacks {key}").filled(key=error)
        raise CheckpointUnreadable(file=folder / "config.json", why=why, remedy=_INCOMPLETE) from error


def _v1(folder: Path, values: Mapping[str, Any], embedding_rows: int | None) -> ChatGLMConfig:
    rows = embedding_rows or values["vocab_size"]
    image_tokens = IMAGE_TOKENS if rows == OLD_VOCABULARY else 0
    written_for_images = values["vocab_size"] == OLD_VOCABULARY  # the age of the ids in the configuration

    def token(key: str, new_id: int) -> int:
        given = int(values.get(key, new_id + IMAGE_TOKENS if written_for_images else new_id))
        return given - IMAGE_TOKENS if written_for_images else given

    return ChatGLMConfig(
        family="v1",
        layers=values["num_layers"],
        hidden_size=values["hidden_size"],
        heads=values["num_attention_heads"],
        kv_heads=values["num_attention_heads"],
        head_dim=values["hidden_size"] // values["num_attention_heads"],
        ffn_size=values["inner_hidden_size"],
        vocab_size=rows - image_tokens,
        norm_epsilon=values.get("layernorm_epsilon", 1e-5),
        context_tokens=values.get("max_sequence_length", 2048),
        bits=_bits(folder, values),
        quantized_embedding=bool(values.get("quantization_embeddings")),
        prefix_tokens=values.get("pre_seq_len") or 0,
        gmask_id=token("gmask_token_id", 130_001),
        mask_id=token("mask_token_id", 130_000),
        sop_id=token("bos_token_id", 130_004),
        eos_id=token("eos_token_id", 130_005),
        pad_id=token("pad_token_id", 3),
        image_tokens=image_tokens,
    )


def _v2(folder: Path, values: Mapping[str, Any]) -> ChatGLMConfig:
    for key, released in _V2_STRUCTURE.items():
        if values.get(key, released) != released:
            raise _unsupported(
                folder,
                f"{key}={values[key]}，只支持 {released}",
                f"{key} is {values[key]}, only {released} is supported",
            )
    heads = values["num_attention_heads"]
    return ChatGLMConfig(
        family="v2",
        layers=values["num_layers"],
        hidden_size=values["hidden_size"],
        heads=heads,
        kv_heads=values["multi_query_group_num"] if values["multi_query_attention"] else heads,
        head_dim=values["kv_channels"],
        ffn_size=values["ffn_hidden_size"],
        vocab_size=values["padded_vocab_size"],
        norm_epsilon=values.get("layernorm_epsilon", 1e-5),
        context_tokens=values.get("seq_length", 8192),
        bits=_bits(folder, values),
        quantized_embedding=False,
        prefix_tokens=values.get("pre_seq_len") or 0,
        gmask_id=-1,
        mask_id=-1,
        sop_id=-1,
        eos_id=_first(values.get("eos_token_id"), 2),
        pad_id=_first(values.get("pad_token_id"), 0),
    )


def _bits(folder: Path, values: Mapping[str, Any]) -> Literal[0, 4, 8]:
    bits = values.get("quantization_bit") or 0
    if bits not in (0, 4, 8):
        raise _unsupported(
            folder, f"{bits} 位量化，只支持 4 和 8", f"quantised to {bits} bits, only 4 and 8 are supported"
        )
    return cast(Literal[0, 4, 8], bits)


def _first(value: int | list[int] | None, default: int) -> int:
    if isinstance(value, list):
        return value[0]
    return default if value is None else value


def _unsupported(folder: Path, zh: str, en: str) -> ModelUnsupported:
    return ModelUnsupported(path=folder, why=literal(zh, en))
