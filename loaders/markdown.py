"""Markdown, cut at its headings and around its tables, every character kept."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from langchain_core.documents import Document

from loaders.encodings import read_text
from loaders.parts import FileLoader, HeadingPath

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title[ \t]*:[ \t]*(['\"]?)(.+?)\1[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A line at which a part begins: a heading (level from 1), a table, or what follows a table (both level 0)."""

    line: int
    kind: str = "text"
    level: int = 0
    title: str = ""


class MarkdownLoader(FileLoader):
    """Follows CommonMark and GitHub tables, so `#` in fenced code is no heading; parts joined are the decoded file."""

    def lazy_load(self) -> Iterator[Document]:
        """Yield one part for each heading's section and one for each table.

        Raises:
            CorruptFile: the bytes are no text.
        """
        text = read_text(self.path, self.name)
        front = _FRONT_MATTER.match(text)
        front_lines = front[0].count("\n") if front else 0
        lines = text.split("\n")
        cuts = _find_cuts("\n".join(lines[front_lines:]), front_lines)
        common = _title(front[0] if front else "", cuts, lines[front_lines:])
        path = HeadingPath()
        start = 0
        for cut, following in zip(cuts, [*cuts[1:], None], strict=True):
            if cut.level:
                path.open(cut.level, cut.title)
            end = following.line if following else len(lines)
            if (
                following
                and not cut.level
                and cut.kind == "text"
                and not any(line.strip() for line in lines[start:end])
            ):
                continue  # blank lines go to the part they precede
            content = "\n".join(lines[start:end]) + ("\n" if end < len(lines) else "")
            if content:
                yield Document(page_content=content, metadata={**common, **path.metadata(), "kind": cut.kind})
            start = end


def _find_cuts(body: str, offset: int) -> list[_Cut]:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])  # inline markup is parsed for headings only
    tokens = parser.parse(body)
    cuts: dict[int, _Cut] = {0: _Cut(0)}
    for token, following in pairwise(tokens):
        if token.level or token.map is None:
            continue
        start, end = token.map[0] + offset, token.map[1] + offset
        if token.type == "heading_open":
            cuts[start] = _Cut(start, level=int(token.tag[1]), title=_plain(following.content))
        elif token.type == "table_open":
            cuts[start] = _Cut(start, kind="table")
            cuts[end] = _Cut(end)
    return [cuts[line] for line in sorted(cuts)]


def _plain(markup: str) -> str:
    """Return a heading's words without links, emphasis and tags."""
    from markdown_it import MarkdownIt

    children: list[Any] = MarkdownIt("commonmark").parseInline(markup)[0].children or []
    return "".join(child.content for child in children if child.type in ("text", "code_inline"))


def _title(front: str, cuts: list[_Cut], body: list[str]) -> dict[str, str]:
    """The front matter's title, or the level-1 heading that opens the document."""
    if named := _FRONT_TITLE.search(front):
        return {"title": named[2]}
    first = next((cut for cut in cuts if cut.level), None)
    opens = first is not None and not any(line.strip() for line in body[: first.line - front.count("\n")])
    return {"title": first.title} if first and opens and first.level == 1 and first.title else {}
