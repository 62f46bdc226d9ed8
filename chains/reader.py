"""The embedded reader: answers without a language model, by quoting the sentences most likely to hold the answer.

A sentence scores by how much of the question it covers, alone and with the sentence before it, by the relevance of
the chunk it stands in, and by whether it holds the kind of thing that is asked for close to what it matched. Terms that
the title or heading has said already tell its sentences little apart, so they count less. Quotes are never reworded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from analysis.answer_types import asked_type, asked_unit
from analysis.folding import fold
from analysis.sentences import Span, sentence_spans
from analysis.terms import TermKind, index_form, kind_of, occurrences
from chains.table_rows import is_table_row, only_frames
from core.answers import Hit, Passage
from core.documents import Chunk

_SENTENCES = 2
_CONTEXT = 0.3  # weight of what is covered together with the sentence before
_TYPE_BONUS = 0.2
_CLOSENESS_BONUS = 0.3
_UNIT_BONUS = 0.2
_CHUNK_WEIGHT = 3.0  # weight of the chunk's relevance against the best chunk's
_TITLE_DISCOUNT = 0.25  # weight of a term that stands in the document's name or the heading
_NEIGHBOUR_SHARE = 0.7  # relevance of text that a hit grew by, against the hit's own
_WHOLE_ROW_CHARS = 300
_HEADING_CHARS = 30
_STOPS = "。！？；：…，.!?;:,”」』）)|"


@dataclass(frozen=True, slots=True)
class Quote:
    """A run of sentences chosen as (part of) the answer.

    Attributes:
        passage: index of the passage it stands in.
        start, end: range in the document's extracted text, in characters.
        text: the document's characters in that range.
    """

    passage: int
    start: int
    end: int
    text: str
    score: float


def read(question: str, passages: Sequence[Passage], hits: Sequence[Hit], weights: Mapping[str, float]) -> list[Quote]:
    """Return the best sentences, the best first; sentences that follow each other are one quote.

    Args:
        hits: the kept hits; a sentence inside one takes its relevance.
        weights: weight of each of the question's terms.
    """
    question = fold(question)
    best = max((passage.relevance for passage in passages), default=0.0) or 1.0
    units = [(number, unit) for number, passage in enumerate(passages) for unit in _units(passage)]
    telling = [_discounted(weights, passage.chunk) for passage in passages]
    quotes = []
    for number, unit in [pair for pair in units if not pair[1].only_leads] or units:
        passage = passages[number]
        relevance = _chunk_relevance(passage, unit.span, hits) / best
        score = _score(question, unit, telling[number]) + _CHUNK_WEIGHT * relevance
        start, end = passage.start + unit.span.start, passage.start + unit.span.end
        quotes.append(Quote(number, start, end, unit.text, score))
    chosen = sorted(quotes, key=lambda quote: -quote.score)[:_SENTENCES]
    joined = _joined(sorted(chosen, key=lambda quote: (quote.passage, quote.start)), passages)
    return sorted(joined, key=lambda quote: -quote.score)


def _discounted(weights: Mapping[str, float], chunk: Chunk) -> dict[str, float]:
    said = index_form(f"{PurePosixPath(chunk.source).stem} {chunk.heading}").runs
    return {term: weight * (_TITLE_DISCOUNT if occurrences(term, said) else 1) for term, weight in weights.items()}


def _joined(quotes: Sequence[Quote], passages: Sequence[Passage]) -> list[Quote]:
    """Make one quote of sentences that follow each other."""
    joined: list[Quote] = []
    for quote in quotes:
        last = joined[-1] if joined else None
        if last and last.passage == quote.passage:
            passage = passages[quote.passage]
            between = passage.text[last.end - passage.start : quote.start - passage.start]
            if not between.strip() and not is_table_row(quote.text):
                text = passage.text[last.start - passage.start : quote.end - passage.start]
                joined[-1] = Quote(last.passage, last.start, quote.end, text, max(last.score, quote.score))
                continue
        joined.append(quote)
    return joined


@dataclass(frozen=True, slots=True)
class _Unit:
    """Something that can be quoted by itself.

    Attributes:
        span: range in the passage's text.
        before: the unit before it.
        only_leads: it leads to an answer without being one, and is quoted only where there is nothing else.
    """

    span: Span
    text: str
    before: str
    only_leads: bool


def _units(passage: Passage) -> Iterator[_Unit]:
    if passage.chunk.kind == "row" and len(passage.text) <= _WHOLE_ROW_CHARS:
        whole = sentence_spans(passage.text)
        if whole:
            span = Span(whole[0].start, whole[-1].end)
            yield _Unit(span, span.of(passage.text), "", only_leads=False)
        return
    before = ""
    for span in sentence_spans(passage.text):
        text = span.of(passage.text)
        yield _Unit(span, text, before, _only_leads(text, passage.text[span.end :]))
        before = text


def _only_leads(text: str, following: str) -> bool:
    """Tell whether a line leads to an answer without being one: a question, a heading, the frame of a table."""
    if is_table_row(text):
        return only_frames(text, following)
    looks_like_heading = following.startswith("\n\n") and len(text) <= _HEADING_CHARS and text[-1] not in _STOPS
    return text.endswith(("?", "？")) or text.startswith("#") or looks_like_heading


def _score(question: str, unit: _Unit, weights: Mapping[str, float]) -> float:
    total = sum(weights.values()) or 1.0
    runs = index_form(unit.text).runs
    together = index_form(f"{unit.before}\n{unit.text}").runs
    coverage = _covered(weights, runs) / total
    score = coverage + _CONTEXT * _covered(weights, together) / total
    kind = asked_type(question)
    if kind is not None:
        folded = fold(unit.text)
        places = [match.start() for match in kind.pattern.finditer(folded)]
        if places:
            score += _TYPE_BONUS + _CLOSENESS_BONUS * _closeness(folded, places, weights)
        unit_asked = asked_unit(question)
        if unit_asked and any(unit_asked in folded[place : place + 12] for place in places):
            score += _UNIT_BONUS
    return score


def _covered(weights: Mapping[str, float], runs: str) -> float:
    return sum(weight for term, weight in weights.items() if occurrences(term, runs))


def _closeness(text: str, places: Sequence[int], weights: Mapping[str, float]) -> float:
    """Return how close the asked-for kind stands to a matched bigram or word: from 1 beside it towards 0."""
    matched = [found for term in weights if kind_of(term) is not TermKind.UNIGRAM and (found := text.find(term)) >= 0]
    if not matched:
        return 0.0
    distance = min(abs(place - found) for place in places for found in matched)
    return 1 / (1 + distance / 10)


def _chunk_relevance(passage: Passage, span: Span, hits: Sequence[Hit]) -> float:
    start, end = passage.start + span.start, passage.start + span.end
    inside = [
        hit.relevance
        for hit in hits
        if hit.chunk.document_id == passage.chunk.document_id and hit.chunk.start < end and start < hit.chunk.end
    ]
    return max(inside, default=_NEIGHBOUR_SHARE * passage.relevance)
