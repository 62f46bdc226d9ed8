import csv
import io
import json
import time
from datetime import date, datetime
from pathlib import Path

import pytest
from openpyxl import Workbook

from core.load_errors import CorruptFile
from loaders import spreadsheet
from loaders.registry import load_file


def workbook(path: Path, *sheets: tuple[str, list[list[object]]], merge: str = "") -> Path:
    book = Workbook()
    book.remove(book.active)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
        if merge:
            sheet.merge_cells(merge)
    book.save(path)
    return path


def texts(parts) -> list[str]:
    return [part.page_content for part in parts]


STAFF = [
    ["姓名", "部门", "入职"],
    ["张三", "研发", date(2023, 4, 1)],
    [None, None, None],
    ["李四", None, datetime(2024, 5, 6, 9, 30)],
]


def test_one_part_a_row_with_column_names(tmp_path: Path) -> None:
    parts = load_file(workbook(tmp_path / "a.xlsx", ("员工", STAFF)))
    assert texts(parts) == ["姓名：张三；部门：研发；入职：2023-04-01\n", "姓名：李四；入职：2024-05-06 09:30:00\n"]
    assert [part.metadata for part in parts] == [
        {"sheet": "员工", "row": 2, "kind": "row"},
        {"sheet": "员工", "row": 4, "kind": "row"},
    ]


@pytest.mark.parametrize("header", [["问题", "答案"], ["Question", "Answer"], ["问", "答"]], ids=["zh", "en", "short"])
def test_pain_16_question_and_answer_sheets(tmp_path: Path, header: list[str]) -> None:
    rows = [[*header, "分类"], ["如何请假？", "提前三天\n写申请。", "人事"], ["年假几天？", "五天。", None]]
    parts = load_file(workbook(tmp_path / "a.xlsx", ("FAQ", rows)))
    assert texts(parts) == [
        "问题：如何请假？\n答案：提前三天\n写申请。\n分类：人事\n",
        "问题：年假几天？\n答案：五天。\n",
    ]


def test_title_over_the_sheet_and_merged_cells(tmp_path: Path) -> None:
    rows = [["二〇二四年报表", None, None], ["部门", "姓名", "金额"], ["研发", "张三", 3.0], [None, "李四", 2.5]]
    path = workbook(tmp_path / "a.xlsx", ("表", rows), merge="A3:A4")
    book_parts = load_file(path)
    assert texts(book_parts) == [
        "二〇二四年报表\n",
        "部门：研发；姓名：张三；金额：3\n",
        "部门：研发；姓名：李四；金额：2.5\n",
    ]


def test_sheets_without_header_keep_their_values(tmp_path: Path) -> None:
    parts = load_file(workbook(tmp_path / "a.xlsx", ("数", [[1, 2], [3, 4]])))
    assert texts(parts) == ["1；2\n", "3；4\n"]
    assert parts[0].metadata["row"] == 1


def test_years_may_name_columns(tmp_path: Path) -> None:
    parts = load_file(workbook(tmp_path / "a.xlsx", ("数", [["指标", 2022, 2023], ["收入", 10, 12]])))
    assert texts(parts) == ["指标：收入；2022：10；2023：12\n"]


def test_several_and_hidden_sheets(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    book = Workbook()
    book.active.append(["甲", "乙"])
    book.active.append(["1", "2"])
    hidden = book.create_sheet("隐藏")
    hidden.append(["丙", "丁"])
    hidden.append(["x", "y"])
    hidden.sheet_state = "hidden"
    book.create_sheet("空")
    book.save(path)
    assert [part.metadata["sheet"] for part in load_file(path)] == ["Sheet", "隐藏"]


def test_streamed_workbook_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / "a.xlsx", ("员工", STAFF))
    whole = [(part.page_content, part.metadata) for part in load_file(path)]
    monkeypatch.setattr(spreadsheet, "_STREAM_FROM_BYTES", 0)
    assert [(part.page_content, part.metadata) for part in load_file(path)] == whole


def test_twenty_thousand_rows_in_reasonable_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("大")
    sheet.append(["编号", "名称"])
    for number in range(20_000):
        sheet.append([number, f"物料{number}"])
    book.save(tmp_path / "a.xlsx")
    monkeypatch.setattr(spreadsheet, "_STREAM_FROM_BYTES", 0)
    started = time.process_time()
    parts = load_file(tmp_path / "a.xlsx")
    assert len(parts) == 20_000
    assert parts[-1].page_content == "编号：19999；名称：物料19999\n"
    assert time.process_time() - started < 5


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "bar"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_csv_dialects_and_encodings(load, delimiter: str, encoding: str) -> None:
    out = io.StringIO()
    rows = [["问题编号", "内容"], ["1", '他说"好"，' + delimiter + "然后\n换行"], ["2", "第二条"]]
    csv.writer(out, delimiter=delimiter).writerows(rows)
    parts = load("a.csv", out.getvalue().encode(encoding))
    assert texts(parts) == [f'问题编号：1；内容：他说"好"，{delimiter}然后\n换行\n', "问题编号：2；内容：第二条\n"]
    assert [part.metadata["row"] for part in parts] == [2, 3]


def test_csv_with_a_cell_of_two_hundred_kilobytes(load) -> None:
    answer = "很长的答案" * 40_000
    (part,) = load("a.csv", f"问题,答案\n为什么,{answer}\n")
    assert part.page_content == f"问题：为什么\n答案：{answer}\n"


def test_csv_index_column_without_name(load) -> None:
    assert texts(load("a.csv", ",标题,正文\n0,甲,乙\n")) == ["0；标题：甲；正文：乙\n"]


def test_a_line_of_prose_is_one_value(load) -> None:
    assert texts(load("a.csv", "只有一列\n第二行\n")) == ["只有一列\n", "第二行\n"]


def test_json_records_have_dotted_keys(load) -> None:
    records = [{"名称": "甲", "规格": {"长": 3, "色": ["红", "蓝"]}, "空": None}, {"明细": [{"数": 1}, {"数": 2.5}]}]
    parts = load("a.json", json.dumps(records, ensure_ascii=False))
    assert texts(parts) == ["名称：甲\n规格.长：3\n规格.色：红；蓝\n", "明细.1.数：1\n明细.2.数：2.5\n"]
    assert [part.metadata for part in parts] == [{"row": 1, "kind": "row"}, {"row": 2, "kind": "row"}]


def test_other_json_is_one_text(load) -> None:
    (part,) = load("a.json", '{"端口":7860,"说明":"中文"}')
    assert part.page_content == '{\n  "端口": 7860,\n  "说明": "中文"\n}\n'
    assert part.metadata == {"kind": "text"}


def test_jsonl_rows_are_line_numbers(load) -> None:
    parts = load("a.jsonl", '{"问":"甲"}\n\n"一句话"\n')
    assert [(part.page_content, part.metadata["row"]) for part in parts] == [("问：甲\n", 1), ("一句话\n", 3)]


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [("a.jsonl", '{"a":1}\n{"a":\n', 2), ("a.json", '{\n"a": 1,\n}', 3)],
    ids=["jsonl", "json"],
)
def test_bad_json_names_the_line(load, name: str, content: str, line: int) -> None:
    with pytest.raises(CorruptFile) as caught:
        load(name, content)
    assert f"第 {line} 行" in caught.value.reason("zh")
    assert f"line {line} " in caught.value.reason("en")


def test_json_nested_without_end_is_corrupt(load) -> None:
    with pytest.raises(CorruptFile):
        load("a.json", "[" * 200_000)
