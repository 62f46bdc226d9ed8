"""Which token comes next: against a naive computation of every filter, and by counting many draws."""

import math
from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from core.model_errors import AnswerFailed
from core.sampling import Sampling
from models.chatglm.sampling import Sampler

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
DRAWS = 4000
NOTHING = torch.empty(1, 0, dtype=torch.long)
DRAWN = Sampling(temperature=1.0, top_p=1.0, top_k=0, seed=1)
inputs = settings(derandomize=True, deadline=None, max_examples=40)


def choose(scores: list[float], sampling: Sampling, written: list[int] | None = None) -> int:
    (token,) = Sampler(sampling, CPU).choose(torch.tensor([scores]), torch.tensor([written or []], dtype=torch.long))
    return int(token)


def draw(scores: list[float], sampling: Sampling, written: list[int] | None = None, count: int = DRAWS) -> Counter[int]:
    """Return how often each token is drawn."""
    ids = torch.tensor([written or []] * count, dtype=torch.long)
    return Counter(Sampler(sampling, CPU).choose(torch.tensor([scores] * count), ids).tolist())


def naive(scores: list[float], sampling: Sampling, written: list[int]) -> dict[int, float]:
    """Return the chance of each token that remains, in plain Python: penalty, temperature, top-k, top-p."""
    penalty = sampling.repetition_penalty
    scores = [
        score if token not in written else score / penalty if score > 0 else score * penalty
        for token, score in enumerate(scores)
    ]
    scores = [score / sampling.temperature for score in scores]
    order = sorted(range(len(scores)), key=lambda token: -scores[token])[: sampling.top_k or len(scores)]
    weights = [math.exp(scores[token] - scores[order[0]]) for token in order]
    chances = [weight / sum(weights) for weight in weights]
    sums = [sum(chances[:place]) for place in range(len(chances))]  # of the likelier ones
    assume(all(abs(before - sampling.top_p) > 1e-4 for before in sums))  # else rounding decides
    kept = {
        token: chance for token, chance, before in zip(order, chances, sums, strict=True) if before < sampling.top_p
    }
    return {token: chance / sum(kept.values()) for token, chance in kept.items()}


def assert_drawn_by(counts: Counter[int], chances: dict[int, float]) -> None:
    """Pearson's test, at six standard deviations beyond its mean."""
    assert set(counts) <= set(chances)
    expected = {token: chance * counts.total() for token, chance in chances.items()}
    assert all(counts[token] for token, mean in expected.items() if mean > 40)
    cells = [(counts[token], mean) for token, mean in expected.items() if mean >= 5]
    statistic = sum((count - mean) ** 2 / mean for count, mean in cells)
    assert statistic <= len(cells) + 6 * math.sqrt(2 * len(cells)) + 6


vectors = st.integers(0, 10_000).map(lambda seed: (3 * _random(12, seed)).tolist())


def _random(count: int, seed: int) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed))


class TestGreedy:
    @inputs
    @given(vectors)
    def test_the_likeliest_token_each_time(self, scores: list[float]) -> None:
        best = max(range(len(scores)), key=lambda token: scores[token])
        assert choose(scores, Sampling(temperature=0.0, top_k=3, top_p=0.1)) == best

    def test_each_sequence_has_its_own(self) -> None:
        scores = torch.tensor([[0.0, 2.0, 1.0], [5.0, 2.0, 1.0], [0.0, 0.0, 1e-3]])
        assert Sampler(Sampling(), CPU).choose(scores, NOTHING.expand(3, 0)).tolist() == [1, 0, 2]

    @pytest.mark.parametrize(
        "filters", [{"top_k": 1}, {"top_p": 1e-9}, {"temperature": 1e-3}], ids=["top_k", "top_p", "temperature"]
    )
    def test_the_narrowest_filters_leave_the_likeliest(self, filters: dict[str, float]) -> None:
        scores = [1.0, 3.5, 3.0, -2.0]
        assert draw(scores, replace(DRAWN, **filters)) == {1: DRAWS}


