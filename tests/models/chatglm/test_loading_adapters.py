"""Fine-tuned models: LoRA against weights merged by hand, prefixes against a decoder written anew here."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from chatglm_folders import Tensors, changed, load, logits, prompt_of, recorded, recorded_config, save
from golden_cases import TINY
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, silu

from core.model_errors import AdapterRefused
from models.chatglm.adapters import open_adapter
from models.chatglm.footprint import Precision
from models.chatglm.prefix import PrefixAdapter

RANK, ALPHA, PREFIX = 4, 6, 5
HEAD, EMBEDDING = "lm_head.weight", "transformer.word_embeddings.weight"
ATTENTION = {"v1": "transformer.layers.{}.attention", "v2": "transformer.encoder.layers.{}.self_attention"}


def save_lora(folder: Path, factors: dict[str, tuple[Tensor, Tensor]], **options: Any) -> Path:
    """Write an adapter in PEFT's format: B [out, rank] and A [rank, in] of each weight."""
    folder.mkdir()
    values = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "target_modules": ["x"], **options}
    (folder / "adapter_config.json").write_text(json.dumps(values), "utf-8")
    tensors = {
        f"base_model.model.{name.removesuffix('.weight')}.lora_{side}.weight": factor
        for name, pair in factors.items()
        for side, factor in zip("BA", pair, strict=True)
    }
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


def factors_for(names: Sequence[str], held: Tensors) -> dict[str, tuple[Tensor, Tensor]]:
    """Return random factors of which every product and sum is exact, so that merging in any order is bit-equal."""
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> Tensor:
        return torch.randint(-3, 4, shape, generator=generator).float() / 32

    return {name: (draw(held[name].shape[0], RANK), draw(RANK, held[name].shape[1])) for name in names}


def merged(held: Tensors, factors: dict[str, tuple[Tensor, Tensor]]) -> Tensors:
    added = {name: ALPHA / RANK * b.double() @ a.double() for name, (b, a) in factors.items()}
    return held | {name: (held[name].double() + extra).half() for name, extra in added.items()}


def trained(name: str) -> list[str]:
    return [key for key in recorded(name) if key.endswith(("query_key_value.weight", "dense_4h_to_h.weight"))]


@pytest.mark.parametrize("precision", ["fp32", "int8", "int4"])
@pytest.mark.parametrize("name", ["v1_fp", "v2_fp"])
def test_lora_equals_the_checkpoint_merged_by_hand(tmp_path: Path, name: str, precision: Precision) -> None:
    factors = factors_for(trained(name), recorded(name))
    adapter = open_adapter(save_lora(tmp_path / "lora", factors))
    by_hand = load(changed(tmp_path / "merged", name, lambda held: merged(held, factors)), precision)
    found = logits(load(TINY / name, precision, adapter=adapter), prompt_of(name))
    assert found.equal(logits(by_hand, prompt_of(name)))
    assert not torch.allclose(found, logits(load(TINY / name, precision), prompt_of(name)), atol=0.1)


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "missing"])
def test_lora_of_a_tied_head_leaves_the_embedding(tmp_path: Path, stored: bool) -> None:
    base = changed(tmp_path / "base", "v1_fp", lambda held: {key: held[key] for key in held if stored or key != HEAD})
    factors = factors_for([HEAD], recorded("v1_fp"))
    decoder = load(base, adapter=open_adapter(save_lora(tmp_path / "lora", factors)))
    untied = load(changed(tmp_path / "merged", "v1_fp", lambda held: merged(held, factors)))
    assert decoder.parts()[0].weight.equal(recorded("v1_fp")[EMBEDDING].float())
    assert logits(decoder, prompt_of("v1_fp")).equal(logits(untied, prompt_of("v1_fp")))


def test_an_embedding_trained_whole_leaves_the_head(tmp_path: Path) -> None:
    """PEFT trains a copy of a module to be saved; what was tied to the original stays what it was."""
    own = {f"base_model.model.{EMBEDDING}": recorded("v1_fp")[EMBEDDING].flip(0).contiguous()}
    folder = save_lora(tmp_path / "lora", {}, modules_to_save=["word_embeddings"])
    save_file(own, folder / "adapter_model.safetensors")
    decoder = load(TINY / "v1_fp", adapter=open_adapter(folder))
    expected = load(changed(tmp_path / "base", "v1_fp", lambda held: held | {EMBEDDING: held[EMBEDDING].flip(0)}))
    assert logits(decoder, prompt_of("v1_fp")).equal(logits(expected, prompt_of("v1_fp")))


