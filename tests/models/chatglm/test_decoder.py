"""Rotations, the cache, where tokens stand and whom they see, and that a batch is nothing but its sequences."""

import cmath
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

import pytest
import torch
from golden_cases import TINY
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.chatglm.cache import KeyValueCache
from models.chatglm.config import ChatGLMConfig
from models.chatglm.decoder import Decoder
from models.chatglm.layout import Pass, PromptLayout
from models.chatglm.loading import load_decoder
from models.chatglm.plan import Plan
from models.chatglm.rotary import HalfRotary, TwoDimensionalRotary, rotary_table
from models.chatglm.stored import StoredModel

FP32, BF16 = torch.float32, torch.bfloat16
CPU = torch.device("cpu")
KINDS = {"v1": TINY / "v1_fp", "v2": TINY / "v2_fp"}
FAMILIES = pytest.mark.parametrize("kind", KINDS)
LAYERS = 3
pytestmark = pytest.mark.usefixtures("one_thread")


@cache
def config(kind: str) -> ChatGLMConfig:
    with StoredModel(KINDS[kind]) as stored:
        return stored.config


@pytest.fixture
def model(kind: str) -> Decoder:
    """A recorded model of a family, in fp32."""
    with StoredModel(KINDS[kind]) as stored:
        return load_decoder(stored, Plan("fp32", 0, FP32, FP32, FP32, FP32, fast=False, placement=("cpu",) * LAYERS))


def prompt(kind: str, length: int, seed: int = 0) -> list[int]:
    """Return a prompt of text ids; for v1 it ends with `[gMASK]` and `<sop>`, as far as there is room."""
    ids = torch.randint(5, 300, (length,), generator=torch.Generator().manual_seed(seed + length)).tolist()
    end = [config(kind).gmask_id, config(kind).sop_id] if kind == "v1" else []
    return (ids + end)[-length:]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# --- rotation ----------------------------------------------------------------------------------------------------


def turned(pair: tuple[float, float], angle: float) -> tuple[float, float]:
    result = complex(*pair) * cmath.exp(1j * angle)
    return result.real, result.imag


def frequency(index: int, dims: int, *, rounded: bool) -> float:
    exact = 10_000.0 ** (-2 * index / dims)
    return float(torch.tensor(exact).half()) if rounded else exact


