"""Evaluations of knowledge bases: carried out, written as reports, compared, held against floors, and applied."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings
from pydantic import TypeAdapter, ValidationError

from chains.answer import AnswerPlugs, answer_events
from chains.evaluation.calibrate import suggest, weight_curve
from chains.evaluation.evaluate import Ranking, figures, outcome, rank_chunks, same_file, threshold_curve, top_k_curve
from chains.retrieve import DenseLeg
from core.answers import Answer, Finished, Progress, ProgressCallback, RetrievalSettings, ignore_progress
from core.errors import ConfigError
from core.evaluation import Change, Comparison, Evaluation, FailedGate, LabelledQuestion, Outcome
from core.evaluation_errors import NoQuestions, WrongReport
from core.load_errors import MissingFile
from core.messages import Message
from vectorstores.knowledge_store import KnowledgeStore

QUALITY = (
    *("hit@1", "hit@3", "hit@5", "hit@10", "mrr", "ndcg"),
    *("refusal_precision", "refusal_recall", "answer_hit"),
)
_WEIGHTS = tuple(step / 10 for step in range(11))
_A_POINT = 0.01

_UNKNOWN_FILES = Message(
    "列表里写的这些文件不在知识库里，相关的问题必然算作没找到：{names}",
    "The list names files that the knowledge base does not hold, whose questions must fail: {names}",
)
_NOT_A_GATE = Message(
    "--fail-under {gate}：应写成 指标=0–1 的数或百分数，指标可以是 {names}",
    "--fail-under {gate}: must be FIGURE=NUMBER, 0–1 or a percentage, where the figure is one of {names}",
)


class Evaluator:
    """Measures one knowledge base.

    Args:
        settings: those in force.
        dense: None leaves the lexical leg alone.
    """

    def __init__(self, store: KnowledgeStore, settings: RetrievalSettings, dense: DenseLeg | None) -> None:
        self._store = store
        self._settings = settings
        self._dense = DenseLeg(_Remembered(dense.embeddings), dense.relevance) if dense else None

    def evaluate(
        self, questions: Sequence[LabelledQuestion], progress: ProgressCallback = ignore_progress
    ) -> Evaluation:
        """Ask every question and return what became of it, the figures, the curves and the suggested settings.

        Raises:
            NoQuestions: the list is empty.
        """
        name = str(self._store.manifest().get("name", ""))
        if not questions:
            raise NoQuestions(name=name)
        weights = sorted({self._settings.dense_weight, *(_WEIGHTS if self._dense else ())})
        rankings: dict[float, list[Ranking]] = {weight: [] for weight in weights}
        outcomes: list[Outcome] = []
        for number, question in enumerate(questions):
            progress(Progress(number, len(questions), question.question))
            answer = self._answer(question.question)  # first, so that its time includes the embedding's
            for weight, ranked in rankings.items():
                settings = replace(self._settings, dense_weight=weight)
                ranked.append(rank_chunks(question, self._store, settings, self._dense))
            outcomes.append(outcome(question, answer, rankings[self._settings.dense_weight][-1]))
        progress(Progress(len(questions), len(questions), ""))
        return self._measured(name, outcomes, rankings)

    def _answer(self, question: str) -> Answer:
        """Answer as the product does where no language model writes: what is measured is what it would be given."""
        plugs = AnswerPlugs(
            lambda _: nullcontext(self._store),
            self._dense,
            llm=None,
            template="",
            system="",
            history_turns=0,
            language="zh",
        )
        events = answer_events(question, plugs, self._settings)
        return next(event.answer for event in events if isinstance(event, Finished))

    def _measured(
        self, name: str, outcomes: Sequence[Outcome], rankings: Mapping[float, Sequence[Ranking]]
    ) -> Evaluation:
        embedding = self._store.embedding if self._dense else None
        suggestion = suggest(rankings, self._settings, embedding.fingerprint if embedding else "")
        weight = suggestion.value("dense_weight")
        chosen = rankings[self._settings.dense_weight if weight is None else weight]
        threshold, top_k = suggestion.value("threshold"), self._settings.top_k
        return Evaluation(
            knowledge_base=name,
            chunks=self._store.chunk_count,
            settings=self._settings,
            figures=figures(outcomes, rankings[self._settings.dense_weight]),
            outcomes=tuple(outcomes),
            thresholds=threshold_curve(chosen, top_k),
            top_ks=top_k_curve(chosen, self._settings.threshold if threshold is None else threshold),
            weights=weight_curve(rankings, top_k) if len(rankings) > 1 else (),
            suggestion=suggestion,
            remarks=self._unknown_files(outcomes),
        )

    def _unknown_files(self, outcomes: Sequence[Outcome]) -> tuple[Message, ...]:
        """Remark on files that the list names and the knowledge base does not hold."""
        named = {expected.file for one in outcomes for expected in one.labelled.expected if expected.file}
        held = [document.name for document in self._store.documents() if document.state == "indexed"]
        unknown = sorted(file for file in named if not any(same_file(name, file) for name in held))
        return (_UNKNOWN_FILES.filled(names=", ".join(unknown)),) if unknown else ()


class _Remembered(Embeddings):
    """An embedding that is asked for each question once, however many weights it is ranked with."""

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings
        self._vectors: dict[str, list[float]] = {}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._embeddings.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        if text not in self._vectors:
            self._vectors[text] = self._embeddings.embed_query(text)
        return self._vectors[text]


def report_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as JSON; `read_report` reads what is written of it."""
    report: dict[str, Any] = _report().dump_python(evaluation, mode="json")
    return report


