"""Passages cut into sentences that an answer's sentences are compared with."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from analysis.sentences import sentence_spans
from analysis.terms import index_form, index_terms, kind_of
from chains.grounding.citations import without_marks
from chains.table_rows import in_words, is_table_row, only_frames
from core.answers import Passage

_FUNCTION_CHARS = frozenset(
    "的地得了着过吗呢吧啊呀嘛之其所者也亦而且并及以与和或但即则若如因由于在从自到向往对把将被让使给为是有这那此该每各某"
    "个些么什就都还又再才只很更最太较约等中上下里内外前后时间即便虽然可能会要应能我你他她它们不"
)
_FUNCTION_WORDS = """
    a an the of in on at to for by with from as and or but that which who it its is are was were be been has have had
    this these those do doe did will would can could may also not there their his her they he she
"""
_JOINING_WORDS = frozenset(_FUNCTION_WORDS.split())
_LIGHT_WORDS = """
    享受 享有 具有 拥有 具备 进行 达到 成为 位于 坐落 属于 可以 能够 例如 比如 其中 此外 另外 同时 因此 所以 但是 然而
    总之 通过 一共 总共 大约 目前 如今 当时 之后 以后 之前 以前 分别 包括 包含 以及 并且 而且 其次 首先 最后 根据 关于
    对于 由于 因为 如果
"""
_LIGHT = re.compile("|".join(_LIGHT_WORDS.split()))
_FUNCTION_WEIGHT = 0.1
_PAIR_GAIN = 0.05  # two sentences are taken for the support where the second adds this much


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sentence, or two that follow each other, of a passage.

    Attributes:
        passage: number of the passage, from 1.
        start, end: range in the passage's document, in characters.
        text: the sentence; a table's row with the names of its columns.
        terms: the distinct terms of the text.
        is_row: it is a table's row.
    """

    passage: int
    start: int
    end: int
    text: str
    terms: frozenset[str]
    is_row: bool = False

    def joined(self, following: "Evidence") -> "Evidence":
        """Return both as one."""
        text = f"{self.text}\n{following.text}"
        return Evidence(self.passage, self.start, following.end, text, self.terms | following.terms)


@dataclass(frozen=True, slots=True)
class Support:
    """The evidence that is closest to a sentence, and how much of its terms it holds (0–1)."""

    evidence: Evidence
    coverage: float


def evidence_of(passages: Sequence[Passage]) -> list[list[Evidence]]:
    """Return the sentences of each passage."""
    return [list(_sentences(number, passage)) for number, passage in enumerate(passages, start=1)]


def _sentences(number: int, passage: Passage) -> Iterator[Evidence]:
    for span in sentence_spans(passage.text):
        text = span.of(passage.text)
        is_row = is_table_row(text) and not only_frames(text, passage.text[span.end :])
        text = without_marks(in_words(text, passage.text) if is_row else text)
        terms = frozenset(index_terms(index_form(text)))
        yield Evidence(number, passage.start + span.start, passage.start + span.end, text, terms, is_row)


def term_weights(text: str) -> dict[str, float]:
    """Return the distinct terms of a text with their weights; words that only join others weigh little."""
    return {
        term: kind_of(term).value * (_FUNCTION_WEIGHT if _only_joins(term) else 1.0)
        for term in index_terms(index_form(essence(text))) or index_terms(index_form(text))
    }


def essence(text: str) -> str:
    """Return a text with blanks in the place of words that hold a sentence together and say little."""
    return _LIGHT.sub(" ", text)


def is_function_char(char: str) -> bool:
    """Tell whether a Chinese character mostly joins words."""
    return char in _FUNCTION_CHARS


def _only_joins(term: str) -> bool:
    return term in _JOINING_WORDS or all(char in _FUNCTION_CHARS for char in term)


def best_supports(weights: Mapping[str, float], sentences: Sequence[Sequence[Evidence]]) -> list[Support]:
    """Return for each passage that shares a term the one or two sentences that hold most of them, in their order."""
    total = sum(weights.values()) or 1.0
    supports = []
    for in_passage in sentences:
        best: Sequence[Evidence] = ()
        best_coverage = best_rank = 0.0
        for parts, terms in _candidates(in_passage, weights):
            coverage = sum(map(weights.__getitem__, terms)) / total
            rank = coverage - _PAIR_GAIN * (len(parts) - 1)
            if rank > best_rank:
                best, best_coverage, best_rank = parts, coverage, rank
        if best:
            supports.append(Support(best[0] if len(best) == 1 else best[0].joined(best[1]), best_coverage))
    return supports


def _candidates(
    in_passage: Sequence[Evidence], weights: Mapping[str, float]
) -> Iterator[tuple[Sequence[Evidence], set[str]]]:
    """Yield single sentences and neighbouring pairs with the terms that they hold; rows stand for themselves."""
    held = [weights.keys() & evidence.terms for evidence in in_passage]
    yield from (((evidence,), terms) for evidence, terms in zip(in_passage, held, strict=True))
    for (first, one), (second, other) in pairwise(zip(in_passage, held, strict=True)):
        if not first.is_row and not second.is_row:
            yield (first, second), one | other
