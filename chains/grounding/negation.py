"""Negation flips: what a sentence denies and its support affirms, or the other way round."""

import re

from analysis.folding import fold

_CHINESE = re.compile(
    r"(?:没有|并非|不是|不用|不需要?|不能|不会|不可以?|不得|不应|不再|不必|无法|无需|无须|尚未|从未|禁止|不|没|未|无|非)"
    r"(?P<scope>[\u4e00-\u9fff]{2})"
)
_NO_NEGATION = re.compile(  # words that begin or end like one
    r"不[但仅过同少断久只管论如及足]|不得不|无论|无数|未来|非常|非洲|[是能会可要应]不[是能会可要应]|有没有|是否|除非|并不|莫不|"
    r"无[锡线意机疑名双]|未[婚央成]|南非|北非|东非|西非|非[法典营]"
)
_ENGLISH = re.compile(
    r"(?:\b(?:not|never|no|cannot|without|nor)|n't)\s+"
    r"(?:(?:be|been|being|have|has|had|any|a|an|the|to|yet|longer)\s+)*(?P<scope>[a-z]{3,})"
)
_MARK = re.compile(r"[不没未无非禁勿]|\b(?:not|never|no|cannot|without|nor)\b|n't")
_REACH, _ENGLISH_REACH = 4, 20  # characters before a word within which a negation denies it


def flipped(sentence: str, support: str) -> str | None:
    """Return a word that one of the two texts denies and the other affirms; None where there is none."""
    one, other = fold(sentence), fold(support)
    return _denied_only_in(one, other) or _denied_only_in(other, one)


def _denied_only_in(text: str, other: str) -> str | None:
    for scope in _denied(text):
        places = [match.start() for match in re.finditer(_word(scope), other)]
        if places and not any(_is_denied(other, place) for place in places):
            return scope
    return None


def _denied(text: str) -> list[str]:
    plain = _NO_NEGATION.sub(lambda match: "，" * len(match[0]), text)
    return [match["scope"] for pattern in (_CHINESE, _ENGLISH) for match in pattern.finditer(plain)]


def _is_denied(text: str, place: int) -> bool:
    reach = _ENGLISH_REACH if text[place].isascii() else _REACH
    return _MARK.search(text[max(0, place - reach) : place]) is not None


def _word(scope: str) -> str:
    return rf"\b{scope}" if scope.isascii() else scope
