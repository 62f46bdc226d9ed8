"""`trace list`, `trace show`, `trace replay` and `trace clear`: what they print, in both languages."""

import json
import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from fakes import HashedEmbeddings, ScriptedChat
from rich.cells import cell_len
from typer.testing import CliRunner

from chains.retrieve import retrieve
from cli import trace_texts, traces
from cli.trace_tables import TraceScreen
from core.answers import Answer, AnswerMode, DroppedBy, Finished, LeftOut, RetrievalSettings, Turn
from core.errors import TraceNotFound
from core.grounding import Grounding, Verdict, VerdictLevel
from core.messages import Language, Message
from core.traces import ChangeKind, ReplayReport, Trace, TraceSummary
from service.answers.trace_json import read_trace
from service.answers.traces import TraceStore, kb_version, replay, searched_kbs

App = Any
KB = "人事 资料📚"
QUESTION = "云杉公司员工的年假有几天？"
LEAVE = "云杉公司假期规定\n员工入职满一年后有五天年假。\n年假须提前三天申请。\n"
OTHERS = {
    "差[b].txt": "云杉公司差旅规定\n员工出差补贴每天一百元，住宿标准为每晚四百元。\n",
    "一份名字长得一行里放不下的关于食堂开放时间和各个窗口供应菜品的说明文件.txt": "员工食堂在二楼。\n",
}
LONG_LINE = "请只根据资料回答，" * 12


class Facade:
    """What the commands ask of the product, over a real store and real retrieval."""

    def __init__(self, app: App, folder: Path) -> None:
        self.app, self.store = app, TraceStore(folder, keep=9)

    def traces(self, limit: int | None = None) -> list[TraceSummary]:
        return self.store.summaries(limit)

    def trace(self, trace_id: str) -> Trace:
        return self.store.load(trace_id)

    def replay(self, trace_id: str) -> ReplayReport:
        trace = self.store.load(trace_id)
        today = self.app.retriever(searched_kbs(trace))
        version = kb_version([today.store.manifest()])
        return replay(
            trace,
            lambda question, then: retrieve(question, today.store, then, today.dense),
            kb_version=version,
            settings=today.settings,
        )

    def clear_traces(self) -> None:
        self.store.clear()

    def add(self, folder: Path, name: str, text: str) -> None:
        (folder / name).write_text(text, "utf-8")
        self.app.add(KB, [folder / name])

    def ask(self, **changed: Any) -> str:
        answer = next(event.answer for event in self.app.ask(QUESTION, KB) if isinstance(event, Finished))
        version = kb_version([self.app.retriever(KB).store.manifest()])
        history = (Turn("公司叫什么？", "云杉公司。\n很多人。"),)
        trace = Trace(replace(answer, **changed), (KB,), version, history, settings={"prompt": "default"})
        return self.store.save(trace)


