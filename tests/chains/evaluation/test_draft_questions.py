"""Drafted questions: what each rule makes of a text, what it leaves alone, and that the answers stand where it says."""

from typing import Any

import pytest

from chains.evaluation.draft_questions import draft_questions
from chains.evaluation.draft_sentences import draft_from_sentence
from chains.evaluation.evaluate import is_right
from core.documents import Chunk
from core.evaluation import Expected


def chunk(text: str, source: str = "手册.txt", **about: Any) -> Chunk:
    known = {"heading": "", "kind": "text", "page": None, "slide": None, "sheet": None, "row": None, **about}
    return Chunk(id=1, document_id=1, ordinal=0, start=0, end=len(text), text=text, source=source, **known)


def drafted(*chunks: Chunk, count: int = 50) -> dict[str, tuple[Expected, ...]]:
    documents: dict[str, list[Chunk]] = {}
    for one in chunks:
        documents.setdefault(one.source, []).append(one)
    return {one.question: one.expected for one in draft_questions(documents, count)}


@pytest.mark.parametrize(
    ("sentence", "question", "text"),
    [
        ("云杉科技是一家虚构的公司，只用来演示。", "云杉科技是什么？", "一家虚构的公司"),
        ("缓存是指暂时存放数据的地方。", "缓存是什么？", "暂时存放数据的地方"),
        ("北京故宫建成于1420年。", "北京故宫建成于哪一年？", "北京故宫建成于1420年"),
        ("龙烟铁路于2013年11月开工建设。", "龙烟铁路于什么时候开工建设？", "龙烟铁路于2013年11月开工建设"),
        ("新员工的试用期为 3 个月，可以提前转正。", "新员工的试用期为多少个月？", "新员工的试用期为 3 个月"),
        ("事假为无薪假，应提前 2 个工作日申请。", "事假为无薪假，应提前多少个工作日申请？", "应提前 2 个工作日申请"),
        ("连续病假超过 1 天的，须提交诊断证明。", "连续病假超过多少天的，须提交诊断证明？", "连续病假超过 1 天的"),
        ("模型自己拒答的比例只有 6.3%。", "模型自己拒答的比例只有百分之多少？", "模型自己拒答的比例只有 6.3%"),
        ("The Eiffel Tower is a wrought-iron tower in Paris.", "What is the Eiffel Tower?", None),
        ("Latency refers to the time between a question and its answer.", "What is Latency?", None),
        ("The bridge was opened in May 1937.", "When was the bridge opened?", "was opened in May 1937"),
        (
            "The library holds 1,250 manuscripts, most of them in Latin.",
            "The library holds how many manuscripts?",
            "The library holds 1,250 manuscripts",
        ),
        (
            "About 45 percent of the visitors come by train.",
            "About what percentage of the visitors come by train?",
            None,
        ),
    ],
    ids=[
        *("definition", "definition_means", "year", "month", "number", "second_clause", "scene", "percent"),
        *("en_definition", "en_means", "en_date", "en_number", "en_percent"),
    ],
)
def test_a_sentence_gives_its_question(sentence: str, question: str, text: str | None) -> None:
    made = {one.question: one.text for one in draft_from_sentence(sentence)}
    assert question in made
    assert made[question].strip("。.") in sentence
    if text is not None:
        assert made[question] == text


@pytest.mark.parametrize(
    "sentence",
    [
        "它是一种常见的金属，密度为 7.9 克。",
        "本公司成立于1998年，总部在上海。",
        "因此员工应提前 3 天申请。",
        "在1912年成为教区的主教座堂。",
        "（来源：官方网站）发布于1985年9月的公告。",
        "湖面海拔4528米。",
        "这里有多少本藏书？",
        "回答里的 [1] 表示第 1 条引用。",
        "最早的骨头可以追溯至1000年前。",
        "It was built in 1889 and is 330 metres tall.",
        "They are the largest group of 40 islands.",
        "The Confession of 1559 shows a decidedly new influence.",
        "运行 `python app.py --port 8000` 就可以启动 2 个服务。",
        "",
        "   ",
        "。",
    ],
    ids=[
        *("pronoun", "this_company", "therefore", "no_subject", "bracket", "too_little", "question", "ordinal"),
        *("ago", "en_pronoun", "en_they", "en_year_in_a_name", "code", "empty", "blank", "stop"),
    ],
)
def test_a_sentence_that_does_not_stand_by_itself_gives_nothing(sentence: str) -> None:
    assert list(draft_from_sentence(sentence)) == []


def test_no_question_holds_its_answer() -> None:
    text = "平均寿命约为 20 岁的动物是陆龟。员工每年有 5 天全薪病假。大沙东站设有 3 个出入口。"
    for question, expected in drafted(chunk(text)).items():
        assert all(place.text not in question for place in expected)


