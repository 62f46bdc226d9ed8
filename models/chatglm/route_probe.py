"""The choice of a route for each kind of weight: the candidates are tried once, on a small product.

Nothing is concluded from a device's name. A candidate that raises, or whose answer differs from the exact one, is out.
"""

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.chatglm.linear import EXACT_FLOAT, EXACT_QUANTISED, Candidates, Projection, Route, Routes, W
from models.chatglm.quantization import GROUP_COLUMNS, quantise

_LARGEST_ERROR = 0.02  # of the norm; the rounding of inputs to bf16 causes 0.003
_ROWS = (1, 128)  # a token of an answer, and a stretch of a prompt
_ROW_WEIGHTS = (1.0, 10 / 128)  # a question costs about ten tokens of prompt for each token of its answer
_SIZES = {"cpu": (528, 1024), "cuda": (12288, 4096)}  # no whole number of a kernel's tiles; more than a GPU caches
_CALLS, _REPEATS = 20, 3  # between two looks at the clock, and how often


@functools.cache
def choose_routes(device: torch.device, dtype: torch.dtype, fast: bool) -> Routes:
    """Return the routes for a device, found once per process.

    Args:
        device: where weights and activations are.
        dtype: of the activations. On a processor's fast routes this is fp32: only the inputs of products are rounded.
        fast: whether to look for anything but the exact routes.
    """
    exact = Routes(device, dtype, EXACT_FLOAT, EXACT_QUANTISED, EXACT_QUANTISED, EXACT_FLOAT)
    if not fast or device.type not in _SIZES:
        return exact
    with torch.inference_mode():
        return _probed(exact, _candidates(device))


def _candidates(device: torch.device) -> Candidates:
    if device.type == "cuda":
        from models.chatglm.cuda_routes import candidates

        return candidates()
    from models.chatglm.cpu_routes import candidates

    return candidates()


def _probed(exact: Routes, candidates: Candidates) -> Routes:
    probe = _Probe(exact.device, exact.dtype, torch.Generator(exact.device).manual_seed(0))
    weight = probe.random(*_SIZES[exact.device.type])
    rows8, rows4, groups4 = quantise(weight, 8), quantise(weight, 4), quantise(weight, 4, GROUP_COLUMNS)
    return Routes(
        exact.device,
        exact.dtype,
        floating=probe.best(candidates.floating, exact.floating, [weight.half()]),
        int8=probe.best(candidates.int8, exact.int8, [rows8]),
        int4=probe.best(candidates.int4, exact.int4, [rows4, groups4]),
        head=probe.best(candidates.head, exact.head, [weight.half()]),
    )


@dataclass(frozen=True, slots=True)
class _Probe:
    device: torch.device
    dtype: torch.dtype
    generator: torch.Generator

    def random(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, device=self.device)

    def best(self, candidates: Sequence[Route[W]], exact: Route[W], samples: Sequence[W]) -> Route[W]:
        """Return the fastest right route.

        On a processor that is the first one: timings mean nothing while other programs use it, and exact float weights
        would need twice the memory.
        """
        right: list[Route[W]] = [route for route in candidates if self._is_right(route, exact, samples)]
        if not right or self.device.type == "cpu":
            return next(iter(right), exact)
        return min([exact, *right], key=lambda route: self._seconds(route, samples))

    def _is_right(self, route: Route[W], exact: Route[W], samples: Sequence[W]) -> bool:
        """Tell whether a route takes the samples and gives nearly the exact answers, for few and for many rows."""
        bias = self.random(_SIZES[self.device.type][0])
        try:
            return all(
                route.takes(sample)
                and self._is_near(route.build(sample, bias, self.dtype), exact.build(sample, bias, self.dtype))
                for sample in samples
            )
        except Exception:  # noqa: BLE001 - a private kernel, or a compiler, raises whatever it likes; then it is not used
            return False

    def _is_near(self, projection: Projection, exact: Projection) -> bool:
        for x in self._inputs():
            right = exact(x).float()
            if not bool((projection(x).float() - right).norm() < _LARGEST_ERROR * right.norm()):
                return False
        return True

    def _seconds(self, route: Route[W], samples: Sequence[W]) -> float:
        """Return the time of a route, each number of rows weighted as often as it occurs."""
        projections = [route.build(sample, None, self.dtype) for sample in samples]
        return sum(
            weight * min(self._timed(projection, x) for _ in range(_REPEATS))
            for projection in projections
            for weight, x in zip(_ROW_WEIGHTS, self._inputs(), strict=True)
        )

    def _timed(self, projection: Projection, x: Tensor) -> float:
        torch.cuda.synchronize(self.device)
        start = time.perf_counter()
        for _ in range(_CALLS):
            projection(x)
        torch.cuda.synchronize(self.device)
        return time.perf_counter() - start

    def _inputs(self) -> list[Tensor]:
        _, columns = _SIZES[self.device.type]
        return [self.random(rows, columns).to(self.dtype) for rows in _ROWS]