@pytest.fixture
def facade(make_app: Callable[..., App], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Facade:
    monkeypatch.setenv("COLUMNS", "80")
    app = make_app(embeddings=HashedEmbeddings(), llm=ScriptedChat(pieces=["年假五天 ", "[1]。还有 [/b] 三天。"]))
    app.create(KB)
    facade = Facade(app, tmp_path / ".traces")
    for name, text in {"假期.txt": LEAVE, **OTHERS}.items():
        facade.add(tmp_path, name, text)
    monkeypatch.setattr("service.factory.build_app", lambda _: facade)
    return facade


def run(*arguments: str) -> str:
    done = CliRunner().invoke(traces.trace_app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def _squeezed(text: str) -> str:
    """Return a text without the blanks and breaks that a terminal's width brings."""
    return "".join(text.split())


def fits(lines: list[str]) -> bool:
    return max(cell_len(line) for line in lines) <= 80


@pytest.mark.parametrize("language", ["zh", "en"])
def test_show_prints_every_stage_at_80_columns(
    facade: Facade, language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "LANGUAGE", language)
    verdicts = (
        Verdict(0, 10, "supported", 0.97, 1, 9, 22),
        Verdict(10, 20, "unsupported", 0.1, None, 0, 0, (Message("没有“三天”", "no “三天”"),)),
    )
    about = {"removed_citations": (7,), "left_out": LeftOut(2, 1), "model": "chatglm-6b · int4 · cpu"}
    id = facade.ask(prompt=LONG_LINE, rewritten="改写后的问题", grounding=Grounding(verdicts, 0.62), **about)
    shown = run("show", id)
    lines = [line for line in shown.splitlines() if line != LONG_LINE]
    assert LONG_LINE in shown.splitlines()  # as sent, in one line
    assert fits(lines)
    stages = [text.text(language) for name, text in vars(trace_texts).items() if name.startswith("STAGE_")]
    assert [line.rstrip("─ ") for line in lines if line.endswith("──")] == stages
    expected = [
        id, KB, QUESTION, "改写后的问题", "公司叫什么？", "云杉公司。 很多人。",
        "top_k 5", "threshold 0.24", "dense_weight 0.3", "passage_chars 500", "context_chars 2000", "prompt default",
        "0.70 ×", "0.30 ×", "差[b].txt", "年假五天 [1]。还有 [/b] 三天。", "[7]", "62%", "✓ 97% [1] 年假五天",
        "✗ 10%", "“三天”", "chatglm-6b · int4 · cpu",
    ]  # fmt: skip
    assert [text for text in expected if _squeezed(text) not in _squeezed(shown)] == []
    hits = facade.trace(id).answer.retrieval.hits
    rows = [line for line in lines if re.match(r"\d  ? ?0\.\d{3} ", line)]
    assert len(rows) == len(hits) == 3
    for row, hit in zip(rows, hits, strict=True):
        assert row.startswith(f"{hit.rank}")
        assert [f"{hit.relevance:.3f}", f"{hit.lexical:.3f}", f"{hit.dense:.3f}"] == re.findall(r"0\.\d{3}", row)
        assert trace_texts.FATES[hit.dropped_by].text(language) in row
    by_dense = sorted(hits, key=lambda hit: -(hit.dense or 0))
    assert [re.findall(r"#(\d)", rows[hit.rank - 1])[1] for hit in by_dense] == ["1", "2", "3"]


def test_a_quoted_answer_needs_no_prompt_and_a_lexical_one_no_fusion(
    make_app: Callable[..., App], facade: Facade, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "LANGUAGE", "en")
    facade.app = make_app(embedding="lexical")
    facade.app.create("词面")
    answer = next(event.answer for event in facade.app.ask(QUESTION, "词面") if isinstance(event, Finished))
    facade.store.save(Trace(answer, "词面"))
    shown = run("show")
    for message in ("NO_PROMPT", "LEXICAL_ALONE", "NO_PASSAGES", "NOT_REWRITTEN", "REFUSED"):
        assert getattr(trace_texts, message).text("en") in shown
    assert "relevance =" not in shown


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_list_fits_too(facade: Facade, language: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "LANGUAGE", language)
    ids = [facade.ask(question="一个很长的问题？" * 9), facade.ask(refused=True, question="[bold]\n第二问")]
    lines = run("list").splitlines()
    assert fits(lines)
    assert [line.split()[0] for line in lines[1:]] == ids[::-1]
    assert "[bold] 第二问" in lines[1]
    assert trace_texts.REFUSED.text(language) in lines[1]
    assert lines[2].endswith("…")
    assert len(run("list", "--limit", "1").splitlines()) == 2


def test_a_replay_says_identical_or_what_has_changed(
    facade: Facade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "LANGUAGE", "zh")
    id = facade.ask()
    shown = run("replay", id)
    assert trace_texts.IDENTICAL.zh in shown
    assert trace_texts.STAGE_LEGS.zh in shown
    assert "没有改动" in shown
    facade.add(tmp_path, "新规.txt", "云杉公司员工的年假有几天？今年起有十天。\n")
    changed = run("replay")
    assert trace_texts.IDENTICAL.zh not in changed
    assert "那之后有改动" in changed
    assert re.search(r"新出现 +– → 1 +– → 0\.\d{3} +– → 采用 +新规\.txt", changed)
    assert re.search(r"名次 分数 +1 → 2", changed)
    assert "采用的段落变了" in changed
    assert fits(changed.splitlines())
    value = json.loads(run("replay", id, "--json"))
    assert (value["identical"], value["kb_changed"], value["same_passages"]) == (False, True, False)
    new = next(change for change in value["changes"] if change["kinds"] == ["came"])
    assert (new["before"], new["after"]["chunk"]["source"]) == (None, "新规.txt")
    assert len(value["retrieval"]["hits"]) == 4


def test_json_holds_the_whole_trace(facade: Facade) -> None:
    id = facade.ask()
    assert read_trace(json.loads(run("show", "--json"))) == facade.trace(id)
    (listed,) = json.loads(run("list", "--json"))["traces"]
    assert (listed["id"], listed["question"], listed["kb"]) == (id, QUESTION, KB)
    assert set(listed) == {"kb", *(field.name for field in fields(TraceSummary))}


def test_clear_leaves_none_and_says_so(facade: Facade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "LANGUAGE", "en")
    id = facade.ask()
    assert trace_texts.CLEARED.en in run("clear")
    assert trace_texts.NOTHING.en in run("list")
    for arguments in (["show"], ["show", id], ["replay", id]):
        with pytest.raises(TraceNotFound):
            CliRunner().invoke(traces.trace_app, arguments, catch_exceptions=False)


def test_a_replay_tells_of_settings_that_are_others_now(facade: Facade, capsys: pytest.CaptureFixture[str]) -> None:
    trace = facade.trace(facade.ask())
    now = RetrievalSettings(**{**_settings(trace.answer), "threshold": 0.5})
    TraceScreen("en").replay(replay(trace, lambda *_: trace.answer.retrieval, settings=now))
    assert "threshold was 0.24 (as in this replay) and is 0.5 now." in capsys.readouterr().out


def _settings(answer: Answer) -> dict[str, Any]:
    settings = answer.retrieval.settings
    return {field.name: getattr(settings, field.name) for field in fields(settings)}


def test_every_word_for_an_outcome_has_its_text() -> None:
    assert set(trace_texts.OUTCOMES) == set(get_args(AnswerMode))
    assert set(trace_texts.FATES) == {*get_args(DroppedBy), None}
    assert set(trace_texts.CHANGES) == set(get_args(ChangeKind))
    assert set(trace_texts.LEVELS) == set(get_args(VerdictLevel))