class TestFilters:
    @inputs
    @given(
        scores=vectors,
        temperature=st.sampled_from([0.3, 1.0, 2.5]),
        top_k=st.sampled_from([0, 1, 2, 5, 12, 50]),
        top_p=st.floats(0.01, 1.0),
        penalty=st.sampled_from([1.0, 1.3, 4.0]),
        written=st.lists(st.integers(0, 11), max_size=6),
        seed=st.integers(0, 2**31),
    )
    def test_draws_are_those_of_the_naive_computation(
        self,
        *,
        scores: list[float],
        temperature: float,
        top_k: int,
        top_p: float,
        penalty: float,
        written: list[int],
        seed: int,
    ) -> None:
        sampling = Sampling(1, temperature, top_p, top_k, penalty, seed)
        assert_drawn_by(draw(scores, sampling, written), naive(scores, sampling, written))

    @pytest.mark.parametrize(
        ("top_p", "kept"),
        [(0.39, 1), (0.41, 2), (0.69, 2), (0.71, 3), (0.89, 3), (0.91, 4), (1.0, 4), (1e-9, 1)],
        ids=str,
    )
    def test_the_token_that_crosses_top_p_stays(self, top_p: float, kept: int) -> None:
        scores = [math.log(chance) for chance in (0.2, 0.4, 0.1, 0.3)]
        assert set(draw(scores, replace(DRAWN, top_p=top_p))) == {1, 3, 0, 2} - set([1, 3, 0, 2][kept:])

    def test_top_p_counts_what_top_k_left(self) -> None:
        """Of 0.4, 0.3, 0.2, 0.1 the first two are 0.7 of all, but all of the first two."""
        scores = [math.log(chance) for chance in (0.4, 0.3, 0.2, 0.1)]
        assert set(draw(scores, replace(DRAWN, top_k=2, top_p=0.6))) == {0, 1}
        assert set(draw(scores, replace(DRAWN, top_k=2, top_p=0.55))) == {0}
        assert set(draw(scores, replace(DRAWN, top_p=0.55))) == {0, 1}

    def test_top_p_counts_chances_at_the_temperature(self) -> None:
        scores = [math.log(chance) for chance in (0.5, 0.3, 0.2)]
        assert set(draw(scores, replace(DRAWN, top_p=0.45, temperature=2.0))) == {0, 1}  # the first has 0.41 now
        assert set(draw(scores, replace(DRAWN, top_p=0.6, temperature=0.5))) == {0}  # 0.66

    def test_a_sequences_filter_is_its_own(self) -> None:
        sure, unsure = [9.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]
        scores = torch.tensor([sure, unsure] * 500)
        chosen = Sampler(replace(DRAWN, top_p=0.9), CPU).choose(scores, NOTHING.expand(1000, 0))
        assert set(chosen[::2].tolist()) == {0}
        assert set(chosen[1::2].tolist()) == {0, 1, 2, 3}

    def test_more_candidates_than_tokens_are_all(self) -> None:
        assert set(draw([0.0] * 5, replace(DRAWN, top_k=50))) == set(range(5))

    def test_a_whole_vocabulary_keeps_its_chances(self) -> None:
        """fp32 sums over 130,528 chances do not reach 1 early."""
        counts = draw([0.0] * 130_528, DRAWN, count=50)
        assert len(counts) > 45
        scores = torch.zeros(1, 130_528)
        values, ids = Sampler(DRAWN, CPU)._candidates(scores)
        assert torch.isfinite(values).all()
        assert ids.sort().values[0].equal(torch.arange(130_528))

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("answer_tokens", 0),
            ("temperature", -1.0),
            ("temperature", math.nan),
            ("top_p", 0.0),
            ("top_p", 1.5),
            ("top_k", -1),
            ("repetition_penalty", 0.0),
        ],
        ids=str,
    )
    def test_values_beyond_their_range_are_refused(self, field: str, value: float) -> None:
        """Each call may set them by keyword; unchecked, they end in a RuntimeError of torch, or in nonsense."""
        with pytest.raises(ValueError, match=field):
            replace(DRAWN, **{field: value})

    def test_a_temperature_next_to_zero_is_greedy(self) -> None:
        assert choose([1.0, 3.0, 2.0], replace(DRAWN, temperature=1e-39)) == 1


