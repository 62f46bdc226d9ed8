"""Every route gives the exact product up to the rounding it states, and none that fails or errs is chosen."""

import os
import subprocess
import sys
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from models.chatglm import cpu_routes, cuda_routes, linear, route_probe
from models.chatglm.linear import (
    EXACT_QUANTISED,
    ExactFloat,
    ExactQuantised,
    Route,
    Routes,
    build_head,
    build_projection,
)
from models.chatglm.quantization import QuantizedWeight, quantise
from models.chatglm.route_probe import choose_routes

CPU = torch.device("cpu")
KINDS = ["float", "int8", "int4", "int4_groups"]
EXACT_ERROR, FAST_ERROR = 1e-6, 0.004  # of the norm; the fast routes round inputs, and some outputs, to bf16
vector_code = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in {"AVX2", "AVX512"}, reason="torch has no vector code for integers"
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def make(kind: str, out: int, columns: int) -> Tensor | QuantizedWeight:
    matrix = random(out, columns, seed=out)
    if kind == "float":
        return matrix.half()
    return quantise(matrix, 8 if kind == "int8" else 4, 32 if kind == "int4_groups" else None)


def reference(x: Tensor, weight: Tensor | QuantizedWeight, bias: Tensor | None = None) -> Tensor:
    matrix = weight.dequantise(torch.float64) if isinstance(weight, QuantizedWeight) else weight.double()
    return x.double() @ matrix.T + (0 if bias is None else bias.double())


def error(y: Tensor, expected: Tensor) -> float:
    assert y.shape == expected.shape
    return float((y.double() - expected).norm() / expected.norm()) if expected.numel() else 0.0


def routes(*, fast: bool) -> Routes:
    return choose_routes(CPU, torch.float32, fast)


def probed() -> Routes:
    """Return what a new process would choose."""
    return choose_routes.__wrapped__(CPU, torch.float32, True)


@pytest.mark.parametrize("fast", [False, True], ids=["exact", "fast"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (15,), (16,), (2, 3), (70,), (130,)], ids=str)
def test_every_route_multiplies_every_shape(fast: bool, kind: str, shape: tuple[int, ...]) -> None:
    weight, bias, x = make(kind, 200, 256), random(200, seed=1).half(), random(*shape, 256, seed=2)
    y = build_projection(weight, bias, routes(fast=fast))(x)
    assert y.dtype == torch.float32
    assert error(y, reference(x, weight, bias)) < (FAST_ERROR if fast else EXACT_ERROR)


