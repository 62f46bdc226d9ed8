"""Every setting of the models has an effect, or an error or a notice says that it has none."""

import gc
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from golden_cases import TINY
from safetensors.torch import save_file
from tiny_models import tiny_checkpoint

from configs.environment import load_settings
from core.messages import Message
from core.model_errors import (
    AdapterRefused,
    CheckpointUnreadable,
    ModelError,
    ModelNotFound,
    ModelUnsupported,
)
from models.devices import Device
from service.models.inventory import downloadable
from service.models.language_model import LanguageModel

App = Any
KEY = "sk-very-secret"
NOBODY = "http://127.0.0.1:9/v1"  # an address that is never asked


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A ChatGLM, an int4 one without a tokenizer, a Llama, and a LoRA adapter of the first."""
    folder = tmp_path_factory.mktemp("weights")
    shutil.copytree(TINY / "v1_chat_tiny", folder / "chatglm-6b")
    shutil.copytree(TINY / "v1_int4", folder / "chatglm-6b-int4")
    shutil.copy(TINY / "v1_chat_tiny" / "ice_text.model", folder / "chatglm-6b-int4")
    tiny_checkpoint(folder / "llama")
    sizes = {"r": 2, "lora_alpha": 16, "target_modules": ["query_key_value"]}
    (folder / "lora").mkdir()
    (folder / "lora" / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **sizes}), "utf-8")
    layer = "base_model.model.transformer.layers.0.attention.query_key_value"
    shapes = {f"{layer}.lora_A.weight": (2, 64), f"{layer}.lora_B.weight": (192, 2)}
    save_file({name: torch.ones(shape) for name, shape in shapes.items()}, folder / "lora/adapter_model.safetensors")
    gc.freeze()  # whenever a model is freed, garbage is looked for: not in the libraries, please
    yield folder
    gc.unfreeze()


@pytest.fixture
def model(weights: Path) -> Iterator[Callable[..., LanguageModel]]:
    """Build the language model of some settings: `model(llm="chatglm-6b", precision="int4")`."""
    made: list[LanguageModel] = []

    def build(**flags: Any) -> LanguageModel:
        given = {"model_dir": weights, "answer_tokens": 24, **flags}
        made.append(LanguageModel(load_settings(given, environ={})))
        return made[-1]

    yield build
    for language_model in made:
        language_model.close()


def written(model: LanguageModel) -> str:
    return str(model.load().invoke("你好 hello").text)


def said(notices: list[Message]) -> str:
    return "\n".join(notice.text(language) for notice in notices for language in ("zh", "en"))


GLM, CAUSAL = {"llm": "chatglm-6b"}, {"llm": "llama"}
WARM = {"temperature": 1.2, "seed": 1, "top_p": 1.0, "sample_top_k": 0}


class TestLocal:
    @pytest.mark.parametrize("llm", [GLM, CAUSAL], ids=["chatglm", "transformers"])
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ({}, {"answer_tokens": 5}),
            ({}, {"repetition_penalty": 2.0}),
            ({}, WARM),
            (WARM, {"temperature": 0.1}),
            (WARM, {"seed": 2}),
            (WARM, {"top_p": 0.01}),
            (WARM, {"sample_top_k": 1}),
        ],
        ids=["answer_tokens", "repetition_penalty", "temperature", "cooler", "seed", "top_p", "sample_top_k"],
    )
    def test_sampling_changes_the_answer(
        self, model: Any, weights: Path, llm: dict[str, str], before: dict[str, Any], after: dict[str, Any]
    ) -> None:
        chosen = {"llm": str(weights / llm["llm"])}
        first = written(model(**chosen, **before))
        assert written(model(**chosen, **before)) == first
        assert written(model(**{**chosen, **before, **after})) != first

    @pytest.mark.parametrize("llm", [GLM, CAUSAL], ids=["chatglm", "transformers"])
    @pytest.mark.parametrize("narrow", [{"sample_top_k": 1}, {"top_p": 0.001}], ids=["top_k", "top_p"])
    def test_the_narrowest_choice_is_the_likeliest_token(
        self, model: Any, weights: Path, llm: dict[str, str], narrow: dict[str, Any]
    ) -> None:
        chosen = {"llm": str(weights / llm["llm"])}
        assert written(model(**chosen, **{**WARM, **narrow})) == written(model(**chosen))

    @pytest.mark.parametrize(("precision", "in_force"), [("fp32", "fp32, exact"), ("int8", "int8"), ("int4", "int4")])
    def test_precision_of_chatglm(self, model: Any, precision: str, in_force: str) -> None:
        loaded = model(precision=precision, device="cpu", arithmetic="exact")
        whole = model(precision="fp32", device="cpu", arithmetic="exact")
        answers = written(loaded), written(whole)
        assert loaded.in_force.startswith(f"chatglm-6b ({in_force.partition(',')[0]}")
        assert (answers[0] == answers[1]) is (precision == "fp32")

    @pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
    def test_precision_of_others(self, model: Any, weights: Path, precision: str, dtype: torch.dtype) -> None:
        loaded = model(llm=str(weights / "llama"), precision=precision, device="cpu")
        assert loaded.load().network.dtype == dtype
        assert loaded.in_force == f"llama ({precision}) on cpu"

    @pytest.mark.parametrize(
        "flags",
        [{"llm": "chatglm-6b-int4", "precision": "fp16"}, {**CAUSAL, "precision": "int4"}],
        ids=["glm", "other"],
    )
    def test_a_precision_that_the_model_has_not_is_an_error(
        self, model: Any, weights: Path, flags: dict[str, Any]
    ) -> None:
        with pytest.raises(ModelUnsupported):
            model(**{**flags, "llm": str(weights / flags["llm"])}).load()

    def test_arithmetic(self, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        able = Device("cpu", "CPU", 16.0, 32.0, bf16=True)  # whatever this machine can do
        monkeypatch.setattr("models.chatglm.chat_model.find_devices", lambda _: [able])
        fast, exact = model(arithmetic="fast"), model(arithmetic="exact")
        assert fast.load().routes != exact.load().routes
        assert "exact" in exact.in_force
        assert "exact" not in fast.in_force

    @pytest.mark.parametrize("llm", ["chatglm-6b", "llama"])
    def test_a_device_that_is_not_there_is_named(self, model: Any, weights: Path, llm: str) -> None:
        with pytest.raises(ModelError) as caught:
            model(llm=str(weights / llm), device="cuda:63").load()
        assert "cuda:63" in caught.value.reason("zh")
        assert model(device="cpu").load().loaded.endswith(" on cpu")

    def test_a_device_that_is_not_there_is_the_same_error_for_every_backend(self, model: Any, weights: Path) -> None:
        errors = set()
        for llm in ("chatglm-6b", "llama"):
            with pytest.raises(ModelError) as caught:
                model(llm=str(weights / llm), device="cuda:63").load()
            errors.add(type(caught.value))
            assert "KNOWGLM_DEVICE" in caught.value.text("en")
        assert len(errors) == 1

    def test_adapter(self, model: Any, weights: Path) -> None:
        tuned = model(adapter=str(weights / "lora"))
        assert written(tuned) != written(model())
        assert tuned.in_force.endswith(" with lora")

    def test_an_adapter_of_no_chatglm_is_refused(self, model: Any, weights: Path) -> None:
        for flags in ({"llm": str(weights / "llama")}, {"llm": "tiny", "llm_url": NOBODY}):
            with pytest.raises(AdapterRefused) as caught:
                model(**flags, adapter=str(weights / "lora")).load()
            assert "ChatGLM" in caught.value.reason("zh")
            assert "KNOWGLM_ADAPTER" in caught.value.advice("zh")

    def test_a_switch_that_the_adapter_forbids_keeps_the_old_model(self, model: Any, weights: Path) -> None:
        tuned = model(adapter=str(weights / "lora"))
        before = tuned.load()
        other = {"model_dir": weights, "llm": str(weights / "llama"), "adapter": str(weights / "lora")}
        with pytest.raises(AdapterRefused):
            tuned.use(load_settings(other, environ={}))
        assert tuned.load() is before

    @pytest.mark.parametrize(
        "flags",
        [
            pytest.param({"llm": "llama", "arithmetic": "exact"}, id="arithmetic"),
            pytest.param({"llm": "chatglm-6b", "llm_api_key": KEY}, id="llm_api_key"),
            pytest.param({"llm": "chatglm-6b", "top_p": 0.5}, id="top_p"),
            pytest.param({"llm": "chatglm-6b", "sample_top_k": 3}, id="sample_top_k"),
            pytest.param({"llm": "chatglm-6b", "seed": 3}, id="seed"),
        ],
    )
    def test_a_setting_that_does_nothing_is_named(self, model: Any, weights: Path, flags: dict[str, Any]) -> None:
        """A seed or a nucleus draws nothing at temperature 0, the default; a key opens nothing without an address."""
        notices = model(**{**flags, "llm": str(weights / flags["llm"])}).notices()
        assert list(flags)[-1] in said(notices)


class TestFolder:
    @pytest.mark.parametrize(("llm", "kind"), [("chatglm-6b", "chatglm"), ("llama", "transformers")])
    def test_its_kind_is_told_by_its_configuration(self, model: Any, weights: Path, llm: str, kind: str) -> None:
        loaded = model(llm=f"{weights}/{llm}/")
        assert loaded.in_force == llm
        assert loaded.load()._llm_type == kind
        assert loaded.in_force.startswith(f"{llm} (")

    def test_the_home_folder_may_be_abbreviated(
        self, model: Any, weights: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(weights))
        assert model(llm="~/chatglm-6b", adapter="~/lora").load().loaded.endswith("with lora")

    def test_the_folder_one_stands_in_has_a_name_too(
        self, model: Any, weights: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(weights / "llama")
        assert model(llm="./").load().loaded.startswith("llama (")

    @pytest.mark.parametrize("content", ["{", "[]", "", "null", "\0"], ids=["half", "list", "empty", "null", "nul"])
    def test_a_broken_configuration_is_an_error_to_read(
        self, make_app: Callable[..., App], tmp_path: Path, content: str
    ) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "config.json").write_text(content, "utf-8")
        with pytest.raises(CheckpointUnreadable) as caught:
            make_app(llm=str(tmp_path / "mine")).load_model()
        assert str(tmp_path / "mine" / "config.json") in caught.value.reason("zh")


class TestMissing:
    @pytest.mark.parametrize(
        ("flags", "name"),
        [
            ({"embedding": "lexical"}, "chatglm-6b"),
            ({"embedding": "lexical", "llm": "chatglm2-6b-int4"}, "chatglm2-6b-int4"),
            ({"embedding": "lexical", "llm": "/nowhere/mine"}, "mine"),
            ({"llm": "extractive"}, "text2vec-large-chinese"),
            ({"llm": "extractive", "embedding": "m3e-base"}, "m3e-base"),
            ({"llm": "extractive", "embedding": "/nowhere/mine"}, "mine"),
        ],
        ids=["llm", "other_llm", "own_llm", "embedding", "other_embedding", "own_embedding"],
    )
    def test_error_stops_and_embedded_says_so(
        self, make_app: Callable[..., App], tmp_path: Path, flags: dict[str, str], name: str
    ) -> None:
        place = "/nowhere/mine" if name == "mine" else str(tmp_path / "weights" / name)
        assert any(name in notice.text("zh") and place in notice.text("en") for notice in make_app(**flags).notices())
        with pytest.raises(ModelNotFound) as caught:
            make_app(**flags, missing_model="error")
        assert name in caught.value.reason("en")
        assert place in caught.value.reason("zh")

    def test_error_is_content_with_what_needs_no_weights(self, make_app: Callable[..., App]) -> None:
        nothing = {"llm": "extractive", "embedding": "lexical"}
        away = {"llm": "a", "embedding": "b", "llm_url": NOBODY, "embedding_url": NOBODY}
        for flags in (nothing, away):
            assert make_app(**flags, missing_model="error").load_model()

    @pytest.mark.parametrize("setting", ["llm", "embedding"])
    @pytest.mark.parametrize(
        "name",
        [
            "known",
            "/nowhere/mine",
        ],
        ids=["known", "own"],
    )
    def test_the_commands_that_are_named_work(self, make_app: Callable[..., App], setting: str, name: str) -> None:
        known = {"llm": "chatglm-6b-int8", "embedding": "bge-base-zh-v1.5"}[setting]
        wanted = name if "/" in name else known
        flags = {"llm": "extractive", "embedding": "lexical", setting: wanted}
        text = said(make_app(**flags).notices())
        with pytest.raises(ModelNotFound) as caught:
            make_app(**flags, missing_model="error")
        text += caught.value.text("zh") + caught.value.text("en")
        named = set(re.findall(r"models download ([\w./-]*\w)", text))
        assert named == ({wanted} if wanted in downloadable() else set())
        assert wanted in text
