"""What a question asks for, by its words."""

import pytest

from analysis.answer_types import ANSWER_TYPES, asked_type, asked_unit
from analysis.folding import fold

ASKED = {
    "date": [
        "公司哪年成立",
        "公司哪一年成立？",
        "何时放假",
        "什么时候放假",
        "几月几号放假",
        "发布日期是",
        "哪天放假",
        "When was it released?",
        "What year was it?",
    ],
    "number": [
        "年假有多少天",
        "需要几个审批人",
        "模型有多大",
        "要等多久",
        "占比是",
        "How many days of leave?",
        "how much memory does it need",
        "How long does it take?",
    ],
    "name": ["谁批准请假", "请假找哪位领导", "这个模型叫什么", "Who wrote it?", "whose idea was it"],
    "place": [
        "总部在哪里",
        "在哪儿报销",
        "公司位于",
        "在哪个城市",
        "何处领取",
        "Where is the office?",
        "which city is it in",
    ],
    "reason": ["为什么要审批", "为何失败", "失败的原因", "为啥这么慢", "Why did it fail?"],
    "way": ["怎么请假", "如何安装", "怎样重启", "安装步骤", "How to install it?", "how do I install it"],
}


@pytest.mark.parametrize(
    ("kind", "question"),
    [(kind, question) for kind, questions in ASKED.items() for question in questions],
    ids=[f"{kind}{number}" for kind, questions in ASKED.items() for number in range(len(questions))],
)
def test_asked_type(kind: str, question: str) -> None:
    asked = asked_type(question)
    assert asked is not None
    assert asked.name == kind


@pytest.mark.parametrize(
    ("kind", "question"),
    [
        ("place", "会议室在哪？"),
        ("place", "在哪报销"),
        ("date", "星期几开会"),
        ("date", "周几放假"),
        ("date", "什麼時候放假"),
    ],
    ids=["where_bare", "where_verb", "weekday", "weekday_short", "traditional"],
)
def test_asked_type_of_everyday_forms(kind: str, question: str) -> None:
    asked = asked_type(question)
    assert asked is not None
    assert asked.name == kind


@pytest.mark.parametrize("question", ["", "请假", "介绍一下公司", "Tell me about it", "年假是什么", "GPU"])
def test_questions_that_do_not_tell(question: str) -> None:
    assert asked_type(question) is None


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("date", "公司成立于2015年。"),
        ("date", "每周五开会。"),
        ("date", "It was released in March."),
        ("number", "年假5天。"),
        ("number", "百分之三十。"),
        ("number", "三个人。"),
        ("number", "There are three of them."),
        ("name", "由张三批准。"),
        ("name", "列夫·托尔斯泰写的。"),
        ("name", "It was written by Alan Turing."),
        ("place", "总部位于北京市。"),
        ("place", "The office is in Beijing."),
        ("reason", "因为内存不足。"),
        ("reason", "It failed because memory was short."),
        ("way", "先点击设置。"),
        ("way", "First run the script."),
    ],
)
@pytest.mark.parametrize("folded", [False, True], ids=["as_written", "folded"])
def test_an_answer_looks_like_its_kind(kind: str, sentence: str, folded: bool) -> None:
    """The reader looks for the pattern in folded text, which has no capitals."""
    pattern = next(item.pattern for item in ANSWER_TYPES if item.name == kind)
    assert pattern.search(fold(sentence) if folded else sentence)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [("date", "年假须审批。"), ("number", "须经主管批准。"), ("reason", "须经主管批准。"), ("way", "本公司依法成立。")],
)
def test_other_sentences_do_not(kind: str, sentence: str) -> None:
    pattern = next(item.pattern for item in ANSWER_TYPES if item.name == kind)
    assert not pattern.search(sentence)


@pytest.mark.parametrize(
    ("question", "unit"),
    [
        ("有多少人参加", "人"),
        ("需要几台服务器", "台"),
        ("有多少个审批人", "审"),
        ("几个人参加", "人"),
        ("年假有多少天", "天"),
        ("要多少钱", "钱"),
        ("有几种方式", "种"),
        ("需要多少GB显存", None),
        ("是多少？", None),
        ("多少的利息", None),
        ("占比多少是合适的", None),
        ("多少了", None),
        ("谁批准请假", None),
        ("", None),
    ],
)
def test_asked_unit(question: str, unit: str | None) -> None:
    assert asked_unit(question) == unit


@pytest.mark.parametrize(("question", "answer"), [("要几个小时", "需要3小时。"), ("有多少平方米", "面积80平方米。")])
def test_the_asked_unit_stands_in_an_answer(question: str, answer: str) -> None:
    unit = asked_unit(question)
    assert unit
    assert unit in answer
