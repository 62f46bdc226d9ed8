"""Quantised weights: the release's bytes mean what its own code makes of them, and our codes are the nearest ones."""

import pytest
import torch
from golden_cases import TINY
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from models.chatglm import quantization
from models.chatglm.int4_kernels import KernelScales
from models.chatglm.quantization import QuantizedWeight, from_checkpoint, quantise

LAYER = "transformer.layers.1."


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("case", ["v1_int8", "v1_int4", "v1_int4_qe"])
@pytest.mark.parametrize("name", ["attention.query_key_value", "mlp.dense_4h_to_h"])
def test_released_weights_are_expanded_bit_for_bit_as_by_the_official_code(case: str, name: str) -> None:
    with safe_open(TINY / case / "cases.safetensors", framework="pt") as cases:
        expected = cases.get_tensor(f"dequant.{LAYER}{name}")
    with safe_open(TINY / case / "model.safetensors", framework="pt") as model:
        codes, scale = (model.get_tensor(f"{LAYER}{name}.{part}") for part in ("weight", "weight_scale"))
    weight = from_checkpoint(codes, scale, expected.shape[1])
    assert weight.bits == (8 if case == "v1_int8" else 4)
    assert weight.dequantise().equal(expected)
    assert from_checkpoint(codes, scale.float(), expected.shape[1]).dequantise().equal(expected)


def test_the_high_half_of_a_byte_is_the_even_column_and_both_are_signed() -> None:
    weight = QuantizedWeight(torch.arange(256).to(torch.uint8).view(torch.int8).view(1, -1), torch.ones(1, 1), 4)
    signed = [half - 16 if half > 7 else half for half in range(16)]
    expected = [signed[half] for byte in range(256) for half in (byte >> 4, byte & 15)]
    assert weight.dequantise()[0].tolist() == expected
    assert weight.unpacked()[0].tolist() == expected


def test_half_precision_multiplies_in_half_precision_as_the_release_does() -> None:
    weight = quantise(random(6, 64), 8)
    expected = weight.codes.half() * weight.scale.half()
    assert weight.dequantise(torch.float16).equal(expected)


@pytest.mark.parametrize(("bits", "group"), [(8, None), (4, None), (4, 32)])
@pytest.mark.parametrize("ids", [3, [0, 9], [[1, 1], [8, 0]], []], ids=["one", "list", "table", "none"])
def test_a_look_up_returns_the_rows_of_the_whole_matrix(bits: int, group: int | None, ids: object) -> None:
    weight = quantise(random(10, 64), bits, group)
    chosen = torch.tensor(ids, dtype=torch.long)
    assert weight.rows(chosen).equal(weight.dequantise()[chosen])


def test_a_look_up_expands_no_other_row(monkeypatch: pytest.MonkeyPatch) -> None:
    expanded: list[int] = []
    unpacked = QuantizedWeight.unpacked
    monkeypatch.setattr(QuantizedWeight, "unpacked", lambda self: expanded.append(len(self.codes)) or unpacked(self))
    quantise(random(100, 64), 4).rows(torch.tensor([5, 70]))
    assert expanded == [2]


def test_a_block_shares_memory_and_moving_keeps_every_part() -> None:
    weight = quantise(random(10, 64), 4, 32)
    assert weight.block(2, 5).dequantise().equal(weight.dequantise()[2:5])
    assert weight.block(2, 5).codes.data_ptr() == weight.codes[2:].data_ptr()
    moved = weight.to("meta")
    assert {moved.codes.device.type, moved.scale.device.type, moved.offset.device.type} == {"meta"}


def test_shape_and_size_are_those_of_the_matrix() -> None:
    weight = quantise(random(10, 64), 4, 32)
    assert (weight.shape, weight.groups, weight.group_size) == ((10, 64), 2, 32)
    assert weight.nbytes == 10 * 32 + 2 * (10 * 2 * 2)
    assert quantise(random(10, 64), 8).group_size == 64


@pytest.mark.parametrize(
    ("codes", "scale"),
    [((4, 48), (4,)), ((4, 64), (5,)), ((4, 32), (3,)), ((4, 128), (4,))],
    ids=["width", "scales", "packed_scales", "too_wide"],
)
def test_a_checkpoint_whose_parts_do_not_fit_is_refused(codes: tuple[int, int], scale: tuple[int]) -> None:
    with pytest.raises(ValueError, match="matrix"):
        from_checkpoint(torch.zeros(codes, dtype=torch.int8), torch.ones(scale), 64)


def test_parts_of_the_wrong_type_or_shape_are_refused() -> None:
    codes, scale = torch.zeros(4, 64, dtype=torch.int8), torch.ones(4, 1)
    with pytest.raises(ValueError, match="codes"):
        QuantizedWeight(codes.float(), scale, 8)
    with pytest.raises(ValueError, match="do not fit"):
        QuantizedWeight(codes, torch.ones(4, 3), 8)
    with pytest.raises(ValueError, match="offsets"):
        QuantizedWeight(codes, scale, 8, torch.ones(4, 2))


