"""Sentences of which is known whether a paragraph supports them, made from a question set in SQuAD layout.

A sentence that answers one of its paragraph's questions is supported, as it stands and reworded by rules. With the
answer exchanged for one of the same kind from another paragraph, or beside paragraphs that it does not come from, it
is not. Of the words that rewording exchanges, the check passes over most function words
(`chains/grounding/evidence.py`) and knows none of the content words, which come first here.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.answer_types import asked_type
from analysis.sentences import sentence_spans
from bench.datasets import QuestionSet

Kind = Literal["verbatim", "reworded", "swapped", "swapped and reworded", "elsewhere"]
SUPPORTED: tuple[Kind, ...] = ("verbatim", "reworded")

_PASSAGES = 5
_SWAPPED_TYPES = ("date", "number", "name", "place")
_ANSWER = re.compile(r"[^，。、；：！？\s“”「」]{2,12}")
_NAME = re.compile(r"《[^《》]*》|“[^“”]*”|「[^「」]*」|\"[^\"]*\"")  # is not reworded
_DIGIT = re.compile(r"[0-9一二三四五六七八九十百千万]")
_CONTENT_WORDS = """
    成立>创立 建立>设立 著名>知名 担任>出任 获得>取得 使用>采用 开始>起步 发现>找到 生产>制造 建造>修筑 出版>发行
    负责>主管 参加>出席 举行>举办 出生>诞生 去世>逝世 居住>生活 大型>巨型 附近>周边 原名>本名 主要>首要 提供>供给
    认为>觉得 增加>增多
"""
_FUNCTION_WORDS = """
    位于>坐落在 但是>不过 因为>由于 由于>因为 以及>和 并且>而且 之后>以后 其中>当中 因此>所以 目前>如今 曾经>曾
    非常>十分 及>和 与>和 和>与 也>亦 为>是 于>在 将>把 被>由 从>自 并>且
"""
_REWORDINGS = [pair.split(">") for pair in (_CONTENT_WORDS + _FUNCTION_WORDS).split()]


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence and the passages that it is to be checked against.

    Attributes:
        type: what its question asks for: date, number, name or place.
        exchanged: the right and the wrong value of a swapped sentence.
    """

    text: str
    kind: Kind
    type: str
    passages: tuple[str, ...]
    exchanged: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class _Source:
    """A sentence that answers a question of its paragraph."""

    document: str
    sentence: str
    answer: str
    type: str


def statements(questions: QuestionSet, limit: int | None = None) -> list[Statement]:
    """Return labelled statements, the same for the same set.

    Args:
        limit: most questions to use, evenly spread.
    """
    dice = random.Random(7)
    sources = list(dict.fromkeys(_sources(questions)))
    pool = defaultdict(list)
    for source in sources:
        pool[source.type].append(source)
    step = max(1, len(sources) // limit) if limit else 1
    return [
        statement
        for source in sources[::step][:limit]
        for statement in _variants(source, questions.documents, pool[source.type], dice)
    ]


def _sources(questions: QuestionSet) -> Iterator[_Source]:
    for question in questions.answerable:
        asked = asked_type(question.text)
        answer = min(question.answers, key=len)
        if asked is None or asked.name not in _SWAPPED_TYPES or not _ANSWER.fullmatch(answer):
            continue
        if asked.name in ("date", "number") and not _DIGIT.search(answer):
            continue
        (document,) = question.documents
        text = questions.documents[document]
        for span in sentence_spans(text):
            sentence = span.of(text)
            if answer in sentence and len(answer) + 8 <= len(sentence) <= 150 and sentence.count(answer) == 1:
                yield _Source(document, sentence, answer, asked.name)
                break


def _variants(
    source: _Source, documents: dict[str, str], pool: Sequence[_Source], dice: random.Random
) -> Iterator[Statement]:
    others = dice.sample([name for name in documents if name != source.document], _PASSAGES)
    own = [source.document, *others[1:]]
    dice.shuffle(own)
    beside = tuple(documents[name] for name in own)
    yield Statement(source.sentence, "verbatim", source.type, beside)
    reworded = _reworded(source, dice)
    yield Statement(reworded, "reworded", source.type, beside)
    if wrong := _wrong_answer(source, pool, dice):
        pair = (source.answer, wrong)
        yield Statement(source.sentence.replace(*pair), "swapped", source.type, beside, pair)
        yield Statement(reworded.replace(*pair), "swapped and reworded", source.type, beside, pair)
    yield Statement(source.sentence, "elsewhere", source.type, tuple(documents[name] for name in others))


def _wrong_answer(source: _Source, pool: Sequence[_Source], dice: random.Random) -> str | None:
    """Return an answer of the same kind from another paragraph, if possible with the same last character (its unit)."""
    wrong = [
        other.answer
        for other in pool
        if other.document != source.document
        and other.answer not in source.sentence
        and source.answer not in other.answer
        and (_DIGIT.search(other.answer) is None) == (_DIGIT.search(source.answer) is None)
    ]
    alike = [answer for answer in wrong if answer[-1] == source.answer[-1]]
    return dice.choice(alike or wrong) if wrong else None


def _reworded(source: _Source, dice: random.Random) -> str:
    """Drop or move a clause, and exchange words for others of the same meaning, away from the answer."""
    body, stop = source.sentence[:-1], source.sentence[-1]
    clauses = body.split("，")
    rest = [number for number, clause in enumerate(clauses) if source.answer not in clause]
    if len(clauses) > 1 and rest:
        clause = clauses.pop(dice.choice(rest))
        if len(clauses) == 1 or dice.random() < 0.5:
            clauses.append(clause)
    before, answer, after = "，".join(clauses).partition(source.answer)
    return f"{_exchanged(before)}{answer}{_exchanged(after)}{stop}"


def _exchanged(text: str) -> str:
    plain = _NAME.sub(lambda name: " " * len(name[0]), text)
    for word, other in _REWORDINGS:
        place = plain.find(word)
        if place >= 0:
            return f"{text[:place]}{other}{text[place + len(word) :]}"
    return text
