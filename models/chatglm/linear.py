"""Matrix products of the runtime: y = x Wᵀ + b by the route that was found right and fast on this machine.

A route computes one kind of weight (float, 8-bit, 4-bit, the output head). The exact one multiplies in the
activations' type and expands quantised weights for each call; it is the measure of all others and stands in for them
wherever a matrix has a shape that they cannot take.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from models.chatglm.quantization import QuantizedWeight

W = TypeVar("W", bound=Tensor | QuantizedWeight)
# Weights that an exact product expands at a time: on a processor what its cache holds, elsewhere a whole layer.
_BLOCK_ELEMENTS = {"cpu": 1 << 20}
_LAYER_ELEMENTS = 1 << 27


class Projection(ABC):
    """y = x Wᵀ + b, in the type of x."""

    def __call__(self, x: Tensor) -> Tensor:
        """Return y [..., out] for x [..., in]."""
        y = self._product(x.reshape(-1, x.shape[-1]))
        return y.view(*x.shape[:-1], y.shape[-1])

    @abstractmethod
    def _product(self, x: Tensor) -> Tensor:
        """Return y [rows, out] for x [rows, in]; there may be no rows."""


@dataclass(frozen=True, slots=True)
class Route(Generic[W]):
    """One way to multiply by one kind of weight.

    Args:
        name: shown to users.
        build: makes the product of a weight and a bias [out], for activations of a type.
        takes: whether the route can compute this matrix; a wrong yes may crash the process.
    """

    name: str
    build: Callable[[W, Tensor | None, torch.dtype], Projection]
    takes: Callable[[W], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class Candidates:
    """Routes that a kind of device may have beside the exact ones, the likeliest first."""

    floating: tuple[Route[Tensor], ...] = ()
    int8: tuple[Route[QuantizedWeight], ...] = ()
    int4: tuple[Route[QuantizedWeight], ...] = ()
    head: tuple[Route[Tensor], ...] = ()


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes in force on a device, for activations of `dtype`."""

    device: torch.device
    dtype: torch.dtype
    floating: Route[Tensor]
    int8: Route[QuantizedWeight]
    int4: Route[QuantizedWeight]
    head: Route[Tensor]

    def describe(self) -> str:
        """Return one line for display: what each kind of weight is multiplied by."""
        kinds: dict[str, Route[Any]] = {"float": self.floating, "int8": self.int8, "int4": self.int4, "head": self.head}
        return "; ".join(f"{kind}: {route.name}" for kind, route in kinds.items())


def build_projection(weight: Tensor | QuantizedWeight, bias: Tensor | None, routes: Routes) -> Projection:
    """Return the product with a layer's weight.

    Args:
        weight: [out, in] on `routes.device`. The projection may keep it in another layout: drop other references.
        bias: [out], or None.
        routes: what `choose_routes` found.
    """
    if isinstance(weight, QuantizedWeight):
        return _built(routes.int8 if weight.bits == 8 else routes.int4, EXACT_QUANTISED, weight, bias, routes.dtype)
    return _built(routes.floating, EXACT_FLOAT, weight, bias, routes.dtype)


def build_head(weight: Tensor | QuantizedWeight, routes: Routes) -> Projection:
    """Return the product with the output head [vocabulary, hidden], which has no bias.

    A float head shares its memory with the embedding: on the fast routes of a processor it is used in the type that it
    has, where fp16 is best; exactly, in the activations' type. It expects few rows, one for each text.
    """
    if isinstance(weight, QuantizedWeight):
        return build_projection(weight, None, routes)
    return _built(routes.head, EXACT_FLOAT, weight, None, routes.dtype)


def _built(route: Route[W], exact: Route[W], weight: W, bias: Tensor | None, dtype: torch.dtype) -> Projection:
    return (route if route.takes(weight) else exact).build(weight, bias, dtype)


def finished(y: Tensor, scale: Tensor | None, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Return y · scale + bias in `dtype`, computed in fp32; y [rows, out] may be overwritten."""
    y = y.float()
    if scale is not None:
        y *= scale
    if bias is not None:
        y += bias
    return y.to(dtype)


class ExactFloat(Projection):
    """The plain product in the activations' type."""

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> None:
        self._weight = weight.to(dtype)
        self._bias = None if bias is None else bias.to(dtype)

    def _product(self, x: Tensor) -> Tensor:
        return functional.linear(x, self._weight, self._bias)


class ExactQuantised(Projection):
    """Codes times scales in the activations' type, then the plain product, as in the release: nothing else is kept."""

    def __init__(self, weight: QuantizedWeight, bias: Tensor | None, dtype: torch.dtype) -> None:
        self._weight = weight
        self._bias = None if bias is None else bias.to(dtype)
        elements = _BLOCK_ELEMENTS.get(weight.codes.device.type, _LAYER_ELEMENTS)
        self._block_rows = max(1, elements // weight.in_features)

    def _product(self, x: Tensor) -> Tensor:
        y = x.new_empty(len(x), self._weight.out_features)
        for start in range(0, y.shape[1], self._block_rows):
            stop = start + self._block_rows
            bias = None if self._bias is None else self._bias[start:stop]
            y[:, start:stop] = functional.linear(x, self._weight.block(start, stop).dequantise(x.dtype), bias)
        return y


EXACT_FLOAT = Route("exact", ExactFloat)
EXACT_QUANTISED = Route("exact", ExactQuantised)
