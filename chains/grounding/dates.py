"""Dates in Chinese and English text, whole or in part."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from chains.grounding.numerals import from_chinese

_MONTH_NAMES = "January February March April May June July August September October November December"
_MONTHS = _MONTH_NAMES.split()
_MONTH = "|".join(rf"{name}|{name[:3]}\.?" for name in _MONTHS) + r"|Sept\.?"
_POSSIBLE_MONTHS, _POSSIBLE_DAYS = {None, *range(1, 13)}, {None, *range(1, 32)}
_ZH = "[〇零一二三四五六七八九]"
_YEAR = rf"(?P<bc>公元前|西元前|前)?(?P<year>(?<!\d)\d{{3,4}}|(?<!{_ZH}){_ZH}{{4}})年(?![级代前后])"
_ZH_MONTH = r"(?P<month>(?<![\d.])\d{1,2}|十[一二]?|[一二三四五六七八九正腊])月"
_ZH_DAY = r"(?:(?P<day>初[一二三四五六七八九十]|(?:\d{1,2}|[一二三]?十?[一二三四五六七八九十])(?=[日号]))[日号]?)"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_FORMS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_YEAR}(?:\s?{_ZH_MONTH}份?(?:\s?{_ZH_DAY})?)?",
        rf"{_ZH_MONTH}份?\s?{_ZH_DAY}",
        rf"(?<![个数每]){_ZH_MONTH}(?![光球亮饼薪租均刊])",
        r"(?<![\d.\-/])(?P<year>[12]\d{3})(?P<mark>[-/.])(?P<month>0?[1-9]|1[0-2])(?P=mark)(?P<day>\d{1,2})(?![\d\-/])",
        r"(?<![\d.\-/])(?P<year>[12]\d{3})[-/](?P<month>0?[1-9]|1[0-2])(?![\d\-/])",
        rf"(?<![A-Za-z])(?P<name>{_MONTH})\s+{_DAY}(?![\d:])(?:,?\s+(?P<year>[12]\d{{3}})(?!\d))?",
        rf"(?<![A-Za-z\d]){_DAY}\s+(?:of\s+)?(?P<name>{_MONTH})(?![a-z])(?:,?\s+(?P<year>[12]\d{{3}})(?!\d))?",
        rf"(?<![A-Za-z])(?P<name>{_MONTH}),?\s+(?:of\s+)?(?P<year>[12]\d{{3}})(?!\d)",
    )
)


@dataclass(frozen=True, slots=True)
class Date:
    """A date of which any part may be open (None). Years before our era are negative."""

    year: int | None
    month: int | None = None
    day: int | None = None

    def is_said_by(self, dates: Sequence["Date"]) -> bool:
        """Tell whether one of these dates agrees, or year and day are found in two of them that leave the rest open."""
        if any(self.agrees(other) for other in dates):
            return True
        bare = Date(None, self.month, self.day)
        in_parts = None not in (self.year, self.month) and any(other.year == self.year for other in dates)
        return in_parts and any(other.year is None and bare.agrees(other) for other in dates)

    def agrees(self, other: object) -> bool:
        """Tell whether `other` says everything that this date says."""
        return isinstance(other, Date) and all(mine in (None, theirs) for mine, theirs in self._parts(other))

    def may_stand_for(self, other: object) -> bool:
        """Tell whether both name a year, a month or a day."""
        return isinstance(other, Date) and any(None not in parts for parts in self._parts(other))

    def _parts(self, other: "Date") -> list[tuple[int | None, int | None]]:
        return [(self.year, other.year), (self.month, other.month), (self.day, other.day)]

    def agrees_with_year(self, value: Decimal) -> bool:
        """Tell whether this is no more than a year, of this number."""
        return self.month is None and self.year is not None and abs(self.year) == value


def dates_in(text: str) -> Iterator[tuple[int, int, Date]]:
    """Yield start, end and meaning of the dates in a text, first those of the more complete forms; none overlap."""
    taken: list[tuple[int, int]] = []
    for form in _FORMS:
        for match in form.finditer(text):
            date = _date(match.groupdict())
            if date is not None and all(match.end() <= start or end <= match.start() for start, end in taken):
                taken.append(match.span())
                yield *match.span(), date


def _date(parts: dict[str, str | None]) -> Date | None:
    year, day = _value(parts.get("year")), _value(parts.get("day"))
    month = _value(parts.get("month"))
    if name := parts.get("name"):
        month = next(number for number, full in enumerate(_MONTHS, start=1) if full.startswith(name[:3]))
    if month not in _POSSIBLE_MONTHS or day not in _POSSIBLE_DAYS:
        return None
    return Date(-year if year and parts.get("bc") else year, month, day)


def _value(written: str | None) -> int | None:
    if written is None:
        return None
    if written.isdecimal():
        return int(written)
    value = from_chinese(written.removeprefix("初").replace("正", "一").replace("腊", "十二"))
    return None if value is None else int(value)
