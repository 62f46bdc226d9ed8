"""`models list`, `models download` and `models doctor`, as a user runs them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hub_server import Hub, HubServer, start_hubs
from model_folders import POINTER, chatglm, embedding
from rich.cells import cell_len

from cli import model_texts
from cli.model_tables import ModelScreen
from cli.models import _unknown
from configs.catalogue import LLMS
from configs.environment import load_settings
from core.messages import Language
from models.devices import Device
from service.models.doctor_machine import Area
from service.models.inventory import take_inventory

Command = Callable[..., Any]
MODEL, REPOSITORY = "text2vec-base-chinese", "shibing624/text2vec-base-chinese"
ENTRY = {
    "name", "kind", "backend", "repository", "folder", "state", "problems", "size_bytes", "download_gb", "memory_gb",
    "fitting", "configured", "in_force",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    with start_hubs(tmp_path_factory.mktemp("hubs")) as running:
        yield running


@pytest.fixture
def hub(server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A mirror that HF_ENDPOINT names, with one model."""
    hub = server.new_hub()
    source = embedding(tmp_path / "published")
    files = {path.relative_to(source).as_posix(): path.read_bytes() for path in source.rglob("*") if path.is_file()}
    hub.publish(REPOSITORY, **files, **{"modeling.py": b"raise SystemExit"})
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return hub


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


# --- download --------------------------------------------------------------------------------------------------------


def test_a_model_is_downloaded_from_the_mirror_and_then_in_force(command: Command, hub: Hub, data: Path) -> None:
    done = command(data, "models", "download", MODEL, lang="en", MODEL_DIR=str(data / "w"))
    assert (done.code, done.err) == (0, "")
    assert str(data / "w" / MODEL) in done.out
    assert f"KNOWGLM_EMBEDDING={MODEL}" in done.out
    assert "modeling.py" not in hub.fetched
    again = command(data, "models", "download", MODEL, "--json", MODEL_DIR=str(data / "w")).json
    assert (again["name"], again["fetched_bytes"]) == (MODEL, 0)
    assert set(again) == {"name", "folder", "files", "total_bytes", "fetched_bytes"}
    listed = command(data, "models", "list", "--json", MODEL_DIR=str(data / "w"), EMBEDDING=MODEL).json
    assert all(set(entry) == ENTRY for entry in listed["models"])
    assert [device["name"] for device in listed["devices"]]
    entries = {entry["name"]: entry for entry in listed["models"]}
    state = {key: entries[MODEL][key] for key in ("kind", "repository", "state", "configured", "in_force")}
    assert state == dict(zip(state, ("embedding", REPOSITORY, "complete", True, True), strict=True))
    assert entries["chatglm-6b"]["memory_gb"]["int4"] == 4.6
    assert entries["extractive"]["in_force"]


def test_a_misspelt_name_gets_a_suggestion(command: Command, hub: Hub, data: Path) -> None:
    done = command(data, "models", "download", "text2vec-base-chines", lang="en")
    assert (done.code, done.out) == (2, "")
    assert f"did you mean {MODEL}?" in done.err
    assert hub.requests == []
    assert "chatglm-6b-int4" in _unknown("数字", ["chatglm-6b-int4", MODEL])


def test_a_gated_model_is_an_error_with_advice_until_there_is_a_token(
    command: Command, hub: Hub, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.plan(token="hf_x")
    refused = command(data, "models", "download", MODEL, "--json", lang="zh")
    assert refused.code == 1
    assert refused.json["error"]["code"] == "download_failed"
    assert "HF_TOKEN" in refused.json["error"]["message"]
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    assert command(data, "models", "download", MODEL).code == 0


def test_ctrl_c_says_how_to_go_on(hub: Hub, data: Path, root: Path) -> None:
    hub.publish(REPOSITORY, **{"model.safetensors": bytes(500_000)})
    hub.plan(pause_s=0.05)
    environ = os.environ | {"KNOWGLM_MODEL_DIR": str(data), "KNOWGLM_LANG": "en"}
    arguments = [sys.executable, str(root / "cli_demo.py"), "models", "download", MODEL]
    with subprocess.Popen(arguments, env=environ, stderr=subprocess.PIPE, encoding="utf-8") as process:
        deadline = time.monotonic() + 30
        while "model.safetensors" not in hub.fetched:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        message = process.stderr.read()
    assert process.returncode == 130
    assert "Run the same command again" in message
    assert "Traceback" not in message


# --- list ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_list_fits_a_narrow_terminal_and_names_what_is_missing(
    tmp_path: Path, language: Language, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    folder = chatglm(tmp_path / "chatglm-6b-int4")
    (folder / "ice_text.model").write_bytes(POINTER)
    settings = load_settings({"model_dir": tmp_path, "llm": "chatglm-6b-int4"}, environ={})
    ModelScreen(language).inventory(take_inventory(settings, [Device("cpu", "CPU", 8.0, 16.0, bf16=True)]))
    lines = capsys.readouterr().out.splitlines()
    rows = {words[1] if words[0] in "→*" else words[0]: line for line in lines if (words := line.split())}
    assert rows["chatglm-6b-int4"].startswith("→")
    assert ("incomplete" if language == "en" else "不完整") in rows["chatglm-6b-int4"]
    assert rows["chatglm-6b"].split()[-4:] == ["(24.7)", "(12.4)", "(6.8)", "4.6"]
    assert any("ice_text.model" in line and "LFS" in line for line in lines)
    assert len({cell_len(rows[name]) for name in LLMS}) == 1
    assert max(cell_len(line) for line in lines) <= 80


# --- doctor ----------------------------------------------------------------------------------------------------------


def test_the_doctor_returns_0_without_weights_and_1_where_they_are_required(command: Command, data: Path) -> None:
    done = command(data, "models", "doctor", lang="en")
    assert done.code == 0
    assert "→ python cli_demo.py models download chatglm-6b" in done.out
    assert "0 problem(s), 2 warning(s)" in done.out
    required = command(data, "models", "doctor", "--json", lang="zh", MISSING_MODEL="error")
    assert required.code == 1
    assert required.json["ok"] is False
    assert {"area": "llm", "level": "problem"}.items() <= required.json["checks"][2].items()
    assert "的权重不在" in required.json["checks"][2]["found"]
    assert all(set(check) == {"area", "level", "found", "next_step"} for check in required.json["checks"])
    assert not data.exists()


def test_every_area_of_the_doctor_has_a_title() -> None:
    assert set(model_texts.AREAS) == set(get_args(Area))