@pytest.mark.parametrize("fast", [False, True], ids=["exact", "fast"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("out", "columns"), [(64, 136), (5, 34), (192, 64), (64, 64), (17, 32), (130, 96)], ids=str)
def test_widths_that_no_kernel_takes_are_multiplied_all_the_same(fast: bool, kind: str, out: int, columns: int) -> None:
    weight = make(kind, out, columns)
    projection = build_projection(weight, None, routes(fast=fast))
    for rows in (1, 100):
        x = random(rows, columns, seed=3)
        assert error(projection(x), reference(x, weight)) < (FAST_ERROR if fast else EXACT_ERROR)


@pytest.mark.parametrize("columns", [8, 24, 40, 136])
def test_the_int8_kernel_is_kept_from_rows_past_whose_end_it_would_read(columns: int) -> None:
    assert isinstance(build_projection(make("int8", 8, columns), None, routes(fast=True)), ExactQuantised)


def test_an_exact_product_expands_a_bounded_part_of_the_weights_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(linear._BLOCK_ELEMENTS, "cpu", 64 * 7)
    expanded: list[int] = []
    unpacked = QuantizedWeight.unpacked
    monkeypatch.setattr(QuantizedWeight, "unpacked", lambda self: expanded.append(len(self.codes)) or unpacked(self))
    weight, bias, x = make("int4", 20, 64), random(20), random(3, 64)
    y = ExactQuantised(weight, bias, torch.float32)(x)
    assert expanded == [7, 7, 6]
    assert error(y, reference(x, weight, bias)) < EXACT_ERROR


@pytest.mark.parametrize("kind", KINDS)
def test_the_bias_is_added_unrounded(kind: str) -> None:
    weight, bias = make(kind, 64, 64), torch.full((64,), 1000.0625)
    y = build_projection(weight, bias, routes(fast=True))(torch.zeros(2, 64))
    assert y.unique().tolist() == [1000.0625]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inside", [True, False], ids=["built_inside", "called_inside"])
def test_inference_mode_may_differ_between_building_and_calling(kind: str, inside: bool) -> None:
    weight, x = make(kind, 64, 64), random(100, 64)
    with torch.inference_mode(inside):
        projection = build_projection(weight, None, routes(fast=True))
    with torch.inference_mode(not inside):
        assert error(projection(x), reference(x, weight)) < FAST_ERROR


@vector_code
def test_packed_codes_are_the_only_copy_and_int8_codes_are_not_copied() -> None:
    int4, int8 = make("int4_groups", 128, 256), make("int8", 128, 256)
    originals = weakref.ref(int4.codes)
    projection = build_projection(int4, None, routes(fast=True))
    del int4
    assert originals() is None
    assert projection._packed.nbytes == 128 * 256 // 2
    assert build_projection(int8, None, routes(fast=True))._codes.data_ptr() == int8.codes.data_ptr()


@vector_code
@pytest.mark.parametrize("rows", [1, 64, 100, 200])
def test_packing_gives_what_torch_packs_some_rows_at_a_time(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_routes, "_BLOCK_ELEMENTS", 64 * 256)
    weight, blocks = make("int4", rows, 256), []
    block = QuantizedWeight.block
    monkeypatch.setattr(QuantizedWeight, "block", lambda *own: blocks.append(own[2] - own[1]) or block(*own))
    packed = cpu_routes._packed(weight)
    assert blocks == [64] * -(-rows // 64)
    codes = torch.nn.functional.pad(weight.unpacked().int() + 8, (0, 0, 0, -rows % 64), value=8)
    assert packed.equal(torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes, 2))


@vector_code
@pytest.mark.parametrize("kind", ["int4", "int4_groups"])
def test_a_layout_that_is_not_known_leaves_many_rows_to_the_kernel(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    convert = torch.ops.aten._convert_weight_to_int4pack_for_cpu
    weight, x = make(kind, 64, 64), random(100, 64)
    cpu_routes._tile_rows.cache_clear()
    with monkeypatch.context() as other:
        other.setattr(
            torch.ops.aten, "_convert_weight_to_int4pack_for_cpu", lambda codes, tiles: convert(codes, tiles).flip(0)
        )
        assert cpu_routes._tile_rows() is None
    monkeypatch.setattr(cpu_routes, "_unpack", None)
    projection = cpu_routes.Int4Packed(weight, None, torch.float32)
    cpu_routes._tile_rows.cache_clear()
    assert error(projection(x), reference(x, weight)) < FAST_ERROR


@pytest.mark.parametrize("kind", ["int8", "int4", "int4_groups"])
def test_without_bf16_arithmetic_many_rows_are_multiplied_in_fp32(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_routes, "_wide_type", lambda: torch.float32)
    weight, x = make(kind, 200, 256), random(130, 256)
    assert error(build_projection(weight, None, routes(fast=True))(x), reference(x, weight)) < EXACT_ERROR


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("rows", [1, 2, 9])
def test_a_head_shares_the_memory_of_the_embedding(dtype: torch.dtype, rows: int) -> None:
    embedding, x = random(130, 64).to(dtype), random(rows, 64, seed=1)
    head = build_head(embedding, routes(fast=True))
    assert error(head(x), reference(x, embedding)) < FAST_ERROR
    embedding.zero_()
    assert not head(x).any()


@pytest.mark.parametrize("size", [0.0, 1e-6, 1e6])
def test_a_half_precision_head_takes_activations_of_any_size(size: float) -> None:
    embedding, x = random(130, 64).half(), random(2, 64, seed=1) * size
    y = build_head(embedding, routes(fast=True))(x)
    assert torch.allclose(y, (x @ embedding.float().T), rtol=0.01, atol=0.01 * size)


def test_a_quantised_head_is_multiplied_like_a_layer() -> None:
    weight, x = make("int4", 320, 64), random(1, 64)
    for fast in (False, True):
        head = build_head(weight, routes(fast=fast))
        assert error(head(x), reference(x, weight)) < (FAST_ERROR if fast else EXACT_ERROR)


def test_rows_of_another_width_are_refused() -> None:
    for kind in KINDS:
        with pytest.raises((RuntimeError, ValueError)):
            build_projection(make(kind, 64, 64), None, routes(fast=False))(random(4, 32))


def raising(*_: object) -> Tensor:
    raise RuntimeError("no such kernel")


def lying(*inputs: Tensor) -> Tensor:
    return torch.zeros(len(inputs[0]), 528)


@pytest.mark.parametrize("wrong", [raising, lying])
@pytest.mark.parametrize(
    ("namespace", "name", "kind"),
    [
        (torch.ops.aten, "_weight_int8pack_mm", "int8"),
        (torch.ops.aten, "_weight_int4pack_mm_for_cpu", "int4"),
        (torch.ops.mkldnn, "_linear_pointwise", "floating"),
    ],
    ids=["int8", "int4", "float"],
)
def test_a_kernel_that_raises_or_errs_is_not_used(
    namespace: object, name: str, kind: str, wrong: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespace, name, wrong)
    fallback = probed()
    assert getattr(fallback, kind).name == ("fp16 as stored" if kind == "floating" else "exact")
    weight, x = make(kind.replace("floating", "float"), 64, 64), random(3, 64)
    assert error(build_projection(weight, None, fallback)(x), reference(x, weight)) < FAST_ERROR


@vector_code
def test_a_wrong_expansion_for_many_rows_is_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    unpack = cpu_routes._unpack

    def shifted(packed: Tensor, halves: Tensor) -> None:
        unpack(packed, halves)
        if halves.shape[0] > 2:  # not when the layout itself is tried
            halves += 1

    monkeypatch.setattr(cpu_routes, "_unpack", shifted)
    assert probed().int4 is EXACT_QUANTISED


def test_scalar_code_is_not_used_for_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    chosen = probed()
    assert chosen.int8 is chosen.int4 is EXACT_QUANTISED


def test_routes_are_found_once_and_described() -> None:
    assert routes(fast=True) is routes(fast=True)
    assert routes(fast=False).describe() == "float: exact; int8: exact; int4: exact; head: exact"
    assert choose_routes(torch.device("mps"), torch.float16, True).describe() == routes(fast=False).describe()
    assert routes(fast=True).describe().startswith("float: ")


def test_on_a_gpu_the_fastest_right_route_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"exact": 3.0, "slow": 5.0, "fast": 1.0, "wrong": 0.0}
    exact, *others = (Route(name, ExactFloat) for name in names)
    monkeypatch.setattr(route_probe._Probe, "_is_right", lambda _, route, *rest: route.name != "wrong")
    monkeypatch.setattr(route_probe._Probe, "_seconds", lambda _, route, samples: names[route.name])
    probe = route_probe._Probe(torch.device("cuda"), torch.float16, torch.Generator())
    assert probe.best(others, exact, []).name == "fast"
    assert probe.best(others[:1], exact, []).name == "exact"


def tiles_of(codes: Tensor, inner_tiles: int) -> Tensor:
    """Stand in for the CUDA packer: unsigned bytes, the even column in the high half."""
    assert codes.dtype == torch.uint8
    assert inner_tiles == 8
    return torch.stack((codes >> 4, codes & 15), -1).flatten(1)


def tiles_times(x: Tensor, tiles: Tensor, group: int, pairs: Tensor) -> Tensor:
    """Stand in for the CUDA kernel: (code − 8) · scale + zero for each group, in bf16."""
    scale, zero = (part.T.repeat_interleave(group, 1).float() for part in pairs.unbind(-1))
    assert x.dtype == pairs.dtype == torch.bfloat16
    return (x.float() @ ((tiles.float() - 8) * scale + zero).T).bfloat16()


@pytest.mark.parametrize("kind", ["int4", "int4_groups"])
def test_a_gpu_reads_our_codes_in_its_own_tiles(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.aten, "_convert_weight_to_int4pack", tiles_of)
    monkeypatch.setattr(torch.ops.aten, "_weight_int4pack_mm", tiles_times)
    weight, bias, x = make(kind, 64, 256), random(64), random(3, 256)
    assert cuda_routes._takes_tiles(weight)
    assert not cuda_routes._takes_tiles(make(kind, 64, 96))
    y = cuda_routes.Int4Tiles(weight, bias, torch.float16)(x.half())
    assert y.dtype == torch.float16
    assert error(y, reference(x, weight, bias)) < FAST_ERROR


@pytest.mark.parametrize(("rows", "calls"), [(3, 1), (9, 0)])
def test_a_gpu_s_int8_kernel_has_the_few_rows_only(rows: int, calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def kernel(x: Tensor, codes: Tensor, scale: Tensor) -> Tensor:
        made.append(len(x))
        return x @ codes.float().T * scale

    monkeypatch.setattr(torch.ops.aten, "_weight_int8pack_mm", kernel)
    weight, bias, x = make("int8", 64, 256), random(64), random(rows, 256)
    y = cuda_routes.Int8Codes(weight, bias, torch.float32)(x)
    assert len(made) == calls
    assert error(y, reference(x, weight, bias)) < EXACT_ERROR


def test_a_candidate_without_its_compiler_is_no_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "models.chatglm.triton_kernels", raising=False)
    probe = route_probe._Probe(CPU, torch.float32, torch.Generator())
    triton = cuda_routes.candidates().int8[0]
    assert not probe._is_right(triton, EXACT_QUANTISED, [make("int8", 528, 1024)])


IN_THE_INTERPRETER = """
import torch
from models.chatglm.cuda_routes import TritonCodes
from models.chatglm.quantization import quantise
from models.chatglm.triton_kernels import takes

torch.manual_seed(0)
for out, columns in [(20, 64), (19, 136), (8, 1056)]:
    for bits, group in [(8, None), (4, None), (4, 32)]:
        weight = quantise(torch.randn(out, columns), bits, group)
        assert takes(weight)
        for dtype, limit in [(torch.float32, 1e-6), (torch.float16, 1e-3), (torch.bfloat16, 6e-3)]:
            for bias in (None, torch.randn(out)):
                x = torch.randn(2, columns).to(dtype)
                y = TritonCodes(weight, bias, dtype)(x)
                expected = x.double() @ weight.dequantise(torch.float64).T
                expected += 0 if bias is None else bias.to(dtype).double()
                assert y.dtype == dtype
                assert (y.double() - expected).norm() < limit * expected.norm(), (out, columns, bits, group, dtype)
assert not takes(quantise(torch.randn(8, 64), 4, 64))
"""


def test_the_triton_kernel_is_right_in_the_interpreter() -> None:
    pytest.importorskip("triton", reason="Triton comes with torch for CUDA only")
    done = subprocess.run(
        [sys.executable, "-c", IN_THE_INTERPRETER],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        cwd=route_probe.__file__.rsplit("/models/", 1)[0],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
