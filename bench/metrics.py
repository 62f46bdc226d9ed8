"""Metrics of the benchmarks: those of retrieval that the product has too, and how well a score separates."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from chains.evaluation.metrics import percentile, recall_at, reciprocal_rank

__all__ = ["accuracy_at", "auroc", "best_threshold", "percentile", "recall_at", "reciprocal_rank"]


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Return the probability (0–1) that a positive scores higher than a negative; ties count half."""
    ordered = sorted(negative)
    wins = sum((bisect_left(ordered, score) + bisect_right(ordered, score)) / 2 for score in positive)
    return wins / (len(positive) * len(negative))


def best_threshold(positive: Sequence[float], negative: Sequence[float]) -> tuple[float, float]:
    """Return the threshold of highest accuracy and that accuracy (0–1), on a grid of half percents."""
    grid = [step / 200 for step in range(201)]
    return max(((line, accuracy_at(line, positive, negative)) for line in grid), key=lambda pair: pair[1])


def accuracy_at(threshold: float, positive: Sequence[float], negative: Sequence[float]) -> float:
    """Return the share (0–1) of questions on the right side of a threshold."""
    right = sum(score >= threshold for score in positive) + sum(score < threshold for score in negative)
    return right / (len(positive) + len(negative))
