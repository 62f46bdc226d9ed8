"""Writing token by token: where it ends, what a batch shares, and how it is stopped."""

import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from golden_cases import TINY

from core.model_errors import AnswerFailed
from core.sampling import Sampling
from models.chatglm.decoder import Decoder
from models.chatglm.generation import generate
from models.chatglm.loading import load_decoder
from models.chatglm.plan import Plan
from models.chatglm.stored import StoredModel

KINDS = {"v1": TINY / "v1_fp", "v2": TINY / "v2_fp"}
LAYERS = 3
FP32 = torch.float32
pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.parametrize("kind", KINDS)]


@pytest.fixture
def model(kind: str) -> Decoder:
    with StoredModel(KINDS[kind]) as stored:
        return load_decoder(stored, Plan("fp32", 0, FP32, FP32, FP32, FP32, fast=False, placement=("cpu",) * LAYERS))


@pytest.fixture
def ran(model: Decoder) -> list[int]:
    """The layers that have run, in order."""
    numbers: list[int] = []

    def note(number: int) -> Callable[..., None]:
        return lambda *_: numbers.append(number)

    for number, layer in enumerate(model.parts()[1]):
        layer.register_forward_hook(note(number))
    return numbers


@cache
def prompt(kind: str, length: int) -> tuple[int, ...]:
    ids = torch.randint(5, 300, (length,), generator=torch.Generator().manual_seed(length)).tolist()
    return (*ids, 311, 314) if kind == "v1" else tuple(ids)  # [gMASK] and <sop>


def written(model: Decoder, prompts: list[tuple[int, ...]], count: int = 6, **options: Any) -> list[list[int]]:
    """Return the answer of each prompt."""
    sampling = options.pop("sampling", Sampling(answer_tokens=count))
    steps = list(generate(model, prompts, sampling, **{"stop_ids": {-1}, **options}))
    return [list(row) for row in zip(*steps, strict=True)]


def limit(model: Decoder, tokens: int) -> None:
    model.config = replace(model.config, context_tokens=tokens)


class TestLength:
    @pytest.mark.parametrize("count", [1, 2, 7])
    def test_an_answer_is_as_long_as_it_may_be(self, model: Decoder, kind: str, count: int) -> None:
        (answer,) = written(model, [prompt(kind, 4)], count)
        assert answer == written(model, [prompt(kind, 4)], 9)[0][:count]
        assert len(answer) == count

    @pytest.mark.parametrize("room", [0, 1, 3])
    def test_prompt_and_answer_stay_within_the_context(
        self, model: Decoder, kind: str, ran: list[int], room: int
    ) -> None:
        ids = prompt(kind, 4)
        whole = written(model, [ids], 6)
        ran.clear()
        limit(model, len(ids) + room)
        assert written(model, [ids], 6) == ([whole[0][:room]] if room else [])
        assert bool(ran) == bool(room)

    def test_a_prompt_beyond_the_context_gets_no_answer(self, model: Decoder, kind: str, ran: list[int]) -> None:
        limit(model, 3)
        assert written(model, [prompt(kind, 4)], 6) == []
        assert ran == []

    def test_the_longest_prompt_sets_the_room_of_a_batch(self, model: Decoder, kind: str) -> None:
        prompts = [prompt(kind, 2), prompt(kind, 5)]
        limit(model, len(prompts[1]) + 2)
        assert [len(answer) for answer in written(model, prompts, 6)] == [2, 2]

    def test_a_prefix_takes_no_room_from_the_answer(self, model: Decoder, kind: str) -> None:
        sizes = model.config
        model.prefix = torch.randn(
            LAYERS, 2, sizes.kv_heads, 4, sizes.head_dim, generator=torch.Generator().manual_seed(1)
        )
        limit(model, len(prompt(kind, 4)) + 3)
        assert len(written(model, [prompt(kind, 4)], 6)[0]) == 3

    def test_nothing_is_computed_before_it_is_asked_for(self, model: Decoder, kind: str, ran: list[int]) -> None:
        steps = generate(model, [prompt(kind, 4)], Sampling(6), stop_ids=())
        assert ran == []
        next(steps)
        first = len(ran)
        next(steps)
        assert len(ran) == first + LAYERS


