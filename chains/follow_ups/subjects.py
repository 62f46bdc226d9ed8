"""What a conversation is about: the subject of a question, and whom an answer names.

Plain rules over words that seldom are part of a name; no word segmenter, no model. A subject that is cut a little too
long costs retrieval little, one that is cut away costs the answer, so every rule errs on the long side.
"""

import re
from dataclasses import dataclass
from itertools import islice

from analysis.sentences import sentence_spans
from chains.follow_ups.question_words import (
    AUXILIARY,
    CODES,
    ENGLISH_PREDICATE,
    HAN,
    PREDICATE,
    RELATIONAL,
    TIME,
    TITLE,
)

_IS_HAN = re.compile(HAN)
_ENDS_RELATIONAL = re.compile(rf"(?:的\s*|^(?P<owner>[^的]{{2,}}?)){RELATIONAL}$")
_FILLER = re.compile(
    r"(?:请问|那么|那(?![个些里儿边家本款种部座幅条项位台张篇首所只类份件间栋门届次代场年时天是])|另外|还有|对了|好的?|嗯|哦|谢谢"
    r"|我?想(?:问|知道)(?:一下|下)?|(?:再|顺便)问(?:一下|下)?|可是|但是?|不过|所以|然后|而且?)[，,、。\s]*"
)
STOPS = " \t\u3000，,。．.？?！!；;：:、…的"
_TIGHT = frozenset(" ，、。？?,.《》：:")  # characters that stand without a blank beside them
_LEADING_QUESTION = re.compile(
    r"(?:为(?:什么|何|啥)|怎[么样]|如何|什么时候|何时|什么是|谁是|哪[个些里]?是?|(?:请|帮我)?(?:介绍|解释|说明|说说|讲讲|谈谈|描述|总结|列出)(?:一下|下)?)\s*"
)
_ANSWERED_BY = re.compile(
    r"(?:是|由|为|叫)\s*(?P<name>[\u4e00-\u9fff·]{2,8}?)"
    r"(?=[，,。、；;（(\s]|设计|创作|编|写|著|画|建|提|发|主|担|负|作|制|导|等|的|$)"
)
_ENGLISH_LEAD = re.compile(
    r"(?:(?:and|but|so|then|ok|okay|well|please),? )*"
    rf"(?:(?:what|which|who(?:m|se)?|when|where|why|how)\b|{AUXILIARY}(?= ))?"
    r"(?: (?:much|many|long|far|old|large|big|heavy|tall|often|fast))?",
    re.I,
)
_ENGLISH_NAME = re.compile(
    r"(?:/\w+|\b[A-Z][\w'’./+-]*\b)(?: (?:of|de|van|von)(?= [A-Z])| (?:[A-Z][\w./+-]*|\d[\w.]*)\b)*"
)
_NOT_NAMES = re.compile("I|It|The|He|She|They|We|You|Yes|No|In|On|At|An?|This|That|There|And|But|So|Then")
_PRONOUN = re.compile(r"[它他她]们?|[这那](?:个|些|里|儿)?|it|he|she|they|this|that|there", re.I)
_LONGEST_SUBJECT_CHARS, _LONGEST_NAME_CHARS = 30, 8
_MARK = re.compile(r"\s*\[\d{1,3}\]")


@dataclass(frozen=True, slots=True)
class Before:
    """What a follow-up question follows.

    Attributes:
        question: the last question, already standing alone.
        answer: the answer to it.
        earlier: the question before the last, standing alone; empty if there is none.
    """

    question: str
    answer: str
    earlier: str = ""

    @property
    def subject(self) -> str:
        """What the last question is about, or else its answer; empty where neither tells."""
        own = subject_of(self.question)
        if own and not _PRONOUN.fullmatch(own):
            return own
        told = subject_of(_first_sentence(self.answer))
        is_clear = len(told) <= _LONGEST_SUBJECT_CHARS and not set(told) & set("，、,") and not _PRONOUN.fullmatch(told)
        return told if is_clear else ""


def is_chinese(text: str) -> bool:
    """Tell whether a text holds Chinese characters."""
    return _IS_HAN.search(text) is not None


def core(question: str) -> str:
    """Return a Chinese question without the words that only lead to it (请问, 那么 …) and without stops at its ends."""
    text = question.strip(STOPS[:-1])
    while match := _FILLER.match(text):
        if match.end() == len(text):
            break
        text = text[match.end() :]
    return text


def joined(*parts: str) -> str:
    """Join texts, with a space where a Chinese character and a Latin one meet, or two Latin ones."""
    whole = ""
    for part in parts:
        seam = whole[-1:] + part[:1]
        needs_blank = len(seam) == 2 and any(map(str.isascii, seam)) and not set(seam) & _TIGHT
        whole += f" {part}" if needs_blank else part
    return whole


def chinese_subject(question: str) -> str:
    """Return what a Chinese question is about: what stands before its predicate, or else what it names."""
    text = core(question)
    lead = _LEADING_QUESTION.match(text)
    text = text[lead.end() :] if lead else text
    predicates = [match.start() for match in islice(PREDICATE.finditer(text), 2)] + [len(text)]
    opens_with_noun = predicates[0] == 0 and "的" in text[: predicates[1]]  # 报销的截止日期, 有密码的文件
    before = _without_time(text[: predicates[opens_with_noun]]).strip(STOPS)
    if before:
        return before
    names = [match[0] for pattern in (TITLE, CODES) for match in pattern.finditer(text)]
    return max(names, key=len, default="")


def english_names(text: str) -> list[str]:
    """Return the names in an English text, in order: runs of capitalised words with what is numbered after them."""
    names = (re.sub(r"^The |['’]s$", "", match[0]) for match in _ENGLISH_NAME.finditer(text))
    return [name for name in names if not _NOT_NAMES.fullmatch(name)]


def english_subject(question: str) -> str:
    """Return what an English question is about: what it names, or else the noun after its auxiliary."""
    text = question.strip(STOPS)
    lead = _ENGLISH_LEAD.match(text)
    rest = text[lead.end() :].strip() if lead else text
    names = english_names(rest)
    if names:
        return names[0]
    after = re.search(rf"\b{AUXILIARY} (.+)", rest, re.I)
    noun = after[1] if after else rest
    own = re.sub(r"^(?:I|we|you|one) \w+ ", "", noun)
    return ENGLISH_PREDICATE.sub("", own).strip() or own


def subject_of(question: str) -> str:
    """Return what a question is about; empty where its words do not tell."""
    return chinese_subject(question) if is_chinese(question) else english_subject(question)


def owner(subject: str) -> str:
    """Return of what a subject is a property: "青鸟 X1" for "青鸟 X1 的价格"; the subject itself if it is none."""
    return _ENDS_RELATIONAL.sub(r"\g<owner>", subject).strip(STOPS) or subject


def named_by(answer: str, question: str) -> str:
    """Return whom or what an answer names that its question does not; empty where that cannot be told."""
    first = _first_sentence(answer)
    if not is_chinese(first):
        return next((name for name in english_names(first) if name not in question), "")
    if len(first) <= _LONGEST_NAME_CHARS and not PREDICATE.search(first):
        return first
    found = _ANSWERED_BY.search(first)
    return found["name"] if found and found["name"] not in question else ""


def _first_sentence(answer: str) -> str:
    """Return the first sentence of an answer, without its citations and stops."""
    plain = _MARK.sub("", answer)
    spans = sentence_spans(plain)
    return spans[0].of(plain).strip(STOPS) if spans else ""


def _without_time(text: str) -> str:
    return re.sub(r"\s+(?=的|\s)", "", TIME.sub(" ", text)).strip()
