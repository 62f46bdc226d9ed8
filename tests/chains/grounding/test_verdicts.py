"""Verdicts: what is supported, what is not, and what the reader is told about it."""

import time
from pathlib import Path
from typing import Any

import pytest
from edge_texts import EDGE_TEXTS

from chains.grounding.statements import statements_of
from chains.grounding.verdicts import check_answer
from core.answers import Finished, Passage
from core.documents import Chunk
from core.grounding import Verdict

MODEL = (
    "ChatGLM-6B 有 62 亿参数，共 28 层。FP16 精度需要 13GB 显存，INT4 只需要 6GB。"
    "该模型不支持图片输入。发布于2023年3月14日。"
)
LEAVE = "员工入职满一年后有五天年假。年假须提前三天向部门主管申请。"
ENGLISH = (
    "ChatGLM-6B needs 13 GB of GPU memory in half precision. It was released on March 14, 2023 by Tsinghua University. "
    "It does not support images."
)
TABLE = "员工名册\n\n| 姓名 | 部门 |\n|---|---|\n| 张三 | 研发 |\n| 李四 | 市场 |\n"


def passages(*texts: str, start: int = 0) -> list[Passage]:
    found = []
    for number, text in enumerate(texts, start=1):
        chunk = Chunk(number, number, 0, start, start + len(text), text, "a.txt", "", "text", None, None, None, None)
        found.append(Passage(chunk, start, start + len(text), text, 1.0))
    return found


def verdict(sentence: str, *texts: str) -> Verdict:
    (found,) = check_answer(sentence, passages(*texts)).verdicts
    return found


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        ("该模型不支持图片输入。", MODEL),
        ("该模型不支持图片输入。[1]", MODEL),
        ("根据已知信息，ChatGLM-6B 共有28层，62亿参数。", MODEL),
        ("该模型于2023-03-14发布。", MODEL),
        ("ChatGLM-6B 有 6200000000 个参数。", MODEL),
        ("员工入职满一年后，可以享受5天的年假[1]。", LEAVE),
        ("1. 年假须提前3天申请", LEAVE),
        ("ChatGLM-6B needs 13GB of memory [1].", ENGLISH),
        ("It was released in March 2023.", ENGLISH),
        ("It does not support images.", ENGLISH),
        ("姓名：张三；", TABLE),
        ("請假須經部門主管批准。", "请假须经部门主管批准。"),
    ],
    ids=["verbatim", "marked", "led_in", "date", "number", "reworded", "listed", "english", "part_of_a_date", "denied",
         "table", "traditional"],
)  # fmt: skip
def test_what_the_passages_say_is_supported(sentence: str, text: str) -> None:
    found = verdict(sentence, text)
    assert (found.level, found.passage) == ("supported", 1), found
    assert found.problems == ()


@pytest.mark.parametrize(
    ("sentence", "text", "named"),
    [
        ("FP16 精度需要 16GB 显存。", MODEL, ("16GB", "13GB")),
        ("ChatGLM-6B 有 62 万参数，共 28 层。", MODEL, ("62 万", "62 亿")),
        ("ChatGLM-6B 有 62 亿参数，共 24 层。", MODEL, ("24 层", "28 层")),
        ("该模型发布于2023年3月15日。", MODEL, ("2023年3月15日", "2023年3月14日")),
        ("ChatGLM-130B 有 62 亿参数，共 28 层。", MODEL, ("ChatGLM-130B",)),
        ("该模型支持图片输入。", MODEL, ("支持",)),
        ("年假不用提前三天向部门主管申请。", LEAVE, ()),
        ("年假须提前三天向财务总监申请。", LEAVE, ("财务总监", "部门主管")),
        ("It was released on March 14, 2023 by Peking University.", ENGLISH, ("Peking",)),
        ("It was released on March 15, 2023 by Tsinghua University.", ENGLISH, ("March 15, 2023", "March 14, 2023")),
        ("It does support images.", ENGLISH, ()),
    ],
    ids=["number", "scale", "layers", "date", "name", "denial", "denied_need", "role", "english_name", "english_date",
         "english_denial"],
)  # fmt: skip
def test_a_difference_is_found_and_named_in_both_languages(sentence: str, text: str, named: tuple[str, ...]) -> None:
    found = verdict(sentence, text)
    assert found.level != "supported"
    assert found.score < 0.7
    assert found.problems
    for language in ("zh", "en"):
        told = " ".join(problem.text(language) for problem in found.problems)
        assert all(value in told for value in named), told


def test_a_number_out_of_its_context_does_not_count_as_a_quotation() -> None:
    assert verdict("3GB 显存", MODEL).level != "supported"
    assert verdict("支持图片输入", MODEL).level != "supported"


def test_what_no_passage_says_is_unsupported_and_points_nowhere() -> None:
    found = verdict("长江全长约6300公里。", MODEL, LEAVE)
    assert (found.level, found.passage, found.support_start, found.support_end) == ("unsupported", None, 0, 0)
    assert check_answer("长江很长。", []).score == 0


def test_rows_of_a_table_are_not_mixed() -> None:
    assert verdict("张三在市场部门。", TABLE).level != "supported"


def test_the_support_is_a_range_of_the_document() -> None:
    text = "无关的一句。年假须提前三天申请。再一句。"
    given = passages(text, start=1000)
    for sentence in ("年假须提前三天申请。", "年假要提前3天申请。"):
        (found,) = check_answer(sentence, given).verdicts
        assert text[found.support_start - 1000 : found.support_end - 1000] == "年假须提前三天申请。"


