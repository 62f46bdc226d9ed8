"""What torch's 4-bit kernels for processors and for CUDA have in common: how they read scales."""

import functools
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from models.chatglm.quantization import QuantizedWeight

_GROUPS = (256, 128, 64, 32)


@dataclass(frozen=True, slots=True, eq=False)
class KernelScales:
    """The scales of a 4-bit weight as the kernels want them, W = pair[0] · code + pair[1].

    One scale per row is left to be applied to the product, in fp32: the kernel then multiplies by the codes alone.

    Args:
        group: columns that share a pair.
        pairs: bf16 [in/group, rows, 2].
        row_scale: fp32 [out], or None where the pairs hold everything.
    """

    group: int
    pairs: Tensor
    row_scale: Tensor | None

    @classmethod
    def of(cls, weight: QuantizedWeight, rows: int) -> Self:
        """Return the scales of a weight that `kernel_group` accepts, for `rows` rows, those past its last being 0."""
        group = kernel_group(weight)
        if group is None:
            raise ValueError(f"no 4-bit kernel reads groups of {weight.group_size} columns")
        if _scaled_by_row(weight):
            ones = _ones(weight.in_features // group, rows, weight.scale.device)
            return cls(group, ones, weight.scale.float().flatten())
        offset = torch.zeros_like(weight.scale) if weight.offset is None else weight.offset
        pairs = torch.zeros(weight.groups, rows, 2, dtype=torch.bfloat16, device=weight.scale.device)
        pairs[:, : weight.out_features] = torch.stack((weight.scale.T, offset.T), dim=-1)
        return cls(group, pairs, None)


def kernel_group(weight: QuantizedWeight) -> int | None:
    """Return the columns that share a scale when a kernel reads this weight, None where none can."""
    if _scaled_by_row(weight):
        return next((group for group in _GROUPS if weight.in_features % group == 0), None)
    return weight.group_size if weight.group_size in _GROUPS else None


def _scaled_by_row(weight: QuantizedWeight) -> bool:
    return weight.groups == 1 and weight.offset is None


@functools.cache
def _ones(groups: int, rows: int, device: torch.device) -> Tensor:
    """Return pairs that change nothing, one tensor for all matrices of a shape."""
    with torch.inference_mode(mode=False):
        pairs = torch.zeros(groups, rows, 2, dtype=torch.bfloat16, device=device)
        pairs[..., 0] = 1
        return pairs
