"""JSON and JSON Lines: a list of objects is a list of records, anything else is one readable text."""

import json
from collections.abc import Iterator
from typing import Any

from langchain_core.documents import Document

from core.load_errors import CorruptFile
from core.messages import Message
from loaders.encodings import read_text
from loaders.parts import FileLoader


class JsonLoader(FileLoader):
    """A `.json` file."""

    def lazy_load(self) -> Iterator[Document]:
        """Yield one part an object where the file is a list of objects, otherwise one part.

        Raises:
            CorruptFile: the text is not JSON; the message names the line.
        """
        text = read_text(self.path, self.name)
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise _bad_line(self.name, error.lineno) from error
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            for row, item in enumerate(value, start=1):
                yield _record(item, row)
        elif value or value == 0:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
            yield Document(page_content=text + "\n", metadata={"kind": "text"})


class JsonLinesLoader(FileLoader):
    """A `.jsonl` file."""

    def lazy_load(self) -> Iterator[Document]:
        """Yield one part a line; `row` is the line's number.

        Raises:
            CorruptFile: a line is not JSON; the message names the line.
        """
        for row, line in enumerate(read_text(self.path, self.name).split("\n"), start=1):
            if not line.strip():
                continue
            try:
                yield _record(json.loads(line), row)
            except json.JSONDecodeError as error:
                raise _bad_line(self.name, row) from error


def _bad_line(name: str, line: int) -> CorruptFile:
    return CorruptFile(name=name, detail=Message(f"第 {line} 行不是有效的 JSON", f"line {line} is not valid JSON"))


def _record(value: Any, row: int) -> Document:
    text = "\n".join(f"{key}：{item}" if key else item for key, item in _flat(value, ""))
    return Document(page_content=text + "\n", metadata={"row": row, "kind": "row"})


def _flat(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Yield the leaves of a JSON value with their dotted keys; lists count from 1, empty leaves are left out."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _flat(item, f"{key}.{name}" if key else name)
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for number, item in enumerate(value, start=1):
            yield from _flat(item, f"{key}.{number}" if key else str(number))
    elif isinstance(value, list):
        if value:
            yield key, "；".join(_leaf(item) for item in value)
    elif value is not None and value != "":
        yield key, _leaf(value)


def _leaf(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
