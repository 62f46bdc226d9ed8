"""Lines of text with their places on the page -> paragraphs in reading order."""

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from loaders.outline import match_heading
from loaders.wrapping import CJK, is_cjk, join_lines

_MARGIN_SHARE = 0.12  # of the page's height, at the top and at the bottom, where running headers and footers stand
_MOST_PAGES = 0.4  # left and right pages often differ, so a header on "most" pages may be on less than half
_GUTTER_ZONE = (0.3, 0.7)  # of the text's width, where the space between two columns is looked for
_SHORTEST_MEASURE = 20  # type sizes; columns of running text are hardly ever narrower
_CELL_GAP_SIZES = 4  # justified words are never as far apart
_LIST_MARK = re.compile(
    r"\s*(?:[•●○▪■◆◇➢✓·‣–*-]\s*\S|[(（]?\d{1,2}[)）.、](?!\d)\s*\S|\[\d{1,3}\]\s*[^\W\d]|[①-⑳]|[(（][一二三四五六七八九十]{1,3}[)）]|[一二三四五六七八九十]{1,3}、)"
)
_BULLET = re.compile(r"\s*[•●○▪■◆◇➢✓·‣]\s*")
_SENTENCE_END = tuple("。！？；：!?;:.」』”…")
_FIRST_WORD = re.compile(rf"[{CJK}]{{1,2}}|[^\s{CJK}]+")


@dataclass(slots=True)
class Line:
    """One run of text on a baseline, or a whole table.

    Coordinates are points from the page's lower left corner, `size` is the type size in points. `follows` tells that
    the run before it stands on the same baseline, further left; `is_spread` that it was put together from runs far
    apart, as the cells of a table without rules are.
    """

    text: str
    x0: float
    x1: float
    bottom: float
    top: float
    size: float
    bold: bool = False
    page: int = 1
    follows: bool = False
    is_table: bool = False
    is_spread: bool = False

    @property
    def middle(self) -> float:
        """The height of the line's middle."""
        return (self.top + self.bottom) / 2


@dataclass(slots=True)
class Paragraph:
    """Lines that belong together; `page` is where the first of them stands."""

    lines: list[Line] = field(default_factory=list)

    @property
    def first(self) -> Line:
        """The line it begins with, whose size and weight stand for the whole."""
        return self.lines[0]

    @property
    def page(self) -> int:
        """The page it begins on, from 1."""
        return self.first.page

    @property
    def text(self) -> str:
        """Its lines joined; a table as it is."""
        return self.first.text if self.first.is_table else join_lines([line.text for line in self.lines])


def drop_running_lines(pages: Sequence[list[Line]], heights: Sequence[float]) -> list[list[Line]]:
    """Leave out headers, footers and page numbers: lines near the edge that recur at the same height, digits aside."""

    def key(line: Line, height: float) -> tuple[str, int] | None:
        at_edge = line.middle > height * (1 - _MARGIN_SHARE) or line.middle < height * _MARGIN_SHARE
        text = re.sub(r"\d+", "#", "".join(line.text.split()))
        return (text, round(line.middle) if text.strip("#-/—·") else 0) if at_edge else None

    counts: Counter[tuple[str, int] | None] = Counter()
    for lines, height in zip(pages, heights, strict=True):
        counts.update({key(line, height) for line in lines if not line.is_table})
    needed = max(3, _MOST_PAGES * len(pages))
    running = {mark for mark, count in counts.items() if mark and count >= (needed if mark[1] else min(needed, 2))}
    kept = [
        [line for line in lines if key(line, height) not in running]
        for lines, height in zip(pages, heights, strict=True)
    ]
    return kept if any(kept) else list(pages)


