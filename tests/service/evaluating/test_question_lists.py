"""Lists of questions as people write them: columns in both languages, three formats, errors by row and column."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from core.evaluation import Expected, LabelledQuestion
from core.evaluation_errors import WrongQuestionList
from core.load_errors import CorruptFile, MissingFile, UnsupportedFile
from service.evaluating.question_lists import read_questions, write_questions

LIST = [
    LabelledQuestion("试用期多长？", (Expected("人事/手册.docx", 3, "3 个月"), Expected("手册.pdf", None, "三个月"))),
    LabelledQuestion("红楼梦是谁写的？"),
    LabelledQuestion("哪一页？", (Expected("手册.pdf", 12),)),
    LabelledQuestion('带“引号"、逗号,和\n换行', (Expected("", None, "甲|乙，丙\n丁"),)),
    LabelledQuestion("=1+1 是多少？", (Expected("", None, "--kb"),)),
]


def csv_file(folder: Path, *rows: Sequence[str], encoding: str = "utf-8", delimiter: str = ",") -> Path:
    path = folder / "列表.csv"
    with path.open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(WrongQuestionList) as caught:
        read_questions(path)
    assert path.name in caught.value.text("zh")
    return [problem.text("zh") for problem in caught.value.problems]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".xlsx"])
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    write_questions(tmp_path / f"列表{suffix}", LIST)
    assert read_questions(tmp_path / f"列表{suffix}") == LIST


def test_the_list_of_the_samples_is_read(root: Path) -> None:
    questions = read_questions(root / "knowledge_base" / "samples" / "questions.csv")
    assert len(questions) == 72
    assert sum(not question.answerable for question in questions) == 12
    assert questions[1].expected == (
        Expected("使用手册.md", None, "摘句"),
        Expected("使用手册.md", None, "两个最可能含有答案的句子"),
    )


@pytest.mark.parametrize(
    "header",
    [
        ("问题", "文件", "页", "答案"),
        ("question", "file", "page", "text"),
        (" Question ", "SOURCE", "Page", "Answer"),
        ("问", "来源", "页码", "原文"),
    ],
    ids=["zh", "en", "untidy", "zh_other"],
)
def test_columns_have_names_in_both_languages(tmp_path: Path, header: tuple[str, ...]) -> None:
    path = csv_file(tmp_path, header, ("试用期多长？", "手册.docx", "3", "3 个月"))
    assert read_questions(path) == [LabelledQuestion("试用期多长？", (Expected("手册.docx", 3, "3 个月"),))]


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [("utf-8", ","), ("utf-8-sig", ","), ("gb18030", ","), ("utf-16", "\t"), ("utf-8", ";")],
    ids=["utf8", "mark", "gb18030", "utf16_tabs", "semicolons"],
)
def test_encodings_and_delimiters(tmp_path: Path, encoding: str, delimiter: str) -> None:
    rows = (("问题", "答案"), ("试用期有多长，从什么时候算起？", "三个月"), ("年假有几天？", "五天"))
    path = csv_file(tmp_path, *rows, encoding=encoding, delimiter=delimiter)
    assert [one.question for one in read_questions(path)] == ["试用期有多长，从什么时候算起？", "年假有几天？"]


def test_rows_of_one_question_are_one_question(tmp_path: Path) -> None:
    rows = (("问题", "文件"), ("甲？", "1.txt"), ("", "2.txt"), ("乙？", "3.txt"), ("甲？", "4.txt"))
    path = csv_file(tmp_path, *rows)
    assert read_questions(path) == [
        LabelledQuestion("甲？", (Expected("1.txt"), Expected("2.txt"), Expected("4.txt"))),
        LabelledQuestion("乙？", (Expected("3.txt"),)),
    ]


@pytest.mark.parametrize(
    ("header", "cell"),
    [("无答案", "是"), ("unanswerable", "TRUE"), ("answerable", "no"), ("答案", "无答案"), ("text", "Unanswerable")],
)
def test_ways_to_say_that_there_is_no_answer(tmp_path: Path, header: str, cell: str) -> None:
    path = csv_file(tmp_path, ("问题", header), ("红楼梦是谁写的？", cell))
    assert read_questions(path) == [LabelledQuestion("红楼梦是谁写的？")]


def test_every_problem_is_named_by_row_and_column(tmp_path: Path) -> None:
    rows = [
        ("问题", "文件", "页", "无答案"),
        ("", "手册.docx", "", ""),
        ("甲？", "手册.docx", "三", ""),
        ("乙？", "", "", ""),
        ("丙？", "手册.docx", "", "也许"),
        ("丁？", "手册.docx", "", "是"),
        ("戊？", "手册.docx", "0", ""),
    ]
    found = problems(csv_file(tmp_path, *rows))
    assert [problem.split("：")[0] for problem in found] == [
        "第 2 行“问题”列",
        "第 3 行“页”列",
        "第 4 行",
        "第 5 行“unanswerable”列",
        "第 6 行“无答案”列",
        "第 7 行“页”列",
    ]
    assert "“三”" in found[1]
    assert "“也许”" in found[3]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["answer_first", "none_first"])
def test_a_question_cannot_have_an_answer_and_none(tmp_path: Path, order: tuple[int, int]) -> None:
    rows = {1: ("甲？", "手册.docx", ""), 2: ("甲？", "", "是")}
    found = problems(csv_file(tmp_path, ("问题", "文件", "无答案"), *(rows[number] for number in order)))
    assert len(found) == 1
    assert found[0].startswith("第 3 行")


def test_rows_are_counted_as_a_spreadsheet_does(tmp_path: Path) -> None:
    rows = (("问题", "文件"), ("两行的\n问题？", "1.txt"), ("", ""), ("没有答案？", ""))
    assert problems(csv_file(tmp_path, *rows))[0].startswith("第 4 行")


def test_a_list_without_questions_says_which_columns_it_has(tmp_path: Path) -> None:
    assert "名称, 价格" in problems(csv_file(tmp_path, ("名称", "价格"), ("甲", "1")))[0]
    assert problems(csv_file(tmp_path, ("问题", "文件"))) == ["第 1 行：文件里没有问题"]
    assert problems(csv_file(tmp_path)) == ["第 1 行：文件里没有问题"]


def test_a_long_list_of_problems_is_counted_and_cut(tmp_path: Path) -> None:
    path = csv_file(tmp_path, ("问题", "文件"), *((f"问{n}？", "") for n in range(50)))
    with pytest.raises(WrongQuestionList) as caught:
        read_questions(path)
    assert len(caught.value.problems) == 50
    assert "50 problem(s)" in caught.value.text("en")
    assert caught.value.text("en").count("row ") < 25


def test_json_lines_as_programs_write_them(tmp_path: Path) -> None:
    path = tmp_path / "列表.jsonl"
    lines = [
        {"question": "甲？", "file": "手册.pdf", "page": 3, "text": "三"},
        {"question": "乙？", "answers": ["一", "二"], "source": "手册.pdf"},
        {"question": "丙？", "unanswerable": True},
        {"question": "丁？", "expected": []},
        {"question": "戊？", "expected": ["五"], "page": None, "id": 7},
    ]
    path.write_text("\n\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    assert read_questions(path) == [
        LabelledQuestion("甲？", (Expected("手册.pdf", 3, "三"),)),
        LabelledQuestion("乙？", (Expected("手册.pdf", None, "一"), Expected("手册.pdf", None, "二"))),
        LabelledQuestion("丙？"),
        LabelledQuestion("丁？"),
        LabelledQuestion("戊？", (Expected(text="五"),)),
    ]


def test_lines_that_are_no_objects_are_named(tmp_path: Path) -> None:
    path = tmp_path / "列表.jsonl"
    path.write_text('{"question": "甲？", "text": "一"}\n{"question"\n[1]\n', encoding="utf-8")
    assert [problem.split("：")[0] for problem in problems(path)] == ["第 2 行", "第 3 行"]


def test_a_workbook_with_merged_questions_and_numbers(tmp_path: Path) -> None:
    book = Workbook()
    for row in (["问题", "页", "答案"], ["甲？", 3.0, 500], [None, 4, "五百"], ["乙？", None, "无答案"]):
        book.active.append(row)
    book.active.merge_cells("A2:A3")
    book.save(tmp_path / "列表.xlsx")
    assert read_questions(tmp_path / "列表.xlsx") == [
        LabelledQuestion("甲？", (Expected("", 3, "500"), Expected("", 4, "五百"))),
        LabelledQuestion("乙？"),
    ]


def test_no_program_computes_what_is_written(tmp_path: Path) -> None:
    write_questions(tmp_path / "列表.xlsx", LIST)
    book = load_workbook(tmp_path / "列表.xlsx")
    assert not [cell for row in book.active for cell in row if cell.data_type == "f"]
    write_questions(tmp_path / "列表.csv", LIST)
    with (tmp_path / "列表.csv").open(encoding="utf-8-sig", newline="") as stream:
        assert not [cell for row in csv.reader(stream) for cell in row if cell.startswith(("=", "+", "-", "@"))]


def test_files_that_are_no_lists(tmp_path: Path) -> None:
    with pytest.raises(MissingFile):
        read_questions(tmp_path / "无.csv")
    (tmp_path / "列表.docx").write_bytes(b"")
    with pytest.raises(UnsupportedFile):
        read_questions(tmp_path / "列表.docx")
    with pytest.raises(UnsupportedFile):
        write_questions(tmp_path / "列表.txt", LIST)
    (tmp_path / "列表.xlsx").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(CorruptFile):
        read_questions(tmp_path / "列表.xlsx")
