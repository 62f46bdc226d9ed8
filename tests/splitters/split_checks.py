"""What holds for every splitting, as one check that the tests of this folder share."""

import re
from collections.abc import Sequence

from langchain_core.documents import Document

from analysis.sentences import sentence_spans
from analysis.terms import index_form
from splitters.chinese import ChineseTextSplitter

PLACE = ("page", "slide", "sheet", "row")


def part(text: str, heading: str = "", **metadata: object) -> Document:
    """Return a part as a loader hands it over."""
    return Document(page_content=text, metadata=({"heading": heading} if heading else {}) | {"kind": "text"} | metadata)


def weight(text: str) -> float:
    """Return the length in ideographs: four ASCII characters count as one."""
    ascii_chars = len(text.encode("ascii", "ignore"))
    return len(text) - ascii_chars + ascii_chars / 4


def numbered(count: int, *, length: int = 30) -> str:
    """Return `count` distinct Chinese sentences of `length` characters each."""
    return "".join(f"{_hanzi(number)}{'条' * (length - 5)}。" for number in range(count))


def distinct(count: int, first: int = 0x4E00) -> str:
    """Return `count` distinct ideographs, so that no two ranges of the text are the same."""
    return "".join(chr(first + number) for number in range(count))


def _hanzi(number: int) -> str:
    return "".join("〇一二三四五六七八九"[int(digit)] for digit in f"{number:04d}")


def check_chunks(parts: Sequence[Document], chunks: Sequence[Document], splitter: ChineseTextSplitter) -> None:
    """Assert what the splitter promises for any document."""
    text = "".join(part.page_content for part in parts)
    contents = [chunk.page_content for chunk in chunks]
    assert len(contents) == len(set(contents)), "exact duplicates are dropped"
    for chunk in chunks:
        start, end = chunk.metadata["start"], chunk.metadata["end"]
        assert text[start:end] == chunk.page_content
        assert index_form(chunk.page_content).length, "a chunk without anything to search for"
        contributing = [piece for piece, begin, stop in _ranges(parts) if begin < end and start < stop]
        for key in PLACE:
            places = {piece.metadata.get(key) for piece in contributing if piece.page_content.strip()}
            assert places <= {chunk.metadata.get(key)}, f"a chunk crosses a {key}"
        _check_heading(chunk, [p.metadata.get("heading", "") for p in contributing if p.page_content.strip()])
        assert weight(chunk.page_content) <= max(splitter.max_chars, 4 * splitter.max_chars * _latin(parts)) + 1
    _check_nothing_lost(text, chunks)
    starts = [chunk.metadata["start"] for chunk in chunks]
    assert starts == sorted(starts)


def sentence_edges(text: str) -> tuple[set[int], set[int]]:
    """Return where sentences start and where they end."""
    spans = sentence_spans(text)
    return {span.start for span in spans}, {span.end for span in spans}


def _ranges(parts: Sequence[Document]) -> list[tuple[Document, int, int]]:
    ranges, start = [], 0
    for piece in parts:
        ranges.append((piece, start, start + len(piece.page_content)))
        start += len(piece.page_content)
    return ranges


def _latin(parts: Sequence[Document]) -> float:
    return 0.25 if all(piece.page_content.isascii() for piece in parts) else 1.0


def _check_heading(chunk: Document, headings: list[str]) -> None:
    """The heading must be true of the whole chunk.

    It may be the path of the deepest section where the others only lead to it (a chapter's title and its first
    article); in every other case it may not say more than what all the sections have in common.
    """
    said = _path(chunk.metadata.get("heading", ""))
    paths = [_path(heading) for heading in headings]
    deepest = max(paths, key=len, default=[])
    if all(deepest[: len(path)] == path for path in paths):
        assert said == deepest[: len(said)], f"{said} is none of {headings}"
    else:
        assert all(path[: len(said)] == said for path in paths), f"{said} is not true of {headings}"


def _path(heading: str) -> list[str]:
    return heading.split(" > ") if heading else []


def _check_nothing_lost(text: str, chunks: Sequence[Document]) -> None:
    """Every searchable character is in a chunk, or in an exact copy of a chunk that was dropped."""
    copies = "|".join(re.escape(chunk.page_content) for chunk in sorted(chunks, key=lambda c: -len(c.page_content)))
    position = 0
    for chunk in [*chunks, None]:
        start = len(text) if chunk is None else chunk.metadata["start"]
        lost = text[position:start]
        if copies:
            lost = re.sub(copies, " ", lost)
        assert index_form(lost).length == 0, f"lost: {lost!r}"
        if chunk is not None:
            position = max(position, chunk.metadata["end"])
