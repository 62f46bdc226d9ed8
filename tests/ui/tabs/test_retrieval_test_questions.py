"""The question list of the retrieval test: kept, imported, exported, drafted, run, and applied."""

import csv
import io
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import gradio as gr
import pytest
from gradio_page import GradioPage, built

from core.accounts import User
from core.answers import Progress
from core.evaluation import Evaluation, Expected, LabelledQuestion
from core.load_errors import MissingFile
from core.messages import Language
from service.evaluating.evaluation import read_report
from service.evaluating.evaluations import Evaluations
from service.evaluating.question_book import ListKind
from service.knowledge_qa import KnowledgeQA
from ui.tabs import retrieval_files
from ui.tabs.retrieval_test import RetrievalTestTab

KB = "人事"
FACTS = {
    "休假.md": ("年假有几天？", "年假有五天"),
    "报销.md": ("差旅费多久报销？", "两周之内报销"),
    "病假.md": ("病假一年最多多少天？", "不超过十五天"),
    "加班.md": ("周末加班工资几倍？", "两倍工资"),
    "培训.md": ("入职培训有几天？", "三天的入职培训"),
    "考勤.md": ("迟到三次怎么算？", "迟到三次记一天旷工"),
}
TEXTS = {
    "休假.md": "工作满一年的员工，年假有五天。",
    "报销.md": "差旅费用在两周之内报销，凭发票办理。",
    "病假.md": "病假凭医院证明，一年不超过十五天。",
    "加班.md": "周末加班有两倍工资。",
    "培训.md": "新员工有三天的入职培训。",
    "考勤.md": "迟到三次记一天旷工。",
    "问答.md": "调休怎么申请？\n调休要提前一天在系统里申请。\n",
}
UNANSWERABLE = ("火星上有多少座火山？", "量子纠缠怎么解释？", "红烧肉怎么做？", "莫扎特写过几部歌剧？")
LIST = [
    *(LabelledQuestion(question, (Expected(file, None, text),)) for file, (question, text) in FACTS.items()),
    *(LabelledQuestion(question) for question in UNANSWERABLE),
]


@pytest.fixture
def qa(app: KnowledgeQA, tmp_path: Path) -> KnowledgeQA:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text, "utf-8")
    app.create(KB)
    app.add(KB, sorted(folder.iterdir()))
    return app


@pytest.fixture
def evaluations() -> Iterator[Evaluations]:
    evaluations = Evaluations()
    yield evaluations
    evaluations.close()


@pytest.fixture
def opened(qa: KnowledgeQA, evaluations: Evaluations) -> Callable[..., GradioPage]:
    def open_page(user: User | None = None, *, language: Language = "zh", owner: str = "somebody") -> GradioPage:
        blocks, tab = built(lambda: RetrievalTestTab(qa, evaluations, language))
        page = GradioPage(blocks, user, owner=owner) if user else GradioPage(blocks, owner=owner)
        page.load(**tab.on_select)
        page.fire("test-kbs", "input", value=[KB])
        return page

    return open_page


@pytest.fixture
def page(opened: Callable[..., GradioPage]) -> GradioPage:
    return opened()


def report_id(page: GradioPage) -> str:
    return page.value("test-measured").split("/evaluations/")[1].split(".json")[0]


# --- the list ------------------------------------------------------------------------------------------------------


def test_the_list_shows_what_is_expected_and_where_it_comes_from(qa: KnowledgeQA, page: GradioPage) -> None:
    assert "列表是空的" in page.value("test-list")
    assert page.shown("test-run", "visible") is False
    qa.add_questions(KB, [LIST[0], LIST[-1]], "user")
    qa.add_questions(KB, [LIST[1]], "draft")
    qa.add_questions(KB, [LabelledQuestion("为什么？")], "feedback")
    page.fire("test-kbs", "input", value=[KB])
    html = page.value("test-list")
    for part in ("年假有几天？", "休假.md", "年假有五天", "没有答案", "起草", "反馈", "待说明", "4 个问题，其中 1 个"):
        assert part in html, part
    assert page.shown("test-run", "visible") is True


def test_a_question_of_the_list_is_tried(qa: KnowledgeQA, page: GradioPage) -> None:
    page.fire("test-list", "click", {"action": "use", "kb": KB, "question": LIST[0].question})
    assert page.value("test-question") == LIST[0].question
    assert page.shown("test-parts", "selected") == "try"
    assert "休假.md" in page.value("test-results")


def test_a_question_is_deleted(qa: KnowledgeQA, page: GradioPage) -> None:
    qa.add_questions(KB, LIST[:2], "user")
    first = qa.question_book.all(KB)[0]
    page.fire("test-list", "click", {"action": "delete", "kb": KB, "id": str(first.id)})
    assert qa.questions(KB) == [LIST[1]]
    assert LIST[0].question not in page.value("test-list")


