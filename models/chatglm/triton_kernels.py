"""A product of quantised weights with a few rows, in Triton: each code is read once per row and expanded in registers.

Triton comes with torch for CUDA on Linux and with few other builds, so this module is imported only to be tried.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from models.chatglm.quantization import QuantizedWeight

_OUTPUTS = 8  # of one program
_BYTES = 512  # of each row's codes that a program holds at a time


def takes(weight: QuantizedWeight) -> bool:
    """Tell whether whole groups of a weight fill a program's stretch of codes; one scale per row always does."""
    if weight.groups == 1:
        return weight.offset is None
    return _BYTES * 8 // weight.bits % weight.group_size == 0 and weight.group_size.bit_count() == 1


def multiply(x: Tensor, weight: QuantizedWeight, bias: Tensor | None) -> Tensor:
    """Return x Wᵀ + bias, [rows, out] in the type of x, summed in fp32.

    Args:
        x: contiguous [rows, in].
        weight: what `takes` accepts, on the same device, its parts contiguous.
        bias: [out], or None.
    """
    out, columns = weight.shape
    y = x.new_empty(len(x), out)
    with torch.cuda.device_of(x):  # Triton launches on the current device
        _kernel[(len(x), triton.cdiv(out, _OUTPUTS))](
            x,
            weight.codes,
            weight.scale,
            weight.offset,
            bias,
            y,
            out,
            columns=columns,
            bits=weight.bits,
            groups=0 if weight.groups == 1 else weight.groups,
            group_bytes=_BYTES if weight.groups == 1 else weight.group_size * weight.bits // 8,
            tile_outputs=_OUTPUTS,
            tile_bytes=_BYTES,
        )
    return y


def _codes_by_inputs(
    x: tl.tensor, byte: tl.tensor, at: tl.tensor, inside: tl.tensor, bits: tl.constexpr
) -> tuple[tl.tensor, tl.tensor]:
    """Return each byte's codes times their inputs [outputs, bytes], and the sum of its inputs [bytes]."""
    if bits == 8:
        inputs = tl.load(x + at, mask=inside, other=0).to(tl.float32)
        return byte.to(tl.float32) * inputs[None, :], inputs
    even = tl.load(x + 2 * at, mask=inside, other=0).to(tl.float32)
    odd = tl.load(x + 2 * at + 1, mask=inside, other=0).to(tl.float32)
    high, low = (byte >> 4).to(tl.float32), ((byte << 28) >> 28).to(tl.float32)
    return high * even[None, :] + low * odd[None, :], even + odd


_products = triton.jit(_codes_by_inputs)


def _row_by_codes(  # noqa: PLR0913, PLR0917 - a kernel is handed its pointers and sizes one by one
    x: tl.tensor,
    codes: tl.tensor,
    scale: tl.tensor,
    offset: tl.tensor,
    bias: tl.tensor,
    y: tl.tensor,
    out: tl.tensor,
    columns: tl.constexpr,
    bits: tl.constexpr,
    groups: tl.constexpr,
    group_bytes: tl.constexpr,
    tile_outputs: tl.constexpr,
    tile_bytes: tl.constexpr,
) -> None:
    """Compute tile_outputs numbers of one row of y; groups is 0 where a row has one scale."""
    row = tl.program_id(0)
    outputs = tl.program_id(1) * tile_outputs + tl.arange(0, tile_outputs)
    inside = outputs < out
    width: tl.constexpr = columns * bits // 8
    x += row * columns
    total = tl.zeros((tile_outputs,), tl.float32)
    for start in range(0, width, tile_bytes):
        at = start + tl.arange(0, tile_bytes)
        held = inside[:, None] & (at < width)[None, :]
        byte = tl.load(codes + outputs[:, None].to(tl.int64) * width + at[None, :], mask=held, other=0).to(tl.int32)
        products, inputs = _products(x, byte, at, at < width, bits)
        if groups == 0:
            total += tl.sum(products, axis=1)
        else:
            group = start // group_bytes + tl.arange(0, tile_bytes // group_bytes)
            scaled = inside[:, None] & (group < groups)[None, :]
            place = outputs[:, None] * groups + group[None, :]
            sums = tl.sum(tl.reshape(products, (tile_outputs, tile_bytes // group_bytes, group_bytes)), axis=2)
            total += tl.sum(sums * tl.load(scale + place, mask=scaled, other=0).to(tl.float32), axis=1)
            if offset is not None:
                sums = tl.sum(tl.reshape(inputs, (tile_bytes // group_bytes, group_bytes)), axis=1)
                shift = tl.load(offset + place, mask=scaled, other=0).to(tl.float32)
                total += tl.sum(shift * sums[None, :], axis=1)
    if groups == 0:
        total *= tl.load(scale + outputs, mask=inside, other=0).to(tl.float32)
    if bias is not None:
        total += tl.load(bias + outputs, mask=inside, other=0).to(tl.float32)
    tl.store(y + row * out + outputs, total.to(y.dtype.element_ty), mask=inside)


_kernel = triton.jit(_row_by_codes)
