"""A `config.json` of either family, of any age, and what is said of one that cannot be computed."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.model_errors import CheckpointUnreadable, ModelUnsupported
from models.chatglm.config import ChatGLMConfig, is_chatglm, load_config, read_json

V1: dict[str, Any] = {  # ChatGLM-6B as released since April 2023
    "model_type": "chatglm",
    "architectures": ["ChatGLMModel"],
    "bos_token_id": 130004,
    "eos_token_id": 130005,
    "mask_token_id": 130000,
    "gmask_token_id": 130001,
    "pad_token_id": 3,
    "hidden_size": 4096,
    "inner_hidden_size": 16384,
    "layernorm_epsilon": 1e-05,
    "max_sequence_length": 2048,
    "num_attention_heads": 32,
    "num_layers": 28,
    "position_encoding_2d": True,
    "torch_dtype": "float16",
    "vocab_size": 130528,
}
V1_FIRST: dict[str, Any] = {  # the first weeks' one: 20000 rows for images, no ids of the two masks
    **{key: value for key, value in V1.items() if key not in ("mask_token_id", "gmask_token_id")},
    "bos_token_id": 150004,
    "eos_token_id": 150005,
    "pad_token_id": 20003,
    "vocab_size": 150528,
}
V2: dict[str, Any] = {  # ChatGLM2-6B
    "model_type": "chatglm",
    "architectures": ["ChatGLMModel"],
    "add_bias_linear": False,
    "add_qkv_bias": True,
    "apply_query_key_layer_scaling": True,
    "apply_residual_connection_post_layernorm": False,
    "attention_softmax_in_fp32": True,
    "ffn_hidden_size": 13696,
    "hidden_size": 4096,
    "kv_channels": 128,
    "layernorm_epsilon": 1e-05,
    "multi_query_attention": True,
    "multi_query_group_num": 2,
    "num_attention_heads": 32,
    "num_layers": 28,
    "original_rope": True,
    "padded_vocab_size": 65024,
    "post_layer_norm": True,
    "rmsnorm": True,
    "seq_length": 32768,
    "tie_word_embeddings": False,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
IDS = {"gmask_id": 130_001, "mask_id": 130_000, "sop_id": 130_004, "eos_id": 130_005, "pad_id": 3}

PLAIN: dict[str, Any] = {"norm_epsilon": 1e-5, "bits": 0, "quantized_embedding": False}


def load(folder: Path, values: object, rows: int | None = None) -> ChatGLMConfig:
    (folder / "config.json").write_text(json.dumps(values), "utf-8")
    return load_config(folder, rows)


def ids(config: ChatGLMConfig) -> dict[str, int]:
    return {name: getattr(config, name) for name in IDS}


def test_chatglm_6b(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"layers": 28, "hidden_size": 4096, "heads": 32, "kv_heads": 32, "head_dim": 128}
    assert load(tmp_path, V1) == ChatGLMConfig(
        **{"family": "v1", **sizes, "ffn_size": 16384, "vocab_size": 130_528, "context_tokens": 2048},
        **PLAIN,
        **IDS,
    )


def test_chatglm2_6b(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"layers": 28, "hidden_size": 4096, "heads": 32, "kv_heads": 2, "head_dim": 128}
    assert load(tmp_path, V2) == ChatGLMConfig(
        **{"family": "v2", **sizes, "ffn_size": 13696, "vocab_size": 65_024, "context_tokens": 32_768},
        **PLAIN,
        **IDS | {"gmask_id": -1, "mask_id": -1, "sop_id": -1, "eos_id": 2, "pad_id": 0},
    )


@pytest.mark.parametrize(("values", "kib"), [(V1, 448), (V2, 28)], ids=["v1", "v2"])
def test_the_cache_of_a_token_is_as_large_as_published(tmp_path: Path, values: dict[str, Any], kib: int) -> None:
    assert load(tmp_path, values).cache_numbers_per_token * 2 == kib * 1024


def test_without_shared_keys_every_head_has_its_own(tmp_path: Path) -> None:
    assert load(tmp_path, V2 | {"multi_query_attention": False}).kv_heads == 32


@pytest.mark.parametrize("rows", [130_528, 150_528, None], ids=["new_rows", "old_rows", "rows_unknown"])
@pytest.mark.parametrize("values", [V1, V1_FIRST], ids=["new_config", "old_config"])
def test_ids_are_those_of_the_current_vocabulary_whatever_the_age(
    tmp_path: Path, values: dict[str, Any], rows: int | None
) -> None:
    """The rows of the embedding tell the age of the weights; the configuration beside them may be of another."""
    config = load(tmp_path, values, rows)
    assert ids(config) == IDS
    assert config.vocab_size == 130_528
    assert config.image_tokens == (20_000 if (rows or values["vocab_size"]) == 150_528 else 0)


@pytest.mark.parametrize("values", [V1, V1_FIRST], ids=["new_config", "old_config"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kept=st.sets(st.sampled_from(["bos_token_id", "eos_token_id", "mask_token_id", "gmask_token_id", "pad_token_id"]))
)
def test_ids_that_the_configuration_does_not_name_are_the_released_ones(
    tmp_path: Path, values: dict[str, Any], kept: set[str]
) -> None:
    named = {key: value for key, value in values.items() if not key.endswith("_token_id") or key in kept}
    assert ids(load(tmp_path, named)) == IDS


def test_ids_that_differ_from_the_released_ones_are_taken(tmp_path: Path) -> None:
    own = {"bos_token_id": 314, "eos_token_id": 315, "mask_token_id": 310, "gmask_token_id": 311, "pad_token_id": 7}
    config = load(tmp_path, V1 | own | {"vocab_size": 320}, 320)
    assert ids(config) == {"gmask_id": 311, "mask_id": 310, "sop_id": 314, "eos_id": 315, "pad_id": 7}


def test_an_old_configuration_with_the_default_pad_has_no_negative_id(tmp_path: Path) -> None:
    """The first release's class says `pad_token_id=0`, and `save_pretrained` writes it beside ids above 150000."""
    config = load(tmp_path, V1_FIRST | {"pad_token_id": 0})
    assert 0 <= config.pad_id < config.vocab_size