def read_report(path: Path) -> Evaluation:
    """Read a report.

    Raises:
        MissingFile: the path leads nowhere.
        WrongReport: the file is none.
    """
    if not path.is_file():
        raise MissingFile(name=str(path))
    try:
        return _report().validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise WrongReport(name=path.name, detail=f"{place}: {first['msg']}" if place else first["msg"]) from error


@cache
def _report() -> TypeAdapter[Evaluation]:
    return TypeAdapter(Evaluation)


def compare(before: Evaluation, after: Evaluation) -> Comparison:
    """Compare two evaluations: figure by figure, and question by question where both asked it."""
    names = [*QUALITY, *(name for name in before.figures if name not in QUALITY)]
    changes = [Change(name, before.figures.get(name), after.figures.get(name)) for name in names]
    fell = [one.figure for one in changes if one.figure in QUALITY and _fall(one) > _A_POINT + 1e-9]
    was, is_now = _came_out(before), _came_out(after)
    both = [question for question in was if question in is_now]
    return Comparison(
        changes=tuple(one for one in changes if (one.before, one.after) != (None, None)),
        lost=tuple(question for question in both if was[question] and not is_now[question]),
        won=tuple(question for question in both if is_now[question] and not was[question]),
        only_before=len(was) - len(both),
        only_after=len(is_now) - len(both),
        worse=tuple(fell),
    )


def _fall(change: Change) -> float:
    return 0.0 if change.before is None else change.before - (change.after or 0.0)


def _came_out(evaluation: Evaluation) -> dict[str, bool]:
    """Tell for each question whether it came out right: refused, or answered with a right chunk among the top-k."""
    top_k = evaluation.settings.top_k
    return {
        one.labelled.question: (one.rank is not None and one.rank <= top_k and not one.refused)
        if one.labelled.answerable
        else one.refused
        for one in evaluation.outcomes
    }


def read_gates(gates: Sequence[str]) -> list[tuple[str, float]]:
    """Read floors, each given as "figure=share", such as "hit@5=0.9" or "mrr=80%".

    Raises:
        ConfigError: a gate is not of this form or names no figure of quality.
    """
    floors = [_floor(gate) for gate in gates]
    wrong = [gate for gate, floor in zip(gates, floors, strict=True) if floor is None]
    if wrong:
        raise ConfigError([_NOT_A_GATE.filled(gate=gate, names=", ".join(QUALITY)) for gate in wrong])
    return [floor for floor in floors if floor is not None]


def failed_gates(evaluation: Evaluation, gates: Sequence[str]) -> tuple[FailedGate, ...]:
    """Return the floors that are not reached; a figure that the list cannot tell does not reach its floor.

    Raises:
        ConfigError: see `read_gates`.
    """
    checked = [FailedGate(name, floor, evaluation.figures.get(name)) for name, floor in read_gates(gates)]
    return tuple(gate for gate in checked if gate.measured is None or gate.measured < gate.floor - 1e-9)


def _floor(gate: str) -> tuple[str, float] | None:
    name, _, number = (part.strip() for part in gate.partition("="))
    try:
        floor = float(number.removesuffix("%")) / (100 if number.endswith("%") else 1)
    except ValueError:
        return None
    return (name, floor) if name in QUALITY and 0 <= floor <= 1 else None
