"""Numbers, dates and names in a text, in a form that can be compared: 62亿 and 6.2 billion are one number.

Only what rules find reliably counts as a name: titles in 《》, short quotations, Latin words (in English those with a
capital that no sentence start explains), transliterated names (比利·乔尔), provinces, most countries, and places with
their suffix (烟台市).
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from analysis.folding import fold
from chains.grounding.dates import Date, dates_in
from chains.grounding.numerals import CHINESE_NUMERAL, ENGLISH_NUMERAL, FACTOR, from_chinese, from_digits, from_english
from chains.grounding.units import CURRENCY, UNIT, in_base_unit, is_counter

_ARABIC = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_CHINESE = rf"{CHINESE_NUMERAL}+(?:点{CHINESE_NUMERAL}+)?"
_STARTS = r"(?<![A-Za-z\d.])(?<![A-Za-z][-_.+/])(?<!\d,)"  # not inside a version or a name such as ChatGLM-6B
_NUMBER = re.compile(
    rf"{_STARTS}(?P<sign>(?<![\d)])[-−]|零下)?(?P<currency>{CURRENCY})?(?P<percent>百分之)?"
    rf"(?:(?P<parts>(?:\d+|{_CHINESE}))分之)?(?P<ordinal>第)?"
    rf"(?:(?P<digits>{_ARABIC})[多余餘]?(?:\s?(?P<factor>{FACTOR}))?|(?P<chinese>(?!十分(?!钟|之)){_CHINESE}))"
    rf"(?:(?:st|nd|rd|th)\b|(?P<decade>s)\b)?(?:[多余餘]?\s?个?(?P<unit>{UNIT}))?(?!(?<=[A-Za-z\d])[A-Za-z\d])(?!\.\d)",
    re.I,
)
_ENGLISH_NUMBER = re.compile(rf"(?P<words>{ENGLISH_NUMERAL})(?:[ -](?P<unit>{UNIT})\b)?", re.I)
_TITLE = re.compile(r"《([^《》\n]{1,60})》")
_QUOTED = re.compile(r"[“「『\"]([^“”「」『』\"\n。！？，；\d]{2,12})[”」』\"]")
_LATIN = re.compile(r"(?<![A-Za-z\d])(?:[A-Za-z]+|\d[\d.]*[A-Za-z]|\d+(?:\.\d+){2,})(?:[-_.+/']?[A-Za-z\d]+)*")
_TRANSLITERATED = re.compile(r"[\u4e00-\u9fff]{1,2}[·・•][\u4e00-\u9fff]{1,2}")
_PLACE = re.compile(
    r"(?![各全本该某多数几两每与和及在于是为])([\u4e00-\u9fff](?![各全本该某多数几两每])[\u4e00-\u9fff])"
    r"(?:(?<![城都超上股夜门])市(?![场民区值面镇政])|省(?![略得钱心份内会])|县(?!城))"
)
_KNOWN_PLACES = """
    美国 英国 法国 德国 俄罗斯 苏联 日本 韩国 朝鲜 印度 印尼 越南 泰国 缅甸 老挝 柬埔寨 马来西亚 新加坡 菲律宾
    蒙古 尼泊尔 巴基斯坦 伊朗 伊拉克 以色列 叙利亚 土耳其 沙特 阿富汗 埃及 南非 尼日利亚 肯尼亚 摩洛哥 加拿大
    墨西哥 古巴 巴西 阿根廷 智利 秘鲁 澳大利亚 新西兰 意大利 西班牙 葡萄牙 荷兰 比利时 瑞士 瑞典 挪威 丹麦 芬兰
    波兰 奥地利 匈牙利 捷克 希腊 乌克兰 罗马尼亚 爱尔兰 冰岛 北京 上海 天津 重庆 河北 山西 辽宁 吉林 黑龙江 江苏
    浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 广西 海南 四川 贵州 云南 西藏 陕西 甘肃 青海 宁夏 新疆 内蒙古
    香港 澳门 台湾
"""
_KNOWN_PLACE = re.compile("|".join(sorted(_KNOWN_PLACES.split(), key=len, reverse=True)))
_IDEOGRAPH = re.compile(r"[\u3400-\u9fff]")
_TOKEN = re.compile(r"[a-z]+|\d+(?:\.\d+)*|[^\W\d_a-z]")
_NO_NAMES = """
    I A An The In On At It He She They We You This That These Those But And Or If When While As For Of To Mr Mrs Ms Dr
