"""Rows of cells -> records: which row is the header, and how a record reads as text."""

import re
from collections.abc import Iterator, Sequence

from langchain_core.documents import Document

_HEADER_SEARCH_ROWS = 5
_HEADER_CELL_CHARS = 40
_QUESTION = frozenset({"问题", "问", "提问", "标准问题", "标准问", "q", "question", "questions"})
_ANSWER = frozenset({"答案", "答", "回答", "标准答案", "a", "answer", "answers"})

Row = tuple[int, Sequence[str]]  # the number a person sees beside the row, and its cells' texts


def records(rows: Iterator[Row], **common: str) -> Iterator[Document]:
    """Yield one part a row, each value named after its column where the table has a header.

    The header is the first of the top rows with several cells, all of them short words and no two alike; rows above it,
    such as a title over the whole width, are read as plain values. `common` is metadata given to every part.
    """
    top: list[Row] = []
    for row in rows:
        if any(cell.strip() for cell in row[1]):
            top.append(row)
        if len(top) == _HEADER_SEARCH_ROWS:
            break
    width = max((_filled(cells) for _, cells in top), default=0)
    at = next((index for index, (_, cells) in enumerate(top) if _is_header(cells, width)), None)
    header = [re.sub(r"\s*\n\s*", "", cell.strip()) for cell in top[at][1]] if at is not None else []
    for index, (number, cells) in enumerate(top):
        if index != at:
            yield _part(_plain(cells) if at is None or index < at else _named(header, cells), number, common)
    for number, cells in rows:
        if any(cell.strip() for cell in cells):
            yield _part(_named(header, cells) if header else _plain(cells), number, common)


def _part(text: str, number: int, common: dict[str, str]) -> Document:
    return Document(page_content=text + "\n", metadata={**common, "row": number, "kind": "row"})


def _filled(cells: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in cells)


def _is_header(cells: Sequence[str], width: int) -> bool:
    names = [cell.strip() for cell in cells if cell.strip()]
    words = [name for name in names if len(name) <= _HEADER_CELL_CHARS and not _is_value(name)]
    return (
        len(names) >= 2
        and len(names) * 10 >= width * 6
        and len(words) * 10 >= len(names) * 8
        and len(set(names)) == len(names)
    )


def _is_value(text: str) -> bool:
    """Numbers, dates and addresses are values; a header's cell is a word, or a year."""
    word = any(character.isalpha() for character in text) or re.fullmatch(r"(?:19|20)\d\d", text)
    return not word or "://" in text or "@" in text


def _plain(cells: Sequence[str]) -> str:
    values = [cell.strip() for cell in cells]
    return "；".join(value for n, value in enumerate(values) if value and (n == 0 or value != values[n - 1]))


def _named(header: Sequence[str], cells: Sequence[str]) -> str:
    names = [*header, *[""] * (len(cells) - len(header))]
    pairs = [(name, cell.strip()) for name, cell in zip(names, cells, strict=False) if cell.strip()]
    question = next((pair for pair in pairs if pair[0].lower() in _QUESTION), None)
    answer = next((pair for pair in pairs if pair[0].lower() in _ANSWER), None)
    if not (question and answer):
        return _joined(pairs)
    rest = _joined([pair for pair in pairs if pair not in (question, answer)])
    return "\n".join(filter(None, (f"问题：{question[1]}", f"答案：{answer[1]}", rest)))


def _joined(pairs: Sequence[tuple[str, str]]) -> str:
    return "；".join(f"{name}：{value}" if name else value for name, value in pairs)