def test_v1_turns_each_half_of_a_head_by_a_position_of_its_own() -> None:
    width, dims = 16, 8
    heads, positions = random(2, 3, 5, width), torch.tensor([[[0, 1, 2, 2, 2], [0, 0, 0, 1, 9]]] * 2)
    positions[1] += torch.tensor([[700], [11]])
    rotary = TwoDimensionalRotary(width)
    found = rotary.turn(heads, *rotary.at(positions, FP32))
    expected = torch.empty_like(heads)
    for row, head, token in torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(5)).tolist():
        for half in range(2):
            for index in range(dims // 2):
                one, other = half * dims + index, half * dims + index + dims // 2
                pair = float(heads[row, head, token, one]), float(heads[row, head, token, other])
                angle = int(positions[row, half, token]) * frequency(index, dims, rounded=True)
                expected[row, head, token, one], expected[row, head, token, other] = turned(pair, angle)
    assert (found - expected).abs().max() < 2e-4


def test_v2_turns_neighbours_in_the_first_half_of_a_head() -> None:
    width, dims = 16, 8
    heads, positions = random(2, 3, 4, width), torch.tensor([[0, 1, 2, 3], [5, 6, 700, 8000]])
    rotary = HalfRotary(width)
    found = rotary.turn(heads, *rotary.at(positions, FP32))
    expected = heads.clone()
    for row, head, token in torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(4)).tolist():
        for index in range(dims // 2):
            one, other = 2 * index, 2 * index + 1
            pair = float(heads[row, head, token, one]), float(heads[row, head, token, other])
            angle = int(positions[row, token]) * frequency(index, dims, rounded=False)
            expected[row, head, token, one], expected[row, head, token, other] = turned(pair, angle)
    assert (found - expected).abs().max() < 3e-3  # fp32 holds an angle of 8,000 to 5e-4
    assert found[..., dims:].equal(heads[..., dims:])


@pytest.mark.parametrize("rotary", [TwoDimensionalRotary(32), HalfRotary(32)], ids=["v1", "v2"])
def test_rotation_keeps_lengths_and_shows_distances_only(rotary: TwoDimensionalRotary | HalfRotary) -> None:
    query, key = random(1, 1, 1, 32, seed=1), random(1, 1, 1, 32, seed=2)

    def at(part: Tensor, position: int) -> Tensor:
        shape = (1, 2, 1) if isinstance(rotary, TwoDimensionalRotary) else (1, 1)
        return rotary.turn(part, *rotary.at(torch.full(shape, position), FP32))

    assert at(query, 0).equal(query)
    assert at(query, 900).norm() == pytest.approx(float(query.norm()), rel=1e-5)
    near, far = (float((at(query, start + 7) * at(key, start)).sum()) for start in (3, 1500))
    assert near == pytest.approx(far, abs=2e-3)
    assert near != pytest.approx(float((at(query, 8) * at(key, 0)).sum()), abs=2e-3)


def test_bf16_tables_are_rounded_once() -> None:
    """Angles stay in fp32: bf16 knows no difference between the positions 2041 and 2047."""
    positions = torch.tensor([2041, 2047])
    for half_frequencies in (True, False):
        exact = rotary_table(32, positions, FP32, half_frequencies=half_frequencies)
        rounded = rotary_table(32, positions, BF16, half_frequencies=half_frequencies)
        for one, other in zip(exact, rounded, strict=True):
            assert other.equal(one.bfloat16())
            assert not other[0].equal(other[1])


# --- cache ---------------------------------------------------------------------------------------------------------


def new_cache(*, batch: int = 2, tokens: int = 6, prefix: Tensor | None = None) -> KeyValueCache:
    return KeyValueCache(config("v2"), batch=batch, tokens=tokens, devices=[CPU] * 2, dtype=BF16, prefix=prefix)


def test_a_cache_returns_all_that_was_stored_in_order() -> None:
    held = new_cache()
    parts = {layer: [random(2, 2, 2, count, 16, seed=layer + count).bfloat16() for count in (3, 1)] for layer in (0, 1)}
    for step, count in enumerate((3, 1)):
        for layer in (0, 1):
            keys, values = held.extend(layer, *parts[layer][step])
            whole = torch.cat(parts[layer][: step + 1], dim=3)
            assert keys.equal(whole[0])
            assert values.equal(whole[1])
        held.advance(count)
    assert held.length == 4


def test_a_layer_may_be_stored_again_before_the_cache_advances() -> None:
    """A pass that was cancelled leaves nothing behind."""
    held = new_cache()
    held.extend(0, *random(2, 2, 2, 3, 16).bfloat16())
    again = random(2, 2, 2, 1, 16, seed=1).bfloat16()
    assert held.extend(0, *again)[0].equal(again[0])


def test_keys_and_values_take_the_type_of_the_cache() -> None:
    keys, values = new_cache().extend(0, random(2, 2, 1, 16), random(2, 2, 1, 16))
    assert keys.dtype == values.dtype == BF16


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(1),
        2,
    ],
)
def test_a_full_cache_takes_no_more(more: int) -> None:
    held = new_cache(tokens=2)
    held.extend(0, *random(2, 2, 2, 2, 16))
    held.advance(2)
    with pytest.raises(RuntimeError):
        held.extend(0, *random(2, 2, 2, more, 16))


def test_a_prefix_stands_before_every_sequence() -> None:
    prefix = random(2, 2, 2, 3, 16)
    held = new_cache(tokens=6, prefix=prefix)
    assert held.length == 3
    for layer in (0, 1):
        keys, values = held.extend(layer, *random(2, 2, 2, 1, 16))
        for row in range(2):
            assert keys[row, :, :3].equal(prefix[layer, 0].bfloat16())
            assert values[row, :, :3].equal(prefix[layer, 1].bfloat16())


# --- layout --------------------------------------------------------------------------------------------------------


def answers(layout: PromptLayout, count: int) -> list[Pass]:
    ids = torch.zeros(len(layout.pads), 1, dtype=torch.long)
    return [layout.answer(ids, step) for step in range(count)]


