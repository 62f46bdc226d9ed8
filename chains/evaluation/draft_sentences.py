"""Questions drafted from single sentences by rules: definitions, dates and numbers, in Chinese and English.

A draft keeps the sentence's own words, so it asks for no more than the sentence says. A sentence that leans on the one
before it (这, 该, it, they …) is left alone: nobody could tell what its question is about.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Rule = Literal["definition", "date", "number"]

_CHARS_ZH, _CHARS_EN = range(10, 121), range(20, 201)  # of a sentence that is worth a question
_TELLING = 5  # hanzi that say what a question is about
_LONGEST_LEAD = 45  # Chinese characters before what is asked for
_CLAUSE = re.compile(r"[，；：,;:](?!\d)")
_HANZI = re.compile(r"[\u4e00-\u9fff]")
_CHINESE_FROM = 4  # hanzi; fewer are names within an English sentence
_STOPS = "。！？；.!?; "

_LEANING_ZH = re.compile(
    r"(?:[（(，、）)]|[这那其它他她牠该此本我你您]|以[上下]|上述|下[列面表]|如[果图下表]|因此|所以|因为|由于|但|而|并|也|又|还|则|同时|另外|此外"
    r"|[表图文]中|例如|比如|其中|当|从此|于是|然后|首先|其次|最后|目前|[随之]后|期间|当时|[生卒]于|后来|同年|次年|除|把|被|对|[一二三四五六七八九十\d]+[、.．)）])"
)
_NOUN_END = re.compile(
    r"(?:[不也都就只还才正会要并了的可能应将已又既仍便更最]|主要|目的|原因|结果|重点|关键|前提|这里|一般|往往|通常)$"
)
_SCENE = re.compile(r"(?:的.{0,3}|[时后前])$")
_DEFINITION_ZH = re.compile(
    r"(?P<subject>[^，。；：、,;:？?！!()（）“”]{2,20}?)(?:是指|指的是|是(?=(?:一|由|用|以|为|在|中国|世界)|[^，。]{2,30}的))(?P<rest>[^，。；]{4,}.*)"
)
_DATE_ZH = re.compile(
    r"(?<![\d（(])(?:公元前?)?[12]?\d{2,3}\s?年(?P<month>\s?\d{1,2}\s?月(?:\s?\d{1,2}\s?[日号])?)?(?![代间度期龄薪前）)])"
)
_NUMBER_ZH = re.compile(
    r"(?<![\dA-Za-z.\-–~第_])(?<!第\s)(?P<number>\d[\d,]*(?:\.\d+)?)\s?(?:[万亿千百]+\s?)?"
    r"(?P<unit>%|％|个?工作日|个月|小时|分钟|平方公里|公里|千米|万元|亿元|公斤|个字符|字节|字符|年(?=[的内以之才后。]|$)|[个人天岁次名家项条座台层页字米吨元克度倍种位所只门秒张块辆间]"
    r"|(?:[KMGT]i?B|kg|km|cm|mm|m)\b)(?![月日号代])"
)

_LEANING_EN = re.compile(
    r"(?:it|its|this|that|these|those|they|their|he|she|his|her|we|our|you|your|i|there|here|if|when|while|what|which|who"
    r"|how|why|where|however|but|and|or|so|also|then|thus|for example|as|in addition|otherwise|both|each|such|some|one"
    r"|\w+ing|north|south|east|west|to|of|by|in|on|at|from|with|after|before|since|until)\b",
    re.I,
)
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_DEFINITION_EN = re.compile(
    r"(?P<subject>(?:(?:The|An?) )?[\w\-]+(?: [\w\-]+){0,4}?) (?P<verb>is|are) (?P<rest>(?:an?|the|one of) .{6,})"
)
_MEANS_EN = re.compile(r"(?P<subject>(?:(?:The|An?) )?[\w\-]+(?: [\w\-]+){0,4}?) (?:refers to|means) (?P<rest>.{8,})")
_DATE_EN = re.compile(
    r"(?P<subject>[A-Z].{2,60}?) (?P<verb>was|were|is|are) (?P<rest>(?!(?:an?|the)\b)[\w\-]+\b[^,;]{0,60}?)"
    rf" ?\b(?:in|on|since) (?P<date>(?:(?:\d{{1,2}} )?(?:{_MONTHS})(?: \d{{1,2}},?)? )?(?:1\d|20)\d\d)\b"
)
_YEAR = re.compile(r"1\d{3}|20\d\d")
_NUMBER_EN = re.compile(
    r"(?<![\w.\-$€£#])(?P<number>\d+(?:,\d{3})*(?:\.\d+)?) ?(?P<unit>%|percent\b"
    r"|(?!(?:of|and|or|to|in|on|at|is|was|by|as|for)\b)[a-zA-Z]{2,})"
)


@dataclass(frozen=True, slots=True)
class Drafted:
    """A question and the part of the sentence that answers it."""

    rule: Rule
    question: str
    text: str


def draft_from_sentence(sentence: str) -> Iterator[Drafted]:
    """Yield at most one question of each rule; nothing for a sentence that does not stand by itself."""
    sentence = " ".join(sentence.split()).lstrip("-*•· ")
    if not sentence or sentence[-1] in "？?：:" or "|" in sentence or "`" in sentence:
        return
    is_chinese = len(_HANZI.findall(sentence)) >= _CHINESE_FROM
    leaning = _LEANING_ZH if is_chinese else _LEANING_EN
    if len(sentence) not in (_CHARS_ZH if is_chinese else _CHARS_EN) or leaning.match(sentence):
        return
    rules = (_definition_zh, _date_zh, _number_zh) if is_chinese else (_definition_en, _date_en, _number_en)
    for rule in rules:
        drafted = rule(sentence)
        if drafted is not None and _plain(drafted.text) not in _plain(drafted.question):
            yield drafted


def _definition_zh(sentence: str) -> Drafted | None:
    match = _DEFINITION_ZH.match(sentence)
    if match is None or _NOUN_END.search(match["subject"]) or _DATE_ZH.search(match["subject"]):
        return None
    return Drafted("definition", f"{match['subject'].strip()}是什么？", _first_clause(match["rest"]))


def _date_zh(sentence: str) -> Drafted | None:
    match = _DATE_ZH.search(sentence)
    if (
        match is None or len(_HANZI.findall(sentence[: match.start()])) < 3
    ):  # what is told of the year alone does not say of whom
        return None
    return _replaced(sentence, match, "date", "什么时候" if match["month"] else "哪一年")


def _number_zh(sentence: str) -> Drafted | None:
    match = _NUMBER_ZH.search(sentence)
    if match is None:
        return None
    unit = match["unit"]
    if unit == "年" and len(match["number"]) > 2:  # a date
        return None
    return _replaced(sentence, match, "number", "百分之多少" if unit in "%％" else f"多少{unit}")


def _replaced(sentence: str, match: re.Match[str], rule: Rule, word: str) -> Drafted | None:
    """Ask for what matched by putting a question word in its place; what follows its clause is left out.

    A clause that only sets the scene (连续病假超过 1 天的，…) is asked together with the next one.
    """
    start, end = _clause(sentence, match)
    before, after = sentence[: match.start()].rstrip(), sentence[match.end() : end].strip(_STOPS)
    if _SCENE.search(after) and end < len(sentence):
        after += sentence[end : _clause_end(sentence, end + 1)]
    text = sentence[start:end].strip(_STOPS)
    if len(before) > _LONGEST_LEAD or len(_HANZI.findall(before + after)) < _TELLING:
        return None
    return Drafted(rule, f"{before}{word}{after.rstrip(_STOPS)}？", text)


def _clause(sentence: str, match: re.Match[str]) -> tuple[int, int]:
    """Return the range of the clause that the match stands in."""
    start = max((found.end() for found in _CLAUSE.finditer(sentence, 0, match.start())), default=0)
    return start, _clause_end(sentence, match.end())


def _clause_end(sentence: str, position: int) -> int:
    found = _CLAUSE.search(sentence, position)
    return found.start() if found else len(sentence)


def _definition_en(sentence: str) -> Drafted | None:
    match = _DEFINITION_EN.match(sentence) or _MEANS_EN.match(sentence)
    if match is None:
        return None
    verb = match.groupdict().get("verb") or "is"
    return Drafted("definition", f"What {verb} {_inside(match['subject'])}?", _first_clause(match["rest"]))


def _date_en(sentence: str) -> Drafted | None:
    match = _DATE_EN.match(sentence)
    if match is None:
        return None
    asked = " ".join(("When", match["verb"], _inside(match["subject"]), match["rest"].strip()))
    return Drafted("date", f"{asked}?", sentence[match.start("verb") : match.end("date")])


def _number_en(sentence: str) -> Drafted | None:
    match = _NUMBER_EN.search(sentence)
    if match is None or _YEAR.fullmatch(match["number"]) or match["unit"].title() in _MONTHS.split("|"):
        return None
    word = "what percentage" if match["unit"] in ("%", "percent") else f"how many {match['unit']}"
    start, end = _clause(sentence, match)
    asked = f"{sentence[: match.start()]}{word}{sentence[match.end() : end]}".rstrip(_STOPS)
    return Drafted("number", f"{asked[0].upper()}{asked[1:]}?", sentence[start:end].strip(_STOPS))


def _first_clause(text: str) -> str:
    return _CLAUSE.split(text, maxsplit=1)[0].strip(_STOPS)


def _inside(subject: str) -> str:
    """Write an article that began the sentence small."""
    article, _, rest = subject.partition(" ")
    return f"{article.lower()} {rest}" if article in ("The", "A", "An") and rest else subject


def _plain(text: str) -> str:
    return "".join(text.split()).casefold()