def test_several_knowledge_bases_have_no_list_together(page: GradioPage) -> None:
    page.fire("test-kbs", "input", value=[KB, "samples"])
    assert "只选一个知识库" in page.value("test-list")
    assert page.shown("test-run", "visible") is False
    for button in ("test-run", "test-draft", "test-take-over"):
        with pytest.raises(gr.Error, match="只选一个知识库"):
            page.fire(button, "click")


def test_drafts_go_into_the_list(qa: KnowledgeQA, page: GradioPage) -> None:
    page.fire("test-draft", "click")
    stored = qa.question_book.all(KB)
    assert stored
    assert {one.origin for one in stored} == {"draft"}
    assert [one.labelled for one in stored] == qa.draft_questions(KB, 20)
    assert stored[0].labelled.question in page.value("test-list")


# --- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", get_args(ListKind))
def test_a_list_that_was_exported_is_imported_the_same(qa: KnowledgeQA, kind: ListKind) -> None:
    questions = [*LIST, LabelledQuestion("=1+1 是多少？", (Expected("休假.md", 2, "-五天"), Expected("报销.md")))]
    qa.add_questions(KB, questions, "user")
    qa.add_questions(KB, [LabelledQuestion("还没人说明")], "feedback")
    file = retrieval_files.question_list(qa, KB, kind)
    assert file.name == f"人事.questions.{kind}"
    qa.create("另一个")
    assert qa.question_book.import_file("另一个", file.name, file.data) == len(questions)
    assert qa.questions("另一个") == questions, "an open question is not exported as unanswerable"


def test_the_links_lead_to_the_list_in_each_format(qa: KnowledgeQA, page: GradioPage) -> None:
    qa.add_questions(KB, LIST, "user")
    page.fire("test-kbs", "input", value=[KB])
    for address in retrieval_files.question_links(KB).values():
        assert address.replace("&", "&amp;") in page.value("test-list")


def test_a_list_is_pasted(qa: KnowledgeQA, page: GradioPage) -> None:
    page.write("test-pasted", "问题,文件,原文\n年假有几天？,休假.md,年假有五天\n")
    page.fire("test-take-over", "click")
    assert qa.questions(KB) == [LIST[0]]
    assert page.value("test-pasted") == ""
    page.write("test-pasted", "页,原文\nx,五天\n")
    with pytest.raises(gr.Error, match="没有“问题”"):
        page.fire("test-take-over", "click")
    assert page.value("test-pasted"), "what is wrong can be corrected"


def test_the_tab_tells_what_became_of_a_file(qa: KnowledgeQA, page: GradioPage) -> None:
    added = qa.question_book.import_file(KB, "列表.jsonl", b'{"question": "q1", "unanswerable": true}\n')
    page.fire("test-import", "upload", {"kb": KB, "added": added})
    assert "q1" in page.value("test-list")
    with pytest.raises(gr.Error, match="&lt;b&gt;"):
        page.fire("test-import", "upload", {"problem": "<b>"})


# --- running it ----------------------------------------------------------------------------------------------------


def test_running_the_list_gives_the_figures_of_the_evaluation(
    qa: KnowledgeQA, page: GradioPage, evaluations: Evaluations
) -> None:
    qa.add_questions(KB, LIST, "user")
    steps = page.fire("test-run", "click")
    assert len(steps) >= 2
    measured = evaluations.report("somebody", report_id(page))
    assert measured is not None
    expected = qa.evaluate(KB, LIST)
    assert _without_times(measured) == _without_times(expected)
    html = page.value("test-measured")
    assert "polyline" in html
    assert "MRR" in html
    assert page.shown("test-cancel", "visible") is False


def _without_times(evaluation: Evaluation) -> Evaluation:
    figures = {name: value for name, value in evaluation.figures.items() if not name.endswith("_ms")}
    outcomes = tuple(replace(one, seconds=0.0) for one in evaluation.outcomes)
    return replace(evaluation, figures=figures, outcomes=outcomes)


def test_a_list_that_is_too_short_says_so(qa: KnowledgeQA, page: GradioPage) -> None:
    qa.add_questions(KB, LIST[:1], "user")
    page.fire("test-run", "click")
    (remark, *_) = qa.evaluate(KB, LIST[:1]).suggestion.remarks
    assert remark.text("zh") in page.value("test-measured")


def test_the_suggestion_reaches_the_chat(qa: KnowledgeQA, page: GradioPage, evaluations: Evaluations) -> None:
    qa.add_questions(KB, LIST, "user")
    page.fire("test-run", "click")
    measured = evaluations.report("somebody", report_id(page))
    assert measured is not None
    threshold = measured.suggestion.value("threshold")
    assert threshold is not None
    page.fire("test-measured", "click", {"action": "apply"})
    assert qa.retrieval_settings(KB).threshold == threshold
    assert page.value("test-a-threshold") == pytest.approx(round(100 * threshold, 1))
    assert page.shown("test-a-threshold", "info").endswith("知识库自己的设置")


