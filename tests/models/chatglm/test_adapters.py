"""LoRA as PEFT itself merges it, P-Tuning v2 as the official scripts lay it out, and refusals of all the rest."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from core.model_errors import AdapterRefused, CheckpointUnreadable
from models.chatglm.adapters import open_adapter
from models.chatglm.checkpoint import Checkpoint
from models.chatglm.lora import LoraAdapter
from models.chatglm.prefix import PrefixAdapter, prefix_from_checkpoint

HIDDEN, LAYERS = 8, 3
QKV, DENSE, UP = "query_key_value", "dense", "dense_h_to_4h"
QKV_0 = f"transformer.layers.0.attention.{QKV}.weight"


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query_key_value = nn.Linear(HIDDEN, 3 * HIDDEN)
        self.dense = nn.Linear(HIDDEN, HIDDEN)


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention()
        self.mlp = nn.ModuleDict({UP: nn.Linear(HIDDEN, 4 * HIDDEN), "dense_4h_to_h": nn.Linear(4 * HIDDEN, HIDDEN)})


class Model(nn.Module):
    """Linear layers with ChatGLM-6B's names."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = nn.ModuleDict({"layers": nn.ModuleList(Layer() for _ in range(LAYERS))})
        self.lm_head = nn.Linear(HIDDEN, 20, bias=False)


def save_trained(model: nn.Module, config: LoraConfig, folder: Path, **how: Any) -> None:
    """Write an adapter whose every trainable weight is random, as PEFT writes it."""
    trained = get_peft_model(copy.deepcopy(model), config)
    with torch.no_grad():
        for weight in trained.parameters():
            if weight.requires_grad:
                weight.normal_(std=0.5)
    trained.save_pretrained(folder, **how)


def merged_by_peft(model: nn.Module, folder: Path) -> dict[str, Tensor]:
    merged: dict[str, Tensor] = PeftModel.from_pretrained(copy.deepcopy(model), folder).merge_and_unload().state_dict()
    return merged


def open_lora(folder: Path) -> LoraAdapter:
    adapter = open_adapter(folder)
    assert isinstance(adapter, LoraAdapter)
    return adapter


def shapes_of(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in model.state_dict().items()}


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({}, {QKV}),
        ({"use_rslora": True, "lora_alpha": 5}, {QKV}),
        ({"target_modules": [QKV, DENSE, UP, "dense_4h_to_h"]}, {QKV, DENSE, UP, "dense_4h_to_h"}),
        ({"target_modules": [QKV, DENSE], "rank_pattern": {DENSE: 2}, "alpha_pattern": {QKV: 7}}, {QKV, DENSE}),
        ({"rank_pattern": {r"layers\.[01]\..*": 1, QKV: 3}, "alpha_pattern": {r"0\.attention\.\w+": 1}}, {QKV}),
        ({"rank_pattern": {QKV: 6}, "alpha_pattern": {"1.attention." + QKV: 9}, "use_rslora": True}, {QKV}),
        pytest.param(
            {"alpha_pattern": {"key_value": 99}}, {QKV}, marks=pytest.mark.filterwarnings("ignore:.*did not match any")
        ),
        ({"bias": "lora_only"}, {QKV}),
        ({"bias": "all"}, {QKV, DENSE, UP, "dense_4h_to_h"}),
        ({"modules_to_save": ["lm_head", DENSE]}, {QKV, DENSE, "lm_head"}),
        ({"layers_to_transform": [1], "layers_pattern": "layers"}, {QKV}),
        ({"init_lora_weights": "gaussian", "lora_dropout": 0.3}, {QKV}),
    ],
    ids=[
        *("plain", "rslora", "all_linears", "patterns", "regex", "both", "part_of_a_name"),
        *("bias_own", "bias_all", "saved_modules", "one_layer", "options"),
    ],
)
@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "bin"])
def test_every_weight_becomes_what_peft_makes_of_it(
    tmp_path: Path, options: dict[str, Any], changed: set[str], safe: bool
) -> None:
    model = Model()
    save_trained(model, LoraConfig(**{"r": 4, "target_modules": [QKV], **options}), tmp_path, safe_serialization=safe)
    expected = merged_by_peft(model, tmp_path)
    adapter = open_lora(tmp_path)
    adapter.check(shapes_of(model))
    assert {name.split(".")[-2] for name in adapter.names} == changed
    for name, weight in model.state_dict().items():
        ours = adapter.merge(name, weight)
        torch.testing.assert_close(ours, expected[name], rtol=0, atol=1e-6)
        assert torch.equal(ours, weight) == (name not in adapter.names)