def seen_by(passes: Sequence[Pass], rows: int, prefix: int) -> Iterator[Tensor]:
    """Yield what each token of a layout sees of the cache, [batch, cached so far], pass by pass, prefix included."""
    length = prefix
    for view in passes:
        count = view.ids.shape[1]
        end = length + count
        mask = torch.ones(1, 1, 1, end, dtype=torch.bool) if view.mask is None else view.mask
        assert mask.shape[-1] == end
        for token in range(count):
            sees = mask.expand(rows, 1, count, end)[:, 0, token].clone()
            if view.causal:
                sees[:, length + token + 1 :] = False
            yield sees
        length = end


@FAMILIES
@settings(derandomize=True, deadline=None, max_examples=40)
@given(lengths=st.lists(st.integers(1, 7), min_size=1, max_size=4), prefix=st.integers(0, 3), steps=st.integers(0, 3))
def test_positions_and_masks_are_those_of_the_definition(
    kind: str, lengths: list[int], prefix: int, steps: int
) -> None:
    sizes, prompts = config(kind), [prompt(kind, length) for length in lengths]
    layout_type = Decoder.__subclasses__()[0 if kind == "v1" else 1].layout
    layout = layout_type(prompts, sizes, prefix)
    passes = [*layout.prompt(), *answers(layout, steps)]
    positions = torch.cat([view.positions for view in passes], dim=-1)
    ids, total = torch.cat([view.ids for view in passes], dim=1), max(lengths) + steps
    table = list(seen_by(passes, len(lengths), prefix))
    assert positions.shape[-1] == ids.shape[1] == len(table) == total
    for row, given_ids in enumerate(prompts):
        pads, own, context = max(lengths) - len(given_ids), len(given_ids), len(given_ids) - 1 if kind == "v1" else 0
        assert ids[row, : max(lengths)].tolist() == [sizes.pad_id] * pads + given_ids
        if kind == "v2" or context:  # a pad, too, sees something
            assert all(sees[row].any() for sees in table)
        for token in range(own + steps):
            place = pads + token
            expected = {*range(prefix)} | {
                prefix + pads + key for key in range(own + steps) if key <= token or (token < context and key < context)
            }
            assert set(table[place][row].nonzero()[:, 0].tolist()) == expected
            if kind == "v2":
                assert positions[row, place] == token
            else:
                marked = max(context - 1, 0)
                two = [token, 0] if token < context else [marked, token - context + 1]
                assert positions[row, :, place].tolist() == two


@pytest.mark.parametrize("kind", ["v1"])
@pytest.mark.parametrize(
    ("marks", "position"),
    [("..g", 2), (".m.", 1), (".mg", 2), ("gm.", 0), ("m.m", 0), ("...", 2), ("", 0)],
    ids=["gmask", "mask", "both", "gmask_first", "two_masks", "none", "nothing"],
)
def test_v1_writes_at_the_place_of_the_mask(kind: str, marks: str, position: int) -> None:
    ids = {"g": config(kind).gmask_id, "m": config(kind).mask_id, ".": 9}
    layout = Decoder.__subclasses__()[0].layout([[*(ids[mark] for mark in marks), config(kind).sop_id]], config(kind))
    assert layout.prompt()[-1].positions.tolist() == [[[position], [1]]]
    assert answers(layout, 2)[1].positions.tolist() == [[[position], [3]]]


@FAMILIES
def test_one_sequence_or_equal_lengths_need_no_mask(kind: str) -> None:
    layout_type = Decoder.__subclasses__()[0 if kind == "v1" else 1].layout
    layout = layout_type([prompt(kind, 4), prompt(kind, 4, seed=1)], config(kind), 2)
    assert all(view.mask is None for view in [*layout.prompt(), *answers(layout, 2)])


# --- decoder -------------------------------------------------------------------------------------------------------


@torch.inference_mode()
def scores(model: Decoder, prompts: list[list[int]], written: Sequence[Sequence[int]]) -> Tensor:
    """Return the scores [batch, steps + 1, vocabulary] after the prompts, and after each of the written ids."""
    layout = model.layout(prompts, model.config, model.prefix_tokens)
    memory = model.new_cache(len(prompts), layout.tokens + len(written))
    for layer in memory._layers:
        layer[..., memory.length :, :] = torch.nan  # what nobody has written yet must not be read
    steps = [layout.answer(torch.tensor(ids)[:, None], step) for step, ids in enumerate(written)]
    for view in layout.prompt():
        found = model(view, memory)
    return torch.cat([found, *(model(view, memory) for view in steps)], dim=1)