@pytest.mark.parametrize("name", ["v1_int4", "v1_int8", "v1_int4_qe", "v2_int4"])
def test_lora_on_a_quantised_base_is_refused_with_a_way_out(tmp_path: Path, name: str) -> None:
    source = "v2_fp" if name == "v2_int4" else "v1_fp"
    adapter = open_adapter(save_lora(tmp_path / "lora", factors_for(trained(source), recorded(source))))
    with pytest.raises(AdapterRefused) as caught:
        load(TINY / name, adapter=adapter)
    for language in ("zh", "en"):
        assert str(tmp_path / "lora") in caught.value.reason(language)
        assert "KNOWGLM_PRECISION=int4" in caught.value.reason(language)


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        ("transformer.layers.9.attention.dense.weight", (64, 64), "lacks transformer.layers.9"),
        ("transformer.layers.0.attention.dense.weight", (64, 32), r"is \(64, 32\), in the base model it is \(64, 64\)"),
        (HEAD, (150_528, 64), r"is \(150528, 64\), in the base model it is \(320, 64\)"),
    ],
    ids=["layer", "shape", "old_vocabulary"],
)
def test_lora_of_another_model_is_refused_before_anything_is_read(
    tmp_path: Path, name: str, shape: tuple[int, int], reason: str
) -> None:
    adapter = open_adapter(save_lora(tmp_path / "lora", factors_for([name], {name: torch.empty(shape)})))
    with pytest.raises(AdapterRefused, match=reason):
        load(TINY / "v1_fp", adapter=adapter)


# A decoder from the papers' formulas: one token after the other, one head after the other, in double precision.


def turned(vector: Tensor, angles: Tensor) -> Tensor:
    """Rotate pairs given as [2, n]: real and imaginary parts."""
    pairs = torch.complex(vector[0], vector[1]) * torch.polar(torch.ones_like(angles), angles)
    return torch.stack((pairs.real, pairs.imag))


def rotate_v1(head: Tensor, position: int, block: int) -> Tensor:
    half = len(head) // 2
    frequencies = (10_000 ** -(torch.arange(0, half, 2) / half)).half().double()
    parts = [head[:half], head[half:]]
    halves = [
        turned(part.view(2, -1), place * frequencies).flatten()
        for part, place in zip(parts, (position, block), strict=True)
    ]
    return torch.cat(halves)


def rotate_v2(head: Tensor, position: int, _: int) -> Tensor:
    half = len(head) // 2
    frequencies = (10_000 ** -(torch.arange(0, half, 2) / half)).double()
    return torch.cat((turned(head[:half].view(-1, 2).T, position * frequencies).T.flatten(), head[half:]))


def mixed(queries: Tensor, keys: Tensor, values: Tensor, sees: Callable[[int, int], bool]) -> Tensor:
    """Attention of one head over [tokens, width]; the keys in front that have no query are seen by everyone."""
    front, rows = len(keys) - len(queries), []
    for i, query in enumerate(queries):
        seen = [j for j in range(len(keys)) if j < front or sees(i, j - front)]
        weights = torch.stack([query @ keys[j] / math.sqrt(len(query)) for j in seen]).softmax(0)
        rows.append(weights @ values[seen])
    return torch.stack(rows)