def test_rows_ask_for_a_column_of_what_the_first_column_names() -> None:
    made = drafted(
        chunk("城市：北京；住宿标准：500 元", "标准.xlsx", kind="row", row=2),
        chunk("城市：成都；住宿标准：400 元", "标准.xlsx", kind="row", row=3),
    )
    assert made == {
        "北京的住宿标准是什么？": (Expected("标准.xlsx", None, "城市：北京；住宿标准：500 元"),),
        "成都的住宿标准是什么？": (Expected("标准.xlsx", None, "城市：成都；住宿标准：400 元"),),
    }


def test_rows_that_share_their_first_column_are_named_by_two_or_left_out() -> None:
    rows = ("模型：甲；精度：FP16；大小：12 GB", "模型：甲；精度：INT8；大小：6 GB")
    made = drafted(*(chunk(row, kind="row") for row in rows))
    assert set(made) == {"甲 FP16的大小是什么？", "甲 INT8的大小是什么？"}
    twice = drafted(*(chunk("模型：甲；精度：FP16；大小：12 GB", kind="row") for _ in range(2)))
    assert twice == {}


def test_an_english_table_asks_in_english() -> None:
    made = drafted(chunk("City：Paris；Hotel limit：180 EUR", kind="row"))
    assert list(made) == ["What is the Hotel limit of Paris?"]


def test_a_value_is_not_cut_out_of_a_longer_one() -> None:
    made = drafted(chunk("设置：TIMEOUT；默认值：60；取值：1–3600 的整数", kind="row"))
    texts = [place.text for expected in made.values() for place in expected]
    assert texts[0] in ("设置：TIMEOUT；默认值：60", "设置：TIMEOUT；默认值：60；取值：1–3600 的整数")


def test_tables_in_the_text_ask_without_their_head() -> None:
    table = "| 司龄 | 年假 |\n| --- | --- |\n| 满 1 年 | 7 天 |\n| 满 3 年 | 10 天 |"
    source = chunk(table, kind="table")
    made = drafted(source)
    assert set(made) == {"满 1 年的年假是什么？", "满 3 年的年假是什么？"}
    assert made["满 3 年的年假是什么？"][0].text == "| 满 3 年 | 10 天"


@pytest.mark.parametrize("kind", ["row", "text"])
def test_questions_that_the_document_asks_itself(kind: str) -> None:
    text = {
        "row": "问题：如何请假？\n答案：提前三天写申请。",
        "text": "### 如何请假？\n\n提前三天写申请。\n\n### 可以吗？\n\n可以。",
    }
    made = drafted(chunk(text[kind], kind=kind))
    assert made["如何请假？"][0].text.startswith("提前三天写申请")
    assert "可以吗？" not in made  # its answer stands everywhere


def test_a_heading_asks_for_what_follows_it() -> None:
    made = drafted(chunk("第三章 年假\n\n员工按司龄享受带薪的年假。", heading="手册 > 第三章 年假", page=4))
    assert made["关于年假，有哪些说明？"] == (Expected("手册.txt", 4, "员工按司龄享受带薪的年假。"),)
    english = drafted(chunk("2.1 Leave\n\nEveryone may take the leave they need.", heading="2.1 Leave"))
    assert "What is said about Leave?" in english


def test_every_draft_stands_in_the_chunk_that_it_was_made_of() -> None:
    chunks = [
        chunk("第一章 入职\n\n新员工的试用期为 3 个月。每位新员工有 1 位导师。", heading="第一章 入职", page=2),
        chunk("云杉科技是一家虚构的公司。北京分部成立于2019年。", page=3),
        chunk("| 城市 | 标准 |\n| --- | --- |\n| 北京 | 500 元 |", kind="table", page=5),
    ]
    questions = draft_questions({"手册.txt": chunks}, 50)
    assert len(questions) >= 5
    for question in questions:
        assert any(is_right(one, question) for one in chunks), question


def test_drafts_are_spread_over_the_documents_and_the_same_each_time() -> None:
    chunks = [
        *(chunk(f"第{n}号仓库的面积为 {n}00 平方公里。", "仓库.txt") for n in range(10, 40)),
        chunk("云杉科技是一家虚构的公司。", "公司.txt"),
    ]
    made = drafted(*chunks, count=4)
    assert len(made) == 4
    assert {place.file for expected in made.values() for place in expected} == {"仓库.txt", "公司.txt"}
    assert drafted(*chunks, count=4) == made


def test_one_question_from_two_places_is_right_in_either() -> None:
    made = drafted(chunk("云杉科技是一家虚构的公司。", "甲.txt"), chunk("云杉科技是一家上海的公司。", "乙.txt"))
    assert [place.file for place in made["云杉科技是什么？"]] == ["甲.txt", "乙.txt"]


def test_nothing_gives_nothing() -> None:
    assert draft_questions({}, 10) == []
    assert draft_questions({"空.txt": []}, 10) == []
