"""Weights of 8 or 4 bits with their scales: the ChatGLM release's own format, and a finer one made from float weights.

The release keeps one scale per output row and signed codes, W[r, c] = scale[r] · code[r, c]; two 4-bit codes share a
byte, the even column in its high half. Groups of columns with a scale and an offset of their own,
W = scale · code + offset, are the same idea with about half the error.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

GROUP_COLUMNS = 32  # 5 bits a weight in all, at half the error of one scale per row
_FEWEST_COLUMNS = 16  # smaller groups would spend as many bits on their scales as on their codes
_BLOCK_ELEMENTS = 1 << 20  # weights that are in fp32 at a time while a matrix is quantised: what a cache holds


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedWeight:
    """A matrix [out, in] as small integers, W = scale · code + offset.

    Args:
        codes: int8 [out, in], or for 4 bits int8 [out, in/2]: the high half of a byte is the even column, the low half
            the odd one, both in two's complement.
        scale: floating [out, groups], each for in/groups adjacent columns.
        bits: 8 or 4.
        offset: floating [out, groups], or None where the code 0 stands for 0.

    Raises:
        ValueError: the parts do not fit together.
    """

    codes: Tensor
    scale: Tensor
    bits: Literal[4, 8]
    offset: Tensor | None = None

    def __post_init__(self) -> None:
        if self.codes.dtype != torch.int8 or self.codes.dim() != 2 or self.bits not in (4, 8):
            raise ValueError(f"no {self.bits}-bit weights: codes of {self.codes.dtype} {tuple(self.codes.shape)}")
        rows, groups = self.scale.shape if self.scale.dim() == 2 else (0, 0)
        if rows != self.out_features or not groups or self.in_features % groups:
            raise ValueError(f"scales {tuple(self.scale.shape)} do not fit a matrix {self.shape}")
        if self.offset is not None and self.offset.shape != self.scale.shape:
            raise ValueError(f"offsets {tuple(self.offset.shape)} do not fit scales {tuple(self.scale.shape)}")

    @property
    def out_features(self) -> int:
        """Rows of the matrix."""
        return self.codes.shape[0]

    @property
    def in_features(self) -> int:
        """Columns of the matrix."""
        return self.codes.shape[1] * 8 // self.bits

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in) of the matrix."""
        return self.out_features, self.in_features

    @property
    def groups(self) -> int:
        """Scales of a row."""
        return self.scale.shape[1]

    @property
    def group_size(self) -> int:
        """Adjacent columns that share a scale; `in` where a row has only one."""
        return self.in_features // self.groups

    @property
    def nbytes(self) -> int:
        """Memory of codes, scales and offsets in bytes."""
        return sum(part.nbytes for part in (self.codes, self.scale, self.offset) if part is not None)

    def unpacked(self) -> Tensor:
        """Return the codes one by one, int8 [out, in]."""
        if self.bits == 8:
            return self.codes
        return torch.stack((self.codes >> 4, (self.codes << 4) >> 4), dim=-1).flatten(1)

    def dequantise(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the matrix [out, in]; codes and scales become `dtype` first, as in the release."""
        grouped = self.unpacked().to(dtype).unflatten(1, (self.groups, -1))
        grouped *= self.scale.to(dtype).unsqueeze(-1)
        if self.offset is not None:
            grouped += self.offset.to(dtype).unsqueeze(-1)
        return grouped.flatten(1)

    def rows(self, ids: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the rows that `ids` (of any shape) names, [..., in], and expand no other: an embedding's look-up."""
        chosen = self._each(lambda part: part[ids.flatten()])
        return chosen.dequantise(dtype).view(*ids.shape, self.in_features)

    def block(self, start: int, stop: int) -> "QuantizedWeight":
        """Return the rows [start, stop) in the same memory."""
        return self._each(lambda part: part[start:stop])

    def to(self, device: torch.device | str, *, copy: bool = False) -> "QuantizedWeight":
        """Return the weight on `device`; a copy also where it is there already, if wanted."""
        return self._each(lambda part: part.to(device, copy=copy))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "QuantizedWeight":
        offset = None if self.offset is None else change(self.offset)
        return replace(self, codes=change(self.codes), scale=change(self.scale), offset=offset)


def from_checkpoint(codes: Tensor, scale: Tensor, in_features: int) -> QuantizedWeight:
    """Return a weight of a released checkpoint.

    Args:
        codes: int8 [out, in] or [out, in/2]; which of them tells 8 from 4 bits.
        scale: fp16 or fp32, [out].
        in_features: columns of the matrix.

    Raises:
        ValueError: the codes are neither, or the scales do not fit.
    """
    bits: Literal[4, 8] = 8 if codes.shape[-1] == in_features else 4
    weight = QuantizedWeight(codes, scale.reshape(-1, 1), bits)
    if weight.in_features != in_features:
        raise ValueError(f"codes {tuple(codes.shape)} do not make a matrix of {in_features} columns")
    return weight


def quantise(weight: Tensor, bits: Literal[4, 8], group_size: int | None = None) -> QuantizedWeight:
    """Return the nearest `QuantizedWeight` to a float matrix, computed in fp32 some rows at a time.

    Without groups this is the release's quantiser: one scale per row, the largest magnitude over 127 or 7. A group has
    a scale and an offset that span its least and greatest weight; both are numbers that bf16 can hold, fixed before
    the codes are, so that kernels which read them as bf16 lose nothing.

    Args:
        weight: floating [out, in].
        bits: 8 or 4.
        group_size: columns that share a scale, for 4 bits; halved until it divides `in`, and where that would leave
            fewer than 16, one scale per row after all.

    Raises:
        ValueError: a weight is infinite or NaN, two codes do not fill a byte, or 8 bits are asked for in groups.
    """
    if group_size is not None and bits == 8:
        raise ValueError("8-bit weights have one scale per row")
    if bits == 4 and weight.shape[1] % 2:
        raise ValueError(f"{weight.shape[1]} columns do not fill whole bytes with 4-bit codes")
    group = _fitting(group_size, weight.shape[1])
    blocks = weight.split(max(1, _BLOCK_ELEMENTS // weight.shape[1]))
    parts = [_by_row(block.float(), bits) if group is None else _by_group(block.float(), group) for block in blocks]
    offsets = [part.offset for part in parts if part.offset is not None]
    return QuantizedWeight(
        torch.cat([part.codes for part in parts]),
        torch.cat([part.scale for part in parts]),
        bits,
        torch.cat(offsets) if offsets else None,
    )


def _fitting(group_size: int | None, columns: int) -> int | None:
    while group_size is not None and columns % group_size:
        group_size = group_size // 2 if group_size >= 2 * _FEWEST_COLUMNS else None
    return group_size


def _by_row(block: Tensor, bits: Literal[4, 8]) -> QuantizedWeight:
    limit = 2 ** (bits - 1) - 1
    scale = _finite(block.abs().amax(dim=1, keepdim=True) / limit)
    codes = (block / _divisor(scale)).round_().clamp_(-limit, limit).to(torch.int8)
    return QuantizedWeight(codes if bits == 8 else _packed(codes), scale, bits)


def _by_group(block: Tensor, group_size: int) -> QuantizedWeight:
    grouped = block.unflatten(1, (-1, group_size))
    least, greatest = grouped.aminmax(dim=2)
    offset = _as_bf16(least + (greatest - least) * 8 / 15)
    scale = _as_bf16(_finite(torch.maximum((greatest - offset) / 7, (offset - least) / 8)))
    codes = ((grouped - offset.unsqueeze(-1)) / _divisor(scale).unsqueeze(-1)).round_().clamp_(-8, 7)
    packed = _packed(codes.to(torch.int8).flatten(1))
    return QuantizedWeight(packed, scale.bfloat16(), 4, offset.bfloat16())


def _packed(codes: Tensor) -> Tensor:
    return (codes[:, ::2] << 4) | (codes[:, 1::2] & 0xF)


def _as_bf16(values: Tensor) -> Tensor:
    return values.bfloat16().float()


def _divisor(scale: Tensor) -> Tensor:
    """Return the scale, or 1 where it is 0 and every code will be too."""
    return scale.masked_fill(scale == 0, 1)


def _finite(scale: Tensor) -> Tensor:
    if not bool(scale.isfinite().all()):
        raise ValueError("the weights hold infinite numbers or NaN")
    return scale