def reference(name: str, prompt: list[int], answer: list[int], prefix: Tensor | None) -> Tensor:
    """Return the logits [tokens, vocabulary]; `prefix` is [layers, 2, kv_heads, prefix, width], not rotated."""
    w = {key: tensor.double() for key, tensor in recorded(name).items()}
    config, v1, ids = recorded_config(name), "multi_query_attention" not in recorded_config(name), prompt + answer
    heads, context = config["num_attention_heads"], len(prompt) - 1
    kv_heads = heads if v1 else config["multi_query_group_num"]
    mark = prompt.index(config["gmask_token_id"]) if v1 and config["gmask_token_id"] in prompt else context - 1
    places = [(i, 0) if i < context else (mark, i - context + 1) for i in range(len(ids))]
    places = places if v1 else [(i, 0) for i in range(len(ids))]

    def norm(x: Tensor, at: str) -> Tensor:
        if v1:
            return layer_norm(x, x.shape[-1:], w[f"{at}.weight"], w[f"{at}.bias"], 1e-5)
        return x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * w[f"{at}.weight"]

    def linear(x: Tensor, at: str) -> Tensor:
        return x @ w[f"{at}.weight"].T + w.get(f"{at}.bias", torch.zeros(()).double())

    def attention(x: Tensor, at: str, number: int) -> Tensor:
        qkv = linear(x, f"{at}.query_key_value")
        width = qkv.shape[1] // (heads + 2 * kv_heads)
        parts = list(qkv.split(width, dim=1))  # v1 keeps query, key and value of a head together
        q, k, v = (parts[i::3] for i in range(3)) if v1 else (parts[:heads], parts[heads:-kv_heads], parts[-kv_heads:])
        turn = rotate_v1 if v1 else rotate_v2
        q, k = ([torch.stack([turn(r, *p) for r, p in zip(m, places, strict=True)]) for m in part] for part in (q, k))
        if prefix is not None:
            own = prefix[number].double()
            k, v = ([torch.cat((own[kind, h], part[h])) for h in range(kv_heads)] for kind, part in ((0, k), (1, v)))
        shared = [h * kv_heads // heads for h in range(heads)]
        sees = (lambda i, j: j <= i or j < context) if v1 else (lambda i, j: j <= i)
        return linear(
            torch.cat([mixed(q[h], k[shared[h]], v[shared[h]], sees) for h in range(heads)], 1), f"{at}.dense"
        )

    inner, alpha = ("transformer", math.sqrt(56)) if v1 else ("transformer.encoder", 1.0)
    x = w[EMBEDDING if v1 else "transformer.embedding.word_embeddings.weight"][ids]
    for number in range(config["num_layers"]):
        layer = f"{inner}.layers.{number}"
        a = norm(x, f"{layer}.input_layernorm")
        x = alpha * (a if v1 else x) + attention(a, ATTENTION["v1" if v1 else "v2"].format(number), number)
        m = norm(x, f"{layer}.post_attention_layernorm")
        wide = linear(m, f"{layer}.mlp.dense_h_to_4h")
        wide = gelu(wide, approximate="tanh") if v1 else silu(wide.chunk(2, 1)[0]) * wide.chunk(2, 1)[1]
        x = alpha * (m if v1 else x) + linear(wide, f"{layer}.mlp.dense_4h_to_h")
    head = HEAD if v1 else "transformer.output_layer.weight"
    return (norm(x, f"{inner}.final_layernorm") @ w[head].T).float()


def rows_of(name: str) -> Tensor:
    """Return a random prefix as it is stored, [tokens, layers · 2 · kv_heads · width]."""
    config = recorded_config(name)
    heads = config.get("multi_query_group_num", config["num_attention_heads"])
    width = config["hidden_size"] // config["num_attention_heads"]
    return torch.randn(PREFIX, config["num_layers"] * 2 * heads * width, generator=torch.Generator().manual_seed(2))


def cached(name: str, rows: Tensor) -> Tensor:
    config = recorded_config(name)
    width = config["hidden_size"] // config["num_attention_heads"]
    return rows.view(PREFIX, config["num_layers"], 2, -1, width).permute(1, 2, 3, 0, 4)


def save_prefix(folder: Path, name: str, rows: Tensor) -> Path:
    """Write what the official scripts save: the prefix encoder alone, and the configuration of the whole."""
    return save(
        folder,
        {"transformer.prefix_encoder.embedding.weight": rows},
        recorded_config(name) | {"pre_seq_len": len(rows)},
    )


ANSWER = [9, 200, 31]
each_family = pytest.mark.parametrize("name", ["v1_fp", "v2_fp"])


@each_family
@pytest.mark.parametrize("with_prefix", [False, True], ids=["plain", "prefix"])
def test_one_prompt_equals_the_formulas(tmp_path: Path, name: str, with_prefix: bool) -> None:
    rows = rows_of(name)
    adapter = open_adapter(save_prefix(tmp_path, name, rows)) if with_prefix else None
    decoder = load(TINY / name, adapter=adapter)
    found = logits(decoder, prompt_of(name), answer=ANSWER)[0]
    expected = reference(name, prompt_of(name), ANSWER, cached(name, rows) if with_prefix else None)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@each_family
def test_a_padded_batch_with_a_prefix_equals_the_formulas(tmp_path: Path, name: str) -> None:
    rows, whole = rows_of(name), prompt_of(name)
    prompts = [whole[9:], whole, whole[-2:]]
    decoder = load(TINY / name, adapter=open_adapter(save_prefix(tmp_path, name, rows)))
    found = logits(decoder, *prompts, answer=ANSWER)
    for row, prompt in zip(found, prompts, strict=True):
        expected = reference(name, prompt, ANSWER, cached(name, rows))
        torch.testing.assert_close(row[-len(expected) :], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["v1_fp", "v1_int8", "v2_fp"])
def test_a_prefix_acts_through_attention_alone(tmp_path: Path, name: str) -> None:
    """Where attention adds nothing, a prefix has no effect: no position shifts by it, and no token."""

    def deaf(held: Tensors) -> Tensors:
        silent = ("attention.dense.weight", "attention.dense.bias")
        return {key: torch.zeros_like(held[key]) if key.endswith(silent) else held[key] for key in held}

    folder = changed(tmp_path / "base", name, deaf)
    decoder = load(folder, adapter=open_adapter(save_prefix(tmp_path / "prefix", name, rows_of(name))))
    plain = load(folder)
    assert (decoder.prefix_tokens, plain.prefix_tokens) == (PREFIX, 0)
    for prompts in ([prompt_of(name)], [prompt_of(name), prompt_of(name)[9:]]):
        found, expected = (logits(model, *prompts, answer=ANSWER) for model in (decoder, plain))
        for row, other, prompt in zip(found, expected, prompts, strict=True):
            kept = len(prompt) + len(ANSWER)
            torch.testing.assert_close(row[-kept:], other[-kept:], rtol=0, atol=1e-5)


def with_prefix(held: Tensors, rows: Tensor) -> Tensors:
    return held | {"transformer.prefix_encoder.embedding.weight": rows}


@pytest.mark.parametrize("name", ["v1_fp", "v1_int4_qe", "v2_int4"])
def test_a_checkpoint_may_hold_its_prefix(tmp_path: Path, name: str) -> None:
    rows = rows_of(name)
    whole = changed(tmp_path / "whole", name, lambda held: with_prefix(held, rows), pre_seq_len=PREFIX)
    adapter = open_adapter(save_prefix(tmp_path / "prefix", name, rows))
    found, apart, plain = (
        logits(decoder, prompt_of(name), answer=ANSWER)
        for decoder in (load(whole), load(TINY / name, adapter=adapter), load(TINY / name))
    )
    assert found.equal(apart)
    assert not torch.allclose(found, plain, atol=0.05)
    assert isinstance(open_adapter(whole), PrefixAdapter)


def test_a_prefix_that_is_named_takes_the_place_of_the_one_inside(tmp_path: Path) -> None:
    rows = rows_of("v1_fp")
    whole = changed(tmp_path / "whole", "v1_fp", lambda held: with_prefix(held, -rows), pre_seq_len=PREFIX)
    adapter = open_adapter(save_prefix(tmp_path / "prefix", "v1_fp", rows))
    found, expected = (
        logits(load(base, adapter=adapter), prompt_of("v1_fp"), answer=ANSWER) for base in (whole, TINY / "v1_fp")
    )
    assert found.equal(expected)


def test_lora_leaves_the_prefix_inside(tmp_path: Path) -> None:
    rows, factors = rows_of("v1_fp"), factors_for(trained("v1_fp"), recorded("v1_fp"))
    whole = changed(tmp_path / "whole", "v1_fp", lambda held: with_prefix(held, rows), pre_seq_len=PREFIX)
    by_hand = changed(
        tmp_path / "both", "v1_fp", lambda held: with_prefix(merged(held, factors), rows), pre_seq_len=PREFIX
    )
    decoder = load(whole, adapter=open_adapter(save_lora(tmp_path / "lora", factors)))
    assert decoder.prefix_tokens == PREFIX
    assert logits(decoder, prompt_of("v1_fp")).equal(logits(load(by_hand), prompt_of("v1_fp")))


def test_a_prefix_with_low_precision_and_two_devices(tmp_path: Path) -> None:
    adapter = open_adapter(save_prefix(tmp_path, "v1_fp", rows_of("v1_fp")))
    how: dict[str, Any] = {"weights": torch.bfloat16, "cache": torch.bfloat16, "tables": None}
    decoder = load(TINY / "v1_fp", "bf16", adapter=adapter, fast=True, **how)
    single = logits(load(TINY / "v1_fp", adapter=adapter), prompt_of("v1_fp"), answer=ANSWER)
    found = logits(decoder, prompt_of("v1_fp"), answer=ANSWER)
    assert 0 < (found - single).norm() < 0.04 * single.norm()
    split = load(TINY / "v1_fp", adapter=adapter, placement=("cpu", "meta", "meta"))
    assert logits(split, prompt_of("v1_fp"), prompt_of("v1_fp")[3:], answer=ANSWER).is_meta


@pytest.mark.parametrize("source", ["adapter", "checkpoint"])
def test_a_prefix_of_another_size_is_refused(tmp_path: Path, source: str) -> None:
    rows = rows_of("v2_fp")  # half as many heads
    prefix = open_adapter(save_prefix(tmp_path / "prefix", "v2_fp", rows)) if source == "adapter" else None
    base = changed(tmp_path / "whole", "v1_fp", lambda held: with_prefix(held, rows), pre_seq_len=PREFIX)
    with pytest.raises(AdapterRefused, match=r"does not fit the base model, which has 3 × 2 × 4 × 16 numbers"):
        load(TINY / "v1_fp" if prefix else base, adapter=prefix)


def test_a_prefix_that_only_the_configuration_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdapterRefused, match="pre_seq_len=128"):
        load(changed(tmp_path, "v1_fp", pre_seq_len=128))
