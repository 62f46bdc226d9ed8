"""Packing: which ranges of one part's text make up its chunks."""

import re
from dataclasses import dataclass

from analysis.sentences import Span, sentence_spans, trimmed

_SECONDARY_BREAK = re.compile(r"[，、：,:)）」』”\]]|\s+")
_UNBREAKABLE = re.compile(r"[A-Za-z0-9_@./:%+#?&=~-]+")
_PARAGRAPH = re.compile(r"\n[ \t]*\n")
_PARAGRAPH_SHARE = 0.6  # a chunk this full ends with its paragraph
_TAIL_SHARE = 0.4  # a last chunk emptier than this is evened out with the one before


@dataclass(frozen=True, slots=True)
class PackedTable:
    """Row ranges of a table, and its header lines (empty where there are none)."""

    spans: list[Span]
    header: str


def pack_sentences(text: str, target: int, limit: int, overlap: int = 0) -> list[Span]:
    """Group the sentences of `text` into ranges of at most `target` characters.

    A sentence longer than `target` is a range of its own; one longer than `limit` is cut to `target` at commas, then
    blanks, then anywhere but inside a word, number or address.
    """
    sentences = [piece for span in sentence_spans(text) for piece in _within(text, span, target, limit)]
    groups: list[list[Span]] = []
    group: list[Span] = []
    for sentence in sentences:
        if group and _is_full(text, group, sentence, target):
            groups.append(group)
            group = _repeated(group, sentence, target, overlap)
        group.append(sentence)
    if group:
        groups.append(group)
    return [Span(group[0].start, group[-1].end) for group in _evened(groups, target, overlap)]


def pack_table(text: str, target: int, limit: int) -> PackedTable:
    """Keep a table whole up to `limit` characters, otherwise group whole rows up to `target`."""
    whole = trimmed(text, 0, len(text))
    if whole.end - whole.start <= limit:
        return PackedTable([whole] if whole.end > whole.start else [], header="")
    rows = [Span(match.start(), match.end()) for match in re.finditer(r"[^\n]*\S[^\n]*", text)]
    has_header = len(rows) > 2 and set(rows[1].of(text)) <= set("|-: \t")
    header = Span(rows[0].start, rows[1].end).of(text) if has_header else ""
    rows = [piece for row in rows for piece in _within(text, row, target, limit)]
    spans: list[Span] = []
    for row in rows:
        if spans and row.end - spans[-1].start <= target:
            spans[-1] = Span(spans[-1].start, row.end)
        else:
            spans.append(row)
    return PackedTable(spans, header)


def _is_full(text: str, group: list[Span], following: Span, target: int) -> bool:
    start, end = group[0].start, group[-1].end
    if following.end - start > target:
        return True
    ends_paragraph = bool(_PARAGRAPH.search(text, end, following.start))
    return ends_paragraph and end - start >= target * _PARAGRAPH_SHARE


def _repeated(group: list[Span], following: Span, target: int, overlap: int) -> list[Span]:
    """Return the last sentences of `group` that the next chunk repeats; never all of them."""
    repeated: list[Span] = []
    for sentence in reversed(group[1:]):
        if group[-1].end - sentence.start > overlap or following.end - sentence.start > target:
            break
        repeated.insert(0, sentence)
    return repeated


def _evened(groups: list[list[Span]], target: int, overlap: int) -> list[list[Span]]:
    """Share the last two groups' sentences so that no short tail is left, where nothing overlaps."""
    if overlap or len(groups) < 2 or _length(groups[-1]) >= target * _TAIL_SHARE:
        return groups
    sentences = groups[-2] + groups[-1]
    cut = min(range(1, len(sentences)), key=lambda i: abs(_length(sentences[:i]) - _length(sentences[i:])), default=0)
    return [*groups[:-2], sentences[:cut], sentences[cut:]]


def _length(group: list[Span]) -> int:
    return group[-1].end - group[0].start


def _within(text: str, span: Span, target: int, limit: int) -> list[Span]:
    """Cut a range longer than `limit` into ranges of at most `target`."""
    if span.end - span.start <= limit:
        return [span]
    pieces = []
    start = span.start
    while span.end - start > target:
        cut = _cut_position(text, start, start + target)
        piece = trimmed(text, start, cut)
        if piece.end > piece.start:
            pieces.append(piece)
        start = cut
    rest = trimmed(text, start, span.end)
    return [*pieces, rest] if rest.end > rest.start else pieces


def _cut_position(text: str, start: int, end: int) -> int:
    half = (start + end) // 2
    breaks = [
        match.end() for match in _SECONDARY_BREAK.finditer(text, half, end) if not _splits_token(text, match.end())
    ]
    if breaks:
        return breaks[-1]
    cut = end
    while cut > half and _splits_token(text, cut):
        cut -= 1
    return cut if cut > half else end


def _splits_token(text: str, cut: int) -> bool:
    """Tell whether a cut before `text[cut]` falls inside a word, number, address or combined character."""
    if cut >= len(text):
        return False
    pair = text[cut - 1 : cut + 1]
    return bool(_UNBREAKABLE.fullmatch(pair)) or text[cut] in "\u200d\ufe0f\u0300\u0301" or text[cut - 1] == "\u200d"