class TestEnds:
    def test_an_answer_ends_with_the_stop_that_ended_it(self, model: Decoder, kind: str) -> None:
        (whole,) = written(model, [prompt(kind, 4)], 9)
        for place in (0, 3):
            (answer,) = written(model, [prompt(kind, 4)], 9, stop_ids={whole[place], -7})
            assert answer == whole[: whole.index(whole[place]) + 1]

    def test_no_stops_at_all(self, model: Decoder, kind: str) -> None:
        assert written(model, [prompt(kind, 4)], stop_ids=()) == written(model, [prompt(kind, 4)])

    def test_who_has_finished_waits_with_pads_for_the_others(self, model: Decoder, kind: str) -> None:
        prompts = [prompt(kind, 3), prompt(kind, 8), prompt(kind, 5)]
        alone = [written(model, [ids], 9)[0] for ids in prompts]
        stops = {alone[0][1], alone[2][4]}
        ends = [min([place + 1 for place, token in enumerate(row) if token in stops], default=9) for row in alone]
        together = written(model, prompts, 9, stop_ids=stops)
        assert min(ends) < max(ends)
        for row, answer, end in zip(together, alone, ends, strict=True):
            assert len(row) == max(ends)
            assert row[:end] == answer[:end]
            assert set(row[end:]) <= {model.config.pad_id}

    def test_all_stop_at_the_last_one(self, model: Decoder, kind: str, ran: list[int]) -> None:
        prompts = [prompt(kind, 3), prompt(kind, 8)]
        first = {row[0] for row in written(model, prompts, 1)}
        ran.clear()
        assert len(written(model, prompts, 9, stop_ids=first)[0]) == 1
        assert len(ran) == LAYERS * (2 if kind == "v1" else 1)

    @pytest.mark.parametrize("lengths", [(4, 4), (1, 9), (6, 2, 3)], ids=str)
    def test_a_batch_writes_what_each_would_alone(self, model: Decoder, kind: str, lengths: tuple[int, ...]) -> None:
        prompts = [prompt(kind, length) for length in lengths]
        assert written(model, prompts, 8) == [written(model, [ids], 8)[0] for ids in prompts]


class TestChance:
    DRAWN = Sampling(answer_tokens=8, temperature=1.0, top_k=0, top_p=1.0, seed=4)

    def test_a_seed_gives_one_answer(self, model: Decoder, kind: str) -> None:
        ids = [prompt(kind, 4)]
        before = torch.get_rng_state()
        answer = written(model, ids, sampling=self.DRAWN)
        torch.rand(3)
        assert written(model, ids, sampling=self.DRAWN) == answer
        assert written(model, ids, sampling=replace(self.DRAWN, seed=5)) != answer
        torch.set_rng_state(before)
        written(model, ids, sampling=replace(self.DRAWN, seed=None))
        assert torch.get_rng_state().equal(before)

    def test_the_answer_pays_for_its_repetitions_and_the_prompt_does_not(self, model: Decoder, kind: str) -> None:
        everything = (*range(5, 300), *prompt(kind, 0))
        layout, memory = model.layout([everything], model.config), model.new_cache(1, 400)
        passes, expected = layout.prompt(), list[int]()
        for step in range(6):
            with torch.inference_mode():
                scores = [model(view, memory) for view in passes][-1][0, -1].tolist()
            paid = {token: scores[token] / 3 if scores[token] > 0 else scores[token] * 3 for token in expected}
            expected.append(max(range(len(scores)), key=lambda token: paid.get(token, scores[token])))
            passes = [layout.answer(torch.tensor([expected[-1:]]), step)]
        assert written(model, [everything], sampling=Sampling(6, repetition_penalty=3.0)) == [expected]
        assert set(expected) & set(everything)
        assert written(model, [everything]) != [expected]

    def test_numbers_that_are_none_fail_the_answer(self, model: Decoder, kind: str) -> None:
        with torch.no_grad():
            model.parts()[2].weight.fill_(torch.nan)
        with pytest.raises(AnswerFailed):
            written(model, [prompt(kind, 4)])


