"""Answers, sources, hits, files and models for tests of the page, and every view filled with one text."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from configs.catalogue import LLMSpec
from core.answers import Answer, Citation, Hit, LeftOut, Passage, Progress, Retrieval, RetrievalSettings
from core.conversations import ConversationSummary, Exchange
from core.curation import ChunkRow, PreviewChunk, SourceView
from core.documents import Chunk, DocumentRecord, FileReport
from core.evaluation import CurvePoint, Evaluation, Expected, LabelledQuestion, Outcome, Suggested, Suggestion
from core.explanations import STAGES, Explanation, Step
from core.grounding import Grounding, Verdict
from core.jobs import Job
from core.load_errors import CorruptFile
from core.messages import Language, literal
from models.devices import Device
from models.folders import FolderReport
from service.models.doctor_machine import Check
from service.models.downloads import DownloadTerms
from service.models.inventory import Inventory, ModelEntry
from ui.rendering import models, views

SETTINGS = RetrievalSettings(top_k=5, threshold=0.4, dense_weight=0.3, passage_chars=500, context_chars=2000)
FATES = (None, None, "duplicate", "top_k", "budget", "threshold", "threshold")


def a_chunk(id: int = 1, text: str = "年假五天。", **fields: Any) -> Chunk:
    chunk = Chunk(id, 1, 0, 0, len(text), text, "员工手册.pdf", "", "text", None, None, None, None, "人事")
    return replace(chunk, **fields)


def a_hit(id: int, rank: int, relevance: float, dropped_by: Any = None, **fields: Any) -> Hit:
    return Hit(a_chunk(id, **fields), rank, relevance, 0.5, 0.25, dropped_by)


def a_citation(n: int = 1, **fields: Any) -> Citation:
    chunk = a_chunk(n, **fields)
    return Citation(n, chunk, chunk.start, chunk.end, 0.753, chunk.text)


def a_verdict(start: int, end: int, level: Any = "supported", **fields: Any) -> Verdict:
    known = {"score": 0.834, "passage": 1, "support_start": 0, "support_end": 2}
    return Verdict(start, end, level, **(known | fields))


def found(*hits: Hit, passages: tuple[Passage, ...] = ()) -> Retrieval:
    return Retrieval("年假？", hits, passages, SETTINGS, 0.25)


def an_exchange(state: Any = "done", **fields: Any) -> Exchange:
    known = {"text": "五天[1]。", "refused": False, "mode": "llm", "citations": (), "retrieval": found(), "prompt": ""}
    known |= {"question": "年假？", "seconds": 1.0} | fields
    answer = Answer(**known) if state == "done" else None
    return Exchange(7, known["question"], answer, state, known["text"], 0, 0.0)


def exchanges(data: str) -> dict[str, Exchange]:
    """Return an exchange in each of its states, with `data` wherever something may come from outside."""
    place = {"text": data, "source": data, "heading": f"{data} > {data}", "sheet": data, "kb": data}
    place |= {"page": 3, "slide": 2, "row": 9}
    hits = [a_hit(n, n, 0.95 - n / 10, fate, **place) for n, fate in enumerate(FATES, start=1)]
    hits[0] = replace(hits[0], dense=None)
    passages = tuple(Passage(hit.chunk, 0, len(data), data, hit.relevance) for hit in hits if hit.kept)
    levels = ("supported", "partly", "unsupported")
    verdicts = tuple(a_verdict(0, len(data), level, problems=(literal(data, data),)) for level in levels)
    about = {"question": data, "rewritten": data, "prompt": data, "model": data, "trace_id": data}
    about |= {"retrieval": found(*hits, passages=passages), "grounding": Grounding(verdicts, 0.5)}
    about |= {"removed_citations": (7, 9), "left_out": LeftOut(1, 2)}
    cited = (a_citation(1, **place), a_citation(2, **place))
    plain = {"question": data, "text": data}
    return {
        "written": replace(an_exchange(**about, text=f"{data}[1]", citations=cited), rating=1),
        "quoted": an_exchange(**about, text=f"{data} [1]\n{data} [2]", citations=cited, mode="extractive"),
        "refused": replace(an_exchange(**about, text=data, refused=True, mode="none"), rating=-1),
        "refused_without_misses": an_exchange(**plain, refused=True, mode="none"),
        "passages": an_exchange(**about, text="", mode="none"),
        "small_talk": an_exchange(**plain, mode="small_talk"),
        "begun": an_exchange("writing", question=data, text=""),
        **{state: an_exchange(state, **plain) for state in ("writing", "stopped", "failed")},
    }


def an_inventory(data: str) -> Inventory:
    memory = {"fp16": 12.4, "int4": 4.6}
    spec = LLMSpec("chatglm", data, weights_gb=memory, download_gb=13.4)
    broken = FolderReport("incomplete", (literal(data, data),), 5_000_000)

    def entry(kind: Any, state: Any, **fields: Any) -> ModelEntry:
        report = broken if state == "incomplete" else FolderReport(state, size_bytes=7_000_000_000)
        known = {"name": data, "kind": kind, "spec": spec, "folder": Path(data.replace("\0", "")), "report": report}
        return ModelEntry(**(known | {"fitting": ("int4",), "configured": False, "in_force": False} | fields))

    return Inventory(
        (
            entry("llm", "absent"),
            entry("llm", "incomplete", configured=True),
            entry("llm", "complete", in_force=True),
            entry("llm", "complete", name="other"),
            entry("llm", "absent", name="extractive", folder=None, spec=LLMSpec("extractive")),
            entry("embedding", "absent"),
        ),
        (Device("cuda:0", data, 20.0, 24.0, bf16=True),),
    )


def a_catalogue(data: str, language: Language, *, may_manage: bool) -> Markup:
    inventory, space = an_inventory(data), Check("disk", "ok", literal(data, data))

    def row(entry: ModelEntry) -> models.Row:
        terms = DownloadTerms(data, 1.5, space) if entry.state in ("absent", "incomplete") else None
        value = entry.name if entry.state in ("complete", "built_in") else ""
        return models.Row(entry, entry.name == "other", value if may_manage else "", terms if may_manage else None)

    rows = [row(entry) for entry in inventory.models]
    return models.catalogue(rows, inventory, may_manage=may_manage, language=language)


def an_evaluation(data: str) -> Evaluation:
    message = literal(data, data)
    suggested = (
        Suggested("threshold", 0.42, 0.3, 0.5, 0.4, 0.9, 0.8, message, message),
        Suggested("top_k", 3, 2, 8, 5, 0.9, 0.8, message, message),
    )
    outcomes = (
        Outcome(LabelledQuestion(data, (Expected(data),)), 1, 0.9, data, refused=False, answer_found=True, seconds=0.1),
        Outcome(LabelledQuestion(data), None, 0.2, "", refused=True, answer_found=None, seconds=0.1),
    )
    figures = {"hit@1": 0.5, "p50_ms": 12.3, data: 0.25}
    suggestion = Suggestion(suggested, remarks=(message,))
    return Evaluation(data, 10, SETTINGS, figures, outcomes, (), (), (), suggestion, (message,))


def curve_points() -> list[CurvePoint]:
    return [CurvePoint(n / 10, None if n == 5 else 0.9, 1 - n / 20, n / 10, n / 40, 2.0) for n in range(11)]


def jobs(data: str) -> list[Job]:
    message = literal(data, data)
    files = (
        FileReport(data, "added", chunks=3),
        FileReport(data, "failed", message, message),
        FileReport(data, "duplicate", message),
    )
    error, step = CorruptFile(name=data, detail=message), Progress(1, 3, data)
    return [
        Job(data, "add", data, data, "waiting", None, None, None, 0.0, ()),
        Job(data, "rebuild", data, data, "running", step, None, None, 0.0, files),
        Job(data, "reindex", data, data, "failed", step, None, error, 0.0, files),
        Job(data, "download", data, data, "done", None, None, None, 0.0, ()),
    ]


def documents(data: str) -> list[DocumentRecord]:
    message = literal(data, data)
    return [
        DocumentRecord(1, data, "0", "indexed", None, 2_500_000, 12, 9, 4, data, data, 1_700_000_000.0, {}),
        DocumentRecord(2, f"{data}2", "0", "failed", message, 100, None, 0, 0, "", "", 1_700_000_000.0, {}),
    ]


def _answers(data: str, language: Language) -> dict[str, str]:
    view = SourceView(data, data, f"{data} > {data}", 3, data, data, data, 10, 10 + len(data))
    summaries = [ConversationSummary(data, data, (data,), 0.0, 3), ConversationSummary("2", "", (), 0.0, 0)]
    return {
        **{
            f"exchange_{name}": views.exchange(one, language=language, kbs=(data, data), is_last=True)
            for name, one in exchanges(data).items()
        },
        "source": views.source_panel(
            a_citation(2, source=data, heading=data, sheet=data, page=3),
            view,
            language=language,
            supports=[(5, 12), (8, 14)],
            numbers=[1, 2, 3],
            original="/originals?kb=1&document=2",
        ),
        "conversations": views.conversations(summaries, data, language=language),
        "no_conversations": views.conversations([], "", language=language),
    }


def _retrievals(data: str, language: Language) -> dict[str, str]:
    answer = exchanges(data)["written"].answer
    assert answer is not None
    retrieval = answer.retrieval
    others = found(*(a_hit(9 - n, n, 0.9 - n / 10, text=data, source=data, kb=data) for n in range(1, 7)))
    marks = {(data, 1): True, (data, 2): False}
    steps = tuple(
        Step(stage, outcome, literal(data, data))
        for stage, outcome in zip(STAGES, ["passed", "missed"] * len(STAGES), strict=False)
    )
    lost = Step("budget", "lost", literal(data, data), literal(data, data))
    changes = {"threshold": 0.3, "top_k": 9, "passage_chars": 800}
    expected = Expected(data)
    return {
        "retrieval": views.retrieval(retrieval, threshold=0.5, language=language, marks=marks),
        "empty_retrieval": views.retrieval(found(), threshold=0.5, language=language),
        "two_retrievals": views.two_retrievals(retrieval, others, language=language),
        "lost": views.explanation(Explanation(data, expected, (*steps, lost), changes), language=language),
        "found": views.explanation(Explanation(data, expected, steps), language=language),
        "curve": views.curve(curve_points(), suggested=0.42, in_force=0.4, language=language),
        "figures": views.figures(an_evaluation(data), language=language),
    }


def _lists(data: str, language: Language) -> dict[str, str]:
    rows = [
        ChunkRow(a_chunk(1, data, heading=data, page=2), enabled=True, edited=True),
        ChunkRow(a_chunk(2, data, ordinal=1), enabled=False, edited=False),
    ]
    previewed = [PreviewChunk(data, data, 1, 0, len(data)), PreviewChunk(data, "", None, 1, 1 + len(data))]
    checks = [
        Check("llm", "ok", literal(data, data)),
        Check("disk", "problem", literal(data, data), literal(data, data)),
    ]
    checks.append(Check("hub", "warning", literal(data, data)))
    originals = {data: "/originals?kb=1&document=2"}
    return {
        "files": views.files(documents(data), language=language, originals=originals),
        "files_of_a_reader": views.files(documents(data), language=language, may_edit=False),
        "no_files": views.files([], language=language),
        "chunks": views.chunks(rows, language=language),
        "no_chunks": views.chunks([], language=language),
        "preview": views.preview(previewed, language=language),
        "empty_preview": views.preview([], language=language),
        **{f"job_{job.state}": views.job(job, language=language) for job in jobs(data)},
        "models": a_catalogue(data, language, may_manage=True),
        "models_of_a_reader": a_catalogue(data, language, may_manage=False),
        "doctor": views.doctor(checks, language=language),
    }


def every_view(data: str, language: Language) -> dict[str, str]:
    """Return each view by name, with `data` in every place that may hold text from outside."""
    return {**_answers(data, language), **_retrievals(data, language), **_lists(data, language)}
