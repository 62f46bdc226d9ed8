"""Curves over the threshold as the geometry of a drawing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from core.evaluation import CurvePoint

LineName = Literal["precision", "recall", "refused"]
WIDTH, HEIGHT = 400, 260
LEFT, RIGHT, TOP, BOTTOM = 42, 388, 12, 222  # of the plot in the drawing
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_LINES: tuple[LineName, ...] = ("precision", "recall", "refused")


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Attributes:
        runs: its points as an SVG polyline takes them; a value that is not known parts two runs.
    """

    name: LineName
    runs: tuple[str, ...]


def lines(points: Sequence[CurvePoint]) -> list[Line]:
    """Return the curves; those of which nothing is known are missing."""
    drawn = (Line(name, tuple(_runs((point.value, getattr(point, name)) for point in points))) for name in _LINES)
    return [line for line in drawn if line.runs]


def x(value: float) -> float:
    """Return where a threshold (0–1) lies."""
    return round(LEFT + value * (RIGHT - LEFT), 1)


def y(share: float) -> float:
    """Return where a share (0–1) lies."""
    return round(BOTTOM - share * (BOTTOM - TOP), 1)


def _runs(points: Iterable[tuple[float, float | None]]) -> list[str]:
    runs: list[list[str]] = [[]]
    for value, share in points:
        if share is None:
            runs.append([])
        else:
            runs[-1].append(f"{x(value)},{y(share)}")
    return [" ".join(run) for run in runs if run]