def test_the_report_and_the_outcomes_are_taken_along(
    qa: KnowledgeQA, page: GradioPage, evaluations: Evaluations, tmp_path: Path
) -> None:
    qa.add_questions(KB, [*LIST, LabelledQuestion("=HYPERLINK(1)")], "user")
    page.fire("test-run", "click")
    id = report_id(page)
    file = retrieval_files.report(evaluations, "somebody", id, "json")
    (tmp_path / file.name).write_bytes(file.data)
    assert read_report(tmp_path / file.name) == evaluations.report("somebody", id)
    table = retrieval_files.report(evaluations, "somebody", id, "csv").data.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["question"] for row in rows] == [*(one.question for one in LIST), "'=HYPERLINK(1)"]
    assert [row["answerable"] for row in rows[:6]] == ["yes"] * 6
    assert json.loads(file.data)["knowledge_base"] == KB


def test_a_report_belongs_to_who_asked_for_it(page: GradioPage, qa: KnowledgeQA, evaluations: Evaluations) -> None:
    qa.add_questions(KB, LIST[:2], "user")
    page.fire("test-run", "click")
    for owner, id, kind in (("other", report_id(page), "json"), ("somebody", "no", "csv"), ("somebody", "no", "exe")):
        with pytest.raises(MissingFile):
            retrieval_files.report(evaluations, owner, id, kind)


def test_cancelling_ends_it_without_a_result(
    qa: KnowledgeQA, page: GradioPage, evaluations: Evaluations, monkeypatch: pytest.MonkeyPatch
) -> None:
    qa.add_questions(KB, LIST, "user")
    asked: list[str] = []
    evaluate = qa.evaluate

    def slowly(kb: str, questions: Any, progress: Any) -> Evaluation:
        def step(one: Any) -> None:
            asked.append(one.label)
            if one.done == 3:
                page.fire("test-cancel", "click")
            progress(one)

        return evaluate(kb, questions, step)

    monkeypatch.setattr(qa, "evaluate", slowly)
    page.fire("test-run", "click")
    assert len(asked) == 4
    assert "已取消" in page.value("test-measured")
    assert page.shown("test-run", "visible") is True


@pytest.fixture
def endless() -> tuple[Callable[[Any], Evaluation], threading.Event]:
    """Work that ends only when it is ended, and what is set then."""
    ended = threading.Event()

    def work(progress: Callable[[Progress], None]) -> Evaluation:
        try:
            for number in itertools.count():
                progress(Progress(number, 10, ""))
                ended.wait(0.01)
        finally:
            ended.set()
        raise AssertionError

    return work, ended


def test_leaving_the_page_ends_the_evaluation(evaluations: Evaluations, endless: Any) -> None:
    work, ended = endless
    steps = evaluations.steps("me", evaluations.begin("me"), work)
    assert isinstance(next(steps), Progress)
    steps.close()
    assert ended.wait(5)


def test_nobody_ends_the_evaluation_of_another(evaluations: Evaluations, endless: Any) -> None:
    work, ended = endless
    id = evaluations.begin("me")
    steps = evaluations.steps("me", id, work)
    next(steps)
    evaluations.cancel("other", id)
    next(steps)
    assert not ended.is_set()
    evaluations.cancel("me", id)
    assert list(steps) == []
    assert evaluations.report("me", id) is None


def test_what_goes_wrong_while_running_is_told_and_leaves_the_button(qa: KnowledgeQA, page: GradioPage) -> None:
    qa.add_questions(KB, LIST, "user")
    page.fire("test-kbs", "input", value=[KB])
    for one in qa.question_book.all(KB):
        qa.question_book.remove(KB, [one.id])
    with pytest.raises(gr.Error, match="没有问题列表"):
        page.fire("test-run", "click")


# --- who, and in which language ------------------------------------------------------------------------------------


def test_readers_run_the_list_but_do_not_change_it(qa: KnowledgeQA, opened: Callable[..., GradioPage]) -> None:
    qa.add_questions(KB, LIST, "user")
    page = opened(User("lin", roles={KB: "reader"}))
    assert page.shown("test-list-changes", "visible") is False
    assert 'data-action="delete"' not in page.value("test-list")
    assert 'data-action="use"' in page.value("test-list")
    page.fire("test-run", "click")
    assert "MRR" in page.value("test-measured")
    assert 'class="read-only"' in page.value("test-measured")
    page.write("test-pasted", "问题,无答案\nx,是\n")
    changes: list[Callable[[], object]] = [
        lambda: page.fire("test-measured", "click", {"action": "apply"}),
        lambda: page.fire("test-list", "click", {"action": "delete", "kb": KB, "id": "1"}),
        lambda: page.fire("test-draft", "click"),
        lambda: page.fire("test-take-over", "click"),
    ]
    for change in changes:
        with pytest.raises(gr.Error, match=r"editor|编辑"):
            change()
    assert qa.questions(KB) == LIST


def test_an_english_page_is_english(qa: KnowledgeQA, opened: Callable[..., GradioPage]) -> None:
    qa.add_questions(KB, LIST, "user")
    page = opened(language="en")
    assert "10 questions, 0 of them open" in page.value("test-list")
    page.fire("test-run", "click")
    assert "mean reciprocal rank" in page.value("test-measured")
