"""Quantised checkpoints, float ones that are quantised while they load, low-precision arithmetic: by their error."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from chatglm_folders import Tensors, changed, load, logits, prompt_of, random_v1, recorded, recorded_config
from golden_cases import TINY
from torch import Tensor

from models.chatglm.config import load_config
from models.chatglm.decoder import Decoder
from models.chatglm.footprint import GROUP_SIZE, Precision, footprint

QUANTISED = ["v1_int8", "v1_int4", "v1_int4_qe", "v2_int4"]
LINEARS = ("query_key_value.weight", "dense.weight", "dense_h_to_4h.weight", "dense_4h_to_h.weight")


def found(decoder: Decoder, name: str) -> Tensor:
    return logits(decoder, prompt_of(name))


def error(one: Tensor, other: Tensor) -> float:
    """Return the distance of logits relative to the second ones."""
    return float((one - other).norm() / other.norm())


def nibbles(stored: Tensor) -> Tensor:
    """Return the two signed numbers of each byte, the high half first."""
    unsigned = stored.int() % 256
    codes = torch.stack((unsigned // 16, unsigned % 16), dim=2).flatten(1)
    return torch.where(codes > 7, codes - 16, codes)


def expanded(held: Tensors, bits: int) -> Tensors:
    """Return a quantised checkpoint's matrices as the format defines them, W[r, c] = scale[r] · code[r, c], in fp32."""
    tensors: Tensors = {}
    for name, stored in held.items():
        if (scale := held.get(f"{name}_scale")) is not None:
            codes = nibbles(stored) if bits == 4 else stored
            tensors[name] = (codes.double() * scale.double()[:, None]).float()
        elif not name.endswith("_scale"):
            tensors[name] = stored
    return tensors


@pytest.mark.parametrize("factor", [1.0, 1.0003], ids=["same_value", "beyond_fp16"])
@pytest.mark.parametrize("name", QUANTISED)
def test_scales_may_be_in_fp32(tmp_path: Path, name: str, factor: float) -> None:
    """The logits are those of the float checkpoint that codes and scales stand for."""
    scales = {key: value.float() * factor for key, value in recorded(name).items() if key.endswith("_scale")}
    decoder = load(changed(tmp_path / "codes", name, lambda held: held | scales))
    bits = decoder.config.bits
    plain = {"quantization_bit": 0, "quantization_embeddings": False}
    wide = load(changed(tmp_path / "floats", name, lambda held: expanded(held | scales, bits), **plain))
    torch.testing.assert_close(found(decoder, name), found(wide, name), rtol=0, atol=1e-4)
    if factor == 1:
        assert found(decoder, name).equal(found(load(TINY / name), name))


@pytest.mark.parametrize(("precision", "name"), [("int8", "v1_int8"), ("int4", "v1_int4")])
def test_what_is_made_while_loading_is_no_worse_than_the_release(precision: Precision, name: str) -> None:
    """The recorded quantised checkpoints were made from `v1_fp` by the release; here 4 bits are made in groups."""
    wide, official = (recorded(folder, "cases.safetensors")["prompt.logits"] for folder in ("v1_fp", name))
    made = found(load(TINY / "v1_fp", precision), "v1_fp")[0]
    assert 0.001 < error(made, wide) < 1.1 * error(official, wide)
    if precision == "int8":  # the same quantiser; the release divides in fp16, so that a few codes differ by one
        assert error(made, official) < 0.1 * error(official, wide)


def fake_int8(weight: Tensor) -> Tensor:
    rows = []
    for row in weight.double():
        scale = row.abs().max() / 127
        rows.append((row / scale).round() * scale)
    return torch.stack(rows).float()


def fake_int4(weight: Tensor) -> Tensor:
    """Round each group of 32 columns to the nearest of 16 evenly spaced numbers from its least to its greatest."""
    if weight.shape[1] % GROUP_SIZE:
        return torch.stack([(row / (row.abs().max() / 7)).round() * (row.abs().max() / 7) for row in weight.float()])
    groups = weight.double().unflatten(1, (-1, GROUP_SIZE))
    least, step = groups.amin(2, keepdim=True), (groups.amax(2, keepdim=True) - groups.amin(2, keepdim=True)) / 15
    return (((groups - least) / step).round() * step + least).flatten(1).float()


@pytest.mark.parametrize("name", ["v1_fp", "v2_fp"])
@pytest.mark.parametrize(("precision", "fake", "bound"), [("int8", fake_int8, 0.05), ("int4", fake_int4, 0.35)])
def test_the_error_is_what_rounding_the_matrices_explains(
    tmp_path: Path, name: str, precision: Precision, fake: Any, bound: float
) -> None:
    """A float checkpoint whose matrices were rounded by hand has the logits, or as large an error of its own."""
    rounded = changed(
        tmp_path, name, lambda held: {key: fake(held[key]) if key.endswith(LINEARS) else held[key] for key in held}
    )
    made, by_hand, wide = (
        found(decoder, name) for decoder in (load(TINY / name, precision), load(rounded), load(TINY / name))
    )
    assert error(made, by_hand) < bound * error(by_hand, wide)  # a few weights lie half-way between two codes
    assert error(made, wide) < 1.1 * error(by_hand, wide)


