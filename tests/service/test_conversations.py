"""Conversations through the façade: follow-ups, modes, prompts and calibrations of a knowledge base, traces."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import searx_server
from fakes import ForbiddenChat, ScriptedChat

from core.answers import Answer, AskOptions, Finished, Retrieved, Turn
from core.errors import InvalidPrompt
from core.evaluation import Expected, LabelledQuestion
from core.model_errors import AnswerFailed, ModelNotFound
from core.web_errors import WebSearchOff
from service.knowledge.kb_settings import default_threshold
from service.knowledge_qa import KnowledgeQA

HANDBOOK = (
    "员工手册\n\n年假：入职满一年的员工每年有五天年假，须提前三天申请。\n\n病假：病假凭医院证明申请，每年不超过十天。\n\n"
    "加班：加班须经主管批准，按小时折算调休。\n\n食堂：午餐补贴每天二十元，随工资发放。\n"
)


@pytest.fixture
def hr(make_app: Callable[..., KnowledgeQA], tmp_path: Path) -> Callable[..., KnowledgeQA]:
    """Return an application with the handbook in the knowledge base 人事."""

    def build(**flags: Any) -> KnowledgeQA:
        app = make_app(embedding="lexical", **flags)
        if "人事" not in {info.name for info in app.knowledge_bases()}:
            file = tmp_path / "手册.txt"
            file.write_text(HANDBOOK, "utf-8")
            app.create("人事")
            app.add("人事", [file])
        return app

    return build


def ask(app: KnowledgeQA, question: str, history: list[Turn] | None = None, **options: Any) -> Answer:
    chosen = AskOptions(**options) if options else None
    *_, last = app.ask(question, "人事", history or [], chosen)
    assert isinstance(last, Finished)
    return last.answer


def test_a_follow_up_is_searched_with_its_subject_and_shown(hr: Callable[..., KnowledgeQA]) -> None:
    history = [Turn("年假有几天？", "五天。")]
    answer = ask(hr(), "需要提前几天申请？", history)
    assert "年假" in answer.rewritten
    assert answer.retrieval.question == answer.rewritten
    assert "提前三天" in answer.text


@pytest.mark.parametrize("how", ["setting", "option"])
def test_rewriting_can_be_switched_off(hr: Callable[..., KnowledgeQA], how: str) -> None:
    history = [Turn("年假有几天？", "五天。")]
    app = hr(rewrite=how != "setting")
    answer = ask(app, "需要提前几天申请？", history, **({"rewrite": False} if how == "option" else {}))
    assert answer.rewritten == ""
    assert answer.retrieval.question == "需要提前几天申请？"


def test_small_talk_asks_nobody(hr: Callable[..., KnowledgeQA]) -> None:
    answer = ask(hr(llm=ForbiddenChat()), "谢谢！")
    assert (answer.mode, answer.refused, answer.citations, answer.retrieval.hits) == ("small_talk", False, (), ())


def test_retrieval_alone_writes_nothing(hr: Callable[..., KnowledgeQA]) -> None:
    answer = ask(hr(llm=ForbiddenChat()), "年假有几天？", mode="retrieval")
    assert (answer.mode, answer.text) == ("none", "")
    assert answer.retrieval.passages


def test_the_model_alone_gets_no_passages(hr: Callable[..., KnowledgeQA]) -> None:
    model = ScriptedChat(pieces=["天是", "蓝的"])
    answer = ask(hr(llm=model, system_prompt="简短回答"), "天是什么颜色？", [Turn("甲", "乙")], mode="chat")
    assert (answer.mode, answer.text, answer.retrieval.hits) == ("llm", "天是蓝的", ())
    assert [message.content for message in model.calls[0]] == ["简短回答", "甲", "乙", "天是什么颜色？"]
    assert ask(hr(llm=model), "你好", mode="chat").mode == "llm"  # who wants to chat may say hello
    with pytest.raises(ModelNotFound, match="models download chatglm-6b"):
        ask(hr(), "天是什么颜色？", mode="chat")
    with pytest.raises(AnswerFailed, match="no language model"):
        ask(hr(llm="extractive"), "天是什么颜色？", mode="chat")


@pytest.mark.parametrize("mode", ["web", "kb+web"])
def test_no_web_search_unless_set_up(hr: Callable[..., KnowledgeQA], mode: str) -> None:
    with pytest.raises(WebSearchOff):
        hr().ask("年假有几天？", "人事", [], AskOptions(mode=mode))


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_the_web_alone_or_beside_the_knowledge_base(hr: Callable[..., KnowledgeQA], tmp_path: Path) -> None:
    with searx_server.running() as server:
        search = {"web_search": "searxng", "web_search_url": f"{server}/good/conversation", "web_results": 5}
        app = hr(**search, threshold="10%")  # results that are as alike as the server's score low
        alone, both = ask(app, "年假有几天？", mode="web"), ask(app, "年假有几天？", mode="kb+web")
        unset = [
            ask(hr(**search), "年假有几天？", mode=mode).retrieval.settings.threshold for mode in ("web", "kb+web")
        ]
    assert alone.citations
    assert {hit.chunk.kind for hit in alone.retrieval.hits} == {"web"}
    assert all(citation.chunk.heading.startswith("http") for citation in alone.citations)
    assert {hit.chunk.kind for hit in both.retrieval.hits} == {"web", "text"}
    chunks = sum(info.chunks for info in app.knowledge_bases() if info.name == "人事")
    assert unset == [default_threshold(5), default_threshold(5 + chunks)]
    assert not list((tmp_path / "data").glob(".web-*")), "what was found is not kept"


def test_invented_sources_are_removed_and_reported_while_the_answer_streams(hr: Callable[..., KnowledgeQA]) -> None:
    app = hr(llm=ScriptedChat(pieces=["每年有五天年假 [", "1][9]。", "另有三十天假 [7]。"]))
    answer = ask(app, "入职满一年有几天年假？")
    assert answer.text == "每年有五天年假 [1]。另有三十天假。"
    assert answer.removed_citations == (9, 7)
    assert [citation.n for citation in answer.citations] == [1]


def test_every_sentence_gets_a_verdict(hr: Callable[..., KnowledgeQA]) -> None:
    app = hr(llm=ScriptedChat(pieces=["入职满一年的员工每年有五天年假 [1]。", "病假每年不超过九十天 [1]。"]))
    answer = ask(app, "入职满一年有几天年假？病假呢？")
    assert answer.grounding is not None
    right, wrong = answer.grounding.verdicts
    assert (right.level, right.passage) == ("supported", 1)
    assert wrong.level != "supported"
    assert any("九十" in problem.zh or "90" in problem.zh for problem in wrong.problems)
    assert 0 < answer.grounding.score < 1
    quoted = ask(hr(), "入职满一年有几天年假？")
    assert quoted.grounding is not None
    assert quoted.grounding.score == 1


def test_a_prompt_of_ones_own_belongs_to_the_knowledge_base(hr: Callable[..., KnowledgeQA]) -> None:
    model = ScriptedChat(pieces=["五天 [1]"])
    app = hr(llm=model)
    own = {"prompt_template": "材料\n{passages}\n请答：{question}", "system_prompt": "你是人事"}
    app.kb_settings.save("人事", **own)
    ask(app, "年假有几天？")
    system, prompt = model.calls[-1]
    assert (system.content, str(prompt.content)[:2]) == ("你是人事", "材料")
    assert str(prompt.content).endswith("请答：年假有几天？")
    assert hr().prompt("人事").system == "你是人事"  # another program, later
    ask(hr(llm=model, prompt="brief"), "年假有几天？")
    assert not str(model.calls[-1][-1].content).startswith("材料")  # what is set for this run wins
    app.kb_settings.save("人事", prompt_template=None, system_prompt=None)
    assert app.prompt("人事").system == ""


@pytest.mark.parametrize("template", ["{question}", "{passages}{question}{question}", "{passages}{question}{x}", "{"])
def test_a_prompt_that_cannot_be_filled_is_refused(hr: Callable[..., KnowledgeQA], template: str) -> None:
    app = hr()
    with pytest.raises(InvalidPrompt):
        app.kb_settings.save("人事", prompt_template=template)
    assert "{passages}" in app.prompt("人事").template


def test_a_calibration_is_used_by_everyone_until_a_flag_says_otherwise(hr: Callable[..., KnowledgeQA]) -> None:
    app = hr()
    questions = [LabelledQuestion("年假有几天？", (Expected(text="五天年假"),)), LabelledQuestion("火星有多远？")] * 3
    evaluation = app.evaluate("人事", questions)
    app.kb_settings.apply("人事", evaluation.suggestion)
    suggested = evaluation.suggestion.value("threshold")
    assert suggested is not None
    for used in (app.search("年假有几天？", "人事").settings, ask(hr(), "年假有几天？").retrieval.settings):
        assert used.threshold == pytest.approx(suggested)
    assert hr(threshold="7%").search("年假有几天？", "人事").settings.threshold == 0.07


def test_every_answer_has_a_trace_that_can_be_replayed(hr: Callable[..., KnowledgeQA]) -> None:
    app = hr(llm=ScriptedChat(pieces=["五天 [1]"]))
    answer = ask(app, "年假有几天？", [Turn("你是谁", "我是助手")])
    assert answer.model == "ScriptedChat"
    (summary,) = app.traces()
    assert summary.id == answer.trace_id != ""
    trace = app.trace(answer.trace_id)
    assert (trace.kbs, trace.answer.prompt, trace.history) == (("人事",), answer.prompt, (Turn("你是谁", "我是助手"),))
    assert (trace.settings["history_turns"], trace.settings["temperature"]) == (3, 0.0)
    assert not {name for name in trace.settings if "key" in name}
    assert app.replay(answer.trace_id).identical
    app.clear_traces()
    assert app.traces() == []


def test_traces_can_be_switched_off(hr: Callable[..., KnowledgeQA]) -> None:
    app = hr(traces=0)
    assert ask(app, "年假有几天？").trace_id == ""
    assert app.traces() == []


def test_a_thumbs_down_becomes_an_open_question(hr: Callable[..., KnowledgeQA]) -> None:
    app = hr()
    assert app.add_questions("人事", [LabelledQuestion("年假能卖吗？")], "feedback") == 1
    assert app.questions("人事") == []  # nobody has said what should be found


def test_retrieved_comes_first_in_every_mode(hr: Callable[..., KnowledgeQA]) -> None:
    app = hr(llm=ScriptedChat(pieces=["好 [1]"]))
    for question, mode in (("你好", "kb"), ("年假有几天？", "kb"), ("年假有几天？", "retrieval"), ("甲", "chat")):
        first, *_ = app.ask(question, "人事", [], AskOptions(mode=mode))
        assert isinstance(first, Retrieved)
