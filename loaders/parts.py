"""What every loader hands over: parts with a heading path, and tables as text."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document


class FileLoader(BaseLoader):
    """Reads one file on disk; subclasses implement `lazy_load`.

    Args:
        path: where the bytes are.
        name: the file's name as the user knows it, for messages; the path's own name if not given.
    """

    def __init__(self, path: Path, *, name: str | None = None) -> None:
        self.path = Path(path)
        self.name = name or self.path.name


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph, list item, heading or table, before blocks are gathered into parts.

    `level` counts for headings only, 1 being the highest; only the order of levels matters, gaps do not.
    `place` says where the block is, such as `{"page": 3}`; a part never crosses places.
    """

    text: str
    kind: Literal["text", "item", "heading", "table"] = "text"
    level: int = 0
    place: Mapping[str, int] = field(default_factory=dict)


class HeadingPath:
    """The headings in force at the current position of a document."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def open(self, level: int, title: str) -> None:
        """Enter a heading; every open heading of the same or a lower rank ends."""
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        self._open.append((level, " ".join(title.split())))

    def metadata(self) -> dict[str, str]:
        """Return `{"heading": "A > B"}`, or nothing where no heading is open."""
        return {"heading": " > ".join(title for _, title in self._open)} if self._open else {}


def assemble(blocks: Iterable[Block], **common: Any) -> Iterator[Document]:
    """Gather blocks into parts: one begins at each heading, around each table, and at each change of place.

    `common` is metadata given to every part. List items stay on adjacent lines, the rest is set off by a blank line.
    """
    path = HeadingPath()
    texts: list[str] = []
    metadata: dict[str, Any] = {}
    previous: Block | None = None
    for block, following in _with_following(blocks):
        if previous is None or previous.place != block.place or "table" in (previous.kind, block.kind) or block.level:
            if texts:
                yield Document(page_content="".join(texts), metadata=metadata)
            if block.level:
                path.open(block.level, block.text)
            kind = "table" if block.kind == "table" else "text"
            texts, metadata = [], {**common, **block.place, **path.metadata(), "kind": kind}
        texts.append(block.text + _separator(block, following))
        previous = block
    if texts:
        yield Document(page_content="".join(texts), metadata=metadata)


def _with_following(blocks: Iterable[Block]) -> Iterator[tuple[Block, Block | None]]:
    held: Block | None = None
    for block in blocks:
        if held is not None:
            yield held, block
        held = block
    if held is not None:
        yield held, None


def _separator(block: Block, following: Block | None) -> str:
    if following is None or (block.kind == following.kind == "item" and block.place == following.place):
        return "\n"
    return "\n\n"


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Render rows of cell texts as a GitHub-flavoured table, the first row being the header.

    Rows and columns without any text are left out; an empty string means that nothing was left.
    """
    lines = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    lines = [line for line in lines if any(line)]
    width = max((len(line) for line in lines), default=0)
    lines = [line + [""] * (width - len(line)) for line in lines]
    columns = [column for column in range(width) if any(line[column] for line in lines)]
    if not columns:
        return ""
    rendered = ["| " + " | ".join(line[column] for column in columns) + " |" for line in lines]
    return "\n".join([rendered[0], "|" + " --- |" * len(columns), *rendered[1:]])