class TestRepetition:
    def test_scores_of_written_tokens_shrink_towards_the_unlikely(self) -> None:
        sampling = Sampling(repetition_penalty=2.0)
        assert choose([3.0, 2.0, 1.0], sampling, [0]) == 1
        assert choose([3.0, 1.0, 1.0], sampling, [0]) == 0
        assert choose([-1.0, -1.5, -9.0], sampling, [0]) == 1
        assert choose([-1.0, -2.5, -9.0], sampling, [0]) == 0

    def test_a_token_that_was_written_twice_pays_once(self) -> None:
        assert choose([3.0, 1.0], Sampling(repetition_penalty=2.0), [0, 0, 0]) == 0

    def test_nothing_written_nothing_paid(self) -> None:
        assert choose([3.0, 2.0], Sampling(repetition_penalty=100.0)) == 0

    def test_each_sequence_pays_for_its_own(self) -> None:
        scores = torch.tensor([[3.0, 2.0, 1.0]] * 3)
        written = torch.tensor([[0, 0], [1, 1], [0, 1]])
        assert Sampler(Sampling(repetition_penalty=4.0), CPU).choose(scores, written).tolist() == [1, 0, 2]

    def test_no_penalty_is_one(self) -> None:
        assert choose([3.0, 2.999], Sampling(repetition_penalty=1.0), [0]) == 0


class TestRandomNumbers:
    SCORES = torch.zeros(1, 5000)

    def drawn(self, seed: int | None, steps: int = 8) -> list[int]:
        sampler = Sampler(replace(DRAWN, seed=seed), CPU)
        return [int(sampler.choose(self.SCORES, NOTHING)) for _ in range(steps)]

    @pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
    def test_a_seed_gives_the_same_draws(self, seed: int) -> None:
        assert self.drawn(seed) == self.drawn(seed)
        assert len(set(self.drawn(seed))) > 5  # and goes on from draw to draw
        assert self.drawn(seed) != self.drawn(seed + 1 if seed < 5 else 3)

    def test_two_samplers_do_not_share_their_numbers(self) -> None:
        one, other = (Sampler(replace(DRAWN, seed=3), CPU) for _ in range(2))
        mixed = [int(sampler.choose(self.SCORES, NOTHING)) for _ in range(4) for sampler in (one, other)]
        assert mixed[::2] == mixed[1::2] == self.drawn(3, 4)

    def test_no_seed_gives_new_draws_each_time(self) -> None:
        assert self.drawn(None) != self.drawn(None)

    def test_the_numbers_of_the_process_are_neither_read_nor_changed(self) -> None:
        torch.manual_seed(5)
        before, unseeded, seeded = torch.get_rng_state(), self.drawn(None), self.drawn(7)
        assert torch.get_rng_state().equal(before)
        torch.manual_seed(5)
        assert self.drawn(None) != unseeded
        torch.manual_seed(6)
        assert self.drawn(7) == seeded

    def test_sequences_of_a_batch_draw_apart(self) -> None:
        chosen = Sampler(DRAWN, CPU).choose(self.SCORES.expand(50, -1), NOTHING.expand(50, 0))
        assert len(set(chosen.tolist())) > 40


class TestNumbers:
    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("sampling", [Sampling(), DRAWN], ids=["greedy", "drawn"])
    def test_what_is_not_finite_fails_the_answer(self, sampling: Sampling, bad: float) -> None:
        scores = torch.zeros(2, 6)
        scores[1, 4] = bad
        with pytest.raises(AnswerFailed) as caught:
            Sampler(sampling, CPU).choose(scores, NOTHING.expand(2, 0))
        assert "NaN" in caught.value.text("zh")
        assert "KNOWGLM_PRECISION=bf16" in caught.value.text("en")

    @pytest.mark.parametrize("sampling", [Sampling(repetition_penalty=2.0), DRAWN], ids=["greedy", "drawn"])
    def test_scores_are_left_as_they_are(self, sampling: Sampling) -> None:
        scores = torch.tensor([[3.0, -2.0, 1.0]])
        Sampler(sampling, CPU).choose(scores, torch.tensor([[0, 1]]))
        assert scores.tolist() == [[3.0, -2.0, 1.0]]

    def test_large_scores(self) -> None:
        assert choose([1e30, 3e30, -1e30], DRAWN) == 1
        assert choose([1e30, 3e30, -1e30], Sampling()) == 1