class TestStopping:
    def passes(self, kind: str) -> int:
        """Return the layer runs of the first token: v1 reads its context and `<sop>` in two passes."""
        return LAYERS * (2 if kind == "v1" else 1)

    @pytest.mark.parametrize("layers", [0, 1, 2, 3, 4, 5, 6, 7, 10])
    def test_a_cancelled_answer_runs_no_other_layer(
        self, model: Decoder, kind: str, ran: list[int], layers: int
    ) -> None:
        steps = list(generate(model, [prompt(kind, 4)], Sampling(9), stop_ids=(), cancelled=lambda: len(ran) == layers))
        assert len(ran) == layers
        done = layers - self.passes(kind)
        assert len(steps) == (0 if done < 0 else 1 + done // LAYERS)

    def test_it_is_asked_before_every_layer(self, model: Decoder, kind: str) -> None:
        asked: list[int] = []
        list(generate(model, [prompt(kind, 4)], Sampling(4), stop_ids=(), cancelled=lambda: bool(asked.append(1))))
        assert len(asked) == self.passes(kind) + 3 * LAYERS

    @pytest.mark.parametrize("end", ["closed", "dropped", "cancelled", "finished"])
    def test_the_cache_goes_with_the_answer(
        self, model: Decoder, kind: str, monkeypatch: pytest.MonkeyPatch, end: str
    ) -> None:
        caches: list[weakref.ref[Any]] = []
        new_cache = model.new_cache

        def remembered(*sizes: int) -> Any:
            memory = new_cache(*sizes)
            caches.append(weakref.ref(memory._layers[0]))
            return memory

        monkeypatch.setattr(model, "new_cache", remembered)
        wanted = [True]
        steps = generate(model, [prompt(kind, 4)], Sampling(4), stop_ids=(), cancelled=lambda: not wanted)
        next(steps)
        assert caches[0]() is not None
        match end:
            case "closed":
                steps.close()  # type: ignore[attr-defined]
            case "dropped":
                del steps
            case "cancelled":
                wanted.clear()
                assert list(steps) == []
            case _:
                assert len(list(steps)) == 3
        assert caches[0]() is None

    def test_an_error_of_the_callers_question_is_the_callers(self, model: Decoder, kind: str) -> None:
        def cancelled() -> bool:
            raise KeyError("x")

        with pytest.raises(KeyError):
            next(generate(model, [prompt(kind, 4)], Sampling(4), stop_ids=(), cancelled=cancelled))


def test_the_caller_may_train_between_two_tokens(model: Decoder, kind: str) -> None:
    """Inference mode is a state of the thread; a generator must not leave it on."""

    inside: list[bool] = []
    model.parts()[0].register_forward_hook(lambda *_: inside.append(torch.is_inference_mode_enabled()))

    def gradients() -> Iterator[float]:
        weight = torch.ones(3, requires_grad=True)
        assert not torch.is_inference_mode_enabled()
        assert torch.is_grad_enabled()
        assert inside[-1]
        (weight * weight).sum().backward()
        yield from weight.grad.tolist()

    for ids in generate(model, [prompt(kind, 4)], Sampling(3), stop_ids=()):
        assert list(gradients()) == [2.0] * 3
        assert all(type(token) is int for token in ids)
    assert not torch.is_inference_mode_enabled()


def test_two_answers_at_once_do_not_meet(model: Decoder, kind: str) -> None:
    ids = [prompt(kind, 4), prompt(kind, 7)]
    alone = [written(model, [each])[0] for each in ids]
    both = [generate(model, [each], Sampling(6), stop_ids=()) for each in ids]
    assert [
        list(row) for row in zip(*([one[0], other[0]] for one, other in zip(*both, strict=True)), strict=True)
    ] == alone
