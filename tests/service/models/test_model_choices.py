"""What the language model can be changed to, and what keeps a change."""

from pathlib import Path

import pytest
from model_folders import chatglm

from configs.environment import load_settings
from configs.model_config import Settings
from models.devices import Device
from service.models.changes import with_model_changes
from service.models.choices import (
    adapter_in_force,
    as_variables,
    changed_settings,
    changes_to,
    is_loaded,
    precisions,
    runnable,
    value_of,
)
from service.models.inventory import Inventory, take_inventory
from service.models.sampling import SAMPLING_SETTINGS, is_resampling, limits, sampling_of

SMALL = Device("cpu", "CPU", 8.0, 16.0, bf16=True)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A model of one's own whose folder is named like one of the catalogue."""
    return chatglm(tmp_path / "mine" / "chatglm-6b")


def settled(tmp_path: Path, **flags: object) -> Settings:
    return load_settings({"model_dir": tmp_path / "weights", **flags}, environ={})


def inventory(settings: Settings, *devices: Device) -> Inventory:
    return take_inventory(settings, devices=devices)


def test_a_folder_of_one_s_own_is_told_from_the_catalogue_s_of_the_same_name(tmp_path: Path, mine: Path) -> None:
    chatglm(tmp_path / "weights" / "chatglm-6b")
    here = runnable(inventory(settled(tmp_path, llm=str(mine)), SMALL))
    assert [value_of(entry) for entry in here] == ["chatglm-6b", "extractive", str(mine)]


def test_precisions_tell_what_fits_once_the_memory_is_known(tmp_path: Path, mine: Path) -> None:
    settings = settled(tmp_path, llm=str(mine))
    known = {one.precision: one.fits for one in precisions(inventory(settings, SMALL), "chatglm2-6b")}
    assert known == {"fp16": False, "bf16": False, "fp32": False, "int8": False, "int4": True}
    assert {one.fits for one in precisions(inventory(settings), "chatglm2-6b")} == {None}
    assert [one.precision for one in precisions(inventory(settings, SMALL), "qwen2.5-7b-instruct")] == [
        "fp16",
        "bf16",
        "fp32",
    ]
    assert precisions(inventory(settings, SMALL), "extractive") == []
    for value in (str(mine), "/another/folder"):
        assert {(one.memory_gb, one.fits) for one in precisions(inventory(settings, SMALL), value)} == {(None, None)}


def test_precision_adapter_and_server_belong_to_the_model_they_were_set_for(tmp_path: Path) -> None:
    tuned = settled(tmp_path, llm="chatglm-6b", precision="int4", adapter="/a", device="cpu")
    same = with_model_changes(tuned, changes_to("chatglm-6b", tuned))
    other = with_model_changes(tuned, changes_to("chatglm2-6b", tuned))
    assert (same.precision, same.adapter) == ("int4", "/a")
    assert (other.llm, other.precision, other.adapter, other.device) == ("chatglm2-6b", "auto", "", "cpu")
    served = settled(tmp_path, llm="chatglm-6b", llm_url="http://127.0.0.1:9/v1")
    assert with_model_changes(served, changes_to("chatglm-6b", served)).llm_url == ""


@pytest.mark.parametrize(
    ("flags", "in_force", "expected"),
    [
        ({"llm": "chatglm-6b"}, "chatglm-6b (int4) on cpu", True),
        ({"llm": "chatglm-6b"}, "chatglm-6b", False),
        ({"llm": "chatglm-6b"}, "chatglm-6b-int4 (int4) on cpu", False),
        ({"llm": "chatglm-6b"}, "extractive", False),
        ({"llm": "qwen", "llm_url": "http://h/v1"}, "qwen at http://h/v1", True),
        ({"llm": "qwen", "llm_url": "http://h/v1"}, "qwen", False),
    ],
    ids=["loaded", "not_loaded", "longer_name", "embedded", "server", "server_not_asked"],
)
def test_whether_a_model_is_loaded(tmp_path: Path, flags: dict[str, str], in_force: str, expected: bool) -> None:
    settings = settled(tmp_path, **flags)
    assert is_loaded(inventory(settings), in_force, settings) is expected


def test_an_adapter_is_in_force_only_where_the_model_says_so(tmp_path: Path) -> None:
    tuned = settled(tmp_path, adapter="/somewhere/lora/")
    assert adapter_in_force("chatglm-6b (int4) on cpu with lora", tuned)
    assert not adapter_in_force("chatglm-6b (int4) on cpu", tuned)
    assert not adapter_in_force("chatglm-6b (int4) on cpu with another", tuned)
    assert not adapter_in_force("chatglm-6b (int4) on cpu with ", settled(tmp_path))


def test_the_variables_that_keep_a_change_make_the_same_settings(tmp_path: Path) -> None:
    start = settled(tmp_path, llm="chatglm-6b", seed=3, precision="int4", llm_api_key="geheim")
    changes = {"llm": "/a folder/mine", "seed": None, "precision": "auto", "temperature": 0.7, "llm_api_key": "anders"}
    after = with_model_changes(start, changes)
    line = as_variables(changed_settings(start, after))
    assert line == "KNOWGLM_LLM='/a folder/mine' KNOWGLM_PRECISION=auto KNOWGLM_SEED='' KNOWGLM_TEMPERATURE=0.7"
    assert as_variables(changed_settings(start, start)) == ""


def test_the_limits_of_the_sampling_are_those_of_the_settings() -> None:
    found = {name: limits(name) for name in SAMPLING_SETTINGS}
    assert (found["temperature"].low, found["temperature"].high, found["temperature"].is_open) == (0, 2, False)
    assert (found["top_p"].low, found["top_p"].high, found["top_p"].is_open) == (0, 1, True)
    assert (found["seed"].low, found["seed"].high) == (0, None)
    for name, one in found.items():
        for value in (one.low - 1, *([one.high + 1] if one.high else ()), *([one.low] if one.is_open else ())):
            with pytest.raises(Exception, match=name.upper()):
                load_settings({}, environ={f"KNOWGLM_{name.upper()}": str(value)})


def test_every_setting_of_the_sampling_reaches_the_model(tmp_path: Path) -> None:
    values = dict(zip(SAMPLING_SETTINGS, (0.7, 0.5, 9, 1.2, 77, 5), strict=True))
    sampling = sampling_of(settled(tmp_path, **values))
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (0.7, 0.5, 9)
    assert (sampling.repetition_penalty, sampling.answer_tokens, sampling.seed) == (1.2, 77, 5)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"temperature": 0.5, "seed": 3}, True),
        ({}, False),
        ({"precision": "int4"}, False),
        ({"temperature": 0.5, "device": "cpu"}, False),
    ],
    ids=["sampling", "nothing", "precision", "both"],
)
def test_a_change_of_the_sampling_alone(tmp_path: Path, changes: dict[str, object], expected: bool) -> None:
    assert is_resampling(settled(tmp_path), settled(tmp_path, **changes)) is expected
