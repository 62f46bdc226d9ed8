"""Why an evaluation could not begin: the branch `EvaluationError` of the tree in `core/errors.py`.

EvaluationError    WrongQuestionList · WrongReport · NoQuestions
"""

from collections.abc import Sequence

from core.errors import KnowGLMError
from core.messages import Message, literal

_LISTED = 20


class EvaluationError(KnowGLMError):
    """Something about a list of questions or a report."""

    http_status = 422


class WrongQuestionList(EvaluationError):
    """A list that cannot be understood; `problems` names the row and the column of each, the message the first ones."""

    code = "wrong_question_list"
    what = Message(
        "问题列表 {name} 有 {count} 处错误：\n{problems}", "{count} problem(s) in the list {name}:\n{problems}"
    )
    cure = Message(
        "每行一个问题，列名可用 问题、文件、页、原文、答案、无答案；例子见 knowledge_base/samples/questions.csv。",
        "One question a row, in columns named question, file, page, text, answer, unanswerable; "
        "see knowledge_base/samples/questions.csv.",
    )

    def __init__(self, name: str, problems: Sequence[Message]) -> None:
        self.problems = tuple(problems)
        shown = self.problems[:_LISTED]
        listed = literal(*("\n".join(f"  - {one.text(language)}" for one in shown) for language in ("zh", "en")))
        super().__init__(name=name, count=len(problems), problems=listed)


class WrongReport(EvaluationError):
    """A file that is no report of `eval`."""

    code = "wrong_report"
    what = Message("{name} 不是评测报告（{detail}）。", "{name} is not a report of an evaluation ({detail}).")
    cure = Message(
        "报告由 `python cli_demo.py eval 知识库 --out 报告.json` 写出。",
        "Reports are written by `python cli_demo.py eval NAME --out REPORT.json`.",
    )


class NoQuestions(EvaluationError):
    """There is nothing to ask."""

    code = "no_questions"
    what = Message("知识库“{name}”没有问题列表。", "The knowledge base “{name}” has no list of questions.")
    cure = Message(
        "给出一个问题文件，或用 `python cli_demo.py eval {name} --draft 20` 从文档起草一份。",
        "Give a file of questions, or draft some from its documents: `python cli_demo.py eval {name} --draft 20`.",
    )