"""


@dataclass(frozen=True, slots=True)
class Number:
    """A value in the base unit of its kind.

    Attributes:
        unit: "" where none is written or it only counts; it then agrees with any.
    """

    value: Decimal
    unit: str

    def agrees(self, other: object) -> bool:
        """Tell whether both say the same; a bare 2023 is also the year."""
        if isinstance(other, Date):
            return other.agrees_with_year(self.value) and self.unit in {"", "year"}
        if not isinstance(other, Number) or not self.may_stand_for(other):
            return False
        short = self.unit == other.unit == "decade" and min(self.value, other.value) < 100  # the 90s for the 1990s
        return self.value % 100 == other.value % 100 if short else self.value == other.value

    def may_stand_for(self, other: object) -> bool:
        """Tell whether both measure the same kind of thing."""
        return isinstance(other, Number) and (self.unit == other.unit or "" in {self.unit, other.unit})


@dataclass(frozen=True, slots=True)
class Name:
    """A name in canonical form."""

    form: str


Meaning = Number | Date | Name


@dataclass(frozen=True, slots=True)
class Fact:
    """Something in a text that is either right or wrong.

    Attributes:
        written: as the text has it, in NFKC.
        start, end: range in the text's NFKC form, in characters.
    """

    written: str
    start: int
    end: int
    meaning: Meaning


def facts_in(text: str) -> list[Fact]:
    """Return the numbers, dates and names of a text in their order; none lies within another."""
    text = unicodedata.normalize("NFKC", text)
    return _apart([*_titles(text), *_dates(text), *_numbers(text), *_names(text)])


def figures_in(text: str) -> list[Fact]:
    """Return the numbers and dates of a text in their order."""
    text = unicodedata.normalize("NFKC", text)
    return _apart([*_dates(text), *_numbers(text)])


def _apart(found: Sequence[Fact]) -> list[Fact]:
    """Return the facts in the text's order without those that overlap one found before them."""
    facts: list[Fact] = []
    for fact in found:
        if all(fact.end <= one.start or one.end <= fact.start for one in facts):
            facts.append(fact)
    return sorted(facts, key=lambda fact: fact.start)


def canonical(text: str) -> str:
    """Return the tokens of a folded text between spaces: ChatGLM-6B and "chatglm 6b" are both " chatglm 6 b "."""
    tokens = _TOKEN.findall(fold(text))
    return f" {' '.join(token.removesuffix('s') if len(token) > 3 else token for token in tokens)} "


def _titles(text: str) -> Iterator[Fact]:
    for pattern in (_TITLE, _QUOTED):
        yield from (_name(match, match[1]) for match in pattern.finditer(text))


def _dates(text: str) -> Iterator[Fact]:
    for start, end, date in dates_in(text):
        yield Fact(text[start:end], start, end, date)


def _numbers(text: str) -> Iterator[Fact]:
    for match in _NUMBER.finditer(text):
        number = _number(match)
        if number is not None:
            yield Fact(match[0], match.start(), match.end(), number)
    for match in _ENGLISH_NUMBER.finditer(text):
        value = from_english(match["words"])
        if value is not None and (match["unit"] or value > 1):  # "one" is rarely a number
            yield Fact(match[0], match.start(), match.end(), Number(*in_base_unit(value, match["unit"] or "")))


def _number(match: re.Match[str]) -> Number | None:
    unit = match["unit"] or ""
    if match["digits"]:
        value: Decimal | None = from_digits(match["digits"], match["factor"] or "")
    elif _is_figure_of_speech(match):
        return None
    else:
        value = from_chinese(match["chinese"])
    if value is None:
        return None
    if match["sign"]:
        value = -value
    if match["percent"]:
        return Number(value, "%")
    if match["parts"]:
        whole = from_digits(match["parts"]) if match["parts"].isdecimal() else from_chinese(match["parts"])
        return Number(round(value / whole, 6), "") if whole else None
    if match["decade"] or unit == "年代":
        return Number(value, "decade")
    return Number(*in_base_unit(value, unit, match["currency"] or ""))


def _is_figure_of_speech(match: re.Match[str]) -> bool:
    """Tell whether Chinese digits are hardly a number: 一 before a counter, and single ones without any unit."""
    numeral, unit = match["chinese"], match["unit"] or ""
    if match["percent"] or match["parts"] or match["ordinal"]:
        return False
    return (numeral == "一" and (not unit or is_counter(unit) or unit in {"位", "名", "人"})) or (
        len(numeral) == 1 and not unit
    )


def _names(text: str) -> Iterator[Fact]:
    words = list(_LATIN.finditer(text))
    is_chinese = len(_IDEOGRAPH.findall(text)) > len(words)
    for match in words:
        if len(match[0]) > 1 and (is_chinese or _is_english_name(text, match)):
            yield _name(match, match[0].removesuffix("'s"))
    if is_chinese:
        yield from (_name(match, match[0]) for match in _TRANSLITERATED.finditer(text))
        yield from (_name(match, match[1]) for match in _PLACE.finditer(text))
        yield from (_name(match, match[0]) for match in _KNOWN_PLACE.finditer(text))


def _is_english_name(text: str, match: re.Match[str]) -> bool:
    """Tell whether a word of English has a capital that no start of a sentence explains, or a digit."""
    word = match[0]
    if any(char.isdigit() or char.isupper() for char in word[1:]):
        return True
    return word[0].isupper() and word not in _NO_NAMES.split() and any(map(str.isalpha, text[: match.start()]))


def _name(match: re.Match[str], name: str) -> Fact:
    return Fact(match[0], match.start(), match.end(), Name(canonical(name)))
