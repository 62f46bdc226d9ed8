"""Retrieval metrics over ranks and scores."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

_MISSED = 10**9


def recall_at(ranks: Sequence[int | None], k: int) -> float:
    """Return the share (0–1) of questions whose first right chunk is among the first `k`. Ranks count from 1."""
    return sum(_number(rank) <= k for rank in ranks) / len(ranks)


def reciprocal_rank(ranks: Sequence[int | None], k: int = 10) -> float:
    """Return the mean reciprocal rank of the first right chunk, 0 for one beyond `k`."""
    return sum(1 / _number(rank) for rank in ranks if _number(rank) <= k) / len(ranks)


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


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0–1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _number(rank: int | None) -> int:
    return _MISSED if rank is None else rank