def test_a_transposing_adapter_is_read_as_peft_reads_it(tmp_path: Path) -> None:
    """`fan_in_fan_out` is meant for layers that store [in, out]; PEFT clears it for all of ChatGLM's."""
    model = Model()
    save_trained(model, LoraConfig(r=2, target_modules=[DENSE]), tmp_path)
    edit_config(tmp_path, fan_in_fan_out=True)
    with pytest.warns(UserWarning, match="fan_in_fan_out"):
        expected = merged_by_peft(model, tmp_path)
    adapter = open_lora(tmp_path)
    for name in adapter.names:
        torch.testing.assert_close(adapter.merge(name, model.state_dict()[name]), expected[name], rtol=0, atol=1e-6)


def edit_config(folder: Path, **values: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


def edit_weights(folder: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    path = folder / "adapter_model.safetensors"
    save_file(change(load_file(path)), path)


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    """The folder of a plain adapter of rank 4 on the attention's first matrices."""
    save_trained(Model(), LoraConfig(r=4, lora_alpha=6, target_modules=[QKV]), tmp_path)
    return tmp_path


def test_names_as_early_trainers_wrote_them_are_understood(lora: Path) -> None:
    plain = open_lora(lora).merge(QKV_0, torch.zeros(3 * HIDDEN, HIDDEN))
    edit_weights(lora, lambda held: {name.replace(".weight", ".default.weight"): held[name] for name in held})
    assert torch.equal(open_lora(lora).merge(QKV_0, torch.zeros(3 * HIDDEN, HIDDEN)), plain)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(lora: Path, dtype: torch.dtype) -> None:
    factors = load_file(lora / "adapter_model.safetensors")
    a, b = (factors["base_model.model." + QKV_0.replace("weight", f"lora_{side}.weight")].double() for side in "AB")
    weight = torch.randn(3 * HIDDEN, HIDDEN).to(dtype)
    merged = open_lora(lora).merge(QKV_0, weight)
    assert merged.dtype == dtype
    assert torch.equal(merged, (weight.double() + 6 / 4 * (b @ a)).float().to(dtype))


def test_the_base_is_left_as_it_was(lora: Path) -> None:
    weight = torch.zeros(3 * HIDDEN, HIDDEN)
    adapter = open_lora(lora)
    assert adapter.merge(QKV_0, weight).any()
    assert not weight.any()
    assert adapter.merge("lm_head.weight", weight) is weight


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({QKV_0: None}, f"lacks {QKV_0}"),
        ({QKV_0: (24, 4)}, r"is \(24, 8\), in the base model it is \(24, 4\)"),
    ],
    ids=["missing", "other_shape"],
)
def test_another_base_is_noticed_before_it_is_loaded(lora: Path, change: dict[str, Any], reason: str) -> None:
    shapes = {name: shape for name, shape in (shapes_of(Model()) | change).items() if shape}
    with pytest.raises(AdapterRefused, match=reason):
        open_lora(lora).check(shapes)


@pytest.mark.parametrize(
    ("weight", "reason"),
    [
        (torch.zeros(8, 24), "in the base model"),
        (torch.zeros(24, 8, dtype=torch.int8), "quantised"),
    ],
    ids=["transposed", "codes"],
)
def test_a_weight_that_does_not_fit_is_not_merged(lora: Path, weight: Tensor, reason: str) -> None:
    with pytest.raises(AdapterRefused, match=reason):
        open_lora(lora).merge(QKV_0, weight)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"use_dora": True}, "use_dora"),
        pytest.param(
            {"lora_bias": True},
            "lora_bias",
            marks=pytest.mark.filterwarnings("ignore:Adapter 'default'.*invalid shape"),
        ),
        ({"init_lora_weights": "pissa"}, "initialised with pissa"),
        ({"init_lora_weights": "olora"}, "initialised with olora"),
        ({"target_modules": ["word_embeddings"]}, "lora_embedding_A"),
    ],
    ids=["dora", "lora_bias", "pissa", "olora", "embedding"],
)
def test_what_peft_does_beyond_plain_lora_is_refused(tmp_path: Path, options: dict[str, Any], reason: str) -> None:
    model = Model()
    model.transformer["word_embeddings"] = nn.Embedding(20, HIDDEN)
    config = LoraConfig(**{"r": 4, "target_modules": [QKV], **options})
    save_trained(model, config, tmp_path, save_embedding_layers=False)
    with pytest.raises(AdapterRefused, match=reason) as caught:
        open_adapter(tmp_path)
    assert str(tmp_path) in caught.value.text("zh")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        *(({"peft_type": kind}, kind) for kind in ("PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING", "ADALORA", "IA3")),
        ({"peft_type": None}, "None"),
        ({"enable_lora": [True, False, True]}, "MergedLinear"),
        ({"layer_replication": [[0, 2]]}, "layer_replication"),
        ({"invented_later": 1, "use_dora": True}, "not supported: invented_later, use_dora"),
        ({"r": 8}, "rank 8"),
        ({"r": None}, "r or rank_pattern"),
        ({"rank_pattern": ["x"]}, "r or rank_pattern"),
        ({"alpha_pattern": {"(": 1}}, "lora_alpha or alpha_pattern"),
        ({"lora_alpha": "much"}, "lora_alpha or alpha_pattern"),
        ({"modules_to_save": ["lm_head"]}, "lack lm_head"),
        ({"bias": "all"}, "lack bias"),
    ],
    ids=lambda value: None if isinstance(value, dict) else "".join(filter(str.isalnum, value)),
)
def test_settings_that_cannot_be_followed_are_refused(lora: Path, config: dict[str, Any], reason: str) -> None:
    edit_config(lora, **config)
    with pytest.raises(AdapterRefused, match=reason):
        open_adapter(lora)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda held: {name: held[name] for name in held if "lora_A" in name}, "no pair"),
        (lambda held: {name: tensor[..., None] for name, tensor in held.items()}, "no pair"),
        (lambda held: {}, "lack lora_A"),
        (lambda held: held | {"x.lora_magnitude_vector": torch.ones(1)}, "lora_magnitude_vector"),
        (lambda held: held | {"x.lora_A.second.weight": torch.ones(1)}, "lora_A.second"),
    ],
    ids=["half", "convolution", "empty", "dora", "two_adapters"],
)
def test_weights_that_are_not_plain_pairs_are_refused(
    lora: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]], reason: str
) -> None:
    edit_weights(lora, change)
    with pytest.raises(AdapterRefused, match=reason):
        open_adapter(lora)


