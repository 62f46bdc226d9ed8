"""Suggestions: the value that separates, the interval that says how sure it is, silence where the list is silent."""

import numpy as np
import pytest

from chains.evaluation.calibrate import NO_UNANSWERABLE, NOTHING_FOUND, suggest, weight_curve
from chains.evaluation.evaluate import Ranking
from core.answers import RetrievalSettings
from core.evaluation import Suggested, Suggestion

IN_FORCE = RetrievalSettings(top_k=5, threshold=0.3, dense_weight=0.3, passage_chars=500, context_chars=2000)


def answerable(top: float, rank: int = 1, chunks: int = 20) -> Ranking:
    right = tuple(place == rank for place in range(1, chunks + 1))
    return Ranking(True, tuple(top - 0.001 * place for place in range(chunks)), right, (True,) * chunks)


def unanswerable(top: float) -> Ranking:
    return Ranking(False, (top,), (False,), (True,))


def suggested(suggestion: Suggestion, setting: str) -> Suggested:
    return next(one for one in suggestion.settings if one.setting == setting)


def drawn(count: int, spread: float = 0.05) -> list[Ranking]:
    generator = np.random.default_rng(7)
    return [
        *(answerable(float(top)) for top in generator.normal(0.6, spread, count)),
        *(unanswerable(float(top)) for top in generator.normal(0.4, spread, count)),
    ]


def test_the_threshold_lies_between_what_can_be_separated() -> None:
    rankings = [answerable(0.6), answerable(0.7), unanswerable(0.2), unanswerable(0.4)]
    one = suggested(suggest({0.3: rankings}, IN_FORCE, ""), "threshold")
    assert 0.4 < one.value <= 0.6
    assert one.value == pytest.approx(0.5, abs=0.01)  # in the middle of all that does equally well
    assert (one.score, one.score_in_force, one.in_force) == (1, 0.75, 0.3)


def test_the_interval_holds_the_value_and_narrows_with_the_list() -> None:
    few, many = (suggested(suggest({0.3: drawn(count)}, IN_FORCE, ""), "threshold") for count in (10, 400))
    assert few.low <= few.value <= few.high
    assert many.low <= many.value <= many.high
    assert many.high - many.low < 0.06
    assert many.value == pytest.approx(0.5, abs=0.02)


def test_overlapping_scores_make_it_less_sure() -> None:
    clear, blurred = (
        suggested(suggest({0.3: drawn(100, spread)}, IN_FORCE, ""), "threshold") for spread in (0.03, 0.15)
    )
    assert blurred.high - blurred.low > clear.high - clear.low
    assert blurred.score < clear.score


def test_the_same_list_gives_the_same_suggestion() -> None:
    assert suggest({0.3: drawn(40)}, IN_FORCE, "") == suggest({0.3: drawn(40)}, IN_FORCE, "")


def test_a_short_list_is_called_short_however_narrow_its_interval() -> None:
    short = suggested(suggest({0.3: drawn(5, 0.001)}, IN_FORCE, ""), "threshold")
    assert "问题太少" in short.certainty.text("zh")
    assert "too few questions" in short.certainty.text("en")
    assert "5 个有答案、5 个无答案" in short.certainty.text("zh")
    long = suggested(suggest({0.3: drawn(200, 0.03)}, IN_FORCE, ""), "threshold")
    assert "可以放心采用" in long.certainty.text("zh")


def test_a_threshold_that_drops_the_right_chunk_gains_nothing() -> None:
    """The best chunk is wrong and scores high, the right one stands lower: that one must stay above the line."""
    rankings = [
        *(Ranking(True, (0.9, 0.5), (False, True), (True, True)) for _ in range(5)),
        *(unanswerable(0.3) for _ in range(5)),
    ]
    assert 0.3 < suggested(suggest({0.3: rankings}, IN_FORCE, ""), "threshold").value <= 0.5


def test_top_k_is_the_smallest_that_finds_as_much() -> None:
    rankings = [*(answerable(0.8, rank) for rank in (1, 1, 1, 2, 3)), *(unanswerable(0.2) for _ in range(3))]
    one = suggested(suggest({0.3: rankings}, IN_FORCE, ""), "top_k")
    assert one.value == 3
    assert one.low <= 3 <= one.high
    assert one.score == one.score_in_force == 1


