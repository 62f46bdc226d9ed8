"""How evaluations look on the terminal, and as JSON whose names programs rely on."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import eval_texts
from core.evaluation import (
    CalibratedSetting,
    Change,
    Comparison,
    CurvePoint,
    Evaluation,
    FailedGate,
    LabelledQuestion,
    Outcome,
    WeightPoint,
)
from core.messages import Language, Message

_SHOWN_TOP_KS = (1, 2, 3, 4, 5, 8, 10, 15, 20)
_EVERY_POINT = 3  # of fifty-one thresholds
_LISTED = 10
_UNKNOWN = "–"


class EvalScreen:
    """Writes to standard output, what failed to standard error, in one language."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._out = Console(highlight=False)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)

    def evaluation(self, evaluation: Evaluation) -> None:
        """Print the figures, the curves, what went wrong, and what is suggested."""
        outcomes, settings = evaluation.outcomes, evaluation.settings
        self._say(
            eval_texts.HEAD,
            kb=evaluation.knowledge_base,
            questions=len(outcomes),
            unanswerable=sum(not one.labelled.answerable for one in outcomes),
            chunks=evaluation.chunks,
            threshold=_percent(settings.threshold),
            top_k=settings.top_k,
        )
        self._figures(evaluation)
        self._curve("threshold", eval_texts.THRESHOLDS, evaluation.thresholds[::_EVERY_POINT])
        shown = [point for point in evaluation.top_ks if point.value in _SHOWN_TOP_KS]
        self._curve("top_k", eval_texts.TOP_KS, shown)
        self._weights(evaluation.weights)
        self._say(eval_texts.LEGEND, style="dim")
        self._wrong(evaluation)
        self._suggestion(evaluation)

    def comparison(self, comparison: Comparison) -> None:
        """Print two evaluations side by side."""
        columns = (eval_texts.COLUMN_BEFORE, eval_texts.COLUMN_AFTER, eval_texts.COLUMN_CHANGE)
        table = self._table(eval_texts.COLUMN_FIGURE, *columns)
        for change in comparison.changes:
            values = (self._value(change.figure, value) for value in (change.before, change.after))
            self._add_row(table, self._name(change.figure), *values, _difference(change))
        self._out.print(table)
        for title, questions in ((eval_texts.LOST, comparison.lost), (eval_texts.WON, comparison.won)):
            if questions:
                self._say(title, count=len(questions), style="bold")
                for question in questions:
                    self._out.print(Text(f"  {question}"))
        if comparison.only_before or comparison.only_after:
            self._say(eval_texts.DIFFERENT_LISTS, before=comparison.only_before, after=comparison.only_after)
        if comparison.worse:
            self._complain(eval_texts.WORSE, figures=", ".join(comparison.worse))

    def drafts(self, questions: Sequence[LabelledQuestion]) -> None:
        """Print drafted questions with where their answers stand."""
        for question in questions:
            self._out.print(Text(question.question))
            for place in question.expected:
                page = f":{place.page}" if place.page else ""
                self._out.print(Text(f"  {place.file}{page} · {place.text}", style="dim"))
        self._say(eval_texts.DRAFTED, count=len(questions))
        self._say(eval_texts.DRAFT_NOTE if questions else eval_texts.NOTHING_DRAFTED)

    def failed(self, gates: Sequence[FailedGate]) -> None:
        """Print the floors that were not reached, on standard error."""
        for gate in gates:
            shown = self._text(eval_texts.NOT_MEASURED) if gate.measured is None else _percent(gate.measured)
            self._complain(eval_texts.GATE_FAILED, figure=gate.figure, measured=shown, floor=_percent(gate.floor))

    def _figures(self, evaluation: Evaluation) -> None:
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(overflow="fold")
        table.add_column(justify="right")
        for name in eval_texts.FIGURES:
            if name in evaluation.figures:
                self._add_row(table, self._name(name), self._value(name, evaluation.figures[name]))
        self._out.print(table)

    def _curve(self, setting: CalibratedSetting, title: Message, points: Sequence[CurvePoint]) -> None:
        self._say(title, style="bold")
        columns = (eval_texts.COLUMN_PRECISION, eval_texts.COLUMN_RECALL, eval_texts.COLUMN_REFUSED)
        more = (eval_texts.COLUMN_WRONGLY, eval_texts.COLUMN_USED)
        table = self._table(eval_texts.COLUMN_VALUE[setting], *columns, *more)
        for point in points:
            shares = (point.precision, point.recall, point.refused, point.wrongly_refused)
            value = _shown(setting, point.value)
            self._add_row(table, value, *(_percent(share) for share in shares), f"{point.used:.1f}")
        self._out.print(table)

    def _weights(self, weights: Sequence[WeightPoint]) -> None:
        if weights:
            self._say(eval_texts.WEIGHTS, style="bold")
            table = self._table(eval_texts.COLUMN_VALUE["dense_weight"], eval_texts.COLUMN_MRR, eval_texts.COLUMN_SCORE)
            for point in weights:
                self._add_row(table, _percent(point.weight), _percent(point.mrr), _percent(point.score))
            self._out.print(table)

    def _wrong(self, evaluation: Evaluation) -> None:
        wrong = [(one, found) for one in evaluation.outcomes if (found := self._fault(one, evaluation))]
        if not wrong:
            return
        self._say(eval_texts.MISSED, style="bold")
        for one, found in wrong[:_LISTED]:
            self._out.print(Text(f"  {one.labelled.question} — {found}"))
        if len(wrong) > _LISTED:
            self._say(eval_texts.MORE, count=len(wrong) - _LISTED)

    def _fault(self, one: Outcome, evaluation: Evaluation) -> str:
        """Say what went wrong with a question; nothing where it came out right."""
        about = {"relevance": _percent(one.relevance), "source": one.source or _UNKNOWN}
        if not one.labelled.answerable:
            return "" if one.refused else self._text(eval_texts.WRONGLY_ANSWERED, **about)
        if one.rank is None:
            return self._text(eval_texts.NOT_FOUND, source=about["source"])
        if one.refused:
            return self._text(eval_texts.WRONGLY_REFUSED, relevance=about["relevance"])
        if one.rank > evaluation.settings.top_k:
            return self._text(eval_texts.TOO_LOW, rank=one.rank, source=about["source"])
        return self._text(eval_texts.NOT_QUOTED) if one.answer_found is False else ""

    def _suggestion(self, evaluation: Evaluation) -> None:
        for remark in (*evaluation.remarks, *evaluation.suggestion.remarks):
            self._out.print(Text(f"• {self._text(remark)}", style="yellow"))
        for one in evaluation.suggestion.settings:
            self._say(
                eval_texts.SUGGESTED,
                style="bold",
                setting=self._text(eval_texts.COLUMN_VALUE[one.setting]),
                value=_shown(one.setting, one.value),
                in_force=_shown(one.setting, one.in_force),
                before=_percent(one.score_in_force),
                after=_percent(one.score),
                objective=self._text(one.objective),
            )
            self._out.print(Text(f"  {self._text(one.certainty)}"))

    def _name(self, figure: str) -> str:
        return f"{figure}  {self._text(eval_texts.FIGURES[figure])}" if figure in eval_texts.FIGURES else figure

    def _value(self, figure: str, value: float | None) -> str:
        if value is not None and figure.endswith("_ms"):
            return self._text(eval_texts.MILLISECONDS, value=value)
        return _percent(value)

    def _table(self, *columns: Message) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for number, column in enumerate(columns):
            table.add_column(self._text(column), overflow="fold", justify="right" if number else "left")
        return table

    def _add_row(self, table: Table, *cells: str) -> None:
        table.add_row(*(Text(cell) for cell in cells))

    def _say(self, message: Message, *, style: str = "", **values: Any) -> None:
        self._out.print(Text(self._text(message, **values), style=style))

    def _complain(self, message: Message, **values: Any) -> None:
        self._err.print(Text(f"✗ {self._text(message, **values)}", style="red"))

    def _text(self, message: Message, **values: Any) -> str:
        return message.text(self._language, **values)


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison."""
    return asdict(comparison)


def questions_json(questions: Sequence[LabelledQuestion]) -> dict[str, Any]:
    """Return a list of questions."""
    return {"questions": [asdict(question) for question in questions]}


def _shown(setting: CalibratedSetting, value: float) -> str:
    return f"{value:.0f}" if setting == "top_k" else f"{value:.1%}"


def _percent(share: float | None) -> str:
    return _UNKNOWN if share is None else f"{share:.1%}"


def _difference(change: Change) -> str:
    if change.before is None or change.after is None:
        return _UNKNOWN
    difference = change.after - change.before
    return f"{difference:+.1f}" if change.figure.endswith("_ms") else f"{100 * difference:+.1f}"