# A v1 prompt of one id is <sop> alone: in a batch, its context is nothing but pads.
LENGTHS = pytest.mark.parametrize("lengths", [(1, 9), (2, 9, 5), (3, 3), (1, 1), (12, 1, 2, 7)], ids=str)


@FAMILIES
@LENGTHS
@pytest.mark.parametrize("prefix_tokens", [0, 3], ids=["plain", "prefix"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(FP32, 2e-5), (BF16, 0.15)], ids=["fp32", "bf16"])
def test_a_batch_is_its_sequences(
    model: Decoder, kind: str, lengths: tuple[int, ...], prefix_tokens: int, dtype: torch.dtype, tolerance: float
) -> None:
    """Masked and padded, or alone and without a mask: the same scores at every step, and no NaN from the pads."""
    sizes, model.cache_dtype = model.config, dtype
    if prefix_tokens:
        model.prefix = random(LAYERS, 2, sizes.kv_heads, prefix_tokens, sizes.head_dim)
    prompts = [prompt(kind, length, seed) for seed, length in enumerate(lengths)]
    written = torch.randint(5, 300, (3, len(lengths)), generator=torch.Generator().manual_seed(9)).tolist()
    together = scores(model, prompts, written)
    assert torch.isfinite(together).all()
    for row, ids in enumerate(prompts):
        alone = scores(model, [ids], [[step[row]] for step in written])[0]
        assert (together[row] - alone).abs().max() < tolerance * (alone.std() if dtype == BF16 else 1)


@pytest.mark.parametrize("kind", ["v2"])
def test_reading_an_answer_in_one_pass_gives_what_writing_it_gave(model: Decoder) -> None:
    whole = prompt("v2", 9)
    written = scores(model, [whole[:5]], [[token] for token in whole[5:]])[0]
    layout = model.layout([whole], model.config)
    read = model(layout.prompt()[0], model.new_cache(1, 9), every=True)[0]
    assert (read[4:] - written).abs().max() < 2e-5


@FAMILIES
def test_only_the_last_scores_are_computed_unless_all_are_wanted(model: Decoder, kind: str) -> None:
    layout = model.layout([prompt(kind, 6)], model.config)
    view = layout.prompt()[0]
    count = view.ids.shape[1]
    every, last = model(view, model.new_cache(1, 6), every=True), model(view, model.new_cache(1, 6))
    assert (every.shape, last.shape) == ((1, count, model.config.vocab_size), (1, 1, model.config.vocab_size))
    assert every.dtype == last.dtype == FP32
    assert (every[:, -1:] - last).abs().max() < 1e-5


class _Enough(Exception):
    pass


@FAMILIES
@pytest.mark.parametrize("layers", range(LAYERS))
def test_a_pass_can_be_ended_between_layers(model: Decoder, kind: str, layers: int) -> None:
    """Nothing of it counts: the same pass, run again over the same cache, gives the same."""
    view = model.layout([prompt(kind, 6)], model.config).prompt()[0]
    memory, ran = model.new_cache(1, 6), []
    for layer in model.parts()[1]:
        layer.register_forward_hook(lambda *_: ran.append(1))

    def between() -> None:
        if len(ran) == layers:
            raise _Enough

    with pytest.raises(_Enough):
        model.read(view, memory, between)
    assert (len(ran), memory.length) == (layers, 0)
    assert model(view, memory).equal(model(view, model.new_cache(1, 6)))
    assert memory.length == view.ids.shape[1]


@FAMILIES
def test_room_for_a_prefix_comes_on_top(model: Decoder, kind: str) -> None:
    model.config = replace(model.config, layers=LAYERS)
    model.prefix = random(LAYERS, 2, model.config.kv_heads, 4, model.config.head_dim)
    memory = model.new_cache(2, 10)
    assert (memory.length, model.prefix_tokens) == (4, 4)
    assert {layer.shape for layer in memory._layers} == {(2, 2, model.config.kv_heads, 14, model.config.head_dim)}


@FAMILIES
def test_a_prefix_has_a_say(model: Decoder, kind: str) -> None:
    ids = [prompt(kind, 6)]
    without = scores(model, ids, [])
    model.prefix = random(LAYERS, 2, model.config.kv_heads, 2, model.config.head_dim)
    assert (scores(model, ids, []) - without).abs().max() > 1e-2
