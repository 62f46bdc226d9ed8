"""Which precision, which types and which device: every combination, against the rules and against real sizes."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest
import torch
from chatglm_folders import load, tensors_in
from golden_cases import TINY
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.messages import Message
from core.model_errors import ModelTooLarge, ModelUnsupported
from models.chatglm.config import ChatGLMConfig
from models.chatglm.footprint import PRECISIONS, Footprint, Precision, footprint
from models.chatglm.plan import Plan, make_plan, place
from models.devices import Device

GLM = ChatGLMConfig(
    family="v1",
    layers=28,
    hidden_size=4096,
    heads=32,
    kv_heads=32,
    head_dim=128,
    ffn_size=16384,
    vocab_size=130_528,
    norm_epsilon=1e-5,
    context_tokens=2048,
    bits=0,
    quantized_embedding=False,
    gmask_id=130_001,
    mask_id=130_000,
    sop_id=130_004,
    eos_id=130_005,
    pad_id=3,
)
GLM2 = replace(GLM, family="v2", kv_heads=2, ffn_size=13_696, vocab_size=65_024, context_tokens=32_768)
INT4, INT8, INT4_QE = replace(GLM, bits=4), replace(GLM, bits=8), replace(GLM, bits=4, quantized_embedding=True)
CONFIGS = {"v1": GLM, "v2": GLM2, "int4": INT4, "int8": INT8, "int4_qe": INT4_QE}
TOKENS = 2048


def device(name: str = "cpu", free: float = 100, *, bf16: bool = True) -> Device:
    return Device(name, name.upper(), free, free + 10, bf16)


def plan_for(config: ChatGLMConfig, *devices: Device, wanted: str = "auto", fast: bool = True) -> Plan:
    return make_plan(config, devices or (device(),), wanted=wanted, fast=fast, cached_tokens=TOKENS)


# A machine is (device, has bf16, fast is wanted). Types are those of weights, tables, activations and cache.
FP32, FP16, BF16 = torch.float32, torch.float16, torch.bfloat16
MACHINES = {
    f"{name}-{'bf16' if bf16 else 'plain'}-{'fast' if fast else 'exact'}": (name, bf16, fast)
    for name in ("cpu", "cuda:0", "mps")
    for bf16 in (True, False)
    for fast in (True, False)
}
each_machine = pytest.mark.parametrize(("name", "bf16", "fast"), MACHINES.values(), ids=MACHINES)


def ruled(name: str, bf16: bool, fast: bool, wanted: str) -> tuple[Precision, Any, bool]:
    """Return precision, types and low-precision arithmetic as the documentation has them, where all would fit."""
    if name != "cpu":
        precision: Any = "fp16" if wanted == "auto" else wanted
        wide = {"fp32": FP32, "bf16": BF16}.get(precision, FP16)
        return precision, (wide,) * 4, fast
    low = bf16 and fast and wanted != "fp32"
    half: Any = "bf16" if low else "fp32"  # a processor does not compute in fp16
    precision = wanted if wanted in ("int4", "int8") else half
    return precision, (BF16, None, FP32, BF16) if low else (FP32,) * 4, low


@pytest.mark.parametrize("wanted", ["auto", *PRECISIONS])
@each_machine
def test_every_combination_with_room_for_all(name: str, bf16: bool, fast: bool, wanted: str) -> None:
    for config in (GLM, GLM2):
        plan = plan_for(config, device(name, bf16=bf16), wanted=wanted, fast=fast)
        precision, types, low = ruled(name, bf16, fast, wanted)
        assert (plan.precision, plan.bits) == (precision, {"int4": 4, "int8": 8}.get(precision, 0))
        assert (plan.weights, plan.tables, plan.activations, plan.cache) == types
        assert plan.fast is low
        assert plan.placement == (name,) * 28


@pytest.mark.parametrize("wanted", ["auto", *PRECISIONS])
@pytest.mark.parametrize("config", [INT4, INT8, INT4_QE], ids=["int4", "int8", "int4_qe"])
@each_machine
def test_a_quantised_checkpoint_runs_as_it_is_or_not_at_all(
    name: str, bf16: bool, fast: bool, config: ChatGLMConfig, wanted: str
) -> None:
    stored = f"int{config.bits}"
    if wanted in ("auto", stored):
        plan = plan_for(config, device(name, bf16=bf16), wanted=wanted, fast=fast)
        _, types, low = ruled(name, bf16, fast, stored)
        assert (plan.precision, plan.bits, plan.fast) == (stored, config.bits, low)
        assert (plan.weights, plan.tables, plan.activations, plan.cache) == types
        return
    with pytest.raises(ModelUnsupported) as caught:
        plan_for(config, device(name, bf16=bf16), wanted=wanted, fast=fast)
    for language in ("zh", "en"):
        reason = caught.value.reason(language)
        assert stored in reason
        assert wanted in reason
        assert "KNOWGLM_PRECISION" in reason


SIZES_GB = [number / 4 for number in range(2, 140)]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@each_machine
def test_auto_takes_the_widest_that_fits(name: str, bf16: bool, fast: bool, config: ChatGLMConfig) -> None:
    """With less and less memory precision goes down, and at each size every wider one would have been refused."""
    chosen: list[str] = []
    order = [ruled(name, bf16, fast, "auto")[0], "int8", "int4"] if not config.bits else [f"int{config.bits}"]
    for free in reversed(SIZES_GB):
        machine = device(name, free, bf16=bf16)
        fitting = [wanted for wanted in order if fits(config, machine, wanted, fast=fast)]
        if not fitting:
            with pytest.raises(ModelTooLarge):
                plan_for(config, machine, fast=fast)
            continue
        assert plan_for(config, machine, fast=fast).precision == fitting[0]
        chosen.append(fitting[0])
    assert [precision for precision, _ in groupby(chosen)] == order


def fits(config: ChatGLMConfig, machine: Device, wanted: str, *, fast: bool) -> bool:
    try:
        plan_for(config, machine, wanted=wanted, fast=fast)
    except ModelTooLarge:
        return False
    return True


@pytest.mark.parametrize("wanted", ["auto", *PRECISIONS])
@pytest.mark.parametrize("config", [GLM, GLM2], ids=["v1", "v2"])
@each_machine
def test_what_does_not_fit_names_what_would(
    name: str, bf16: bool, fast: bool, config: ChatGLMConfig, wanted: str
) -> None:
    for free in SIZES_GB:
        machine = device(name, free, bf16=bf16)
        if fits(config, machine, wanted, fast=fast):
            continue
        with pytest.raises(ModelTooLarge) as caught:
            plan_for(config, machine, wanted=wanted, fast=fast)
        advice = [caught.value.advice(language) for language in ("zh", "en")]
        named = [other for other in PRECISIONS if all(f"{other} " in text for text in advice)]
        would = [other for other in PRECISIONS if fits(config, machine, other, fast=fast)]
        assert len(named) == bool(would)
        assert set(named) <= set(would)
        assert f"{free:.1f}" in caught.value.reason("zh")
        assert machine.label in caught.value.reason("en")


@pytest.mark.parametrize("config", [INT4, INT8], ids=["int4", "int8"])
def test_a_quantised_checkpoint_that_does_not_fit_names_no_precision(config: ChatGLMConfig) -> None:
    with pytest.raises(ModelTooLarge) as caught:
        plan_for(config, device(free=2))
    fitting = caught.value.values["fitting"]
    assert isinstance(fitting, Message)
    assert "KNOWGLM_LLM_URL" in fitting.text("zh")
    assert not any(precision in fitting.text("en") for precision in PRECISIONS)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_one_device_takes_no_more_than_it_has(config: ChatGLMConfig) -> None:
    needed = footprint(config, "int4" if config.bits != 8 else "int8", TOKENS).total_gb
    with pytest.raises(ModelTooLarge):
        plan_for(config, device("cuda:0", needed - 0.1), wanted="int4" if config.bits != 8 else "int8")


# Placement over several devices


def used(placement: Sequence[str]) -> list[tuple[str, int]]:
    """Return the devices in use, in order, with the number of their layers."""
    return [(name, len(list(run))) for name, run in groupby(placement)]


sizes = st.builds(
    Footprint,
    layer=st.floats(1e8, 1e9),
    layers=st.integers(1, 30),
    embedding=st.floats(1e8, 2e9),
    head=st.floats(1e8, 2e9),
    tied=st.booleans(),
    working=st.sampled_from([0.0, 6e8]),
)
frees = st.lists(st.floats(0, 20), min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(size=sizes, free=frees)
def test_layers_keep_their_order_and_devices_theirs(size: Footprint, free: list[float]) -> None:
    devices = [device(f"cuda:{index}", gb) for index, gb in enumerate(free)]
    names = [each.name for each in devices]
    placement = place(size, devices)
    assert len(placement) in (0, size.layers)
    assert [name for name, _ in used(placement)] == sorted(set(placement), key=names.index)
    if size.total_gb <= max(free):
        assert set(placement) == {names[free.index(max(free))]}
    elif placement and len(devices) > 1:
        assert sum(free) > (size.layer * size.layers + size.working) / 1e9


@settings(max_examples=300, deadline=None)
@given(size=sizes, free=frees)
def test_what_amply_fits_is_placed(size: Footprint, free: list[float]) -> None:
    """Where even with both ends on every device all layers find room, there is a placement."""
    devices = [device(f"cuda:{index}", gb) for index, gb in enumerate(free)]
    room = sum(max(0, int((gb * 1e9 - size.working - size.embedding - size.head) // size.layer)) for gb in free)
    assert bool(place(size, devices)) or room < size.layers


@settings(max_examples=300, deadline=None, database=None)
@given(size=sizes, free=frees)
@example(size=Footprint(1e9, 8, 1e9, 1e9, False, 0), free=[6.0, 5.0, 6.0])
@example(size=Footprint(1e9, 4, 1e9, 1e9, False, 0), free=[5.5])
@example(size=Footprint(1e9, 4, 1e9, 1e9, False, 0), free=[0.5, 5.5])
def test_no_device_is_filled_beyond_its_memory(size: Footprint, free: list[float]) -> None:
    """The embedding is where the first layer is, the head where the last is; tied, they share memory on one device."""
    devices = {f"cuda:{index}": device(f"cuda:{index}", gb) for index, gb in enumerate(free)}
    runs = used(place(size, list(devices.values())))
    for number, (name, layers) in enumerate(runs):
        ends = (size.embedding if number == 0 else 0) + (size.head if number == len(runs) - 1 else 0)
        ends = size.ends if len(runs) == 1 else ends
        assert layers * size.layer + size.working + ends <= devices[name].free_gb * 1e9 * (1 + 1e-9)


@pytest.mark.parametrize(
    "config",
    [pytest.param(GLM, id="v1"), pytest.param(GLM2, id="v2")],
)
def test_two_cards_hold_their_part_of_the_release(config: ChatGLMConfig) -> None:
    """The embedding is on the first and the head on the last: v1's, which share memory on one device, are two there."""
    table = config.vocab_size * config.hidden_size * 2
    size = footprint(config, "fp16", TOKENS)
    for free in (number / 10 for number in range(60, 125)):
        placement = place(size, [device("cuda:0", free), device("cuda:1", free)])
        for name, layers in used(placement) if len(set(placement)) == 2 else []:
            assert layers * size.layer + size.working + table <= free * 1e9, (name, free)


