"""Citation marks in an answer: which passages it cites, and the removal of numbers that no passage has.

A mark is a number of up to three digits in square brackets, [1], or several: [1, 7], [1-3]; also in full width
and in the brackets that some models prefer, 【1】. [2023] and [a] are no marks, nor is an interval from zero, [0, 1].
"""

import re
from collections.abc import Iterator

_OPEN, _CLOSE, _JOIN = r"[\[\uff3b【]", r"[\]\uff3d】]", r"[ ]*[,，、;；\-–~～][ ]*"
_NUMBERS = rf"(?!0{_JOIN}\d)(?P<numbers>\d{{1,3}}(?:{_JOIN}\d{{1,3}})*)"
_MARK = re.compile(rf"{_OPEN}[ ]*{_NUMBERS}[ ]*{_CLOSE}")
_UNFINISHED = rf"(?:{_OPEN}[ ]*(?:\d{{1,3}}{_JOIN})*\d{{0,3}}[ ]*)*"
_MARK_IN_CONTEXT = re.compile(  # with brackets around it that its removal would make a mark: [[9]], [7[9]]
    rf"(?P<blank>(?<![ \t])[ \t]*)(?P<around>{_UNFINISHED}){_MARK.pattern}"
)
_BEGINNING = re.compile(rf"(?<![ \t])[ \t]*{_UNFINISHED}$")
_RANGE = re.compile(r"(\d+) *[-–~～] *(\d+)|(\d+)")
_AFTER_BLANK = "[\uff3b【(（“\"'《`*"  # what a blank parts from the word before it, as it does a letter


def cited(text: str) -> tuple[int, ...]:
    """Return the numbers that a text cites, in the order of their first appearance."""
    numbers = (number for mark in _MARK.finditer(text) for number in _numbers(mark["numbers"]))
    return tuple(dict.fromkeys(numbers))


def without_marks(text: str) -> str:
    """Return a text with blanks in the place of its marks, so that every other character keeps its position."""
    return _MARK.sub(lambda mark: " " * len(mark[0]), text)


def _numbers(written: str) -> Iterator[int]:
    for first, last, alone in _RANGE.findall(written):
        yield from [int(alone)] if alone else range(int(first), max(int(first), int(last)) + 1)


class CitationFilter:
    """Removes invented citations from a text that arrives in pieces.

    What may be the beginning of a mark is held back until the next piece tells. Marks come out as [n], each number in
    brackets of its own. The blank that stood before a removed mark goes with it unless it parts two words.

    Args:
        count: passages that may be cited, from 1.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._held = ""
        self._removed: dict[int, None] = {}
        self._gap: str | None = None  # blanks before a removed mark, until it is known what follows
        self._around = 0  # brackets that were open around a mark, whose ends go too
        self._in_line = False  # something stands before on this line

    @property
    def removed(self) -> tuple[int, ...]:
        """The invented numbers so far, in the order of their first appearance."""
        return tuple(self._removed)

    def push(self, delta: str) -> str:
        """Return what can be said after the next piece."""
        text = self._held + delta
        beginning = _BEGINNING.search(text)
        end = beginning.start() if beginning else len(text)
        self._held = text[end:]
        return self._cleaned(text[:end])

    def finish(self) -> str:
        """Return the rest."""
        text, self._held = self._held, ""
        return self._cleaned(text)

    def _cleaned(self, text: str) -> str:
        said, position = "", 0
        for match in _MARK_IN_CONTEXT.finditer(text):
            said += self._said(text[position : match.start()])
            position = match.end()
            numbers = dict.fromkeys(_numbers(match["numbers"]))
            kept = "".join(f"[{number}]" for number in numbers if 1 <= number <= self._count)
            self._removed |= {number: None for number in numbers if not 1 <= number <= self._count}
            if kept:
                said += self._said(match["blank"] + kept)
            else:
                self._gap = self._gap or match["blank"]
            self._around = len(re.findall(_OPEN, match["around"]))
        return said + self._said(text[position:])

    def _said(self, text: str) -> str:
        """Return text as it fits after a mark: without the ends of what was around it, with a blank if one is due."""
        while text and self._around and re.match(_CLOSE, text):
            text, self._around = text[1:], self._around - 1
        if text:
            self._around = 0
        if text and self._gap is not None:
            if not self._in_line:
                text = text.lstrip(" \t")
            elif text[0].isalnum() or text[0] in _AFTER_BLANK:
                text = self._gap + text
            self._gap = None
        if text:
            self._in_line = text[-1] != "\n"
        return text
