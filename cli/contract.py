"""The JSON that `--json` prints. Programs rely on these names; add to them, never change them."""

from typing import Any

from core.answers import Answer, Citation, Hit, Retrieval
from core.documents import DocumentRecord, IngestReport, KnowledgeBaseInfo
from core.errors import KnowGLMError
from core.grounding import Grounding
from core.messages import Language


def search_json(retrieval: Retrieval) -> dict[str, Any]:
    """Return a retrieval: every candidate, in the order of relevance."""
    return {
        "question": retrieval.question,
        "threshold": _rounded(retrieval.settings.threshold),
        "hits": [_hit(hit) for hit in retrieval.hits],
    }


def answer_json(answer: Answer, language: Language) -> dict[str, Any]:
    """Return a finished answer."""
    return {
        "question": answer.question,
        "answer": answer.text,
        "refused": answer.refused,
        "mode": answer.mode,
        "citations": [_citation(citation) for citation in answer.citations],
        "nearest_misses": [_hit(hit) for hit in answer.retrieval.nearest_misses] if answer.refused else [],
        "threshold": _rounded(answer.retrieval.settings.threshold),
        "seconds": round(answer.seconds, 4),
        "rewritten": answer.rewritten or None,
        "model": answer.model or None,
        "trace": answer.trace_id or None,
        "removed_citations": list(answer.removed_citations),
        "left_out": {"turns": answer.left_out.turns, "passages": answer.left_out.passages},
        "grounding": _grounding(answer.grounding, language) if answer.grounding else None,
    }


def _grounding(grounding: Grounding, language: Language) -> dict[str, Any]:
    return {
        "score": _rounded(grounding.score),
        "verdicts": [
            {
                "start": verdict.start,
                "end": verdict.end,
                "level": verdict.level,
                "score": _rounded(verdict.score),
                "passage": verdict.passage,
                "support": None if verdict.passage is None else [verdict.support_start, verdict.support_end],
                "problems": [problem.text(language) for problem in verdict.problems],
            }
            for verdict in grounding.verdicts
        ],
    }


def files_json(documents: list[DocumentRecord], language: Language) -> dict[str, Any]:
    """Return the documents of a knowledge base."""
    return {
        "files": [
            {
                "name": document.name,
                "state": document.state,
                "reason": document.reason.text(language) if document.reason else None,
                "chunks": document.chunks,
                "pages": document.pages,
                "sha256": document.sha256,
                "size": document.size,
            }
            for document in documents
        ]
    }


def report_json(report: IngestReport, language: Language) -> dict[str, Any]:
    """Return what became of each file."""
    return {
        "files": [
            {
                "name": file.name,
                "outcome": file.outcome,
                "reason": file.reason.text(language) if file.reason else None,
                "next_step": file.cure.text(language) if file.cure else None,
                "chunks": file.chunks,
                "pages": file.pages,
            }
            for file in report.files
        ]
    }


def knowledge_bases_json(infos: list[KnowledgeBaseInfo]) -> dict[str, Any]:
    """Return the list of knowledge bases."""
    return {
        "knowledge_bases": [
            {
                "name": info.name,
                "id": info.id,
                "files": info.documents,
                "chunks": info.chunks,
                "embedding": info.embedding,
                "damaged": info.is_damaged,
            }
            for info in infos
        ]
    }


def error_json(error: KnowGLMError, language: Language) -> dict[str, Any]:
    """Return an error."""
    return {"error": {"code": error.code, "message": error.reason(language), "next_step": error.advice(language)}}


def _hit(hit: Hit) -> dict[str, Any]:
    chunk = hit.chunk
    return {
        "rank": hit.rank,
        "relevance": _rounded(hit.relevance),
        "kept": hit.kept,
        "dropped_by": hit.dropped_by,
        "text": chunk.text,
        "kb": chunk.kb or None,
        "source": chunk.source,
        "page": chunk.page,
        "slide": chunk.slide,
        "sheet": chunk.sheet,
        "row": chunk.row,
        "heading": chunk.heading or None,
        "start": chunk.start,
        "end": chunk.end,
        "document_id": chunk.document_id,
        "chunk_id": chunk.id,
        "scores": {
            "lexical": _rounded(hit.lexical),
            "dense": None if hit.dense is None else _rounded(hit.dense),
        },
    }


def _citation(citation: Citation) -> dict[str, Any]:
    chunk = citation.chunk
    return {
        "n": citation.n,
        "kb": chunk.kb or None,
        "source": chunk.source,
        "page": chunk.page,
        "slide": chunk.slide,
        "sheet": chunk.sheet,
        "row": chunk.row,
        "heading": chunk.heading or None,
        "start": citation.start,
        "end": citation.end,
        "relevance": _rounded(citation.relevance),
        "quote": citation.quote,
    }


def _rounded(share: float) -> float:
    return round(share, 4)
