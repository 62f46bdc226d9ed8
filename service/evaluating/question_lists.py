"""Lists of questions as files: CSV, JSON Lines and Excel, as people write them.

One question a row. The columns may have Chinese or English names and stand in any order; a question may have several
rows, any one of which is right, and a row without a question goes on with the one above. In a column of answers, `|`
parts alternatives.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from core.evaluation import Expected, LabelledQuestion
from core.evaluation_errors import WrongQuestionList
from core.load_errors import CorruptFile, MissingFile, UnsupportedFile
from core.messages import Message
from loaders.encodings import read_text

Column = Literal["question", "file", "page", "text", "answer", "answerable", "unanswerable"]
Cells = Mapping[Column, str]

_NAMES: dict[Column, str] = {
    "question": "question questions query q 问题 问句 问 提问",
    "file": "file filename source document 文件 文件名 来源 出处 文档",
    "page": "page slide 页 页码 页数 第几页 幻灯片",
    "text": "text passage quote 原文 文本 片段 段落",
    "answer": "answer answers 答案 回答 标准答案",
    "answerable": "answerable 有答案 可回答",
    "unanswerable": "unanswerable no_answer 无答案 没有答案 不可回答",
}
_COLUMNS = {name: column for column, names in _NAMES.items() for name in names.split()}
_YES = frozenset({"yes", "y", "true", "t", "1", "x", "√", "✓", "是", "有", "对"})
_NO = frozenset({"", "no", "n", "false", "f", "0", "否", "无", "没有", "不"})
_IS_UNANSWERABLE = frozenset(_NAMES["unanswerable"].split())  # written in the place of an answer
_FORMULA = ("=", "+", "-", "@")  # a spreadsheet program computes what begins so, unless an apostrophe stands before
_WRITTEN: tuple[Column, ...] = ("question", "file", "page", "text", "unanswerable")
_SUPPORTED = ".csv .tsv .jsonl .xlsx"

_NOT_A_LIST = Message("问题列表", "a list of questions")
_NO_QUESTION_COLUMN = Message(
    "第 {row} 行：没有“问题”（question）一列，有的是：{names}", "row {row}: no column “question”, but {names}"
)
_NO_QUESTION = Message("第 {row} 行“问题”列：是空的", "row {row}, column question: it is empty")
_WRONG_PAGE = Message(
    "第 {row} 行“页”列：应是从 1 起的整数，而不是“{value}”",
    "row {row}, column page: must be a whole number from 1, not “{value}”",
)
_WRONG_FLAG = Message(
    "第 {row} 行“{column}”列：应是 是/否（yes/no），而不是“{value}”",
    "row {row}, column {column}: must be yes or no, not “{value}”",
)
_NOTHING_EXPECTED = Message(
    "第 {row} 行：文件、页、原文都是空的；没有答案的问题请在“无答案”列写“是”",
    "row {row}: file, page and text are empty; if there is no answer, write yes in the column unanswerable",
)
_BOTH = Message(
    "第 {row} 行“无答案”列：写着没有答案，可是这个问题也有文件、页或原文",
    "row {row}, column unanswerable: it says that there is no answer, but the question has a file, page or text",
)
_NOT_AN_OBJECT = Message("第 {row} 行：不是 JSON 对象", "row {row}: is not a JSON object")
_EMPTY = Message("第 1 行：文件里没有问题", "row 1: the file holds no question")


def read_questions(path: Path) -> list[LabelledQuestion]:
    """Read a list of questions, each of them once, in the order of the file.

    Raises:
        MissingFile, UnsupportedFile: there is none, or of a kind that is not read.
        CorruptFile: its bytes are not what its suffix says.
        WrongQuestionList: with every problem of the list, by row and column.
    """
    if not path.is_file():
        raise MissingFile(name=str(path))
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UnsupportedFile(name=path.name, detail=_NOT_A_LIST, supported=_SUPPORTED)
    read = _Read()
    for row, cells in reader(path, read):
        read.take(row, cells)
    if not read.questions and not read.problems:
        read.problems.append(_EMPTY)
    if read.problems:
        raise WrongQuestionList(path.name, read.problems)
    return [LabelledQuestion(question, tuple(expected)) for question, expected in read.questions.items()]


def write_questions(path: Path, questions: Sequence[LabelledQuestion]) -> None:
    """Write a list that `read_questions` reads back the same.

    Raises:
        UnsupportedFile: the suffix names no kind that is written.
    """
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".jsonl", ".xlsx"):
        raise UnsupportedFile(name=path.name, detail=_NOT_A_LIST, supported=_SUPPORTED)
    if suffix == ".jsonl":
        lines = (json.dumps(asdict(question), ensure_ascii=False) for question in questions)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return
    rows: list[list[str]] = [[*_WRITTEN], *(row for question in questions for row in _rows(question))]
    if suffix == ".xlsx":
        _write_xlsx(path, rows)
        return
    with path.open("w", encoding="utf-8-sig", newline="") as stream:  # the mark makes Excel read UTF-8
        csv.writer(stream).writerows([as_text(cell) for cell in row] for row in rows)


class _Read:
    """What has been read of a list so far."""

    def __init__(self) -> None:
        self.questions: dict[str, list[Expected]] = {}
        self.problems: list[Message] = []
        self._current = ""

    def complain(self, problem: Message, row: int, **values: str) -> None:
        """Note what is wrong with a row."""
        self.problems.append(problem.filled(row=row, **values))

    def take(self, row: int, cells: Cells) -> None:
        """Take one row of at least one cell that is not empty."""
        self._current = question = cells.get("question", "") or self._current
        if not question:
            self.complain(_NO_QUESTION, row)
            return
        before = len(self.problems)
        unanswerable = self._is_unanswerable(row, cells)
        expected = self._expected(row, cells, unanswerable=unanswerable)
        if len(self.problems) > before:
            return
        if not expected and not unanswerable:
            self.complain(_NOTHING_EXPECTED, row)
        elif (expected and unanswerable) or bool(expected) is not bool(self.questions.get(question, expected)):
            self.complain(_BOTH, row)
        else:
            self.questions.setdefault(question, []).extend(expected)

    def _is_unanswerable(self, row: int, cells: Cells) -> bool:
        said = [cells.get(column, "").casefold() in _IS_UNANSWERABLE for column in ("text", "answer")]
        if "unanswerable" in cells:
            said.append(self._flag(row, "unanswerable", cells["unanswerable"]))
        if cells.get("answerable"):
            said.append(not self._flag(row, "answerable", cells["answerable"]))
        return any(said)

    def _flag(self, row: int, column: Column, value: str) -> bool:
        if value.casefold() not in _YES | _NO:
            self.complain(_WRONG_FLAG, row, column=column, value=value)
        return value.casefold() in _YES

    def _expected(self, row: int, cells: Cells, *, unanswerable: bool) -> list[Expected]:
        page = cells.get("page", "")
        if page and not re.fullmatch(r"0*[1-9]\d{0,6}", page):
            self.complain(_WRONG_PAGE, row, value=page)
            return []
        texts = [cells.get("text", ""), *(part.strip() for part in cells.get("answer", "").split("|"))]
        wanted = [text for text in texts if text and not (unanswerable and text.casefold() in _IS_UNANSWERABLE)]
        about = cells.get("file", ""), int(page) if page else None
        return [Expected(*about, text) for text in wanted] or ([Expected(*about)] if any(about) else [])


def _csv_rows(path: Path, read: _Read) -> Iterator[tuple[int, Cells]]:
    text = read_text(path, path.name)
    head = text.lstrip().partition("\n")[0]
    csv.field_size_limit(max(len(text), csv.field_size_limit()))
    reader = csv.reader(StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
    yield from _named(enumerate(([_unquoted(cell) for cell in row] for row in reader), start=1), read)


def _xlsx_rows(path: Path, read: _Read) -> Iterator[tuple[int, Cells]]:
    from openpyxl import load_workbook

    try:
        with path.open("rb") as file:
            book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # some writers store a wrong size, and rows would be missing
            rows = [[_cell(value) for value in row] for row in sheet.iter_rows(values_only=True)]
            book.close()
    except Exception as error:  # of a damaged file the reader raises whatever it trips over
        raise CorruptFile(name=path.name, detail=error) from error
    yield from _named(enumerate(rows, start=1), read)


def _named(rows: Iterable[tuple[int, Sequence[str]]], read: _Read) -> Iterator[tuple[int, Cells]]:
    """Yield the cells by column; the first row that is not empty names the columns."""
    header: list[Column | None] = []
    for row, cells in rows:
        filled = [cell.strip() for cell in cells]
        if not any(filled):
            continue
        if header:
            yield row, {column: cell for column, cell in zip(header, filled, strict=False) if column and cell}
            continue
        header = [_COLUMNS.get(cell.casefold()) for cell in filled]
        if "question" not in header:
            read.complain(_NO_QUESTION_COLUMN, row, names=", ".join(cell for cell in filled if cell))
            return


def _jsonl_rows(path: Path, read: _Read) -> Iterator[tuple[int, Cells]]:
    for row, line in enumerate(read_text(path, path.name).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if isinstance(value, dict):
            yield from ((row, cells) for cells in _objects(value))
        else:
            read.complain(_NOT_AN_OBJECT, row)


def _objects(value: Mapping[str, Any]) -> Iterator[Cells]:
    """Yield one row for each place in "expected", as `write_questions` writes it, or for each of a list of answers."""
    places = value.get("expected")
    lists = [(name, items) for name, items in value.items() if isinstance(items, list) and name != "expected"]
    if isinstance(places, list):
        own = {name: item for name, item in value.items() if name != "expected"}
        for place in places or [{"unanswerable": True}]:
            yield _object({**own, **(place if isinstance(place, dict) else {"text": place})})
    elif lists:
        name, items = lists[0]
        for item in items:
            yield from _objects({**value, name: item})
    else:
        yield _object(value)


def _object(value: Mapping[str, Any]) -> Cells:
    named = ((_COLUMNS.get(str(name).strip().casefold()), _cell(item).strip()) for name, item in value.items())
    return {column: cell for column, cell in named if column and cell}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


_READERS: dict[str, Callable[[Path, _Read], Iterator[tuple[int, Cells]]]] = {
    ".csv": _csv_rows,
    ".tsv": _csv_rows,
    ".jsonl": _jsonl_rows,
    ".xlsx": _xlsx_rows,
}


def _rows(question: LabelledQuestion) -> list[list[str]]:
    places = question.expected or (Expected(),)
    return [
        [question.question, place.file, str(place.page or ""), place.text, "no" if question.answerable else "yes"]
        for place in places
    ]


def _write_xlsx(path: Path, rows: Sequence[Sequence[str]]) -> None:
    from openpyxl import Workbook
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook()
    for number, row in enumerate(rows, start=1):
        for column, text in enumerate(row, start=1):
            cell = book.active.cell(number, column, ILLEGAL_CHARACTERS_RE.sub("", text))
            cell.data_type = "s"  # what begins like a formula is text all the same
    book.save(path)


def as_text(cell: str) -> str:
    """Return a cell of a CSV file that a spreadsheet program shows as it is, instead of computing it."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _unquoted(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