def test_tables_biases_and_norms_are_not_quantised() -> None:
    decoder = load(TINY / "v1_fp", "int4")
    embedding, layers, norm, _ = decoder.parts()
    held = recorded("v1_fp")
    assert embedding.weight.equal(held["transformer.word_embeddings.weight"].float())
    assert norm.weight.equal(held["transformer.final_layernorm.weight"].float())
    assert layers[1].mlp.dense_4h_to_h._bias.equal(held["transformer.layers.1.mlp.dense_4h_to_h.bias"].float())


@pytest.mark.parametrize(
    ("name", "precision"),
    [("v1_fp", "bf16"), ("v1_fp", "int8"), ("v1_fp", "int4"), ("v2_fp", "bf16"), *((name, None) for name in QUANTISED)],
)
def test_fast_arithmetic_is_near_the_exact(name: str, precision: Precision | None) -> None:
    """bf16 keeps 8 bits: a product's inputs are rounded by up to 0.4 %, and layers add up."""
    fast = load(TINY / name, precision, fast=True, weights=torch.bfloat16, tables=None, cache=torch.bfloat16)
    slow = load(TINY / name, precision)
    assert 0 < error(found(fast, name), found(slow, name)) < 0.03


def test_fp16_tables_cost_no_accuracy() -> None:
    """On a processor's fast routes embedding and head stay as they are stored."""
    fast = load(TINY / "v1_fp", "bf16", fast=True, weights=torch.bfloat16, tables=None)
    assert fast.parts()[0].weight.dtype == torch.float16
    assert fast.parts()[0].weight.equal(recorded("v1_fp")["transformer.word_embeddings.weight"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_a_checkpoint_of_another_type_is_computed(tmp_path: Path, dtype: torch.dtype) -> None:
    folder = changed(tmp_path, "v1_fp", lambda held: {key: held[key].to(dtype) for key in held})
    slack = 1e-6 if dtype == torch.float32 else 0.1
    assert error(found(load(folder), "v1_fp"), found(load(TINY / "v1_fp"), "v1_fp")) < slack


MEASURE = """
import json, sys, threading, time
from pathlib import Path
import torch
from models.chatglm.loading import load_decoder
from models.chatglm.plan import Plan
from models.chatglm.stored import StoredModel

def resident():  # pages of mapped files count too, as they do where a process is killed for its memory
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024

def load(folder, precision, bits):
    wide, narrow = torch.float32, torch.bfloat16
    with StoredModel(Path(folder)) as stored:
        placement = ("cpu",) * stored.config.layers
        return load_decoder(stored, Plan(precision, bits, narrow, None, wide, narrow, True, placement))

def watch():
    while not done.is_set():
        peaks.append(resident())
        time.sleep(0.001)

small, large = sys.argv[1:]
figures = {}
for bits in (8, 4):
    decoder = load(small, f"int{bits}", bits)  # whatever torch sets up once
    before, peaks, done = resident(), [], threading.Event()
    thread = threading.Thread(target=watch)
    thread.start()
    decoder = load(large, f"int{bits}", bits)
    done.set()
    thread.join()
    figures[f"int{bits}"] = max(peaks) - before, resident() - before
    del decoder
print(json.dumps(figures))
"""
LAYERS, ROWS = 12, 32_768
SIZES = {"num_layers": LAYERS, "hidden_size": 1024, "inner_hidden_size": 4096, "num_attention_heads": 16}
TABLE, LARGEST = ROWS * 1024 * 2, 4096 * 1024 * 2  # bytes in fp16


def save_zeros(folder: Path) -> Path:
    """Write a checkpoint of 370 MB in fp16 without a head of its own: zeros, as holes that take no disk."""
    (folder / "config.json").write_text(json.dumps(recorded_config("v1_fp") | SIZES | {"vocab_size": ROWS}), "utf-8")
    header: dict[str, Any] = {}
    end = 0
    for name, tensor in random_v1(rows=8, hidden=4, ffn=16, layers=LAYERS).items():
        shape = [ROWS if tensor.dim() == 2 and size == 8 else size * 256 for size in tensor.shape]
        start, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}
    written = json.dumps(header).encode()
    file = folder / "model.safetensors"
    file.write_bytes(len(written).to_bytes(8, "little") + written)
    os.truncate(file, 8 + len(written) + end)
    return folder


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, root: Path) -> dict[str, tuple[int, int, float]]:
    """Return for each precision the peak and the end of a loading, and what the footprint says, in bytes.

    What is freed goes back to the system at once: holes in the heap would be counted, in another number each time.
    """
    if sys.platform != "linux":
        pytest.skip("memory is read from /proc")
    large = save_zeros(tmp_path_factory.mktemp("large"))
    command = [sys.executable, "-c", MEASURE, str(TINY / "v1_fp"), str(large)]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root, env=environment)
    sizes = {bits: footprint(load_config(large), bits, 0) for bits in ("int8", "int4")}
    return {
        bits: (peak, end, sizes[bits].layer * LAYERS + sizes[bits].ends)
        for bits, (peak, end) in json.loads(answer.stdout).items()
    }


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_what_is_quantised_while_loading_takes_the_memory_foretold(
    measured: dict[str, tuple[int, int, float]], precision: Precision
) -> None:
    _, end, estimate = measured[precision]
    assert end == pytest.approx(estimate, rel=0.05)


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_memory_stays_near_the_size_of_the_result(
    measured: dict[str, tuple[int, int, float]], precision: Precision
) -> None:
    """The embedding, its copy and the head's are there at once, but before anything else; then one matrix at a time."""
    peak, end, _ = measured[precision]
    assert peak < max(end, 3 * TABLE) + 4 * LARGEST
