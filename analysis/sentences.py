"""Sentence boundaries of Chinese and English text.

A stop ends a sentence unless it stands inside a decimal, a version, a URL, an e-mail address, an abbreviation or a
closed quotation. Closing quotation marks and brackets go with the sentence they close.
"""

import re
from dataclasses import dataclass

_QUOTATION_LIMIT = 200  # a quotation longer than this may be cut inside: the closing mark is more likely a stray one
_QUOTATION = re.compile(
    rf"“[^“”\n]{{1,{_QUOTATION_LIMIT}}}”|‘(?:[^‘’\n]|(?<=[A-Za-z])’(?=[A-Za-z])){{1,{_QUOTATION_LIMIT}}}’"
    rf"|「[^「」\n]{{1,{_QUOTATION_LIMIT}}}」|『[^『』\n]{{1,{_QUOTATION_LIMIT}}}』"
    rf"|《[^《》\n]{{1,{_QUOTATION_LIMIT}}}》|（[^（）\n]{{1,{_QUOTATION_LIMIT}}}）"
)
_URL = re.compile(r"(?:https?|ftp)://[^\s<>\"“”（）【】《》，。；！？、]+|\bwww\.[^\s<>\"“”（）【】《》，。；！？、]+")
_CLOSERS = r"[”’」』》）】\"')\]]*"
_STOP = re.compile(
    rf"[。！？；…｡]+{_CLOSERS}"  # full-width stops always end a sentence
    r"|．(?!\d)|(?<=[\u4e00-\u9fff])\.(?=[\u4e00-\u9fff])"  # papers write them as points
    rf"|[!?;]+{_CLOSERS}(?=\s|$|[^\x00-\x7f])"  # half-width ones where something other than code follows
    rf"|(?<=[\w)\]\"'%])\.+{_CLOSERS}(?=\s|$)"  # the English full stop
    r"|\n+"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:(?:[A-Za-z]\.)*[A-Za-z]|Ph\.D|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Mr|Mrs|Ms|Dr|Prof|St"
    r"|No|Nos|Fig|Figs|Eq|Vol|vs|etc|cf|al|Inc|Ltd|Co|Jr|Sr|approx|pp?)\.$"
)
_LIST_NUMBER = re.compile(r"(?:(?:^|\n)[ \t]*\d{1,3}|(?:^|\s)\d{1,2}(?:\.\d{1,2}){1,3})\.$")


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open range of characters [start, end) of a text."""

    start: int
    end: int

    def of(self, text: str) -> str:
        """Return the characters of `text` in this range."""
        return text[self.start : self.end]


def sentence_spans(text: str) -> list[Span]:
    """Return the sentences of `text` in order, without the blanks around them. Every non-blank character is in one."""
    spans, start = [], 0
    for end in (*_boundaries(text), len(text)):
        span = trimmed(text, start, end)
        if span.end > span.start:
            spans.append(span)
        start = end
    return spans


def trimmed(text: str, start: int, end: int) -> Span:
    """Return [start, end) without the blanks at both ends."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end)


def _boundaries(text: str) -> list[int]:
    protected = _protected(text)
    ends: list[int] = []
    position = 0  # index into `protected`, which is sorted like the stops
    for stop in _STOP.finditer(text):
        mark = stop.start()
        while position < len(protected) and protected[position].end <= mark:
            position += 1
        inside = position < len(protected) and protected[position].start <= mark
        if inside and not _closes_quotation(protected[position], stop):
            continue
        if stop[0][0] == "." and _is_not_a_stop(text, mark):
            continue
        ends.append(stop.end())
    return ends


def _closes_quotation(span: Span, stop: re.Match[str]) -> bool:
    """Tell whether the stop is the last thing in the quotation, so that the sentence ends with it."""
    return stop.end() >= span.end


def _is_not_a_stop(text: str, mark: int) -> bool:
    before = text[max(0, mark - 12) : mark + 1]
    return bool(_ABBREVIATION.search(before) or _LIST_NUMBER.search(before))


def _protected(text: str) -> list[Span]:
    spans = sorted(
        (match.span() for pattern in (_QUOTATION, _URL) for match in pattern.finditer(text)), key=lambda s: s
    )
    merged: list[Span] = []
    for start, end in spans:
        if merged and start < merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(end, merged[-1].end))
        else:
            merged.append(Span(start, end))
    return merged