def reading_order(lines: list[Line], depth: int = 0) -> list[list[Line]]:
    """Return the page's regions in the order in which they are read, each a column or a band over the full width."""
    lines = _whole_lines(lines, apart=False) if not depth else lines
    gutter = _find_gutter(lines) if depth < 2 else None
    if gutter is None:
        return [_whole_lines(lines)] if lines else []
    regions: list[list[Line]] = []
    band: list[Line] = []
    for line in [*_from_top(lines), None]:
        if line is not None and not line.x0 < gutter < line.x1:
            band.append(line)
            continue
        for side in (False, True):
            regions += reading_order([part for part in band if (part.x0 >= gutter) == side], depth + 1)
        band = []
        if line is not None and regions and regions[-1][-1].x0 < gutter < regions[-1][-1].x1:
            regions[-1].append(line)
        elif line is not None:
            regions.append([line])
    return [_whole_lines(region) for region in regions]


def _from_top(lines: list[Line]) -> list[Line]:
    """Sort by height; the runs of one baseline stay together, however their boxes differ."""
    heights: list[float] = []
    for line in lines:
        heights.append(heights[-1] if line.follows and heights else line.middle)
    return [lines[index] for index in sorted(range(len(lines)), key=lambda index: -heights[index])]


def _find_gutter(lines: list[Line]) -> float | None:
    """Return the x of the space between two columns that are both well filled with text, or None."""
    if len(lines) < 8:
        return None
    left, right = min(line.x0 for line in lines), max(line.x1 for line in lines)
    width = max(right - left, 1.0)
    candidates = sorted({line.x0 - 1 for line in lines if _GUTTER_ZONE[0] < (line.x0 - left) / width < _GUTTER_ZONE[1]})
    best = max(candidates, key=lambda x: sum(not line.x0 < x < line.x1 for line in lines), default=None)
    if best is None:
        return None
    before = [line for line in lines if line.x1 <= best]
    after = [line for line in lines if line.x0 >= best]
    if min(len(before), len(after)) < 4 or len(before) + len(after) < 0.5 * len(lines):
        return None
    gap = best - _quantile([line.x1 for line in before], 0.9)
    overlap = min(max(line.top for line in side) for side in (before, after)) - max(
        min(line.bottom for line in side) for side in (before, after)
    )
    tallest = max(max(line.top for line in side) - min(line.bottom for line in side) for side in (before, after))
    filled = all(_is_filled(side) for side in (before, after))
    return best - max(gap, 0) / 2 if gap > 0 and filled and overlap > 0.3 * tallest else None


def _is_filled(column: list[Line]) -> bool:
    """Running text reaches the right edge on most lines and keeps to one left edge; labels, figures and maps do not."""
    left, right = _quantile([line.x0 for line in column], 0.2), _quantile([line.x1 for line in column], 0.9)
    long = sum(line.x1 - line.x0 > 0.6 * (right - left) for line in column)
    aligned = sum(abs(line.x0 - left) < 3 * line.size for line in column)
    return long >= 0.5 * len(column) and aligned >= 0.6 * len(column) and right - left > 8 * column[0].size


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def _whole_lines(runs: list[Line], *, apart: bool = True) -> list[Line]:
    """Put the runs of one baseline together again: raised or lowered marks, and, if `apart`, words set far apart."""
    lines: list[Line] = []
    for run in runs:
        last = lines[-1] if lines else None
        beside = last is not None and not (last.is_table or run.is_table) and last.bottom <= run.middle <= last.top
        gap = run.x0 - last.x1 if last else 0.0
        spaced = last is not None and apart and run.follows and abs(last.size - run.size) < 0.15 * last.size
        if last is not None and beside and gap > -0.3 * last.size and (gap < 0.5 * last.size or spaced):
            last.text += ("" if gap < 0.15 * last.size else " ") + run.text
            last.x1 = max(last.x1, run.x1)
            last.is_spread |= gap > _CELL_GAP_SIZES * last.size
            last.size = max(last.size, run.size)
        else:
            lines.append(run)
    return lines


