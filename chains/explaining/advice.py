"""What would bring a passage past the stage that lost it. Settings are tried out before they are recommended."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from analysis.sentences import sentence_spans
from chains.explaining import texts
from chains.explaining.documents import Wanted
from chains.explaining.examination import Examination, changed
from chains.explaining.stages import retrieval_steps
from core.explanations import STAGES, Stage
from core.messages import Message

Changes = Mapping[str, float]

_MOST_PASSAGE_CHARS = 4000  # these are the ends of the settings' ranges
_MOST_CONTEXT_CHARS = 100_000
_MOST_OVERLAP_CHARS = 500
_MOST_CHUNK_CHARS = 2000
_WEIGHT_STEPS = 20
_WORDS_CHARS = 60
_WORDS_TRIED = 5
_MARKUP = "#*-•| "


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, and the settings to change, by name, if that is settings."""

    text: Message
    changes: Changes


def advise(exam: Examination, stage: Stage) -> Advice:
    """Return what gets the passage past the stage that lost it, and as far as settings can bring it."""
    changes = _changes(exam)
    after = Examination(exam.case, changed(exam.settings, changes))
    if not _is_past(after, stage):
        return Advice(texts.run_on(_OTHERWISE.get(stage, _by_words)(exam), between=" "), {})
    told = texts.described(changes, exam.settings)
    counts = [sum(hit.kept for hit in one.retrieval.hits) for one in (after, exam)]
    found = texts.said(texts.FOUND_WITH, changes=told, count=counts[0], now=counts[1])
    sentences = [found if after.held else texts.said(texts.PASSES_WITH, changes=told)]
    if stage == "splitter":
        sentences += _by_splitting(exam)
    elif words := next(_words_that_help(exam, stage), None):
        sentences.append(texts.OR_USE_WORDS.filled(words=words))
    return Advice(texts.run_on(sentences, between=" "), changes)


def _is_past(exam: Examination, stage: Stage) -> bool:
    return exam.held is not None or STAGES.index(retrieval_steps(exam)[-1].stage) > STAGES.index(stage)


def _changes(exam: Examination) -> Changes:
    """Return the settings that bring it past each stage in turn, until it is found or no setting helps."""
    changes: dict[str, float] = {}
    for _ in STAGES:
        last = retrieval_steps(exam)[-1]
        remedy = _SETTINGS.get(last.stage) if last.outcome == "lost" else None
        more = remedy(exam) if remedy else {}
        if not more:
            break
        changes |= more
        exam = Examination(exam.case, changed(exam.settings, more))
    return changes


def _longer_passages(exam: Examination) -> Changes:
    """Let a chunk grow until its passage holds the text that was cut, and the budget hold the passage."""
    settings, cut = exam.settings, _shortest_cut(exam)
    if cut is None:
        return {}
    for share in (1, 2, 4):  # it grows by whole chunks, to both sides in turn
        chars = min(share * _chars(cut), _MOST_PASSAGE_CHARS)
        changes = {"passage_chars": chars, "context_chars": max(chars, settings.context_chars)}
        if Examination(exam.case, changed(settings, changes)).targets:
            return {name: value for name, value in changes.items() if value != getattr(settings, name)}
    return {}


def _other_weight(exam: Examination) -> Changes:
    """Return the nearest dense weight at which the passage is found, or else is a candidate."""
    now = exam.settings.dense_weight
    weights = sorted((step / _WEIGHT_STEPS for step in range(_WEIGHT_STEPS + 1)), key=lambda weight: abs(weight - now))
    found = (weight for weight in weights if exam.is_found_with(dense_weight=weight))
    near = (weight for weight in weights if _is_candidate(exam, dense_weight=weight))
    best = next(itertools.chain(found, near), None)
    return {} if best is None else {"dense_weight": best}


def _lower_threshold(exam: Examination) -> Changes:
    relevance = exam.hit.relevance if exam.hit else 0.0
    return {"threshold": max(math.floor(relevance * 1000 - 1e-9) / 1000, 0.0)}


