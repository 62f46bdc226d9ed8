"""A trace as JSON: what its file holds, and what `trace show --json` prints.

Programs and files of older versions rely on these names: a field may be added, read with its default where it is
missing; any other change is a new `SCHEMA` with a reader of its own, beside that of the old one.
"""

from collections.abc import Mapping
from typing import Any

from core.answers import Answer, Citation, Hit, LeftOut, Passage, Retrieval, RetrievalSettings, Turn
from core.documents import Chunk
from core.grounding import Grounding, Verdict
from core.messages import Message
from core.traces import Trace

SCHEMA = 1
Json = dict[str, Any]


def trace_json(trace: Trace) -> Json:
    """Return a trace as JSON, from which `read_trace` makes an equal one."""
    return {
        "schema": SCHEMA,
        "id": trace.id,
        "created": trace.created,
        "kb": trace.kbs[0] if trace.kbs else "",
        "kbs": list(trace.kbs),
        "kb_version": trace.kb_version,
        "language": trace.language,
        "settings": dict(trace.settings),
        "history": [{"question": turn.question, "answer": turn.answer} for turn in trace.history],
        "answer": _answer_json(trace.answer),
        "retrieval": retrieval_json(trace.answer.retrieval),
    }


def read_trace(value: Mapping[str, Any]) -> Trace:
    """Return the trace that `trace_json` of this version or an older one wrote.

    Raises:
        ValueError: the schema is none that this version knows.
        KeyError, TypeError: something is missing, or is not what it should be.
    """
    _require_known(value["schema"])
    return _READERS[value["schema"]](value)


def _read_1(value: Mapping[str, Any]) -> Trace:
    return Trace(
        answer=_answer(value["answer"], _retrieval(value["retrieval"]), value["id"]),
        kbs=tuple(value.get("kbs", filter(None, (value["kb"],)))),
        kb_version=value["kb_version"],
        history=tuple(Turn(turn["question"], turn["answer"]) for turn in value["history"]),
        language=value["language"],
        settings=value["settings"],
        created=value["created"],
        id=value["id"],
    )


_READERS = {1: _read_1}


def _require_known(schema: int) -> None:
    if schema not in _READERS:
        raise ValueError(f"schema {schema}, known: {', '.join(map(str, _READERS))}")


# --- retrieval -------------------------------------------------------------------------------------------------------


def retrieval_json(retrieval: Retrieval) -> Json:
    """Return a retrieval with everything that is known of it."""
    settings = retrieval.settings
    return {
        "question": retrieval.question,
        "settings": {
            "top_k": settings.top_k,
            "threshold": settings.threshold,
            "dense_weight": settings.dense_weight,
            "passage_chars": settings.passage_chars,
            "context_chars": settings.context_chars,
        },
        "hits": [hit_json(hit) for hit in retrieval.hits],
        "passages": [_passage_json(passage) for passage in retrieval.passages],
        "seconds": retrieval.seconds,
    }


def _retrieval(value: Json) -> Retrieval:
    settings = value["settings"]
    return Retrieval(
        question=value["question"],
        hits=tuple(_hit(hit) for hit in value["hits"]),
        passages=tuple(_passage(passage) for passage in value["passages"]),
        settings=RetrievalSettings(
            top_k=settings["top_k"],
            threshold=settings["threshold"],
            dense_weight=settings["dense_weight"],
            passage_chars=settings["passage_chars"],
            context_chars=settings["context_chars"],
        ),
        seconds=value["seconds"],
    )


def hit_json(hit: Hit) -> Json:
    """Return a candidate with its scores, its fate and its chunk."""
    return {
        "rank": hit.rank,
        "relevance": hit.relevance,
        "scores": {"lexical": hit.lexical, "dense": hit.dense},
        "dropped_by": hit.dropped_by,
        "chunk": _chunk_json(hit.chunk),
    }


def _hit(value: Json) -> Hit:
    return Hit(
        chunk=_chunk(value["chunk"]),
        rank=value["rank"],
        relevance=value["relevance"],
        lexical=value["scores"]["lexical"],
        dense=value["scores"]["dense"],
        dropped_by=value["dropped_by"],
    )


def _passage_json(passage: Passage) -> Json:
    return {
        "relevance": passage.relevance,
        "start": passage.start,
        "end": passage.end,
        "text": passage.text,
        "chunk": _chunk_json(passage.chunk),
    }


def _passage(value: Json) -> Passage:
    return Passage(_chunk(value["chunk"]), value["start"], value["end"], value["text"], value["relevance"])