def test_an_adapter_without_weights_or_settings_is_refused(lora: Path) -> None:
    (lora / "adapter_model.safetensors").unlink()
    with pytest.raises(AdapterRefused, match=r"adapter_model\.safetensors"):
        open_adapter(lora)
    (lora / "adapter_config.json").unlink()
    with pytest.raises(AdapterRefused, match="neither"):
        open_adapter(lora)


def test_damaged_files_are_named(lora: Path, tmp_path: Path) -> None:
    (lora / "adapter_model.safetensors").write_bytes(b"short")
    with pytest.raises(CheckpointUnreadable, match=r"adapter_model\.safetensors"):
        open_adapter(lora)
    (lora / "adapter_config.json").write_text("{", "utf-8")
    with pytest.raises(CheckpointUnreadable, match=r"adapter_config\.json"):
        open_adapter(lora)
    with pytest.raises(CheckpointUnreadable, match="nowhere"):
        open_adapter(tmp_path / "nowhere")


def test_code_in_an_adapter_is_refused(lora: Path) -> None:
    (lora / "adapter_model.safetensors").unlink()
    torch.save({"layer": nn.Linear(1, 1)}, lora / "adapter_model.bin")
    with pytest.raises(CheckpointUnreadable, match="run code"):
        open_adapter(lora)


V1 = {"layers": 3, "kv_heads": 4, "head_dim": 2}
V2 = {"layers": 3, "kv_heads": 2, "head_dim": 4}
TOKENS = 5


def encoder(sizes: dict[str, int], between: int | None) -> tuple[dict[str, Tensor], Tensor]:
    """Return a prefix encoder's weights and its output, [tokens, layers * 2 * heads * head_dim].

    With a projection, ChatGLM-6B's rows have the hidden size, ChatGLM2-6B's the size of all keys and values.
    """
    whole = 2 * sizes["layers"] * sizes["kv_heads"] * sizes["head_dim"]
    if between is None:
        embedding = nn.Embedding(TOKENS, whole)
        return {"embedding.weight": embedding.weight.detach()}, embedding.weight.detach()
    embedding = nn.Embedding(TOKENS, between)
    trans = nn.Sequential(nn.Linear(between, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, whole))
    weights = {"embedding.weight": embedding.weight} | {f"trans.{name}": w for name, w in trans.named_parameters()}
    return {name: weight.detach() for name, weight in weights.items()}, trans(embedding.weight).detach()


def save_prefix(folder: Path, weights: dict[str, Tensor], *, name: str = "pytorch_model.bin", **config: Any) -> None:
    named = {f"transformer.prefix_encoder.{key}": weight for key, weight in weights.items()}
    save = save_file if name.endswith("safetensors") else torch.save
    save({**named, "lm_head.weight": torch.ones(2)}, folder / name)
    (folder / "config.json").write_text(json.dumps({"model_type": "chatglm", **config}), "utf-8")


