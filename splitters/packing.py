"""Packing: which ranges of one part's text make up its chunks. Every length is that of a `Ruler`."""

from dataclasses import dataclass
from functools import cached_property

import regex

from analysis.sentences import Span, sentence_spans, trimmed
from splitters.ruler import Ruler

_SECONDARY_BREAK = regex.compile(r"[，、：,:)）」』”\]]|\s+")
_WORD_CHARACTER = regex.compile(r"[\p{L}\p{M}\p{N}_@./:%+#?&=~-]")
_NUMBER_COMMA = regex.compile(r"\d,\d")
_IDEOGRAPH = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")
_GRAPHEME = regex.compile(r"\X")
_GRAPHEME_REACH = 12  # characters on either side that can belong to the one at a cut
_PARAGRAPH = regex.compile(r"\n[ \t]*\n")
_ROW = regex.compile(r"[^\n]*\S[^\n]*")
_PARAGRAPH_SHARE = 0.6  # a chunk this full ends with its paragraph
_TAIL_SHARE = 0.4  # a last chunk emptier than this is evened out with the one before


@dataclass(frozen=True, slots=True)
class PackedTable:
    """Row ranges of a table, and its header lines; no header where the table is whole or has none."""

    spans: list[Span]
    header: str


@dataclass(frozen=True)
class Packer:
    """Packs one text.

    Attributes:
        target: length that a chunk of several sentences or rows does not exceed.
        limit: length that no chunk exceeds.
        overlap: longest run of whole sentences that the next chunk repeats.
    """

    text: str
    target: float
    limit: float
    overlap: float = 0

    @cached_property
    def _ruler(self) -> Ruler:
        return Ruler(self.text)

    def sentences(self) -> list[Span]:
        """Group sentences up to the target.

        A sentence longer than the target is a range of its own; one longer than the limit is cut to the target at
        commas, then blanks, then anywhere but inside a word, a number, an address or a composed character.
        """
        groups: list[list[Span]] = []
        group: list[Span] = []
        for span in sentence_spans(self.text):
            for sentence in self._within_limit(span):
                if group and self._is_full(group, sentence):
                    groups.append(group)
                    group = self._repeated(group, sentence)
                group.append(sentence)
        if group:
            groups.append(group)
        return [Span(group[0].start, group[-1].end) for group in self._evened(groups)]

    def table(self) -> PackedTable:
        """Keep a table whole up to the limit, otherwise group whole rows up to the target."""
        whole = trimmed(self.text, 0, len(self.text))
        if self._length(whole) <= self.limit:
            return PackedTable([whole] if whole.end > whole.start else [], header="")
        rows = [Span(*match.span()) for match in _ROW.finditer(self.text)]
        header = ""
        if len(rows) > 2 and set(rows[1].of(self.text)) <= set("|-: \t"):
            header = Span(rows[0].start, rows[1].end).of(self.text)
            rows = [Span(rows[0].start, rows[1].end), *rows[2:]]
        spans: list[Span] = []
        for row in rows:
            for piece in self._within_limit(row):
                room = self.limit if header and len(spans) == 1 and spans[0].start == rows[0].start else self.target
                if spans and self._ruler.length(spans[-1].start, piece.end) <= room:
                    spans[-1] = Span(spans[-1].start, piece.end)
                else:
                    spans.append(piece)
        return PackedTable(spans, header)

    def _length(self, span: Span) -> float:
        return self._ruler.length(span.start, span.end)

    def _is_full(self, group: list[Span], following: Span) -> bool:
        start, end = group[0].start, group[-1].end
        if self._ruler.length(start, following.end) > self.target:
            return True
        ends_paragraph = _PARAGRAPH.search(self.text, end, following.start) is not None
        return ends_paragraph and self._ruler.length(start, end) >= self.target * _PARAGRAPH_SHARE

    def _repeated(self, group: list[Span], following: Span) -> list[Span]:
        """Return the last sentences of `group` that the next chunk repeats; never all of them."""
        repeated: list[Span] = []
        for sentence in reversed(group[1:]):
            too_long = self._ruler.length(sentence.start, group[-1].end) > self.overlap
            if too_long or self._ruler.length(sentence.start, following.end) > self.target:
                break
            repeated.insert(0, sentence)
        return repeated

    def _evened(self, groups: list[list[Span]]) -> list[list[Span]]:
        """Share the last two groups' sentences so that no short tail is left, where nothing overlaps."""
        if self.overlap or len(groups) < 2 or self._group_length(groups[-1]) >= self.target * _TAIL_SHARE:
            return groups
        sentences = groups[-2] + groups[-1]
        halves = [(sentences[:cut], sentences[cut:]) for cut in range(1, len(sentences))]
        lengths = [(self._group_length(first), self._group_length(second)) for first, second in halves]
        best = min(range(len(halves)), key=lambda number: abs(lengths[number][0] - lengths[number][1]))
        return [*groups[:-2], *halves[best]] if max(lengths[best]) <= self.target else groups

    def _group_length(self, group: list[Span]) -> float:
        return self._ruler.length(group[0].start, group[-1].end)

    def _within_limit(self, span: Span) -> list[Span]:
        """Cut a range longer than the limit into ranges of at most the target."""
        if self._length(span) <= self.limit:
            return [span]
        pieces = []
        start = span.start
        while self._ruler.length(start, span.end) > self.target:
            cut = self._cut_position(start, span.end)
            pieces.append(trimmed(self.text, start, cut))
            start = cut
        pieces.append(trimmed(self.text, start, span.end))
        return [piece for piece in pieces if piece.end > piece.start]

    def _cut_position(self, start: int, end: int) -> int:
        farthest = min(end, max(start + 1, self._ruler.reach(start, self.target)))
        half = (start + farthest + 1) // 2
        breaks: list[int] = [match.end() for match in _SECONDARY_BREAK.finditer(self.text, half, farthest)]
        clean = [cut for cut in reversed(breaks) if not self._splits_token(cut)]
        if clean:
            return clean[0]
        return next((cut for cut in range(farthest, half, -1) if not self._splits_token(cut)), farthest)

    def _splits_token(self, cut: int) -> bool:
        """Tell whether a cut before `text[cut]` falls inside a word, number, address or composed character."""
        if not 0 < cut < len(self.text):
            return False
        before, after = self.text[cut - 1], self.text[cut]
        if _NUMBER_COMMA.match(self.text, cut - 1) or _NUMBER_COMMA.match(self.text, cut - 2):
            return True
        ideographs = _IDEOGRAPH.match(before) or _IDEOGRAPH.match(after)
        if not ideographs and _WORD_CHARACTER.match(before) and _WORD_CHARACTER.match(after):
            return True
        start = max(0, cut - _GRAPHEME_REACH)
        window = self.text[start : cut + _GRAPHEME_REACH]
        return all(start + match.end() != cut for match in _GRAPHEME.finditer(window))