def _higher_top_k(exam: Examination) -> Changes:
    return {"top_k": exam.place}


def _larger_context(exam: Examination) -> Changes:
    """Return the budget that holds the passage and all those before it."""
    ample = replace(exam.settings, top_k=exam.place, context_chars=_MOST_CONTEXT_CHARS)
    return {"context_chars": sum(len(passage.text) for passage in exam.case.retrieve(ample).passages)}


def _by_words(exam: Examination) -> list[Message]:
    """Recommend the passage's own words, and what the dense leg lacks."""
    words = next(_words_that_help(exam, retrieval_steps(exam)[-1].stage), None)
    sentences = [texts.USE_WORDS.filled(words=words) if words else texts.USE_ITS_WORDS]
    if exam.case.dense is None:
        sentences.append(texts.USE_EMBEDDING)
    elif exam.alone.dense is None:
        sentences.append(texts.ADD_VECTORS)
    return sentences


def _by_elder(exam: Examination) -> list[Message]:
    return [texts.EXPECT_OTHER.filled(source=exam.elder.chunk.source)] if exam.elder else _by_words(exam)


def _by_splitting(exam: Examination) -> list[Message]:
    """Recommend an overlap that repeats the whole text, in chunks that have room for twice as much."""
    cut = _shortest_cut(exam)
    if cut is None:
        return [texts.EXPECT_WORDS]
    manifest = exam.case.store.manifest()
    start, end = cut.chunks[0].start, cut.chunks[-1].end
    sentences = sentence_spans(exam.case.store.text(cut.document_id, start, end))
    touched = [span for span in sentences if span.end > cut.start - start and span.start < cut.end - start]
    overlap = max(touched[-1].end - touched[0].start, manifest.get("overlap_chars", 0))
    chars = max(2 * overlap, manifest.get("chunk_chars", 0))
    is_one_section = len({(chunk.page, chunk.slide, chunk.heading, chunk.kind) for chunk in cut.chunks}) == 1
    if (
        is_one_section
        and cut.chunks[0].kind == "text"
        and overlap <= _MOST_OVERLAP_CHARS
        and chars <= _MOST_CHUNK_CHARS
    ):
        return [texts.SPLIT_AGAIN.filled(overlap=overlap, chars=chars)]
    return [texts.EXPECT_LESS]


def _shortest_cut(exam: Examination) -> Wanted | None:
    return min((one for one in exam.case.wanted if one.chunks), key=_chars, default=None)


def _chars(cut: Wanted) -> int:
    return cut.chunks[-1].end - cut.chunks[0].start


def _is_candidate(exam: Examination, **changes: float) -> bool:
    hits = exam.case.retrieve(changed(exam.settings, changes)).hits
    return any(hit.chunk.id in exam.targets for hit in hits)


def _words_that_help(exam: Examination, stage: Stage) -> Iterator[str]:
    """Yield sentences of the passage that bring it past the stage if they are added to the question.

    Those without the expected text come first: who asks does not know the answer.
    """
    chunk, wanted = exam.alone.chunk, exam.targets[exam.alone.chunk.id]
    start, end = wanted.start - chunk.start, wanted.end - chunk.start
    spans = sorted(sentence_spans(chunk.text), key=lambda span: span.start < end and span.end > start)
    for span in spans[:_WORDS_TRIED]:
        words = " ".join(span.of(chunk.text).split()).lstrip(_MARKUP)[:_WORDS_CHARS]
        case = replace(exam.case, question=f"{exam.case.question} {words}")
        if _is_past(Examination(case, exam.settings), stage):
            yield words


_SETTINGS: Mapping[Stage, Callable[[Examination], Changes]] = {
    "splitter": _longer_passages,
    "fusion": _other_weight,
    "threshold": _lower_threshold,
    "top_k": _higher_top_k,
    "budget": _larger_context,
}
_OTHERWISE: Mapping[Stage, Callable[[Examination], list[Message]]] = {
    "splitter": _by_splitting,
    "duplicate": _by_elder,
}