def paragraphs(regions: Sequence[list[Line]]) -> Iterator[Paragraph]:
    """Join wrapped lines, also from one column or page to the next."""
    current: Paragraph | None = None
    right = 0.0
    for region in regions:
        left, pitch, edges = min(line.x0 for line in region), _usual_pitch(region), _right_edges(region)
        for index, line in enumerate(region):
            if current is None:
                current = Paragraph([line])
            elif _continues(current, line, left, right) and (index == 0 or _near(current.lines[-1], line, pitch)):
                current.lines.append(line)
            else:
                yield current
                current = Paragraph([line])
            right = edges[index]
    if current is not None:
        yield current


def _right_edges(region: list[Line]) -> list[float]:
    """Return how far each line could reach: to the region's edge, or in scattered text to that of its own cluster."""
    right = max(line.x1 for line in region)
    if len(region) < 3:  # too few to show where the edge is
        return [max(line.x1, line.x0 + _SHORTEST_MEASURE * line.size) for line in region]
    if sum(line.x1 > right - 3 * line.size for line in region) >= 0.3 * len(region):
        return [right] * len(region)
    clusters: list[list[Line]] = []
    for line in region:
        last = clusters[-1][-1] if clusters else None
        below = last is not None and 0 <= last.middle - line.middle < 2 * line.size and line.x0 <= last.x1
        if last is None or not below or abs(last.size - line.size) > 0.1 * last.size:
            clusters.append([])
        clusters[-1].append(line)
    return [
        max(line.x1 for line in cluster) if len(cluster) > 1 else right
        for cluster in clusters
        for _ in range(len(cluster))
    ]


def _usual_pitch(region: list[Line]) -> float:
    steps = [upper.middle - lower.middle for upper, lower in pairwise(region) if upper.middle > lower.middle]
    return statistics.median_low(steps) if steps else 0.0


def _near(last: Line, line: Line, pitch: float) -> bool:
    step = last.middle - line.middle
    return step < max(1.4 * min(pitch, 2 * line.size), 1.5 * line.size)


def _continues(paragraph: Paragraph, line: Line, left: float, right: float) -> bool:
    """Tell whether `line` goes on with the sentence; `right` is the edge of the column that `paragraph` stands in."""
    last = paragraph.lines[-1]
    alone = last.is_table or line.is_table or last.is_spread or line.is_spread
    if alone or _LIST_MARK.match(line.text) or last.bold != line.bold:
        return False
    if abs(last.size - line.size) > 0.1 * max(last.size, line.size) or not _is_full(last, line, right, left):
        return False
    if (
        last.page != line.page or line.middle > last.middle
    ):  # a new column or page: only what is plainly unfinished goes on
        return not last.text.endswith(_SENTENCE_END) and line.x0 - left < line.size and not match_heading(line.text)
    indent = line.x0 - last.x0
    if abs((line.x0 + line.x1) - (last.x0 + last.x1)) < line.size:  # centred, or both full
        return True
    if len(paragraph.lines) == 1:
        return indent < 0.7 * line.size or bool(_LIST_MARK.match(last.text))
    return abs(indent) < 0.7 * line.size


def _is_full(last: Line, line: Line, right: float, left: float) -> bool:
    """Tell whether a line is wrapped, not ended: the next word would not have fitted, or the sentence is not over."""
    word = _FIRST_WORD.match(line.text)
    if word is None:
        return True
    width = (line.x1 - line.x0) / len(line.text) * len(word[0])
    if last.x1 + 0.8 * width + (0 if is_cjk(last.text[-1]) else 0.2 * last.size) > right:
        return True
    share = (last.x1 - left) / max(right - left, 1.0)
    return not last.text.endswith(_SENTENCE_END) and share > (0.5 if line.text[0].islower() else 0.85)


def split_bullet(text: str) -> str | None:
    """Return what follows a list mark of its own (•, ■), or None where there is none."""
    mark = _BULLET.match(text)
    return text[mark.end() :] if mark else None


def is_list_item(text: str) -> bool:
    """Tell whether the text begins with a list mark or a number such as 1. or （二）."""
    return _LIST_MARK.match(text) is not None