def test_top_k_gives_up_a_point_of_recall_but_not_two() -> None:
    def value(far: int) -> float:
        rankings = [*(answerable(0.8) for _ in range(100 - far)), *(answerable(0.8, 15) for _ in range(far))]
        return suggested(suggest({0.3: rankings}, IN_FORCE, ""), "top_k").value

    assert value(1) == 1
    assert value(2) == 15


def test_a_chunk_over_the_budget_does_not_speak_for_a_larger_top_k() -> None:
    far = answerable(0.8, 9)
    rankings = [answerable(0.8), Ranking(True, far.relevance, far.right, (True,) * 8 + (False,) * 12)]
    assert suggested(suggest({0.3: rankings}, IN_FORCE, ""), "top_k").value == 1


def test_the_weight_is_that_of_the_better_ranking() -> None:
    ranked = {
        0.0: [answerable(0.6, 2), answerable(0.6, 4)],
        0.3: [answerable(0.6, 2), answerable(0.6, 2)],
        0.6: [answerable(0.6, 1), answerable(0.6, 2)],
    }
    suggestion = suggest(ranked, IN_FORCE, "f")
    one = suggested(suggestion, "dense_weight")
    assert (one.value, one.score, one.score_in_force) == (0.6, 0.75, 0.5)
    assert [(point.weight, point.mrr) for point in weight_curve(ranked, 5)] == [(0.0, 0.375), (0.3, 0.5), (0.6, 0.75)]


def test_a_gain_within_a_point_does_not_move_the_weight() -> None:
    def value(better: int) -> float:
        then = [*(answerable(0.6, 2) for _ in range(better)), *(answerable(0.6) for _ in range(100 - better))]
        ranked = {0.3: then, 0.9: [answerable(0.6)] * 100}
        return suggested(suggest(ranked, IN_FORCE, ""), "dense_weight").value

    assert (value(2), value(3)) == (0.3, 0.9)


def test_a_weight_that_ranks_better_but_tells_no_answer_apart_is_not_chosen() -> None:
    ranked = {
        0.3: [*[answerable(0.6, 2)] * 4, *[unanswerable(0.2)] * 4],
        0.9: [*[answerable(0.45)] * 4, *[unanswerable(0.5)] * 4],
    }
    assert suggested(suggest(ranked, IN_FORCE, ""), "dense_weight").value == 0.3


def test_what_is_in_force_is_judged_with_all_that_is_in_force() -> None:
    ranked = {
        0.3: [answerable(0.9, 2), unanswerable(0.35)],
        0.9: [answerable(0.9), unanswerable(0.2)],
    }
    suggestion = suggest(ranked, IN_FORCE, "")
    assert suggestion.value("dense_weight") == 0.9
    assert suggested(suggestion, "threshold").score_in_force == 0.5
    assert suggested(suggestion, "threshold").score == 1


def test_of_equal_weights_the_nearest_to_the_one_in_force_stays() -> None:
    ranked = {weight: [answerable(0.6)] * 3 for weight in (0.0, 0.2, 0.3, 1.0)}
    assert suggested(suggest(ranked, IN_FORCE, ""), "dense_weight").value == 0.3


def test_the_threshold_is_that_of_the_chosen_weight() -> None:
    ranked = {
        0.3: [answerable(0.5, 2), unanswerable(0.3)],
        0.9: [answerable(0.9), unanswerable(0.8)],
    }
    assert 0.8 < suggested(suggest(ranked, IN_FORCE, ""), "threshold").value <= 0.9


def test_without_unanswerable_questions_there_is_no_threshold_and_that_is_said() -> None:
    suggestion = suggest({0.3: [answerable(0.6), answerable(0.7)]}, IN_FORCE, "")
    assert [one.setting for one in suggestion.settings] == ["top_k"]
    assert suggestion.remarks == (NO_UNANSWERABLE,)


@pytest.mark.parametrize(
    "rankings",
    [[unanswerable(0.4)], [answerable(0.6, 99), unanswerable(0.3)], [Ranking(True, (), (), ())]],
    ids=["none_answerable", "none_found", "no_candidates"],
)
def test_where_nothing_was_found_nothing_is_suggested(rankings: list[Ranking]) -> None:
    assert suggest({0.3: rankings}, IN_FORCE, "") == Suggestion((), "", (NOTHING_FOUND,))


def test_entries_are_what_a_manifest_holds() -> None:
    entries = suggest({0.3: drawn(20)}, IN_FORCE, "model:4").entries
    assert set(entries) == {"threshold", "top_k", "calibrated_for"}
    assert isinstance(entries["top_k"], int)
    assert entries["calibrated_for"] == "model:4"
