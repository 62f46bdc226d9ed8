"""Evaluations that are watched while they run, and the reports of the last ones."""

import csv
import json
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from io import StringIO
from typing import Literal

from core.answers import Progress, ProgressCallback
from core.evaluation import Evaluation
from core.load_errors import MissingFile
from core.messages import Message
from service.evaluating.evaluation import report_json
from service.evaluating.question_lists import as_text

ReportKind = Literal["json", "csv"]
Work = Callable[[ProgressCallback], Evaluation]

_PARALLEL = 2
_KEPT = 40  # reports, of all visitors together
_LOOK_S = 0.2  # between two looks at how far an evaluation is
_OUTCOMES = ("question", "answerable", "rank", "relevance", "source", "refused", "answer_found", "seconds")
_REPORT = Message("评测报告", "the report of the evaluation")


class _CancelledError(Exception):
    """The evaluation was asked to end."""


@dataclass(slots=True)
class _Run:
    owner: str
    cancelled: threading.Event = field(default_factory=threading.Event)
    progress: Progress | None = None
    result: Evaluation | None = None

    def step(self, progress: Progress) -> None:
        """Take note of how far it is; the evaluation ends here once it is cancelled."""
        if self.cancelled.is_set():
            raise _CancelledError
        self.progress = progress


class Evaluations:
    """The evaluations of all visitors of one server, shared by its pages; two run at a time, the others wait."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._changing = threading.Lock()
        self._executor = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="evaluation")

    def begin(self, owner: str) -> str:
        """Return the id of an evaluation that is to be run."""
        id = secrets.token_urlsafe(9)
        with self._changing:
            self._runs[id] = _Run(owner)
            while len(self._runs) > _KEPT:
                self._runs.popitem(last=False)
        return id

    def steps(self, owner: str, id: str, work: Work) -> Generator[Progress, None, None]:
        """Run it, and yield a few times a second how far it is; close the generator to end it.

        Raises:
            KnowGLMError: what the evaluation raises.
        """
        run = self._run(owner, id)
        future = self._executor.submit(work, run.step)
        try:
            while not wait([future], _LOOK_S).done:
                if run.progress is not None:
                    yield run.progress
            run.result = _result(future)
        finally:
            run.cancelled.set()

    def cancel(self, owner: str, id: str) -> None:
        """End an evaluation before the next question; one that is over or unknown is left alone."""
        run = self._runs.get(id)
        if run is not None and run.owner == owner:
            run.cancelled.set()

    def report(self, owner: str, id: str) -> Evaluation | None:
        """Return what a finished evaluation measured; None where there is nothing (any more)."""
        run = self._runs.get(id)
        return run.result if run is not None and run.owner == owner else None

    def report_file(self, owner: str, id: str, kind: ReportKind) -> bytes:
        """Return a report as JSON, or what became of its questions as CSV.

        Raises:
            MissingFile: there is no such report (any more).
        """
        evaluation = self.report(owner, id)
        if evaluation is None:
            raise MissingFile(name=_REPORT)
        return _outcomes_csv(evaluation) if kind == "csv" else _as_json(evaluation)

    def close(self) -> None:
        """End what is running."""
        for run in list(self._runs.values()):
            run.cancelled.set()
        self._executor.shutdown(cancel_futures=True)

    def _run(self, owner: str, id: str) -> _Run:
        run = self._runs.get(id)
        if run is None or run.owner != owner:
            raise MissingFile(name=_REPORT)
        return run


def _result(future: Future[Evaluation]) -> Evaluation | None:
    try:
        return future.result()
    except _CancelledError:
        return None


def _as_json(evaluation: Evaluation) -> bytes:
    return json.dumps(report_json(evaluation), ensure_ascii=False, indent=2).encode("utf-8", "replace")


def _outcomes_csv(evaluation: Evaluation) -> bytes:
    stream = StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(_OUTCOMES)
    for one in evaluation.outcomes:
        values = {"question": one.labelled.question, "answerable": one.labelled.answerable}
        writer.writerow(_cell(values[name] if name in values else getattr(one, name)) for name in _OUTCOMES)
    return stream.getvalue().encode("utf-8-sig", "replace")  # the mark makes Excel read UTF-8


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4f}"
    return as_text(str(value))
