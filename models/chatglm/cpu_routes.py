"""Fast products on a processor: activations enter in bf16, everything else about them is fp32.

A few rows go to kernels that read each weight once as it is stored; they are bound by memory. Many rows are bound by
arithmetic: there the weights are expanded, a cache-sized block at a time, for an ordinary matrix product. The kernels
are private to torch, so each is used only where `route_probe` has seen it give the right answer.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from models.chatglm.int4_kernels import KernelScales, kernel_group
from models.chatglm.linear import Candidates, Projection, Route, finished
from models.chatglm.quantization import QuantizedWeight

# From how many rows on expanding pays: measured with AVX-512 and bf16 arithmetic at the widths of ChatGLM-6B.
_INT8_ROWS, _INT4_ROWS, _GROUPED_ROWS, _FP16_ROWS = 16, 64, 96, 4
_BLOCK_ELEMENTS = 1 << 20  # expanded weights at a time: 2 MB in bf16
_INT8_COLUMNS = 32  # the int8 kernel reads past a row whose length is no multiple of its vectors
_SIGNS = 0x88  # turns the signed codes of a byte into unsigned ones, 8 more
_TILE = 64  # rows that the int4 kernel stores together; the last tile is filled up with zeros
_VECTOR_CODE = {"AVX2", "AVX512"}

Expand = Callable[[int, int, Tensor], Tensor]


def takes_int8(weight: QuantizedWeight) -> bool:
    """Tell whether `Int8Packed` can read a weight."""
    plain = weight.bits == 8 and weight.groups == 1 and weight.offset is None
    return plain and weight.in_features % _INT8_COLUMNS == 0


def takes_int4(weight: QuantizedWeight) -> bool:
    """Tell whether `Int4Packed` can read a weight."""
    return kernel_group(weight) is not None


class Int8Packed(Projection):
    """The release's 8-bit codes where they are; the scale of a row is applied to the product."""

    def __init__(self, weight: QuantizedWeight, bias: Tensor | None, dtype: torch.dtype) -> None:
        self._codes = weight.codes.contiguous()
        self._ones = torch.ones(weight.out_features, dtype=torch.bfloat16)
        self._scale = weight.scale.float().flatten()
        self._bias = None if bias is None else bias.float()

    def _product(self, x: Tensor) -> Tensor:
        if len(x) < _INT8_ROWS:
            y = torch.ops.aten._weight_int8pack_mm(x.bfloat16(), self._codes, self._ones)
        else:
            y = _by_blocks(x, len(self._codes), self._expand)
        return finished(y, self._scale, self._bias, x.dtype)

    def _expand(self, start: int, stop: int, buffer: Tensor) -> Tensor:
        return buffer.view(stop - start, -1).copy_(self._codes[start:stop]).T