def test_two_neighbouring_sentences_may_support_one() -> None:
    text = "天气很好。张伟毕业于清华大学。他现任研发总监。晚饭是面条。"
    found = verdict("张伟毕业于清华大学，现任研发总监。", text)
    assert found.level == "supported"
    assert text[found.support_start : found.support_end] == "张伟毕业于清华大学。他现任研发总监。"


def test_the_cited_passage_is_preferred_and_support_elsewhere_is_reported() -> None:
    twice = passages(LEAVE, LEAVE)
    for answer in ("员工入职满一年后有五天年假[2]。", "员工入职满一年后有五天年假。 [2]\n"):
        (found,) = check_answer(answer, twice).verdicts
        assert (found.passage, found.problems) == (2, ())
    (found,) = check_answer("员工入职满一年后有5天年假[2]。", passages(LEAVE, "无关的内容。")).verdicts
    assert (found.level, found.passage) == ("supported", 1)
    assert "[2]" in found.problems[0].text("zh")
    assert "[1]" in found.problems[0].text("en")


@pytest.mark.parametrize(
    "text",
    ["", "[1]", "根据已知信息：", "以下是年假的规定：", "还有什么要问的吗？", "您好！", "希望对您有帮助。",
     "资料中没有提到。", "The documents do not say.", "抱歉，无法回答。", "。。。", "---"],
    ids=["empty", "mark", "lead_in", "announcement", "question", "greeting", "courtesy", "refusal", "english_refusal",
         "sorry", "stops", "rule"],
)  # fmt: skip
def test_what_states_nothing_gets_no_verdict(text: str) -> None:
    grounding = check_answer(text, passages(LEAVE))
    assert (grounding.verdicts, grounding.score) == ((), 1.0)


def test_of_passages_that_differ_the_one_that_agrees_supports_whatever_is_cited() -> None:
    old, new = "公司员工的年假一律为五天。", "公司员工的年假一律为八天。"
    for answer in ("员工的年假是8天。", "员工的年假是8天[2]。", "员工的年假是8天[1]。"):
        (found,) = check_answer(answer, passages(old, new)).verdicts
        assert (found.level, found.passage) == ("supported", 2), answer
        assert bool(found.problems) == ("[1]" in answer)


def test_statements_know_their_place_and_what_they_cite() -> None:
    answer = "根据已知信息：\n1. 年假五天[2]。 [1]\n还有吗？[3]"
    (statement,) = statements_of(answer)
    assert statement.span.of(answer).startswith("1. 年假五天[2]")
    assert statement.stated.startswith("年假五天")
    assert statement.cited == {1, 2}


def test_the_score_of_an_answer_is_its_supported_share_by_length() -> None:
    right, wrong = "员工入职满一年后有五天年假。", "长江发源于青藏高原流入东海啊。"
    assert len(right) + 1 == len(wrong)
    score = check_answer(right + wrong, passages(LEAVE)).score
    assert score == pytest.approx(len(right) / (len(right) + len(wrong)))
    assert check_answer(right, passages(LEAVE)).score == 1


@pytest.mark.parametrize("text", EDGE_TEXTS.values(), ids=EDGE_TEXTS)
def test_a_passage_supports_itself_whatever_it_is(text: str) -> None:
    assert check_answer(text, passages(text)).score == 1
    grounding = check_answer(text, passages("完全无关的另一段话。"))
    for found in grounding.verdicts:
        assert 0 <= found.start < found.end <= len(text)
        assert found.level != "supported"


QUESTIONS = [
    "年假有几天", "ChatGLM-6B 有多少参数？", "how much memory does it need", "张三在哪个部门", "如何部署？", "显存",
    "阈值是什么意思",
]  # fmt: skip


def test_the_embedded_reader_is_always_supported(make_app: Any, tmp_path: Path) -> None:
    app = make_app(threshold=0.05)
    for name, text in {"a.txt": MODEL, "b.md": f"# 假期\n\n{LEAVE}\n\n{TABLE}", "c.txt": ENGLISH}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    app.create("kb")
    app.add("kb", [tmp_path / name for name in ("a.txt", "b.md", "c.txt")])
    app.refresh_samples()
    checked = 0
    for question, kb in ((question, kb) for question in QUESTIONS for kb in ("kb", "samples")):
        (answer,) = (event.answer for event in app.ask(question, kb) if isinstance(event, Finished))
        grounding = check_answer(answer.text, answer.retrieval.passages, marks_name_passages=False)
        assert grounding.score == 1, answer.text
        assert all((one.level, one.score, one.problems) == ("supported", 1.0, ()) for one in grounding.verdicts)
        checked += len(grounding.verdicts)
    assert checked > 2 * len(QUESTIONS)


def test_a_check_takes_milliseconds() -> None:
    given = passages(*((MODEL * 10)[shift : shift + 500] for shift in range(5)))
    answer = "FP16 精度要 16GB 显存。INT4 只要 6GB。模型不支持图片。它在2023年3月14日发布。共有 28 层。"
    check_answer(answer, given)
    started = time.perf_counter()
    check_answer(answer, given)
    assert time.perf_counter() - started < 0.1  # 5 ms where nothing else runs


@pytest.mark.parametrize("text", ["[" * 5000, "不" * 3000, "1" * 3000, "，" * 3000, "a " * 3000, "根据" * 2000])
def test_odd_answers_end_soon(text: str) -> None:
    started = time.perf_counter()
    check_answer(text, passages(text, MODEL))
    assert time.perf_counter() - started < 5
