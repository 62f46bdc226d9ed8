"""`--kb` several times: asked, searched and talked to as one; and prompts that are saved one part at a time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
HR, FINANCE = "人事 资料", "财务"
BOTH = ("--kb", HR, "--kb", FINANCE)
QUESTION = "云杉公司员工年假有几天？云杉公司出差补贴每天多少钱？"


@pytest.fixture
def data(make_app: Callable[..., Any], tmp_path: Path) -> Path:
    """A data directory with two knowledge bases, each with a file 规定.txt."""
    app = make_app()
    texts = {HR: "云杉公司员工入职满一年后有五天年假。", FINANCE: "云杉公司出差补贴每天一百元。"}
    for name, text in texts.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "规定.txt").write_text(text, "utf-8")
        app.create(name)
        app.add(name, [folder])
    app.close()
    return tmp_path / "data"


def test_pain_51_several_are_asked_as_one(data: Path, command: Command) -> None:
    answer = command(data, "ask", QUESTION, *BOTH, "--json").json
    assert {(citation["kb"], citation["source"]) for citation in answer["citations"]} == {
        (HR, "规定.txt"),
        (FINANCE, "规定.txt"),
    }
    shown = command(data, "ask", QUESTION, *BOTH)
    assert f"{HR} · 规定.txt" in shown.out
    assert f"{FINANCE} · 规定.txt" in shown.out
    (trace, *_) = command(data, "trace", "list", "--json").json["traces"]
    assert trace["kbs"] == [HR, FINANCE]
    assert command(data, "trace", "replay", "--json").json["identical"]
    assert f"{HR} · 规定.txt" in command(data, "trace", "show").out


def test_pain_51_several_are_searched_as_one(data: Path, command: Command) -> None:
    hits = command(data, "search", "云杉公司", *BOTH, "--json").json["hits"]
    assert {hit["kb"] for hit in hits} == {HR, FINANCE}
    assert {hit["kb"] for hit in command(data, "search", "云杉公司", "--kb", HR, "--json").json["hits"]} == {HR}
    assert FINANCE not in command(data, "search", "云杉公司", "--kb", FINANCE).out
    missing = command(data, "search", "云杉公司", "--kb", HR, "--kb", "没有")
    assert (missing.code, "没有" in missing.err) == (1, True)


def test_a_conversation_with_several(data: Path, command: Command) -> None:
    talk = command(data, *BOTH, stdin="员工年假有几天？\n/bad\n出差补贴每天多少钱？\nstop\n")
    assert f"{HR}、{FINANCE}" in talk.out
    assert "五天年假" in talk.out
    assert "一百元" in talk.out


def test_the_samples_may_be_among_them(data: Path, command: Command) -> None:
    hits = command(data, "search", "显存", "--kb", "samples", "--kb", HR, "--json").json["hits"]
    assert "samples" in {hit["kb"] for hit in hits}


def test_saving_one_part_of_a_prompt_keeps_the_other(data: Path, command: Command, tmp_path: Path) -> None:
    template = tmp_path / "模板.txt"
    template.write_text("材料\n{passages}\n请答：{question}", "utf-8")
    assert command(data, "prompt", "set", HR, "--template", str(template)).code == 0
    assert command(data, "prompt", "set", HR, "--system", "你是人事").code == 0
    shown = command(data, "prompt", "show", HR, "--json").json
    assert (shown["template"][:2], shown["system"]) == ("材料", "你是人事")
    nothing = command(data, "prompt", "set", HR)
    assert (nothing.code, "--template" in nothing.err) == (2, True)
    command(data, "prompt", "reset", HR)
    assert command(data, "prompt", "show", HR, "--json").json["system"] == ""
