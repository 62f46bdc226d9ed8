"""The list of models: what is here, what fits, and which one is in force."""

from pathlib import Path
from typing import Any

import pytest
from model_folders import chatglm, embedding

from configs.catalogue import EMBEDDINGS, LLMS
from configs.environment import load_settings
from models.devices import Device
from service.models.inventory import (
    MARGIN_GB,
    Inventory,
    ModelEntry,
    downloadable,
    fitting_precisions,
    take_inventory,
)

CPU = Device("cpu", "CPU", 16.0, 32.0, bf16=True)
OLD_CPU = Device("cpu", "CPU", 16.0, 32.0, bf16=False)
CARD = Device("cuda:0", "RTX", 8.0, 8.0, bf16=True)
GLM = {"fp16": 12.4, "bf16": 12.4, "fp32": 24.7, "int8": 6.8, "int4": 4.6}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return tmp_path / "weights"


@pytest.fixture
def inventory(weights: Path) -> Any:
    def take(*devices: Device, **flags: object) -> Inventory:
        return take_inventory(load_settings({"model_dir": weights, **flags}, environ={}), devices or (CPU,))

    return take


def entry(inventory: Inventory, name: str) -> ModelEntry:
    return next(entry for entry in inventory.models if entry.name == name)


def in_force(inventory: Inventory) -> list[str]:
    return [entry.name for entry in inventory.models if entry.in_force]


def test_every_model_of_the_catalogue_is_listed(inventory: Any, weights: Path) -> None:
    listed = inventory()
    assert [entry.name for entry in listed.models] == [*LLMS, *EMBEDDINGS]
    glm = entry(listed, "chatglm-6b")
    assert (glm.kind, glm.spec.repository, glm.folder) == ("llm", "THUDM/chatglm-6b", weights / "chatglm-6b")
    assert (glm.state, glm.report.size_bytes, glm.download_gb, glm.memory_gb) == ("absent", 0, 13.4, GLM)
    assert entry(listed, "m3e-base").kind == "embedding"
    assert (entry(listed, "extractive").state, entry(listed, "lexical").folder) == ("built_in", None)
    assert listed.devices == (CPU,)


def test_without_weights_the_built_in_ones_are_in_force(inventory: Any) -> None:
    listed = inventory()
    assert in_force(listed) == ["extractive", "lexical"]
    assert [one.name for one in listed.models if one.configured] == ["chatglm-6b", "text2vec-large-chinese"]
    assert listed.configured("llm") is entry(listed, "chatglm-6b")


def test_with_weights_the_configured_ones_are_in_force(inventory: Any, weights: Path) -> None:
    chatglm(weights / "chatglm-6b-int4")
    embedding(weights / "m3e-base")
    listed = inventory(llm="chatglm-6b-int4", embedding="m3e-base")
    assert in_force(listed) == ["chatglm-6b-int4", "m3e-base"]
    glm = entry(listed, "chatglm-6b-int4")
    assert (glm.state, glm.report.code_files) == ("complete", ("modeling_chatglm.py",))
    assert glm.report.size_bytes == sum(path.stat().st_size for path in (weights / glm.name).iterdir())


def test_a_chatglm_needs_its_own_tokenizer(inventory: Any, weights: Path) -> None:
    folder = chatglm(weights / "chatglm-6b")
    (folder / "ice_text.model").rename(folder / "other.model")
    glm = entry(inventory(), "chatglm-6b")
    assert glm.state == "incomplete"
    assert "ice_text.model" in glm.report.problems[0].text("en")


def test_models_on_a_server_are_not_on_this_machine(inventory: Any) -> None:
    url = "http://127.0.0.1:9/v1"
    listed = inventory(llm_url=url, embedding_url=url, llm="gpt", embedding="text-embedding")
    assert in_force(listed) == []
    assert listed.configured("llm") is listed.configured("embedding") is None
    assert len(listed.models) == len(LLMS) + len(EMBEDDINGS)


def test_folders_of_the_users_own_are_listed_by_their_names(inventory: Any, tmp_path: Path) -> None:
    glm, m3e = chatglm(tmp_path / "我的模型"), embedding(tmp_path / "own-m3e")
    (glm / "config.json").write_text("{broken")
    listed = inventory(llm=str(glm), embedding=str(m3e))
    assert in_force(listed) == ["我的模型", "own-m3e"]
    own = entry(listed, "我的模型")
    assert (own.folder, own.spec.repository, own.memory_gb, own.fitting) == (glm, "", {}, ())
    assert own.state == "incomplete"


def test_a_device_that_is_not_there_fits_nothing(weights: Path) -> None:
    listed = take_inventory(load_settings({"model_dir": weights, "device": "cuda:99"}, environ={}))
    assert listed.devices == ()
    assert not any(entry.fitting for entry in listed.models)


@pytest.mark.parametrize(
    ("devices", "backend", "arithmetic", "expected"),
    [
        ((CPU,), "chatglm", "fast", {"fp16", "bf16", "int8", "int4"}),
        ((CPU,), "chatglm", "exact", {"int8", "int4"}),
        ((OLD_CPU,), "chatglm", "fast", {"int8", "int4"}),
        ((CARD,), "chatglm", "fast", {"int4"}),
        ((CARD, CARD), "chatglm", "fast", {"fp16", "bf16", "int8", "int4"}),
        ((CARD, CARD), "transformers", "fast", {"int4"}),
        ((), "chatglm", "fast", set()),
    ],
    ids=["cpu", "cpu_exact", "cpu_without_bf16", "card", "two_cards", "one_of_two_cards", "none"],
)
def test_what_fits_depends_on_devices_and_runtime(
    devices: tuple[Device, ...], backend: str, arithmetic: Any, expected: set[str]
) -> None:
    if len(devices) == 2:
        assert 12.4 < 2 * (8.0 - MARGIN_GB) < 13.1
    assert set(fitting_precisions(GLM, devices, backend=backend, arithmetic=arithmetic)) == expected


def test_what_can_be_downloaded_is_what_has_a_repository() -> None:
    names = downloadable()
    assert names["chatglm-6b-int4"] == "llm"
    assert names["bge-large-zh-v1.5"] == "embedding"
    assert not {"extractive", "lexical"} & set(names)
