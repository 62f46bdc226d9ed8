"""Numbers as people write them, in digits, in Chinese and in English words, as exact decimals."""

import re
from decimal import Decimal

_DIGITS = {digit: value for value, digit in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2, "兩": 2}
_TENS = {"十": 10, "百": 100, "千": 1000}
_MYRIADS = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
CHINESE_NUMERAL = "[" + "".join([*_DIGITS, *_TENS, *_MYRIADS]) + "]"

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENTHS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ENGLISH = {word: value for value, word in enumerate(_UNITS.split())}
_ENGLISH |= {word: 10 * tens for tens, word in enumerate(_TENTHS.split(), start=2)}
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_WORD = "|".join(sorted({*_ENGLISH, *_SCALES}, key=len, reverse=True))
ENGLISH_NUMERAL = rf"(?<![A-Za-z])(?:{_WORD})(?:(?:[ -]|\s+and\s+)(?:{_WORD}))*(?![A-Za-z])"

_FACTORS = {name: Decimal(value) for name, value in (_TENS | _MYRIADS | _SCALES).items()}
FACTOR = rf"(?:[百千]?[{''.join(_MYRIADS)}]{{1,2}}|[百千]|(?:{'|'.join(_SCALES)})\b)"  # after digits: 62亿, 6 million


def from_digits(digits: str, factor: str = "") -> Decimal:
    """Return the value of digits with an optional scale after them: ("6.2", "billion"), ("1,300", "万")."""
    value = Decimal(digits.replace(",", ""))
    factor = factor.strip().lower()
    for scale in (factor,) if factor in _FACTORS else factor:
        value *= _FACTORS[scale]
    return value


def from_chinese(numeral: str) -> Decimal | None:
    """Return the value of 六十二亿, 一百零五, 二〇二三 or 三点五; None for what is none, such as 三四 or 万一."""
    whole, _, fraction = numeral.partition("点")
    if fraction:
        before = from_chinese(whole)
        places = "".join(str(_DIGITS.get(digit, "")) for digit in fraction)
        return None if before is None or len(places) < len(fraction) else Decimal(f"{before}.{places}")
    if all(char in _DIGITS for char in numeral):
        is_one_number = len(numeral) == 1 or len(numeral) > 2 or numeral[-1] in "〇零"
        return Decimal("".join(str(_DIGITS[char]) for char in numeral)) if is_one_number else None
    return _composed(numeral)


def _composed(numeral: str) -> Decimal | None:
    """Add up digits with their places: each myriad closes a section of tens, hundreds and thousands."""
    total, section, digit, closed = 0, 0, None, 10**13
    for char in numeral:
        if char in _DIGITS:
            if digit:  # two digits in a row, as in 三四十
                return None
            digit = _DIGITS[char]
        elif char in _TENS:
            if digit is None and char != "十":
                return None
            section += _TENS[char] * (1 if digit is None else digit)
            digit = None
        else:
            section += digit or 0
            if not total and not section:  # 万 without a number before it
                return None
            myriad = _MYRIADS[char]
            total = (total + section) * myriad if myriad > closed else total + section * myriad
            section, digit, closed = 0, None, myriad
    place = (_TENS | _MYRIADS).get(numeral[-2:-1], 10) // 10  # 一百五 is 150, 一万二 is 12000
    return Decimal(total + section + (digit or 0) * place)


def from_english(words: str) -> Decimal | None:
    """Return the value of "two hundred and fifty", "thirty-five"; None for words in no order, such as "two three"."""
    total, section, previous = 0, 0, 10**3
    for word in re.findall(_WORD, words.lower()):
        if word in _ENGLISH:
            value = _ENGLISH[word]
            if value >= previous or (previous < 20):
                return None
            section, previous = section + value, value
        elif word == "hundred":
            section, previous = (section or 1) * 100, 100
        else:
            total, section, previous = total + (section or 1) * _SCALES[word], 0, 10**3
    return Decimal(total + section)
