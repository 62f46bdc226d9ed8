"""How well a knowledge base answers questions whose answers are known.

Each question goes twice through the one retrieval path: as a user would ask it, which gives the answer and the time it
takes, and without threshold, which gives a ranking that tells what any threshold and any top-k would do.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.sentences import sentence_spans
from chains.evaluation.metrics import discounted_gain, percentile, recall_at, reciprocal_rank
from chains.explaining.expected import spans_of
from chains.retrieve import DenseLeg, retrieve
from core.answers import Answer, RetrievalSettings
from core.documents import Chunk
from core.evaluation import CurvePoint, Expected, LabelledQuestion, Outcome
from core.plugs import ChunkStore

MOST_TOP_K = 20
_HIT_RANKS = (1, 3, 5, 10)
_LONG_CHARS = 80  # a longer text may have been cut by the splitter


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a question finds without any threshold: up to `MOST_TOP_K` chunks of different text, the best first.

    What would be used with a threshold and a top-k are the first top-k of at least that relevance which fit the budget:
    whether a chunk fits depends on those before it alone.

    Attributes:
        relevance: of each, 0–1, falling.
        right: whether each is what was expected.
        fits: whether each is within the budget of the context.
    """

    answerable: bool
    relevance: tuple[float, ...]
    right: tuple[bool, ...]
    fits: tuple[bool, ...]

    @property
    def rank(self) -> int | None:
        """Place of the first right chunk, from 1."""
        return self.right.index(True) + 1 if any(self.right) else None

    @property
    def usable_rank(self) -> int | None:
        """Place of the first right chunk that fits."""
        return next((n for n, both in enumerate(zip(self.right, self.fits, strict=True), 1) if all(both)), None)

    def used(self, threshold: float, top_k: int) -> list[bool]:
        """Return for each chunk that would be used whether it is right."""
        rows = list(zip(self.relevance, self.right, self.fits, strict=True))[:top_k]
        return [right for relevance, right, fits in rows if fits and relevance >= threshold]


def rank_chunks(
    question: LabelledQuestion, store: ChunkStore, settings: RetrievalSettings, dense: DenseLeg | None
) -> Ranking:
    """Return what a question finds with the settings but without their threshold and their top-k."""
    open_settings = replace(settings, threshold=0.0, top_k=MOST_TOP_K)
    retrieval = retrieve(question.question, store, open_settings, dense)
    hits = [hit for hit in retrieval.hits if hit.dropped_by in (None, "budget")]
    return Ranking(
        question.answerable,
        tuple(hit.relevance for hit in hits),
        tuple(is_right(hit.chunk, question) for hit in hits),
        tuple(hit.kept for hit in hits),
    )


def is_right(chunk: Chunk, question: LabelledQuestion) -> bool:
    """Tell whether a chunk is one that was expected: of the file and page, and holding the text, where these matter."""
    return any(_is_expected(chunk, expected) for expected in question.expected)


def outcome(question: LabelledQuestion, answer: Answer, ranking: Ranking) -> Outcome:
    """Return what became of a question, from its answer with the settings in force and its ranking."""
    hits = answer.retrieval.hits
    wanted = [expected.text for expected in question.expected if expected.text]
    shown = ["" if answer.refused else answer.text, *(citation.quote for citation in answer.citations)]
    return Outcome(
        question,
        ranking.rank,
        hits[0].relevance if hits else 0.0,
        hits[0].chunk.source if hits else "",
        answer.refused or answer.mode == "small_talk",  # which says nothing of the documents
        any(holds(text, one) for text in shown for one in wanted) if wanted else None,
        answer.seconds,
    )


def figures(outcomes: Sequence[Outcome], rankings: Sequence[Ranking]) -> Mapping[str, float]:
    """Return the figures that the list can tell; see `Evaluation.figures`. Ranks are taken before the threshold."""
    found = [ranking for ranking in rankings if ranking.answerable]
    values: dict[str, float] = {}
    if found:
        ranks = [ranking.rank for ranking in found]
        values |= {f"hit@{k}": recall_at(ranks, k) for k in _HIT_RANKS}
        values["mrr"] = reciprocal_rank(ranks)
        values["ndcg"] = float(np.mean([discounted_gain(ranking.right) for ranking in found]))
    refused = [one for one in outcomes if one.refused]
    unanswerable = [one for one in outcomes if not one.labelled.answerable]
    rightly = sum(not one.labelled.answerable for one in refused)
    if refused:
        values["refusal_precision"] = rightly / len(refused)
    if unanswerable:
        values["refusal_recall"] = rightly / len(unanswerable)
    quoted = [one.answer_found for one in outcomes if one.answer_found is not None]
    if quoted:
        values["answer_hit"] = sum(quoted) / len(quoted)
    seconds = [one.seconds for one in outcomes]
    return values | {f"p{share}_ms": 1000 * percentile(seconds, share / 100) for share in (50, 95)}


def threshold_curve(rankings: Sequence[Ranking], top_k: int) -> tuple[CurvePoint, ...]:
    """Return the curve over thresholds from 0 to 1 in steps of a fiftieth."""
    return tuple(curve_point(rankings, step / 50, top_k, step / 50) for step in range(51))


def top_k_curve(rankings: Sequence[Ranking], threshold: float) -> tuple[CurvePoint, ...]:
    """Return the curve over each top-k up to `MOST_TOP_K`."""
    return tuple(curve_point(rankings, threshold, k, k) for k in range(1, MOST_TOP_K + 1))


def curve_point(rankings: Sequence[Ranking], threshold: float, top_k: int, value: float) -> CurvePoint:
    """Return what a threshold and a top-k would do, labelled with `value`."""
    used = [(ranking.answerable, ranking.used(threshold, top_k)) for ranking in rankings]
    answered = [right for _, right in used if right]
    rightly = sum(any(right) for right in answered)
    refusals = {kind: [not right for answerable, right in used if answerable is kind] for kind in (True, False)}
    return CurvePoint(
        value,
        precision=rightly / len(answered) if answered else None,
        recall=rightly / len(refusals[True]) if refusals[True] else None,
        refused=float(np.mean(refusals[False])) if refusals[False] else None,
        wrongly_refused=float(np.mean(refusals[True])) if refusals[True] else None,
        used=float(np.mean([len(right) for right in answered])) if answered else 0.0,
    )


def holds(text: str, wanted: str) -> bool:
    """Tell whether a text holds another, folded and whatever the layout; a long one by its longest sentence."""
    if len(wanted) > _LONG_CHARS:
        wanted = max((span.of(wanted) for span in sentence_spans(wanted)), key=len, default=wanted)
    return bool(spans_of(wanted, text))


def same_file(source: str, wanted: str) -> bool:
    """Tell whether a list's file is this document: its whole name, or that without its folders."""
    wanted = unicodedata.normalize("NFC", wanted).replace("\\", "/")
    return source == wanted or source.endswith(f"/{wanted}")


def _is_expected(chunk: Chunk, expected: Expected) -> bool:
    page = chunk.page or chunk.slide
    return (
        (not expected.file or same_file(chunk.source, expected.file))
        and (expected.page is None or page in (None, expected.page))  # not every format has pages
        and (not expected.text or holds(chunk.text, expected.text))
    )
