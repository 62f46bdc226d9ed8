"""Index terms: character unigrams and bigrams of Chinese, Japanese and Korean text, words of everything else.

English words are reduced to their stems (Porter's second stemmer), so that "prints" finds "print".

No word segmenter: n-grams of folded text retrieve Chinese better than segmented words do (measured in
`bench/retrieval.py`) and cannot mis-segment a name.
"""

import re
import threading
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import pairwise

from analysis.folding import fold

_IDEOGRAPH = (  # CJK with kana and hangul, and pictographs, which stand without blanks between them too
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
    "\u231a-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff"
)
_IS_IDEOGRAPH = re.compile(rf"[{_IDEOGRAPH}]")
_TOKEN = re.compile(rf"(?P<run>[{_IDEOGRAPH}]+)|(?P<word>(?:(?![{_IDEOGRAPH}])[^\W_])+(?:\.\d+)*)")

_QUESTION_PHRASES = """
    是什么时候 什么时候 什么时间 什么地方 什么样 是什么 为什么 有什么 做什么 什么
    哪一年 哪一个 哪一 哪些 哪个 哪里 哪儿 哪年 哪
    是谁 谁 多少 多久 多长 多大 几个 几 怎么样 怎么办 怎么 怎样 如何 为何 何时 何地 何种 (?<!几)何
    请问 是不是 能不能 可不可以 有没有 是否 吗 呢 么
"""
_QUESTION_WORDS = """
    what which who whom whose when where why how please does did do is are was were be been can could will would should
    the a an this that these those there it its i me my we our you your he his she her they their
    of in to for on at by with from as and or
"""
_NOT_QUESTIONS = r"(?!几[何率乎内许维希]|吗啡|哪[吒咤]|何[炅厚首])"  # words that begin like a question word
_QUESTION = re.compile(
    f"{_NOT_QUESTIONS}(?:"
    + "|".join(sorted(_QUESTION_PHRASES.split(), key=len, reverse=True))  # the longest of those that match
    + rf")|\b(?:{'|'.join(_QUESTION_WORDS.split())})\b(?!\.\d)"
)


class TermKind(Enum):
    """What a term is made of; the value is its weight in a score."""

    UNIGRAM = 1.0
    BIGRAM = 0.5
    WORD = 2.0


@dataclass(frozen=True, slots=True)
class IndexForm:
    """The form of a text that is indexed.

    Attributes:
        runs: folded ideograph runs and words in their order, each word padded by spaces on both sides and runs
            parted by a space, so that a term occurs in it exactly where it occurs in the text.
        length: number of ideographs plus number of words.
    """

    runs: str
    length: int


def index_form(text: str) -> IndexForm:
    """Fold `text` and reduce it to what terms are taken from."""
    pieces, length = [], 0
    for match in _TOKEN.finditer(fold(text)):
        if match.lastgroup == "run":
            pieces.append(match[0])
            length += len(match[0])
        else:
            pieces.append(f" {_stem(match[0])} ")
            length += 1
    return IndexForm(" ".join(pieces), length)


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    if not (word.isascii() and word.isalpha()):
        return word
    if not hasattr(_stemmers, "english"):
        from Stemmer import Stemmer

        _stemmers.english = Stemmer("english")
    stem: str = _stemmers.english.stemWord(word)
    return stem


_stemmers = threading.local()  # a stemmer may be used by one thread only


def is_searchable(text: str) -> bool:
    """Tell whether a text holds anything that a term could be made of."""
    return _TOKEN.search(text) is not None


def index_terms(form: IndexForm) -> list[str]:
    """Return every term of an indexed text with repetitions, unigrams and bigrams of each run and the words."""
    terms: list[str] = []
    for piece in form.runs.split():
        if kind_of(piece[0]) is TermKind.WORD:
            terms.append(piece)
        else:
            terms.extend(piece)
            terms.extend(map("".join, pairwise(piece)))
    return terms


def question_terms(question: str) -> dict[str, TermKind]:
    """Return the distinct terms of a question.

    Question words (什么, 哪里, who …) only say what is asked for, so they become a gap before the n-grams are cut.
    A question made of nothing else keeps them.
    """
    folded = fold(question)
    form = index_form(_QUESTION.sub(" ", folded))
    terms = index_terms(form) or index_terms(index_form(folded))
    return {term: kind_of(term) for term in terms}


def kind_of(term: str) -> TermKind:
    """Return the kind of a term produced by this module."""
    if term.isascii() or not _IS_IDEOGRAPH.match(term):
        return TermKind.WORD
    return TermKind.UNIGRAM if len(term) == 1 else TermKind.BIGRAM


def needle(term: str) -> str:
    """Return the text whose occurrences in `IndexForm.runs` are those of the term."""
    return f" {term} " if kind_of(term) is TermKind.WORD else term


def occurrences(term: str, runs: str) -> int:
    """Count a term in `IndexForm.runs`."""
    return runs.count(needle(term))
