"""`eval` on the command line: reports, exit codes, drafts, comparisons."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from cli import evaluate as cli_evaluate
from core.errors import KnowGLMError
from service.knowledge_qa import KnowledgeQA

TEXTS = {
    "住宿.txt": "出差的住宿标准是每晚五百元。住宿费据实报销。",
    "年假.txt": "员工入职满一年享受 7 天年假。年假是一种带薪的假期。",
    "密码.txt": "办公系统的密码至少 12 位。",
}
LIST = """问题,文件,答案,无答案
出差的住宿标准是多少？,住宿.txt,五百元,
入职满一年有几天年假？,年假.txt,7 天,
办公系统的密码至少几位？,密码.txt,12 位,
红楼梦的作者是谁？,,,是
澳大利亚的首都叫什么？,,,是
"""


@pytest.fixture
def knowledge_qa(make_app: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KnowledgeQA:
    app = make_app()
    app.create("制度")
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    app.add("制度", [tmp_path / name for name in TEXTS])
    (tmp_path / "列表.csv").write_text(LIST, encoding="utf-8")
    monkeypatch.setattr(cli_evaluate, "_open", lambda _: app)
    monkeypatch.chdir(tmp_path)
    return app


def run(*arguments: str) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command("eval")(cli_evaluate.evaluate)
    app.command("other")(lambda: None)
    result = CliRunner().invoke(app, ["eval", *arguments], env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit | KnowGLMError):
        raise result.exception
    return result


@pytest.mark.usefixtures("knowledge_qa")
def test_a_list_is_measured_and_shown() -> None:
    done = run("制度", "列表.csv")
    assert done.exit_code == 0
    for shown in (
        "5 个问题（2 个没有答案）",
        "hit@5",
        "mrr",
        "阈值曲线",
        "条数曲线",
        "建议 阈值 = ",
        "重复抽样 1000 次",
    ):
        assert shown in done.stdout, done.stdout


@pytest.mark.usefixtures("knowledge_qa")
def test_json_is_the_report_and_nothing_else(tmp_path: Path) -> None:
    done = run("制度", "列表.csv", "--json", "--out", "报告.json")
    report = json.loads(done.stdout)
    assert report["figures"]["hit@1"] == 1
    assert report["knowledge_base"] == "制度"
    assert json.loads((tmp_path / "报告.json").read_text("utf-8")) == report


def test_apply_saves_the_suggestion(knowledge_qa: KnowledgeQA) -> None:
    done = run("制度", "列表.csv", "--apply")
    assert "已存到知识库“制度”" in done.stdout
    saved = knowledge_qa._library.open("制度").manifest()
    assert saved["top_k"] == 1
    assert 0 < saved["threshold"] < 1
    assert f"阈值 {saved['threshold']:.1%}，取 1 条" in run("制度", "列表.csv").stdout


def test_without_apply_nothing_is_saved(knowledge_qa: KnowledgeQA) -> None:
    before = knowledge_qa._library.open("制度").manifest()
    assert "--apply" in run("制度", "列表.csv").stderr
    assert knowledge_qa._library.open("制度").manifest() == before


@pytest.mark.usefixtures("knowledge_qa")
def test_a_floor_that_is_not_reached_is_an_exit_code() -> None:
    assert run("制度", "列表.csv", "--fail-under", "hit@5=0.9", "--fail-under", "mrr=90%").exit_code == 0
    Path("列表.csv").write_text("问题,文件\n出差的住宿标准是多少？,年假.txt\n", encoding="utf-8")
    done = run("制度", "列表.csv", "--fail-under", "hit@1=0.9", "--fail-under", "refusal_recall=0.5")
    assert done.exit_code == 1
    assert "hit@1 是 0.0%，低于要求的 90.0%" in done.stderr
    assert "refusal_recall 是 无法测出" in done.stderr


def test_a_wrong_gate_is_refused_before_the_work(knowledge_qa: KnowledgeQA, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowledge_qa, "evaluate", lambda *_: pytest.fail("it was evaluated"))
    done = run("制度", "列表.csv", "--fail-under", "hit@7=0.9")
    assert isinstance(done.exception, KnowGLMError)
    assert done.exception.code == "bad_config"


def test_drafts_go_to_the_own_list_which_is_then_used(knowledge_qa: KnowledgeQA) -> None:
    done = run("制度", "--draft", "3")
    assert "起草了 3 个问题" in done.stdout
    assert [stored.origin for stored in knowledge_qa._library.open("制度").questions.all()] == ["draft"] * 3
    assert "3 个问题（0 个没有答案）" in run("制度").stdout


def test_drafts_go_to_a_file_that_can_be_read(knowledge_qa: KnowledgeQA) -> None:
    assert run("制度", "--draft", "9", "--out", "起草.xlsx").exit_code == 0
    assert knowledge_qa._library.open("制度").questions.all() == []
    assert run("制度", "起草.xlsx").exit_code == 0


def test_keep_puts_a_file_into_the_own_list(knowledge_qa: KnowledgeQA) -> None:
    run("制度", "列表.csv", "--keep")
    assert len(knowledge_qa._library.open("制度").questions.labelled()) == 5
    assert "5 个问题" in run("制度").stdout


@pytest.mark.usefixtures("knowledge_qa")
def test_two_reports_are_compared() -> None:
    run("制度", "列表.csv", "--out", "a.json")
    assert run("--compare", "a.json", "a.json").exit_code == 0
    Path("列表.csv").write_text(LIST.replace("住宿.txt", "年假.txt"), encoding="utf-8")
    run("制度", "列表.csv", "--out", "b.json")
    worse = run("--compare", "a.json", "b.json")
    assert worse.exit_code == 1
    assert "变错的问题（1）" in worse.stdout
    assert "hit@1" in worse.stderr
    better = run("--compare", "b.json", "a.json", "--json")
    assert better.exit_code == 0
    assert json.loads(better.stdout)["won"] == ["出差的住宿标准是多少？"]
    assert run("--compare", "b.json", "a.json", "--fail-under", "hit@1=1").exit_code == 0
    assert run("--compare", "b.json", "b.json", "--fail-under", "hit@1=1").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "请给出知识库的名字"),
        (["制度", "--keep"], "--keep 需要一个问题文件"),
        (["制度", "列表.csv", "--out", "无/报告.json"], "写不进文件"),
        (["制度", "--draft", "0"], "--draft"),
    ],
    ids=["no_name", "keep_alone", "unwritable", "draft_nothing"],
)
@pytest.mark.usefixtures("knowledge_qa")
def test_wrong_use_is_said(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["制度"], "no_questions"),
        (["制度", "无.csv"], "missing"),
        (["制度", "住宿.txt"], "unsupported"),
        (["--compare", "列表.csv", "列表.csv"], "wrong_report"),
    ],
    ids=["no_list", "no_file", "no_list_file", "no_report"],
)
@pytest.mark.usefixtures("knowledge_qa")
def test_errors_have_their_codes(arguments: list[str], code: str) -> None:
    done = run(*arguments)
    assert isinstance(done.exception, KnowGLMError)
    assert done.exception.code == code


@pytest.mark.usefixtures("knowledge_qa")
def test_it_speaks_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_evaluate, "LANGUAGE", "en")
    done = run("制度", "列表.csv")
    assert "5 questions (2 unanswerable)" in done.stdout
    assert "Suggested threshold = " in done.stdout
    run("制度", "列表.csv", "--out", "a.json")
    assert "figure" in run("--compare", "a.json", "a.json").stdout


def test_the_samples_are_evaluated_by_the_program_itself(
    command: Callable[..., Any], root: Path, tmp_path: Path
) -> None:
    """A process of its own: the samples are indexed first, and a floor that is too high is an exit code."""
    questions = root / "knowledge_base" / "samples" / "questions.csv"
    done = command(tmp_path / "data", "eval", "samples", str(questions), "--json", "--fail-under", "refusal_recall=1")
    assert done.code == 1
    assert done.json["figures"]["hit@5"] >= 0.95
    assert "refusal_recall" in done.err
