"""`kb rename` and `kb settings`: what they change, and what they print for people and for programs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
KB = "人事 资料"


@pytest.fixture
def data(make_app: Callable[..., Any], tmp_path: Path) -> Path:
    """A data directory with a knowledge base of one file."""
    (tmp_path / "规定.txt").write_text("云杉公司员工入职满一年后有五天年假。", "utf-8")
    app = make_app()
    app.create(KB)
    app.add(KB, [tmp_path / "规定.txt"])
    app.close()
    return tmp_path / "data"


def settings(command: Command, data: Path, *arguments: str, **variables: str) -> dict[str, tuple[Any, str, Any]]:
    """Return value, source and what is saved of each setting."""
    printed = command(data, "kb", "settings", KB, *arguments, "--json", **variables).json
    assert printed["name"] == KB
    return {row["name"]: (row["value"], row["source"], row["saved"]) for row in printed["settings"]}


def test_rename_keeps_the_documents(data: Path, command: Command) -> None:
    assert "“新 名字”" in command(data, "kb", "rename", KB, "新 名字").out
    (base,) = [one for one in command(data, "kb", "list", "--json").json["knowledge_bases"] if one["name"] != "samples"]
    assert (base["name"], base["files"]) == ("新 名字", 1)
    assert "五天年假" in command(data, "ask", "员工年假有几天？", "--kb", "新 名字").out
    assert command(data, "kb", "files", KB).code == 1
    renamed = command(data, "kb", "rename", "新 名字", KB, "--json").json
    assert renamed == {"name": KB, "renamed_from": "新 名字"}


@pytest.mark.parametrize(
    ("name", "new", "error"),
    [("没有", "新", "kb_not_found"), (KB, "samples", "kb_exists"), ("samples", "新", "kb_protected")],
    ids=["unknown", "taken", "samples"],
)
def test_rename_refuses(data: Path, command: Command, name: str, new: str, error: str) -> None:
    done = command(data, "kb", "rename", name, new, "--json")
    assert (done.code, done.json["error"]["code"]) == (1, error)


def test_settings_are_saved_shown_and_reset(data: Path, command: Command) -> None:
    assert settings(command, data)["top_k"] == (5, "default", None)
    after = settings(command, data, "--set", "threshold=40%", "--set", "top_k=3", "--set", "system_prompt=a=b")
    assert after["threshold"] == (0.4, "kb", 0.4)
    assert after["system_prompt"] == ("a=b", "kb", "a=b")
    assert command(data, "search", "年假", "--kb", KB, "--json").json["threshold"] == 0.4
    after = settings(command, data, "--reset", "threshold", "--set", "top_k=4", TOP_K="9")
    assert after["threshold"][1:] == ("default", None)
    assert after["top_k"] == (9, "explicit", 4)


def test_settings_for_people_tell_of_the_rebuild_they_need(data: Path, command: Command) -> None:
    shown = command(data, "kb", "settings", KB, "--set", "chunk_chars=300", lang="en")
    assert "chunk_chars" in shown.out
    assert "knowledge base" in shown.out
    assert f"kb rebuild {KB}" in shown.err
    assert "环境变量" in command(data, "kb", "settings", KB, TOP_K="9").out


def test_every_wrong_setting_is_said_and_nothing_is_saved(data: Path, command: Command) -> None:
    wrong = command(data, "kb", "settings", KB, "--set", "topk=3", "--set", "top_k=900", "--set", "threshold=0.4")
    assert (wrong.code, "topk" in wrong.err, "top_k=900" in wrong.err.lower()) == (2, True, True)
    assert settings(command, data)["threshold"][2] is None
    assert command(data, "kb", "settings", KB, "--set", "top_k").code == 2
    assert command(data, "kb", "settings", "没有").code == 1
