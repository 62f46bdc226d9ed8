"""Fast products on CUDA for few rows, where memory is the limit; many rows take the expanded weights as they are.

Which of these a device and its torch can run, and which is the fastest there, `route_probe` finds by trying.
"""

import torch
from torch import Tensor

from models.chatglm.int4_kernels import KernelScales, kernel_group
from models.chatglm.linear import Candidates, ExactQuantised, Projection, Route, finished
from models.chatglm.quantization import QuantizedWeight

_FEW_ROWS = 8  # each one reads all codes again; expanding them moves about ten times their bytes
_INNER_TILES = 8  # of 16 columns, packed together
_TILE_ROWS = 8


class TritonCodes(ExactQuantised):
    """Our own kernel for few rows, on the codes as the release stores them."""

    def __init__(self, weight: QuantizedWeight, bias: Tensor | None, dtype: torch.dtype) -> None:
        from models.chatglm.triton_kernels import multiply

        super().__init__(weight, bias, dtype)
        self._multiply = multiply

    def _product(self, x: Tensor) -> Tensor:
        if 0 < len(x) <= _FEW_ROWS:
            return self._multiply(x.contiguous(), self._weight, self._bias)
        return super()._product(x)


class Int8Codes(ExactQuantised):
    """Torch's int8 kernel for few rows; the scale of a row is applied to the product."""

    def __init__(self, weight: QuantizedWeight, bias: Tensor | None, dtype: torch.dtype) -> None:
        super().__init__(weight, bias, dtype)
        self._scale = weight.scale.float().flatten()

    def _product(self, x: Tensor) -> Tensor:
        if len(x) > _FEW_ROWS:
            return super()._product(x)
        y = torch.ops.aten._weight_int8pack_mm(x.float(), self._weight.codes, self._scale)
        return finished(y, None, self._bias, x.dtype)


class Int4Tiles(Projection):
    """4-bit codes in the tiles of torch's tensor-core kernel, the only copy of them, for any number of rows."""

    def __init__(self, weight: QuantizedWeight, bias: Tensor | None, dtype: torch.dtype) -> None:
        unsigned = weight.codes.view(torch.uint8) ^ 0x88  # both halves of a byte: code + 8
        self._tiles = torch.ops.aten._convert_weight_to_int4pack(unsigned, _INNER_TILES)
        self._scales = KernelScales.of(weight, weight.out_features)
        self._bias = None if bias is None else bias.float()

    def _product(self, x: Tensor) -> Tensor:
        kernel = torch.ops.aten._weight_int4pack_mm
        y = kernel(x.bfloat16(), self._tiles, self._scales.group, self._scales.pairs)
        return finished(y, self._scales.row_scale, self._bias, x.dtype)


def candidates() -> Candidates:
    """Return the routes to try on a CUDA device; float weights have none beside the plain product."""
    triton = Route("Triton kernel", TritonCodes, _takes_triton)
    return Candidates(
        int8=(triton, Route("int8 kernel", Int8Codes, _takes_int8)),
        int4=(triton, Route("bf16 by int4 tiles", Int4Tiles, _takes_tiles)),
    )


def _takes_triton(weight: QuantizedWeight) -> bool:
    from models.chatglm.triton_kernels import takes

    return takes(weight)


def _takes_int8(weight: QuantizedWeight) -> bool:
    return weight.bits == 8 and weight.groups == 1 and weight.offset is None


def _takes_tiles(weight: QuantizedWeight) -> bool:
    whole = weight.out_features % _TILE_ROWS == 0 and weight.in_features % (16 * _INNER_TILES) == 0
    return whole and kernel_group(weight) is not None