matrices = st.tuples(
    st.integers(1, 5), st.sampled_from([2, 34, 48, 64, 96]), st.integers(0, 999), st.sampled_from([1e-6, 0.02, 1e4])
)


@given(shape=matrices, shift=st.sampled_from([0.0, 0.5, -3.0]), bits=st.sampled_from([4, 8]))
def test_one_scale_per_row_is_off_by_half_a_step_at_most(
    shape: tuple[int, int, int, float], shift: float, bits: int
) -> None:
    rows, columns, seed, size = shape
    matrix = (random(rows, columns, seed=seed) + shift) * size
    weight = quantise(matrix, bits)
    steps = (weight.dequantise() - matrix).abs() / weight.scale
    assert steps.max() <= 0.5001
    assert weight.unpacked().abs().max() <= 2 ** (bits - 1) - 1
    assert torch.allclose(weight.dequantise().abs().amax(1), matrix.abs().amax(1), rtol=1e-5)


@given(shape=matrices, shift=st.sampled_from([0.0, 0.5, -3.0, 300.0, -300.0]))
def test_groups_are_off_by_half_a_step_and_what_bf16_rounds(shape: tuple[int, int, int, float], shift: float) -> None:
    rows, columns, seed, size = shape
    matrix = (random(rows, columns, seed=seed) + shift) * size
    weight = quantise(matrix, 4, 32)
    if weight.offset is None:
        assert columns in {2, 34}
        return
    assert weight.scale.dtype == weight.offset.dtype == torch.bfloat16
    grouped, scale = matrix.unflatten(1, (weight.groups, -1)), weight.scale.float()
    error = (weight.dequantise().view_as(grouped) - grouped).abs().amax(2)
    assert (error <= 0.53 * scale + 1e-6 * matrix.abs().max()).all()
    finest = (grouped.amax(2) - grouped.amin(2)) / 15
    assert (scale <= 1.005 * finest + weight.offset.float().abs() / 7 / 256).all()


def test_a_kernel_reads_the_very_scales_that_the_codes_were_made_for() -> None:
    weight = quantise(random(10, 96), 4, 32)
    pairs = KernelScales.of(weight, 64).pairs
    assert pairs.shape == (3, 64, 2)
    assert pairs[:, :10, 0].T.equal(weight.scale)
    assert pairs[:, :10, 1].T.equal(weight.offset)
    assert not pairs[:, 10:].any()


@pytest.mark.parametrize(
    ("columns", "wanted", "group"),
    [(96, 32, 32), (48, 32, 16), (136, 32, 136), (64, 128, 64), (13696, 32, 32), (8, 32, 8)],
)
def test_a_group_that_does_not_divide_the_row_is_halved_or_given_up(columns: int, wanted: int, group: int) -> None:
    assert quantise(random(2, columns), 4, wanted).group_size == group


def test_groups_of_32_halve_the_error_of_one_scale_per_row() -> None:
    matrix = random(64, 4096) / random(64, 4096, seed=1).abs().clamp_min(0.2)  # heavy tails, as real weights have
    by_row, by_group = (
        float((quantise(matrix, 4, group).dequantise() - matrix).norm() / matrix.norm()) for group in (None, 32)
    )
    assert by_group < 0.5 * by_row
    assert by_group < 0.12


@pytest.mark.parametrize(("bits", "group"), [(8, None), (4, None), (4, 32)])
@pytest.mark.parametrize("value", [0.0, 0.7, -1e-30], ids=["zero", "constant", "tiny"])
def test_rows_of_one_number_are_kept(bits: int, group: int | None, value: float) -> None:
    matrix = torch.full((3, 64), value)
    assert torch.allclose(quantise(matrix, bits, group).dequantise(), matrix, rtol=0.01, atol=0)


@pytest.mark.parametrize(("bits", "group"), [(8, None), (4, None), (4, 32)])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_numbers_that_are_none_are_refused(bits: int, group: int | None, value: float) -> None:
    matrix = random(3, 64)
    matrix[1, 40] = value
    with pytest.raises(ValueError, match="NaN"):
        quantise(matrix, bits, group)


def test_what_cannot_be_quantised_is_refused() -> None:
    with pytest.raises(ValueError, match="one scale per row"):
        quantise(random(2, 64), 8, 32)
    with pytest.raises(ValueError, match="whole bytes"):
        quantise(random(2, 63), 4)


@pytest.mark.parametrize(("bits", "group"), [(8, None), (4, None), (4, 32)])
def test_a_matrix_is_quantised_some_rows_at_a_time(
    bits: int, group: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = random(11, 64).half()
    whole = quantise(matrix, bits, group)
    monkeypatch.setattr(quantization, "_BLOCK_ELEMENTS", 128)
    widest: list[int] = []
    measured = torch.Tensor.float
    monkeypatch.setattr(torch.Tensor, "float", lambda self: widest.append(self.numel()) or measured(self))
    parts = quantise(matrix, bits, group)
    assert max(widest) == 128
    assert parts.dequantise().equal(whole.dequantise())
