"""Headings in plain text, told by their numbering: 第三章, 一、, （二）, 2.1, Chapter 4, IV."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_HANZI_NUMBER = r"[0-9一二三四五六七八九十百千零\u3007两]+"

# Level of each numbering, the highest first; a document uses a few of them, always in this order.
_CHAPTERS = [(1, "[篇编卷]|部分"), (2, "章"), (3, "节"), (4, "条")]
_PATTERNS: list[tuple[int, re.Pattern[str]]] = [
    *((level, re.compile(rf"第\s*{_HANZI_NUMBER}\s*(?:{unit})(?=[\s:、]|[^\W\d])")) for level, unit in _CHAPTERS),
    *((level, re.compile(rf"第\s*{_HANZI_NUMBER}\s*(?:{unit})$")) for level, unit in _CHAPTERS),
    (1, re.compile(r"(?:Part|PART)\s+(?:\d+|[IVX]+)\b")),
    (
        2,
        re.compile(
            r"(?:Chapter|CHAPTER|Appendix|APPENDIX)\s+(?:\d+|[IVX]+|[A-Z])\b|附录\s*[A-Z0-9一二三四五六七八九十]"
        ),
    ),
    (3, re.compile(r"(?:Section|SECTION)\s+\d+\b")),
    (5, re.compile(r"[一二三四五六七八九十]{1,3}、\s*\S")),
    (5, re.compile(r"(?:I{1,3}|IV|VI{0,3}|IX|XI{0,3}|XIV|XV)\.\s*[A-Z]{2}|(?:I{1,3}|IV|VI{0,3}|IX|XI{0,3})\.\s+[A-Z]")),
    (6, re.compile(r"[A-Z](?:\.(?:[A-Z]|\d{1,2}))+\.?\s+[A-Z]")),
    (6, re.compile(r"\([一二三四五六七八九十]{1,3}\)\s*\S")),
    (10, re.compile(r"[1-9]\d?(?:\.[1-9]\d?){3}\.?\s*[^\W\d]")),
    (9, re.compile(r"[1-9]\d?(?:\.[1-9]\d?){2}\.?\s*[^\W\d]")),
    (
        8,
        re.compile(
            r"[1-9]\d?\.[1-9]\d?(?:\.\s*|\s+)[^\W\d]|[1-9]\d?\.[1-9]\d?(?=[\u4e00-\u9fff])(?![个年月日元倍万亿米度人次条])"
        ),
    ),
    (7, re.compile(r"[1-9]\d?(?:\.(?!\d)|、)\s*[^\W\d]")),
    (7, re.compile(r"[1-9]\d?\s+(?:[A-Z][a-z]|[\u4e00-\u9fff]{2})(?<![个天年月日人次元家条名位分小]\S)")),
]
_MARKDOWN = re.compile(r"(#{1,6})\s+(\S.*)")
_SENTENCE_END = tuple("。！？；，、;,!?.")
_LEADERS = re.compile(r"(?:\.{3,}|…{1,}|·{3,})\s*\d*$|\s{2,}\d+$")  # a line of a table of contents
_MAX_WIDTH = 80  # columns: a hanzi is two wide


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading line: `level` from 1 (highest), `title` as it reads in a heading path."""

    level: int
    title: str


def match_heading(line: str) -> Heading | None:
    """Return the heading that `line` could be, judged by the line alone."""
    line = line.strip()
    if not line or len(line) > _MAX_WIDTH:
        return None
    plain = unicodedata.normalize("NFKC", line)
    if line.endswith(_SENTENCE_END) or "。" in line or _LEADERS.search(plain) or _width(plain) > _MAX_WIDTH:
        return None
    for level, pattern in _PATTERNS:
        if pattern.match(plain):
            return Heading(level, " ".join(line.split()).rstrip(":：　 "))
    return None


def find_headings(lines: Sequence[str]) -> dict[int, Heading]:
    """Return the headings among `lines`, by index.

    Neighbours with the same kind of number are a list, not headings, except for 章, 节 and their like: those may well
    follow each other. Lines marked as in Markdown count too, unless they follow each other like comments in a script.
    """
    found = [(index, _match_any(line)) for index, line in enumerate(lines) if line.strip()]
    headings: dict[int, Heading] = {}
    for position, (index, heading) in enumerate(found):
        if heading is None:
            continue
        around = [found[n][1] for n in (position - 1, position + 1) if 0 <= n < len(found)]
        if heading.level <= 3 or all(other is None or other.level != heading.level for other in around):
            headings[index] = heading
    return headings


def _match_any(line: str) -> Heading | None:
    if marked := _MARKDOWN.fullmatch(line.strip()):
        return Heading(20 + len(marked[1]), marked[2]) if len(marked[2]) <= _MAX_WIDTH else None
    return match_heading(line)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
