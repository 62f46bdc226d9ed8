"""Figures of retrieval quality over the ranks of right chunks; ranks count from 1, None is a miss."""

import math
from collections.abc import Sequence


def recall_at(ranks: Sequence[int | None], k: int) -> float:
    """Return the share (0–1) of questions whose first right chunk is among the first `k`."""
    return sum(rank is not None and rank <= k for rank in ranks) / len(ranks)


def reciprocal_rank(ranks: Sequence[int | None], k: int = 10) -> float:
    """Return the mean reciprocal rank (0–1) of the first right chunk, 0 for one beyond `k`."""
    return sum(1 / rank for rank in ranks if rank is not None and rank <= k) / len(ranks)


def discounted_gain(right: Sequence[bool], k: int = 10) -> float:
    """Return nDCG@k (0–1) of one ranking against the one with its right chunks first (Järvelin & Kekäläinen 2002)."""
    ideal = sum(_discount(rank) for rank in range(1, min(k, sum(right)) + 1))
    return sum(_discount(rank) for rank, is_right in enumerate(right[:k], start=1) if is_right) / ideal if ideal else 0


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0–1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _discount(rank: int) -> float:
    return 1 / math.log2(rank + 1)
