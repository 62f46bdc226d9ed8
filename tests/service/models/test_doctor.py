"""The doctor: what it finds, how grave that is, and the cure. Sockets are blocked here, as in every test."""

import types
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from model_folders import POINTER, chatglm, embedding
from openai_server import running

from configs.environment import load_settings
from models.devices import Device
from service.models import doctor, doctor_machine
from service.models.doctor import diagnose
from service.models.doctor_machine import Check, check_cpm_kernels, check_packages, check_python

CPU = Device("cpu", "CPU", 8.0, 16.0, bf16=True)
Diagnose = Callable[..., dict[str, list[Check]]]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return tmp_path / "weights"


@pytest.fixture
def examine(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> Diagnose:
    """Run the doctor with some flags; findings by area."""
    monkeypatch.setattr(doctor_machine, "find_devices", lambda _: [CPU])

    def run(*, online: bool = False, **flags: object) -> dict[str, list[Check]]:
        settings = load_settings({"data_dir": tmp_path / "data", "model_dir": weights, **flags}, environ={})
        checks: dict[str, list[Check]] = {}
        for check in diagnose(settings, online=online):
            assert check.found.text("zh")
            assert check.level == "ok" or check.cure
            checks.setdefault(check.area, []).append(check)
        return checks

    return run


def said(checks: list[Check]) -> str:
    return "\n".join(
        f"{check.level}: {check.found.text('en')} {check.cure.text('en') if check.cure else ''}" for check in checks
    )


def levels(checks: list[Check]) -> list[str]:
    return [check.level for check in checks]


def test_a_fresh_machine_has_warnings_and_no_problem(examine: Diagnose) -> None:
    checks = examine()
    machine = {"python", "packages", "device", "memory", "disk", "data_dir", "cpm_kernels"}
    assert set(checks) == machine | {"llm", "embedding", "hub", "settings"}
    assert not [check for area in checks.values() for check in area if check.level == "problem"]
    assert levels(checks["llm"]) == levels(checks["embedding"]) == ["warning"]
    assert "models download chatglm-6b" in said(checks["llm"])
    assert "models download text2vec-large-chinese" in said(checks["embedding"])


class TestModels:
    def test_missing_weights_are_a_problem_where_the_settings_say_so(self, examine: Diagnose) -> None:
        checks = examine(missing_model="error")
        assert levels(checks["llm"]) == levels(checks["embedding"]) == ["problem"]

    def test_complete_models_are_fine_and_their_code_is_mentioned(self, examine: Diagnose, weights: Path) -> None:
        chatglm(weights / "chatglm-6b")
        embedding(weights / "text2vec-large-chinese")
        checks = examine()
        assert levels(checks["llm"]) == ["ok", "ok"]
        assert "never run: modeling_chatglm.py" in said(checks["llm"])
        assert levels(checks["embedding"]) == ["ok"]

    def test_everything_wrong_with_a_folder_is_told_at_once(self, examine: Diagnose, weights: Path) -> None:
        folder = chatglm(weights / "chatglm-6b", shards=8)
        (folder / "ice_text.model").write_bytes(POINTER)
        (folder / "config.json").write_text("{")
        for number in range(2, 7):
            (folder / f"pytorch_model-{number:05}-of-00008.bin").unlink()
        checks = examine()["llm"]
        assert checks[0].level == "problem"
        text = said(checks)
        assert "Git LFS pointer" in text
        assert "config.json is not valid JSON" in text
        assert "pytorch_model-00002-of-00008.bin is missing" in text
        assert "… (7)" in text
        assert "；" in checks[0].found.text("zh")
        assert "models download chatglm-6b" in text

    def test_a_folder_of_the_users_own_has_another_cure(self, examine: Diagnose, tmp_path: Path) -> None:
        own = chatglm(tmp_path / "own")
        (own / "config.json").unlink()
        text = said(examine(llm=str(own), embedding=str(tmp_path / "none"))["llm"])
        assert "config.json is missing" in text
        assert "KNOWGLM_LLM" in text

    def test_built_in_models_need_nothing(self, examine: Diagnose) -> None:
        checks = examine(llm="extractive", embedding="lexical")
        assert levels(checks["llm"]) == levels(checks["embedding"]) == ["ok"]
        assert "memory" not in checks

    def test_servers_are_shown_without_password_and_not_contacted(self, examine: Diagnose) -> None:
        url = "http://me:secret@127.0.0.1:9/v1"
        checks = examine(llm_url=url, embedding_url="https://example.com/v1", llm="x", llm_api_key="sk-secret")
        assert levels(checks["llm"]) == levels(checks["embedding"]) == ["ok"]
        everything = "".join(said(area) for area in checks.values())
        assert "http://***@127.0.0.1:9/v1" in everything
        assert "secret" not in everything
        assert "KNOWGLM_LLM_API_KEY=***" in everything

    @pytest.mark.allow_hosts(["127.0.0.1"])
    def test_online_asks_the_servers(self, examine: Diagnose) -> None:
        with running() as address:
            url = f"{address}/good/doctor/v1"
            checks = examine(online=True, llm_url=url, llm="tiny", embedding_url=f"{address}/elsewhere/doctor/v1")
        assert levels(checks["llm"]) == ["ok"]
        assert "answers" in said(checks["llm"])
        assert levels(checks["embedding"]) == ["problem"]
        assert "KNOWGLM_EMBEDDING_URL" in said(checks["embedding"])


class TestMemory:
    def test_what_fits_is_named(self, examine: Diagnose) -> None:
        assert "chatglm-6b fits in int4 (needs 4.6 GB" in said(examine()["memory"])

    @pytest.mark.parametrize("has_weights", [True, False], ids=["here", "absent"])
    def test_a_precision_that_does_not_fit_is_a_problem_once_the_weights_are_here(
        self, examine: Diagnose, weights: Path, has_weights: bool
    ) -> None:
        if has_weights:
            chatglm(weights / "chatglm-6b")
        checks = examine(precision="fp16")["memory"]
        assert levels(checks) == ["problem" if has_weights else "warning"]
        assert "12.4 GB in fp16" in said(checks)
        assert "KNOWGLM_PRECISION=int4" in said(checks)

    def test_a_precision_that_a_model_does_not_have(self, examine: Diagnose) -> None:
        checks = examine(llm="chatglm-6b-int4", precision="fp16")["memory"]
        assert "does not run in fp16" in said(checks)
        assert "KNOWGLM_PRECISION=auto" in said(checks)

    def test_a_model_too_large_names_smaller_ones(self, examine: Diagnose) -> None:
        text = said(examine(llm="moss-moon-003-sft")["memory"])
        assert "these fit: chatglm-6b, " in text

    def test_where_nothing_fits_a_server_is_left(self, examine: Diagnose, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor_machine, "find_devices", lambda _: [Device("cpu", "CPU", 1.0, 2.0, bf16=True)])
        assert "KNOWGLM_LLM_URL" in said(examine()["memory"])


class TestDevices:
    def test_no_device_or_no_torch_is_a_problem_and_the_rest_is_still_examined(
        self, examine: Diagnose, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(_: str) -> None:
            raise OSError("c10.dll not found")

        monkeypatch.setattr(doctor_machine, "find_devices", broken)
        checks = examine()
        assert levels(checks["device"]) == ["problem"]
        assert "c10.dll" in said(checks["device"])
        assert "settings" in checks

    def test_a_processor_without_bf16_is_slow(self, examine: Diagnose, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor_machine, "find_devices", lambda _: [Device("cpu", "CPU", 8.0, 9.0, bf16=False)])
        checks = examine()["device"]
        assert "computes in fp32" in said(checks)
        assert "int4" in said(checks)
        assert "warning" in levels(checks)

    def test_each_card_is_listed(self, examine: Diagnose, monkeypatch: pytest.MonkeyPatch) -> None:
        cards = [Device(f"cuda:{number}", "RTX", 20.0, 24.0, bf16=True) for number in range(2)]
        monkeypatch.setattr(doctor_machine, "find_devices", lambda _: cards)
        assert "RTX (cuda:1): 20.0 of 24.0 GB" in said(examine()["device"])

    @pytest.mark.parametrize(
        ("cuda", "expected"), [(None, "built without CUDA"), ("12.8", "has CUDA 12.8")], ids=["cpu", "gpu"]
    )
    def test_an_nvidia_card_that_torch_does_not_use(
        self, examine: Diagnose, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cuda: str | None, expected: str
    ) -> None:
        tool = tmp_path / "bin" / "nvidia-smi"
        tool.parent.mkdir()
        tool.write_text("#!/bin/sh\ntouch executed\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", str(tool.parent))
        monkeypatch.setattr(torch.version, "cuda", cuda)
        checks = examine()["device"]
        assert expected in said(checks)
        assert levels(checks)[-1] == "warning"
        assert len(examine(device="cpu")["device"]) == 1  # chosen, not missed


class TestMachine:
    def test_requirements_that_are_met(self) -> None:
        (check,) = check_packages()
        assert check.level == "ok"
        assert "torch 2." in check.found.text("en")

    def test_missing_and_other_packages_come_with_the_line_for_pip(self, tmp_path: Path) -> None:
        path = tmp_path / "requirements.txt"
        path.write_text(
            "# none\n\nno-such-package>=3 # why\nrich>=1,<2\ntyper>=0.1\ncpm_kernels>=99\n", encoding="utf-8"
        )
        missing, other = check_packages(path)
        assert (missing.level, other.level) == ("problem", "warning")
        assert said([missing]).endswith('pip install "no-such-package>=3"')
        assert "required is <2,>=1" in said([other])

    def test_another_python_is_a_problem(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert check_python().level == "ok"
        monkeypatch.setattr(doctor_machine.platform, "python_version", lambda: "3.9.1")
        assert check_python().level == "problem"

    def test_cpm_kernels_may_raise_anything(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(_: str) -> None:
            raise RuntimeError("CUDA driver version is insufficient")

        monkeypatch.setattr(doctor_machine.importlib, "import_module", fail)
        check = check_cpm_kernels()
        assert check.level == "ok"
        assert "RuntimeError: CUDA driver" in check.found.text("en")
        assert "does not use it" in check.found.text("en")
        monkeypatch.setattr(doctor_machine.importlib, "import_module", lambda _: types.ModuleType("x"))
        assert "can be imported" in check_cpm_kernels().found.text("en")
        monkeypatch.setattr(doctor_machine, "_version", lambda _: "")
        assert "not installed" in check_cpm_kernels().found.text("en")

    def test_a_full_disk_is_seen_before_the_download(self, examine: Diagnose, monkeypatch: pytest.MonkeyPatch) -> None:
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(doctor_machine.shutil, "disk_usage", lambda _: usage(1, 1, int(5e9)))
        models, data = examine()["disk"]
        assert (models.level, data.level) == ("warning", "ok")
        assert "5.0 GB free, 14.7 GB needed" in said([models])
        assert "KNOWGLM_MODEL_DIR" in said([models])

    def test_a_data_folder_that_cannot_be_written_is_a_problem(self, examine: Diagnose, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        checks = examine(data_dir=tmp_path / "file" / "data")["data_dir"]
        assert levels(checks) == ["problem"]
        assert "KNOWGLM_DATA_DIR" in said(checks)

    def test_looking_leaves_no_trace(self, examine: Diagnose, tmp_path: Path) -> None:
        examine()
        assert list(tmp_path.iterdir()) == []


class TestHubAndSettings:
    def test_the_hub_is_named_and_the_token_is_not(self, examine: Diagnose, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_ENDPOINT", "https://hf-mirror.com")
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        text = said(examine()["hub"])
        assert "https://hf-mirror.com, with a token" in text
        assert "hf_secret" not in text

    def test_a_wrong_endpoint_is_a_problem(self, examine: Diagnose, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_ENDPOINT", "hf-mirror.com")
        assert levels(examine()["hub"]) == ["problem"]

    def test_settings_that_differ_from_the_defaults_are_listed(self, examine: Diagnose) -> None:
        text = said(examine(top_k=9, chunk_chars=250)["settings"])
        assert "KNOWGLM_TOP_K=9" in text
        assert "CHUNK_CHARS" not in text
        assert doctor._check_settings(load_settings({}, environ={})).found.text("en") == "all are the defaults"
