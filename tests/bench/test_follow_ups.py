"""The benchmark of follow-up questions measures what it says, and its goals are met."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.follow_ups import (
    DIALOGUES,
    SAMPLES,
    Dialogue,
    FollowUps,
    goals_met,
    left_alone,
    measure,
    read_follow_ups,
)
from core.answers import Turn
from core.evaluation import Expected

TINY = FollowUps(
    {
        "长江.txt": "长江全长约6300公里，长江在上海注入东海。",
        "黄河.txt": "黄河全长约5464公里，黄河在东营注入渤海。",
    },
    (
        Dialogue(
            (Turn("黄河有多长？", "约5464公里。"),),
            "它在哪里注入大海？",
            "黄河在哪里注入大海？",
            (Expected("黄河.txt", text="东营"),),
        ),
        Dialogue(
            (Turn("黄河有多长？", "约5464公里。"),),
            "年假有几天？",
            "年假有几天？",
            (Expected("黄河.txt", text="年假"),),
        ),
    ),
)


def test_a_dialogue_is_found_by_file_and_text() -> None:
    figures = measure(TINY)
    assert figures["even (tuned)"]["rewritten: first"] == 1
    assert figures["odd (measured)"]["rewritten: hit"] == figures["odd (measured)"]["by hand: hit"] == 0
    assert figures["all"]["by hand: hit"] == figures["all"]["rewritten: hit"] == 0.5
    assert figures["all"]["hits reached"] == 1


def test_questions_left_alone_are_told_from_those_rewritten() -> None:
    assert left_alone(["试用期有多长？", "红烧肉怎么做才好吃？"])["rewritten wrongly"] == 0
    assert left_alone(["年假有几天？", "它有几天？"], seed=3)["rewritten wrongly"] == 0.5


def test_the_goals_can_be_missed() -> None:
    fine = {"all": {"hits reached": 0.9}, "samples": {"rewritten wrongly": 0.0}}
    assert goals_met(fine)
    assert not goals_met({**fine, "all": {"hits reached": 0.8}})
    assert not goals_met({**fine, "samples": {"rewritten wrongly": 0.1}})


def test_there_are_sixty_dialogues_and_what_they_seek_exists() -> None:
    follow_ups = read_follow_ups(DIALOGUES)
    assert len(follow_ups.dialogues) == 60
    assert sum(dialogue.follow_up.isascii() for dialogue in follow_ups.dialogues) == 20
    for dialogue in follow_ups.dialogues:
        assert dialogue.history
        for expected in dialogue.expected:
            held = follow_ups.documents.get(expected.file)
            assert expected.text in held if held else (SAMPLES / "content" / expected.file).is_file()


@pytest.fixture(scope="module")
def figures(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float | int]]:
    """What the command line writes, without the public sets."""
    folder = tmp_path_factory.mktemp("out")
    out = folder / "out.json"
    command = [sys.executable, "bench/follow_ups.py", "--data", str(folder / "none"), "--json", str(out)]
    done = subprocess.run(command, cwd=root, env=os.environ, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text(encoding="utf-8"))


def test_rewriting_reaches_most_of_what_people_would_ask(figures: dict[str, dict[str, float | int]]) -> None:
    assert goals_met(figures)
    assert figures["all"]["dialogues"] == 60
    for half in ("even (tuned)", "odd (measured)"):
        assert figures[half]["hits reached"] >= 0.85
        assert figures[half]["rewritten: first"] > figures[half]["as asked: first"] + 0.2


def test_what_people_would_ask_is_left_alone(figures: dict[str, dict[str, float | int]]) -> None:
    assert figures["by hand, after another"]["rewritten wrongly"] == 0
    assert figures["samples"]["rewritten wrongly"] == 0
    assert "cmrc2018" not in figures