def open_prefix(folder: Path) -> PrefixAdapter:
    adapter = open_adapter(folder)
    assert isinstance(adapter, PrefixAdapter)
    return adapter


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
@pytest.mark.parametrize(
    ("sizes", "between"),
    [(V1, None), (V2, None), (V1, HIDDEN), (V2, 48)],
    ids=["v1", "v2", "v1_projected", "v2_projected"],
)
def test_a_prefix_is_laid_out_as_it_was_trained(
    tmp_path: Path, sizes: dict[str, int], between: int | None, name: str
) -> None:
    """The official models view a row as [2 * layers, heads, head_dim]; layer i has 2i as keys and 2i + 1 as values."""
    weights, rows = encoder(sizes, between)
    save_prefix(tmp_path, weights, name=name, pre_seq_len=TOKENS, prefix_projection=between is not None)
    prefix = open_prefix(tmp_path)
    held = prefix.keys_values(**sizes)
    heads, size = sizes["kv_heads"], sizes["head_dim"]
    assert prefix.tokens == TOKENS
    assert held.dtype == torch.float32
    assert held.shape == (sizes["layers"], 2, heads, TOKENS, size)
    for layer in range(sizes["layers"]):
        for kind in range(2):
            for head in range(heads):
                start = ((2 * layer + kind) * heads + head) * size
                torch.testing.assert_close(held[layer, kind, head], rows[:, start : start + size], rtol=0, atol=1e-6)


def test_a_half_precision_prefix_is_computed_in_fp32(tmp_path: Path) -> None:
    weights, _ = encoder(V1, HIDDEN)
    halves = {name: weight.half() for name, weight in weights.items()}
    save_prefix(tmp_path, halves, pre_seq_len=TOKENS, prefix_projection=True)
    first = open_prefix(tmp_path).keys_values(**V1)
    save_prefix(
        tmp_path, {name: weight.float() for name, weight in halves.items()}, pre_seq_len=TOKENS, prefix_projection=True
    )
    assert torch.equal(open_prefix(tmp_path).keys_values(**V1), first)


@pytest.mark.parametrize(
    ("between", "config", "reason"),
    [
        (None, {"pre_seq_len": 6}, "pre_seq_len=6"),
        (None, {}, "pre_seq_len=0"),
        (None, {"pre_seq_len": TOKENS, "prefix_projection": True}, "prefix_projection=True"),
        (HIDDEN, {"pre_seq_len": TOKENS}, "prefix_projection=False"),
    ],
    ids=["length", "no_length", "no_projection", "projection"],
)
def test_a_prefix_that_contradicts_its_configuration_is_refused(
    tmp_path: Path, between: int | None, config: dict[str, Any], reason: str
) -> None:
    weights, _ = encoder(V1, between)
    save_prefix(tmp_path, weights, **config)
    with pytest.raises(AdapterRefused, match=reason):
        open_adapter(tmp_path)


@pytest.mark.parametrize("between", [None, HIDDEN], ids=["plain", "projected"])
def test_a_prefix_for_other_sizes_is_refused(tmp_path: Path, between: int | None) -> None:
    save_prefix(tmp_path, encoder(V1, between)[0], pre_seq_len=TOKENS, prefix_projection=between is not None)
    with pytest.raises(AdapterRefused, match="does not fit"):
        open_prefix(tmp_path).keys_values(layers=4, kv_heads=4, head_dim=2)


def test_broken_projections_are_refused(tmp_path: Path) -> None:
    weights, _ = encoder(V1, HIDDEN)
    save_prefix(tmp_path, weights | {"trans.0.weight": torch.ones(2, 3)}, pre_seq_len=TOKENS, prefix_projection=True)
    with pytest.raises(AdapterRefused, match="does not fit"):
        open_prefix(tmp_path).keys_values(**V1)


def test_a_checkpoint_may_hold_its_own_prefix(tmp_path: Path) -> None:
    weights, rows = encoder(V2, None)
    save_prefix(tmp_path, weights)
    with Checkpoint(tmp_path) as checkpoint:
        prefix = prefix_from_checkpoint(checkpoint, {"pre_seq_len": TOKENS})
    assert prefix is not None
    assert torch.equal(prefix.keys_values(**V2)[0, 0, 0], rows[:, :4])


def test_a_checkpoint_without_a_prefix_has_none_unless_it_claims_one(tmp_path: Path) -> None:
    save_prefix(tmp_path, {}, pre_seq_len=None)
    with Checkpoint(tmp_path) as checkpoint:
        assert prefix_from_checkpoint(checkpoint, {"pre_seq_len": None}) is None
        with pytest.raises(AdapterRefused, match="pre_seq_len=5"):
            prefix_from_checkpoint(checkpoint, {"pre_seq_len": TOKENS})
    with pytest.raises(AdapterRefused, match="holds no prefix"):
        open_adapter(tmp_path)
