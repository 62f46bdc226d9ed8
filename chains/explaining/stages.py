"""The stages of one retrieval as steps of an explanation, each with the values that were seen there."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from chains.explaining import texts
from chains.explaining.documents import Wanted, passed
from chains.explaining.examination import Examination
from chains.explaining.words import shared_terms, where_terms_are
from core.explanations import Stage, Step
from core.messages import Message, literal

_NOTHING = literal("", "")


def retrieval_steps(exam: Examination) -> tuple[Step, ...]:
    """Return the stages that the best target went through, up to the one that lost it.

    Where the answer's passages hold it all the same, a stage that dropped it has only "missed" it.
    """
    steps: list[Step] = []
    for stage in _STAGES:
        step = stage(exam)
        if step is None:
            continue
        steps.append(replace(step, outcome="missed") if exam.held and step.outcome == "lost" else step)
        if steps[-1].outcome == "lost":
            break
    return tuple(steps)


def _splitter(exam: Examination) -> Step | None:
    if not exam.case.is_text:
        return None
    if not exam.targets:
        return _lost("splitter", _cut(exam, exam.case.wanted))
    target = exam.alone.chunk
    wanted = exam.targets[target.id]
    if target in wanted.holders:
        return passed("splitter", texts.WHOLE, place=texts.place(target))
    return Step("splitter", "missed", texts.said(texts.MENDED, cut=_cut(exam, (wanted,))))


def _cut(exam: Examination, wanted: Iterable[Wanted]) -> Message:
    chunks = next((one.chunks for one in wanted if one.chunks), ())
    if not chunks:
        return texts.NO_CHUNK
    manifest = exam.case.store.manifest()
    sizes = {"chars": manifest.get("chunk_chars", "?"), "overlap": manifest.get("overlap_chars", "?")}
    return texts.said(texts.CUT, place=texts.place(chunks[0]), last=chunks[-1].ordinal + 1, **sizes)


def _lexical(exam: Examination) -> Step:
    case, chunk, score = exam.case, exam.alone.chunk, exam.alone.lexical
    leg = case.lexical_leg
    terms = shared_terms(case.question, chunk, case.store)
    known = {"place": texts.place(chunk), "score": score, "count": len(leg), "terms": ", ".join(terms)}
    if chunk.id in leg:
        return passed("lexical", texts.LEXICAL, rank=leg[chunk.id].rank, **known)
    if terms:
        seen = texts.said(texts.LOW_LEXICAL, rank=_rank_beyond(exam), **known)
    else:
        where = where_terms_are(case.question, [hit.chunk for hit in leg.values()], case.store)
        seen = texts.said(texts.NO_TERMS, where=where, **known)
    return Step("lexical", "lost" if case.dense is None else "missed", seen)


def _rank_beyond(exam: Examination) -> Message:
    """Return the lexical rank of a chunk that is no candidate, where the terms that it shares give it one."""
    store = exam.case.store
    ranked = list(store.lexical_scores(exam.case.question, store.chunk_count))
    rank = ranked.index(exam.alone.chunk.id) + 1 if exam.alone.chunk.id in ranked else 0
    return texts.RANK.filled(rank=rank) if rank > len(exam.case.lexical_leg) else _NOTHING


def _dense(exam: Examination) -> Step | None:
    case, id, score = exam.case, exam.alone.chunk.id, exam.alone.dense
    if case.dense is None:
        return None
    if id in case.dense_leg:
        return passed("dense", texts.DENSE, rank=case.dense_leg[id].rank, score=score)
    seen = texts.said(texts.LOW_DENSE, score=score, count=len(case.dense_leg)) if score is not None else texts.NO_VECTOR
    return Step("dense", "missed" if id in case.lexical_leg else "lost", seen)


def _fusion(exam: Examination) -> Step | None:
    if exam.case.dense is None:
        return None
    hit, alone, weight = exam.hit, exam.alone, exam.settings.dense_weight
    if hit and not exam.pushed_down_by:
        return passed("fusion", texts.FUSED, rank=hit.rank, relevance=hit.relevance, weight=weight)
    seen = texts.said(
        texts.PUSHED_DOWN,
        rank=texts.RANKED.filled(rank=hit.rank) if hit else texts.UNRANKED.filled(count=len(exam.retrieval.hits)),
        relevance=alone.relevance,
        lexical=f"{alone.lexical:.1%}",
        dense="–" if alone.dense is None else f"{alone.dense:.1%}",
        leg=texts.LEGS[exam.pushed_down_by or "dense"],
        weight=weight,
    )
    return _lost("fusion", seen)


def _threshold(exam: Examination) -> Step | None:
    hit, hits = exam.hit, exam.retrieval.hits
    if hit is None:
        return None
    known = {"relevance": hit.relevance, "threshold": exam.settings.threshold}
    if hit.dropped_by != "threshold":
        return passed("threshold", texts.ABOVE, **known)
    around = [(texts.BETTER, one) for one in hits[: hit.rank - 1][-1:]]
    around += [(texts.WORSE, one) for one in hits[hit.rank :][:1]]
    told = [texts.said(text, relevance=one.relevance, place=texts.place(one.chunk)) for text, one in around]
    places = {"place": texts.place(hit.chunk), "rank": hit.rank, "around": texts.run_on(told)}
    return _lost("threshold", texts.said(texts.BELOW, **known, **places))


def _duplicate(exam: Examination) -> Step | None:
    if exam.hit is None or exam.hit.dropped_by == "threshold":
        return None
    if (elder := exam.elder) is None:
        return passed("duplicate", texts.ONLY_ONE)
    return _lost("duplicate", texts.said(texts.SAME_TEXT, rank=elder.rank, place=texts.place(elder.chunk)))


def _top_k(exam: Examination) -> Step | None:
    if exam.hit is None or exam.hit.dropped_by == "threshold" or exam.elder:
        return None
    known = {"taken": exam.place, "top_k": exam.settings.top_k}
    if exam.hit.dropped_by != "top_k":
        return passed("top_k", texts.WITHIN_TOP_K, **known)
    return _lost("top_k", texts.said(texts.BEYOND_TOP_K, place=texts.place(exam.hit.chunk), **known))


def _budget(exam: Examination) -> Step:
    passages = exam.retrieval.passages
    known = {"used": sum(len(passage.text) for passage in passages), "limit": exam.settings.context_chars}
    if exam.held is None:
        return _lost("budget", texts.said(texts.OVER_BUDGET, place=texts.place(exam.alone.chunk), **known))
    number = exam.held.number
    return passed("budget", texts.IN_PASSAGE, number=number, chars=len(passages[number - 1].text), **known)


def _lost(stage: Stage, seen: Message) -> Step:
    return Step(stage, "lost", seen)


_STAGES: tuple[Callable[[Examination], Step | None], ...] = (
    _splitter,
    _lexical,
    _dense,
    _fusion,
    _threshold,
    _duplicate,
    _top_k,
    _budget,
)
