"""Figures of retrieval quality against cases worked out by hand."""

import math

import pytest

from chains.evaluation.metrics import discounted_gain, percentile, recall_at, reciprocal_rank


def test_recall_counts_the_first_k_ranks_and_misses() -> None:
    assert recall_at([1, 3, None, 11], 1) == 0.25
    assert recall_at([1, 3, None, 11], 3) == 0.5


def test_reciprocal_rank_ends_at_k() -> None:
    assert reciprocal_rank([1, 2, None, 11]) == pytest.approx(1.5 / 4)


@pytest.mark.parametrize(
    ("right", "gain"),
    [
        ([True, False, False], 1.0),
        ([False, True], 1 / math.log2(3)),
        ([True, False, True], (1 + 0.5) / (1 + 1 / math.log2(3))),
        ([False, False], 0.0),
        ([False] * 10 + [True], 0.0),
        ([], 0.0),
    ],
    ids=["first", "second", "two_right", "none", "beyond_ten", "empty"],
)
def test_discounted_gain(right: list[bool], gain: float) -> None:
    assert discounted_gain(right) == pytest.approx(gain)


def test_percentile_takes_a_value_that_occurs() -> None:
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile([3, 1, 2], 0.99) == 3