def _chunk_json(chunk: Chunk) -> Json:
    return {
        "chunk_id": chunk.id,
        "document_id": chunk.document_id,
        "ordinal": chunk.ordinal,
        "source": chunk.source,
        "heading": chunk.heading,
        "kind": chunk.kind,
        "page": chunk.page,
        "slide": chunk.slide,
        "sheet": chunk.sheet,
        "row": chunk.row,
        "start": chunk.start,
        "end": chunk.end,
        "text": chunk.text,
        "kb": chunk.kb,
    }


def _chunk(value: Json) -> Chunk:
    return Chunk(
        id=value["chunk_id"],
        document_id=value["document_id"],
        ordinal=value["ordinal"],
        source=value["source"],
        heading=value["heading"],
        kind=value["kind"],
        page=value["page"],
        slide=value["slide"],
        sheet=value["sheet"],
        row=value["row"],
        start=value["start"],
        end=value["end"],
        text=value["text"],
        kb=value.get("kb", ""),
    )


# --- answer ----------------------------------------------------------------------------------------------------------


def answer_json(answer: Answer) -> Json:
    """Return an answer with its retrieval, apart from any trace, from which `read_answer` makes an equal one."""
    return {
        "schema": SCHEMA,
        "id": answer.trace_id,
        "answer": _answer_json(answer),
        "retrieval": retrieval_json(answer.retrieval),
    }


def read_answer(value: Mapping[str, Any]) -> Answer:
    """Return the answer that `answer_json` of this version or an older one wrote.

    Raises:
        ValueError: the schema is none that this version knows.
        KeyError, TypeError: something is missing, or is not what it should be.
    """
    _require_known(value["schema"])
    return _answer(value["answer"], _retrieval(value["retrieval"]), value["id"])


def _answer_json(answer: Answer) -> Json:
    return {
        "question": answer.question,
        "rewritten": answer.rewritten,
        "mode": answer.mode,
        "model": answer.model,
        "prompt": answer.prompt,
        "left_out": {"turns": answer.left_out.turns, "passages": answer.left_out.passages},
        "text": answer.text,
        "refused": answer.refused,
        "citations": [_citation_json(citation) for citation in answer.citations],
        "removed_citations": list(answer.removed_citations),
        "grounding": None if answer.grounding is None else _grounding_json(answer.grounding),
        "seconds": answer.seconds,
    }


def _answer(value: Json, retrieval: Retrieval, trace_id: str) -> Answer:
    return Answer(
        question=value["question"],
        rewritten=value["rewritten"],
        mode=value["mode"],
        model=value["model"],
        retrieval=retrieval,
        prompt=value["prompt"],
        left_out=LeftOut(value["left_out"]["turns"], value["left_out"]["passages"]),
        text=value["text"],
        refused=value["refused"],
        citations=tuple(_citation(citation) for citation in value["citations"]),
        removed_citations=tuple(value["removed_citations"]),
        grounding=None if value["grounding"] is None else _grounding(value["grounding"]),
        seconds=value["seconds"],
        trace_id=trace_id,
    )


def _citation_json(citation: Citation) -> Json:
    return {
        "n": citation.n,
        "relevance": citation.relevance,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
        "chunk": _chunk_json(citation.chunk),
    }


def _citation(value: Json) -> Citation:
    return Citation(
        value["n"], _chunk(value["chunk"]), value["start"], value["end"], value["relevance"], value["quote"]
    )


def _grounding_json(grounding: Grounding) -> Json:
    return {"score": grounding.score, "verdicts": [_verdict_json(verdict) for verdict in grounding.verdicts]}


def _grounding(value: Json) -> Grounding:
    return Grounding(tuple(_verdict(verdict) for verdict in value["verdicts"]), value["score"])


def _verdict_json(verdict: Verdict) -> Json:
    return {
        "start": verdict.start,
        "end": verdict.end,
        "level": verdict.level,
        "score": verdict.score,
        "passage": verdict.passage,
        "support": {"start": verdict.support_start, "end": verdict.support_end},
        "problems": [{"zh": problem.zh, "en": problem.en} for problem in verdict.problems],
    }


def _verdict(value: Json) -> Verdict:
    return Verdict(
        start=value["start"],
        end=value["end"],
        level=value["level"],
        score=value["score"],
        passage=value["passage"],
        support_start=value["support"]["start"],
        support_end=value["support"]["end"],
        problems=tuple(Message(problem["zh"], problem["en"]) for problem in value["problems"]),
    )
