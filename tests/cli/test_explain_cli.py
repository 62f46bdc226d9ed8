"""`explain`: a checklist for people at 80 columns, JSON for programs, and an exit code for scripts."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import new_document

from chains.explaining.explain import explain
from cli import explain_texts
from cli.explain import explanation_json, show
from core.answers import RetrievalSettings
from core.evaluation import Expected
from core.explanations import STAGES, Explanation
from vectorstores.knowledge_store import KnowledgeStore

LEAVE = ["员工入职满一年后有五天年假。", "年假须提前三天申请。", "病假须提供医院证明。", "出差补贴每天一百元。"]
SETTINGS = RetrievalSettings(top_k=5, threshold=0.2, dense_weight=0.3, passage_chars=0, context_chars=2000)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KnowledgeStore]:
    opened = KnowledgeStore(tmp_path / "kb")
    opened.put_documents([new_document("[red]假期.txt", LEAVE)])
    yield opened
    opened.close()


@pytest.fixture
def lost(store: KnowledgeStore) -> Explanation:
    """A passage below the threshold."""
    settings = RetrievalSettings(top_k=1, threshold=0.9, dense_weight=0.3, passage_chars=0, context_chars=2000)
    return explain("年假申请要几天", Expected(text=LEAVE[0]), store, settings)


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    def run(explanation: Explanation, language: Any) -> list[str]:
        monkeypatch.setenv("COLUMNS", "80")
        show(explanation, language)
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    return run


def test_every_stage_and_outcome_has_its_words() -> None:
    assert tuple(explain_texts.STAGES) == STAGES
    assert set(explain_texts.MARKS) == {"passed", "missed", "lost"}


def test_a_lost_passage_as_a_checklist(lost: Explanation, printed: Callable[..., list[str]]) -> None:
    lines = printed(lost, "zh")
    assert lines[0] == "✓  文字      1 处：[red]假期.txt"
    assert [line[0] for line in lines[:4]] == ["✓", "✓", "✓", "✗"]
    assert any(line.startswith("✗  阈值") for line in lines)
    assert "没有找到，丢在：阈值" in lines
    threshold = lost.changes["threshold"]
    advice = next(line for line in lines if line.startswith("→"))
    assert f"threshold={threshold:g}（现在 0.9）" in advice
    assert lines[-1] == f"  KNOWGLM_THRESHOLD={threshold:g}" + (
        f" KNOWGLM_TOP_K={lost.changes['top_k']}" if "top_k" in lost.changes else ""
    )


def test_the_same_in_english(lost: Explanation, printed: Callable[..., list[str]]) -> None:
    lines = printed(lost, "en")
    assert lines[0] == "✓  text         in 1 place(s): [red]假期.txt"
    assert "Not found, lost at: threshold" in lines
    assert not [line for line in lines if "阈值" in line]


def test_what_was_found_ends_well(store: KnowledgeStore, printed: Callable[..., list[str]]) -> None:
    found = explain("年假有几天", Expected(file="[red]假期.txt"), store, SETTINGS)
    lines = printed(found, "zh")
    assert {line[0] for line in lines[:-1]} == {"✓"}
    assert lines[-1] == "找到了，交给了回答。"
    assert explanation_json(found, "en") | {"steps": [], "relevance": 0} == {
        "question": "年假有几天",
        "expected": {"file": "[red]假期.txt", "page": None, "text": None},
        "found": True,
        "lost_at": None,
        "steps": [],
        "next_step": None,
        "changes": {},
        "rank": 1,
        "relevance": 0,
        "passage": 1,
        "chunk": {"id": found.chunk.id, "source": "[red]假期.txt", "start": 0, "end": len(LEAVE[0])},
    }


def test_json_of_a_lost_passage(lost: Explanation, store: KnowledgeStore) -> None:
    value = json.loads(json.dumps(explanation_json(lost, "en")))
    assert value["found"] is False
    assert value["lost_at"] == "threshold"
    assert value["changes"] == dict(lost.changes)
    assert value["steps"][-1]["outcome"] == "lost"
    assert value["next_step"].startswith("With threshold=")
    missing = explanation_json(explain("年假", Expected(file="无.txt"), store, SETTINGS), "zh")
    assert missing["lost_at"] == "file"
    assert missing["chunk"] is missing["rank"] is missing["passage"] is None


# --- as a process -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def filled(command: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("explain") / "data"
    file = data.parent / "假期.txt"
    file.write_text("\n\n".join(LEAVE), "utf-8")
    assert command(data, "kb", "create", "人事").code == 0
    assert command(data, "kb", "add", "人事", str(file)).code == 0
    return data


def test_exit_code_0_if_found_and_1_if_not(command: Callable[..., Any], filled: Path) -> None:
    found = command(filled, "explain", "人事", "年假有几天", "--expect", "五天年假")
    assert (found.code, found.err) == (0, "")
    assert "找到了" in found.out
    lost = command(filled, "explain", "人事", "年假有几天", "--expect", "十天年假", lang="en")
    assert lost.code == 1
    assert "Not found, lost at: text" in lost.out


def test_json_and_a_setting_that_is_recommended(command: Callable[..., Any], filled: Path) -> None:
    arguments = ("explain", "人事", "年假有几天", "--expect", "假期.txt", "--json")
    lost = command(filled, *arguments, THRESHOLD="0.99")
    assert lost.code == 1
    assert lost.json["lost_at"] == "threshold"
    changes = {name.upper(): f"{value:g}" for name, value in lost.json["changes"].items()}
    found = command(filled, *arguments, **changes)
    assert (found.code, found.json["found"]) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("人事", " ", "--expect", "五天"), 2),
        (("人事", "年假", "--expect", "“”"), 2),
        (("人事", "年假"), 2),
        (("没有", "年假", "--expect", "五天"), 1),
    ],
    ids=["no_question", "nothing_expected", "no_expectation", "no_such_base"],
)
def test_wrong_use(command: Callable[..., Any], filled: Path, arguments: tuple[str, ...], code: int) -> None:
    done = command(filled, "explain", *arguments)
    assert done.code == code
    assert done.err
