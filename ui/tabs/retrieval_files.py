"""Files that the retrieval test takes and gives: lists of questions, reports of evaluations."""

from dataclasses import dataclass
from typing import cast, get_args
from urllib.parse import quote, urlencode

from core.load_errors import MissingFile
from core.messages import Message
from service.evaluating.evaluations import Evaluations, ReportKind
from service.evaluating.question_book import ListKind
from service.knowledge_qa import KnowledgeQA
from ui.texts import retrieval_test as texts

_MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl; charset=utf-8",
    "json": "application/json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True, slots=True)
class Download:
    """A file to be saved by the browser."""

    data: bytes
    name: str
    media_type: str


def question_links(kb: str) -> dict[str, str]:
    """Return the address of a knowledge base's list in each format."""
    return {kind.upper(): f"/questions?{urlencode({'kb': kb, 'kind': kind})}" for kind in get_args(ListKind)}


def report_links(id: str) -> list[tuple[str, Message]]:
    """Return the addresses of a report, each with what it is called."""
    kinds: dict[ReportKind, Message] = {"json": texts.REPORT_JSON, "csv": texts.OUTCOMES_CSV}
    return [(f"/evaluations/{quote(id)}.{kind}", name) for kind, name in kinds.items()]


def question_list(qa: KnowledgeQA, kb: str, kind: str) -> Download:
    """Return the list of a knowledge base as a file.

    Args:
        qa: as the visitor may use it.
        kind: csv, jsonl or xlsx.

    Raises:
        KnowledgeBaseNotFound: there is none of this name, or not for the visitor.
        MissingFile: the kind is another.
    """
    if kind not in get_args(ListKind):
        raise MissingFile(name=f"{kb}.{kind}")
    data = qa.question_book.export_file(kb, cast(ListKind, kind))
    return Download(data, f"{kb}.questions.{kind}", _MEDIA_TYPES[kind])


def report(evaluations: Evaluations, owner: str, id: str, kind: str) -> Download:
    """Return the report of an evaluation, or what became of its questions, as a file.

    Args:
        kind: json for the report, csv for the outcomes.

    Raises:
        MissingFile: the visitor has no such report (any more), or the kind is another.
    """
    if kind not in get_args(ReportKind):
        raise MissingFile(name=f"{id}.{kind}")
    return Download(
        evaluations.report_file(owner, id, cast(ReportKind, kind)), f"evaluation.{kind}", _MEDIA_TYPES[kind]
    )