@pytest.mark.parametrize("key", ["pad_token_id", "gmask_token_id", "mask_token_id", "bos_token_id", "eos_token_id"])
def test_an_id_of_null_is_one_that_is_not_named(tmp_path: Path, key: str) -> None:
    assert ids(load(tmp_path, V1 | {key: None})) == IDS


@pytest.mark.parametrize(
    ("given", "eos", "pad"),
    [({}, 2, 0), ({"eos_token_id": None, "pad_token_id": None}, 2, 0), ({"eos_token_id": [5, 6]}, 5, 0)],
    ids=["absent", "null", "several"],
)
def test_v2_ids_have_defaults(tmp_path: Path, given: dict[str, Any], eos: int, pad: int) -> None:
    values = {key: value for key, value in V2.items() if not key.endswith("_token_id")} | given
    config = load(tmp_path, values)
    assert (config.eos_id, config.pad_id) == (eos, pad)


@pytest.mark.parametrize(
    ("values", "changes", "expected"),
    [
        (V1, {"quantization_bit": 4}, (4, False)),
        (V1, {"quantization_bit": 8}, (8, False)),
        (V1, {"quantization_bit": 0}, (0, False)),
        (V1, {"quantization_bit": None, "pre_seq_len": None}, (0, False)),
        (V1, {"quantization_bit": 4, "quantization_embeddings": True}, (4, True)),
        (V1, {"pre_seq_len": 128}, (0, False)),
        (V2, {"quantization_bit": 4}, (4, False)),
        (V2, {"quantization_bit": 0, "pre_seq_len": 64}, (0, False)),
    ],
    ids=["v1_int4", "v1_int8", "v1_zero", "v1_null", "v1_int4_qe", "v1_prefix", "v2_int4", "v2_prefix"],
)
def test_optional_keys(
    tmp_path: Path, values: dict[str, Any], changes: dict[str, Any], expected: tuple[int, bool]
) -> None:
    config = load(tmp_path, values | changes)
    assert (config.bits, config.quantized_embedding) == expected


REQUIRED = [
    *((V1, key) for key in ("num_layers", "hidden_size", "num_attention_heads", "vocab_size")),
    *((V2, key) for key in ("num_layers", "hidden_size", "num_attention_heads", "kv_channels")),
    (V2, "multi_query_group_num"),
]