class Int4Packed(Projection):
    """4-bit codes in the tiles of torch's kernel, the only copy of them."""

    def __init__(self, weight: QuantizedWeight, bias: Tensor | None, dtype: torch.dtype) -> None:
        self._shape = weight.shape
        self._packed = _packed(weight)
        self._tile_rows = _tile_rows()
        self._scales = KernelScales.of(weight, len(self._packed))
        self._many_rows = _INT4_ROWS if self._scales.row_scale is not None else _GROUPED_ROWS
        self._bias = None if bias is None else bias.float()

    def _product(self, x: Tensor) -> Tensor:
        out, _ = self._shape
        if self._tile_rows is None or len(x) < self._many_rows:
            kernel = torch.ops.aten._weight_int4pack_mm_for_cpu
            y = kernel(x.bfloat16(), self._packed, self._scales.group, self._scales.pairs)
        else:
            y = _by_blocks(x, len(self._packed), self._expand)
        return finished(y[:, :out], self._scales.row_scale, self._bias, x.dtype)

    def _expand(self, start: int, stop: int, buffer: Tensor) -> Tensor:
        _, columns = self._shape
        _unpack(self._packed[start:stop], buffer.view(columns, -1, 2, (self._tile_rows or _TILE) // 2))
        if self._scales.row_scale is None:
            grouped = buffer.view(-1, self._scales.group, stop - start)
            pairs = self._scales.pairs[:, start:stop].to(buffer.dtype)
            scale, zero = (part.contiguous().unsqueeze(1) for part in pairs.unbind(-1))
            torch.addcmul(zero, grouped, scale, out=grouped)
        return buffer.view(columns, stop - start)


class FloatPacked(Projection):
    """bf16 weights in oneDNN's own layout, in place of any other copy."""

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> None:
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.bfloat16(), None)
        self._bias = None if bias is None else bias.float()

    def _product(self, x: Tensor) -> Tensor:
        y = torch.ops.mkldnn._linear_pointwise(x.bfloat16(), self._packed, None, "none", [], "")
        return finished(y, None, self._bias, x.dtype)


class FloatAsStored(Projection):
    """A matrix in the type and the memory that it has: the output head, which the embedding shares.

    One row by an fp16 matrix is as fast as memory can be read; a true product of several would be scalar code.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> None:
        self._weight = weight
        self._bias = None if bias is None else bias.float()

    def _product(self, x: Tensor) -> Tensor:
        if self._weight.dtype != torch.float16:
            y = functional.linear(x.to(self._weight.dtype), self._weight)
        elif len(x) < _FP16_ROWS:
            y = x.new_empty(len(x), len(self._weight), dtype=torch.float32)
            for row, answer in zip(x, y, strict=True):
                largest = row.abs().amax().clamp_min(torch.finfo(torch.float32).tiny)  # fp16 ends at 65504
                answer.copy_(functional.linear((row / largest).half(), self._weight).float() * largest)
        else:
            y = _by_blocks(x, len(self._weight), self._expand)
        return finished(y, None, self._bias, x.dtype)

    def _expand(self, start: int, stop: int, buffer: Tensor) -> Tensor:
        # By way of fp32: torch converts fp16 to bf16 one number at a time.
        return buffer.view(stop - start, -1).copy_(self._weight[start:stop].float()).T


def _by_blocks(x: Tensor, out: int, expand: Expand) -> Tensor:
    """Return x Wᵀ in fp32; `expand(start, stop, buffer)` writes these rows of W to a buffer, as [in, stop − start]."""
    x = x.to(_wide_type())
    columns = x.shape[1]
    block_rows = max(_TILE, _BLOCK_ELEMENTS // columns // _TILE * _TILE)
    buffer = x.new_empty(min(block_rows, out) * columns)
    y = x.new_empty(len(x), out, dtype=torch.float32)
    for start in range(0, out, block_rows):
        stop = min(start + block_rows, out)
        y[:, start:stop] = x @ expand(start, stop, buffer[: (stop - start) * columns])
    return y


def _wide_type() -> torch.dtype:
    """Return bf16 where the processor multiplies it, else fp32."""
    bf16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if bf16 else torch.float32


def _packed(weight: QuantizedWeight) -> Tensor:
    """Return the codes as the int4 kernel wants them, uint8 [rows, in/2], made some tiles at a time."""
    tiles = -(-weight.out_features // _TILE)
    step = max(1, _BLOCK_ELEMENTS // weight.in_features // _TILE) * _TILE
    packed = torch.empty(tiles * _TILE, weight.in_features // 2, dtype=torch.uint8)
    for start in range(0, len(packed), step):
        target, block = packed[start : start + step], weight.block(start, start + step)
        missing_rows = len(target) - block.out_features
        tile_rows = _tile_rows()
        if tile_rows is None:
            codes = functional.pad(block.unpacked().int() + 8, (0, 0, 0, missing_rows), value=8)
            target.copy_(torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes, 2))
        else:
            unsigned = block.codes.view(torch.uint8) ^ _SIGNS
            _pack(functional.pad(unsigned, (0, 0, 0, missing_rows), value=_SIGNS), target, tile_rows // 2)
    return packed


def _pack(codes: Tensor, packed: Tensor, half: int) -> None:
    """Write whole tiles of unsigned codes, in the release's packing, to `packed`; several times as fast as torch's own.

    Both are uint8 [rows, in/2]. A byte of the release holds two columns of a row, one of the kernel's holds two rows,
    `half` a tile apart, of a column.
    """
    upper, lower = codes.view(-1, 2, half, codes.shape[1]).unbind(1)  # [tiles, half, in/2]
    by_column = packed.view(len(upper), -1, half)  # [tiles, in, half]
    by_column[:, 0::2] = ((upper >> 4) | (lower & 0xF0)).transpose(1, 2)
    by_column[:, 1::2] = ((upper & 0xF) | (lower << 4)).transpose(1, 2)


def _unpack(packed: Tensor, halves: Tensor) -> None:
    """Write the codes of whole tiles, uint8 [rows, in/2], to `halves` [in, tiles, 2, rows of half a tile].

    The low halves of a tile's bytes [in, rows/2] hold the first half of its rows.
    """
    columns, _, _, half = halves.shape
    tiles = packed.view(-1, columns, half).transpose(0, 1)
    halves[:, :, 0] = ((tiles & 0xF) - 8).view(torch.int8)  # unsigned bytes wrap round to two's complement
    halves[:, :, 1] = ((tiles >> 4) - 8).view(torch.int8)


@functools.cache
def _tile_rows() -> int | None:
    """Return how many rows the kernel stores together, None where its layout is not the one that `_unpack` reads."""
    rows = torch.arange(_TILE, dtype=torch.int32)
    codes = torch.stack((rows % 16, rows // 16), dim=1)  # no two rows alike
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes, 2)
    for tile_rows in (64, 32):  # as for AVX-512, and for AVX2
        halves = torch.empty(2, _TILE // tile_rows, 2, tile_rows // 2)
        _unpack(packed, halves)
        if halves.view(2, _TILE).T.add(8).equal(codes.float()):
            return tile_rows
    return None


def candidates() -> Candidates:
    """Return the routes of a processor; the integer ones only where torch has them in vector code."""
    as_stored = Route("fp16 as stored", FloatAsStored)
    floating = (Route("bf16 packed by oneDNN", FloatPacked), as_stored)
    if torch.backends.cpu.get_cpu_capability() not in _VECTOR_CODE:
        return Candidates(floating, head=(as_stored,))
    int8 = Route("bf16 by int8 codes", Int8Packed, takes_int8)
    int4 = Route("bf16 by packed int4 codes", Int4Packed, takes_int4)
    return Candidates(floating, (int8,), (int4,), head=(as_stored,))