def test_a_model_too_large_for_one_card_is_split_and_says_so_where_it_is_too_large_for_two() -> None:
    plan = plan_for(GLM, device("cuda:0", 9), device("cuda:1", 10))
    assert plan.precision == "fp16"
    assert [name for name, _ in used(plan.placement)] == ["cuda:0", "cuda:1"]
    assert len(plan.placement) == 28
    assert set(plan_for(GLM, device("cuda:0", 9), device("cuda:1", 24)).placement) == {"cuda:1"}
    with pytest.raises(ModelTooLarge, match=r"CUDA:0 \+ CUDA:1 has 4\.0 GB free"):
        plan_for(GLM, device("cuda:0", 2), device("cuda:1", 2))


# Footprints


@pytest.mark.parametrize(
    ("config", "precision", "published_gb"),
    [
        *((GLM, "fp16", 12.4), (GLM, "bf16", 12.4), (GLM, "fp32", 24.7)),
        *((INT8, "int8", 6.7), (INT4, "int4", 3.9), (INT4_QE, "int4", 3.1), (GLM2, "fp16", 12.5)),
    ],
    ids=["fp16", "bf16", "fp32", "int8", "int4", "int4_qe", "v2_fp16"],
)
def test_sizes_are_those_published(config: ChatGLMConfig, precision: Precision, published_gb: float) -> None:
    size = footprint(config, precision, 0, wide_bytes=4 if precision == "fp32" else 2)
    assert (size.layer * size.layers + size.ends) / 1e9 == pytest.approx(published_gb, rel=0.1)
    assert size.total_gb == pytest.approx((size.layer * size.layers + size.ends + size.working) / 1e9)