@pytest.mark.parametrize(("values", "key"), REQUIRED, ids=lambda value: value if isinstance(value, str) else None)
def test_a_missing_size_is_named(tmp_path: Path, values: dict[str, Any], key: str) -> None:
    with pytest.raises(CheckpointUnreadable) as caught:
        load(tmp_path, {name: value for name, value in values.items() if name != key})
    for language in ("zh", "en"):
        assert key in caught.value.reason(language)
        assert str(tmp_path / "config.json") in caught.value.reason(language)
        assert "models download" in caught.value.advice(language)


@pytest.mark.parametrize(
    ("values", "changes"),
    [
        (V1, {"num_layers": "28"}),
        (V1, {"hidden_size": None}),
        (V1, {"num_attention_heads": 0}),
        (V1, {"layernorm_epsilon": "small"}),
        (V2, {"ffn_hidden_size": [13696]}),
        (V2, {"eos_token_id": []}),
    ],
    ids=["text", "null", "zero", "epsilon", "list", "no_eos"],
)
def test_a_size_that_is_no_number_is_refused(tmp_path: Path, values: dict[str, Any], changes: dict[str, Any]) -> None:
    with pytest.raises(CheckpointUnreadable, match=next(iter(changes))):
        load(tmp_path, values | changes)


@pytest.mark.parametrize(
    "flag",
    [
        {"add_qkv_bias": False},
        {"add_bias_linear": True},
        {"rmsnorm": False},
        {"post_layer_norm": False},
        {"apply_residual_connection_post_layernorm": True},
        {"rope_ratio": 50},
    ],
    ids=lambda flag: next(iter(flag)),
)
def test_another_structure_is_refused_by_its_flag(tmp_path: Path, flag: dict[str, Any]) -> None:
    with pytest.raises(ModelUnsupported) as caught:
        load(tmp_path, V2 | flag)
    ((key, value),) = flag.items()
    for language in ("zh", "en"):
        assert key in caught.value.reason(language)
        assert str(value) in caught.value.reason(language)


def test_the_released_flags_may_be_absent_or_of_another_type(tmp_path: Path) -> None:
    flags = {"add_qkv_bias", "add_bias_linear", "rmsnorm", "post_layer_norm"}
    without = {key: value for key, value in V2.items() if key not in flags}
    assert load(tmp_path, without | {"rope_ratio": 1.0}) == load(tmp_path, V2)


def test_v1_with_plain_positions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnsupported, match="position_encoding_2d"):
        load(tmp_path, V1 | {"position_encoding_2d": False})


@pytest.mark.parametrize("values", [V1, V2], ids=["v1", "v2"])
@pytest.mark.parametrize("bits", [2, 3, 16, -4, "4", True], ids=str)
def test_other_widths_are_refused(tmp_path: Path, values: dict[str, Any], bits: object) -> None:
    with pytest.raises(ModelUnsupported) as caught:
        load(tmp_path, values | {"quantization_bit": bits})
    assert str(bits) in caught.value.reason("zh")
    assert str(bits) in caught.value.reason("en")


OTHERS = {
    "empty": {},
    "llama": {"model_type": "llama", "hidden_size": 8},
    "glm4": {**V2, "model_type": "glm4"},
    "bare": {"model_type": "chatglm"},
    "half_v2": {"model_type": "chatglm", "padded_vocab_size": 65024},
    "no_type": {key: value for key, value in V1.items() if key != "model_type"},
}


@pytest.mark.parametrize("values", OTHERS.values(), ids=OTHERS)
def test_other_models_are_told_apart(tmp_path: Path, values: dict[str, Any]) -> None:
    assert not is_chatglm(values)
    with pytest.raises(ModelUnsupported, match="ChatGLM"):
        load(tmp_path, values)


def test_both_families_are_recognised() -> None:
    assert all(is_chatglm(values) for values in (V1, V1_FIRST, V2))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "missing"),
        (b"", "JSON"),
        (b"{'model_type': 'chatglm'}", "JSON"),
        (b'["chatglm"]', "not a JSON object"),
        (b"\xff\xfe{\x00}\x00", "JSON"),
        (b"version https://git-lfs.github.com/spec/v1\n", "JSON"),
        (b'{"a": ' + b"{" * 20, "JSON"),
    ],
    ids=["missing", "empty", "python", "list", "utf16", "lfs", "cut"],
)
def test_what_is_no_json_is_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointUnreadable, match=reason) as caught:
        read_json(path)
    assert caught.value.values["file"] == path
    assert caught.value.reason("zh").startswith(f"模型文件 {path} 用不了：")
    assert caught.value.__cause__ is not None or content == b'["chatglm"]'
