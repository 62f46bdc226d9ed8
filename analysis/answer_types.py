"""What a question asks for (a date, a number, a name …) and what that looks like in a sentence."""

import re
from dataclasses import dataclass

from analysis.folding import fold

_DIGITS = r"[0-9〇零一二两三四五六七八九十百千万亿]"
_UNIT_AFTER = re.compile(r"(?:多少|几)个?([\u4e00-\u9fff])")
_NOT_A_UNIT = frozenset("是的了呢吗在有")


@dataclass(frozen=True, slots=True)
class AnswerType:
    """A kind of answer.

    Attributes:
        asked: what in a question asks for it.
        pattern: what an answer of this kind looks like.
    """

    name: str
    asked: re.Pattern[str]
    pattern: re.Pattern[str]


ANSWER_TYPES = (
    AnswerType(
        "date",
        re.compile(
            r"哪.?年|何年|[周期]几|礼拜几|何时|什么时候|什么时间|几月|几号|哪.?天|日期"
            r"|when\b|what (?:year|date|day|month)",
            re.I,
        ),
        re.compile(
            rf"{_DIGITS}+\s*(?:年|月|日|世纪|时)|\b(?:1\d|20)\d\d\b|"
            r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b|"
            r"[周星期礼拜][一二三四五六日天]|公元|年间|初年|末年",
            re.I,
        ),
    ),
    AnswerType(
        "number",
        re.compile(r"多少|几|多[大长高久远重快宽深]|占比|比例|how (?:many|much|long|old|far|large|big|tall)", re.I),
        re.compile(
            rf"[0-9][0-9,.]*\s*[%％‰]?|{_DIGITS}+(?:[个人次年月日天名位种条件座所家只台层米里公千分万亿元])|百分之|"
            r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|hundred|thousand|million|half)\b",
            re.I,
        ),
    ),
    AnswerType(
        "name",
        re.compile(r"谁|哪位|何人|什么人|叫什么|名字|\bwho(?:m|se)?\b", re.I),
        re.compile(
            r"[\u4e00-\u9fff]+·[\u4e00-\u9fff]+|[王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗][\u4e00-\u9fff]{1,2}|《|由|"
            r"\b[A-Z][a-z]+ [A-Z][a-z]+\b|\bby [a-z]"
        ),
    ),
    AnswerType(
        "place",
        re.compile(
            r"哪里|哪儿|在哪|去哪|何处|何地|什么地方|哪.?[国省市县区州城]|位于|\bwhere\b|which (?:city|country|state)",
            re.I,
        ),
        re.compile(
            r"位于|[在于至从到][\u4e00-\u9fff]{2,}|[\u4e00-\u9fff]{2,}[省市县区州国镇村路街岛山江河湖]"
            r"|\b(?:in|at|near) [A-Za-z]"
        ),
    ),
    AnswerType(
        "reason",
        re.compile(r"为什么|为何|原因|为啥|\bwhy\b", re.I),
        re.compile(r"因为|由于|因此|所以|因而|原因|为了|导致|使得|\b(?:because|due to|so that|in order)\b", re.I),
    ),
    AnswerType(
        "way",
        re.compile(r"怎么|怎样|如何|步骤|\bhow (?:to|do|can|does)\b", re.I),
        re.compile(
            r"通过|使用|用|设置|运行|执行|点击|首先|然后|先|pip |python |\b(?:use|run|set|click|first|then)\b|`", re.I
        ),
    ),
)


def asked_type(question: str) -> AnswerType | None:
    """Return the kind of answer that a question asks for; None where its words do not tell."""
    return next((kind for kind in ANSWER_TYPES if kind.asked.search(fold(question))), None)


def asked_unit(question: str) -> str | None:
    """Return the unit in "多少人", "几个小时": the character after the question word; None where there is none."""
    match = _UNIT_AFTER.search(question)
    if match is None:
        return None
    return None if match[1] in _NOT_A_UNIT else match[1]