@pytest.mark.parametrize(
    ("name", "precision"),
    [(name, precision) for name in ("v1_fp", "v2_fp") for precision in ("fp32", "int8", "int4")]
    + [("v1_int8", "int8"), ("v1_int4", "int4"), ("v1_int4_qe", "int4"), ("v2_int4", "int4")],
)
def test_a_loaded_model_is_as_large_as_foretold(name: str, precision: Precision) -> None:
    """Biases, norms and scales are not counted; in models as small as these they are up to 8 %."""
    decoder = load(TINY / name, precision)
    real = sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors_in(decoder)}.values())
    size = footprint(decoder.config, precision, 0, wide_bytes=4)
    assert 0.9 * real < size.layer * size.layers + size.ends <= real


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("name", ["v1_fp", "v2_fp", "v1_int4"])
def test_keys_and_values_are_as_large_as_foretold(name: str, dtype: torch.dtype) -> None:
    decoder = load(TINY / name, cache=dtype)
    real = sum(tensor.nbytes for tensor in tensors_in(decoder.new_cache(1, 100)))
    full, empty = (footprint(decoder.config, "int8", tokens, wide_bytes=dtype.itemsize) for tokens in (100, 0))
    assert (full.total_gb - empty.total_gb) * 1e9 == pytest.approx(real)


@pytest.mark.parametrize(("config", "billions"), [(GLM, 6.17), (GLM2, 6.24)], ids=["v1", "v2"])
def test_parameters_are_as_many_as_published(config: ChatGLMConfig, billions: float) -> None:
    size = footprint(config, "fp16", 0)
    assert (size.layer * size.layers + size.ends) / 2e9 == pytest.approx(billions, rel=0.005)
