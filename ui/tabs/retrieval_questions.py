"""The question list of a knowledge base in the retrieval test: looked after, and run for figures and curves."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import gradio as gr
from markupsafe import Markup

from core.answers import Progress
from core.errors import KnowGLMError
from core.evaluation import Evaluation
from core.messages import Language, Message
from service.evaluating.evaluations import Evaluations
from service.knowledge_qa import KnowledgeQA
from ui.components import QUIET, Updates, data_of, notice, panel, refused, told
from ui.rendering import views
from ui.rendering.templates import rendered
from ui.tabs.retrieval_files import question_links, report_links
from ui.tabs.retrieval_sliders import described
from ui.texts import retrieval_test as texts
from ui.visitors import facade_for, visitor_of

_MOST_DRAFTS = 200
_PASTED = "list.csv"
_IMPORTING = "window.knowglm.questionFile(element, trigger);"


class QuestionsPart:
    """The widgets of the list, and what they do.

    Args:
        evaluations: shared by all pages of a server.
    """

    def __init__(self, qa: KnowledgeQA, evaluations: Evaluations, language: Language) -> None:
        self._qa, self._evaluations, self._language = qa, evaluations, language

    # --- widgets -------------------------------------------------------------------------------------------------

    def build(self) -> None:
        """Make the widgets."""
        self._run_id = gr.State("")
        self._list = panel("test-list")
        with gr.Column(elem_id="test-list-changes") as self._changes:
            with gr.Row():
                self._count = gr.Number(
                    20, label=self._t(texts.DRAFT_COUNT), minimum=1, maximum=_MOST_DRAFTS, precision=0, min_width=120
                )
                self._draft = gr.Button(self._t(texts.DRAFT), size="sm", elem_id="test-draft", min_width=160)
            self._import = panel("test-import", js=_IMPORTING)
            with gr.Accordion(self._t(texts.PASTE_PART), open=False):
                self._pasted = gr.Textbox(
                    label=self._t(texts.PASTE),
                    placeholder=self._t(texts.PASTE_EXAMPLE),
                    lines=4,
                    max_lines=16,
                    elem_id="test-pasted",
                )
                self._take_over = gr.Button(self._t(texts.TAKE_OVER), size="sm", elem_id="test-take-over")
        with gr.Row():
            self._run = gr.Button(self._t(texts.RUN), variant="primary", elem_id="test-run")
            self._cancel = gr.Button(self._t(texts.CANCEL), variant="stop", visible=False, elem_id="test-cancel")
        self._measured = panel("test-measured")

    @property
    def outputs(self) -> list[Any]:
        """The widgets that `listed` updates."""
        return [self._list, self._changes, self._import, self._run]

    def wire(self, kbs: gr.Dropdown, question: gr.Textbox, parts: gr.Tabs) -> None:
        """Let the widgets work.

        Args:
            question, parts: where a question of the list is tried.
        """
        telling = told(self._language)
        running = [self._run_id, self._measured, self._run, self._cancel]
        self.chosen = self._list.click(telling(self.act), kbs, [question, parts, *self.outputs], **QUIET)
        self._draft.click(telling(self.draft), [kbs, self._count], self.outputs, **QUIET)
        self._take_over.click(telling(self.paste), [kbs, self._pasted], [self._pasted, *self.outputs], **QUIET)
        self._import.upload(telling(self.imported), kbs, self.outputs, **QUIET)
        self._run.click(telling(self.run), kbs, running, **QUIET)
        self._cancel.click(telling(self.cancel), self._run_id, self._cancel, **QUIET)
        self.adopted = self._measured.click(telling(self.adopt), self._run_id, self._measured, **QUIET)
        self._question, self._parts = question, parts

    # --- the list ------------------------------------------------------------------------------------------------

    def listed(self, kbs: Sequence[str], request: gr.Request) -> Updates:
        """Show the list of the one knowledge base that is chosen."""
        if len(kbs) != 1:
            hint = rendered("test_note.html", self._language, kind="note", lines=[self._t(texts.ONE_LIST)])
            hidden = gr.update(visible=False)
            return {self._list: hint, self._changes: hidden, self._import: Markup(""), self._run: hidden}
        (kb,) = kbs
        may_edit = visitor_of(request).user.may("editor", kb)
        stored = facade_for(self._qa, request).question_book.all(kb)
        values = {"kb": kb, "stored": stored, "exports": question_links(kb), "may_edit": may_edit}
        return {
            self._list: rendered("test_questions.html", self._language, texts=texts, **values),
            self._changes: gr.update(visible=may_edit),
            self._import: rendered("test_import.html", self._language, texts=texts, kb=kb),
            self._run: gr.update(visible=any(not one.is_open for one in stored)),
        }

    def act(self, kbs: list[str], event: gr.EventData, request: gr.Request) -> Updates:
        """Try a question of the list, or delete it."""
        data = data_of(event)
        if data["action"] == "use":
            return {self._question: data["question"], self._parts: gr.update(selected="try")}
        facade_for(self._qa, request).question_book.remove(data["kb"], [int(data["id"])])
        return self.listed(kbs, request)

    def draft(self, kbs: list[str], count: float, request: gr.Request) -> Updates:
        """Draft questions from the documents into the list."""
        kb, qa = self._one(kbs), facade_for(self._qa, request)
        drafts = qa.draft_questions(kb, max(1, min(int(count or 0), _MOST_DRAFTS)))
        if not drafts:
            raise refused(self._t(texts.NOTHING_DRAFTED))
        added = qa.add_questions(kb, drafts, "draft")
        notice(self._t(texts.DRAFTED, count=len(drafts), added=added))
        return self.listed(kbs, request)

    def paste(self, kbs: list[str], pasted: str, request: gr.Request) -> Updates:
        """Add the questions of a list that was pasted."""
        kb = self._one(kbs)
        added = facade_for(self._qa, request).question_book.import_file(kb, _PASTED, pasted.encode("utf-8", "replace"))
        notice(self._t(texts.IMPORTED, kb=kb, count=added))
        return {self._pasted: "", **self.listed(kbs, request)}

    def imported(self, kbs: list[str], event: gr.EventData, request: gr.Request) -> Updates:
        """Say what became of a file that the browser has sent."""
        data = data_of(event)
        if problem := data.get("problem"):
            raise refused(str(problem))
        notice(self._t(texts.IMPORTED, kb=data["kb"], count=int(data["added"])))
        return self.listed(kbs, request)

    # --- the list, run -------------------------------------------------------------------------------------------

    def run(self, kbs: list[str], request: gr.Request) -> Iterator[Updates]:
        """Ask every question of the list, and show the figures, the curve and the settings they speak for."""
        kb, qa, owner = self._one(kbs), facade_for(self._qa, request), visitor_of(request).owner
        questions = qa.questions(kb)
        id = self._evaluations.begin(owner)
        yield {
            self._run_id: id,
            self._measured: self._progress(Progress(0, len(questions), "")),
            self._run: gr.update(visible=False),
            self._cancel: gr.update(visible=True, interactive=True),
        }
        ended = {self._run: gr.update(visible=True), self._cancel: gr.update(visible=False)}
        try:
            with closing(self._evaluations.steps(owner, id, lambda told: qa.evaluate(kb, questions, told))) as steps:
                yield from ({self._measured: self._progress(step)} for step in steps)
        except KnowGLMError:
            yield {self._measured: Markup(""), **ended}
            raise
        yield {self._measured: self._result(id, kb, request), **ended}

    def cancel(self, id: str, request: gr.Request) -> Updates:
        """End the evaluation before the next question."""
        self._evaluations.cancel(visitor_of(request).owner, id)
        return {self._cancel: gr.update(interactive=False)}

    def adopt(self, id: str, request: gr.Request) -> Updates:
        """Save the suggested settings with the knowledge base."""
        evaluation = self._evaluations.report(visitor_of(request).owner, id)
        if evaluation is None:
            raise refused(self._t(texts.REPORT_GONE))
        kb = evaluation.knowledge_base
        facade_for(self._qa, request).kb_settings.apply(kb, evaluation.suggestion)
        values: dict[str, float] = {one.setting: one.value for one in evaluation.suggestion.settings}
        notice(self._t(texts.SUGGESTION_SAVED, kb=kb, settings=described(values, self._language)))
        return {self._measured: gr.skip()}

    def _result(self, id: str, kb: str, request: gr.Request) -> Markup:
        evaluation = self._evaluations.report(visitor_of(request).owner, id)
        if evaluation is None:
            return rendered("test_note.html", self._language, kind="note", lines=[self._t(texts.CANCELLED)])
        return rendered(
            "test_measured.html",
            self._language,
            texts=texts,
            curve=self._curve(evaluation),
            figures=views.figures(evaluation, language=self._language),
            downloads=report_links(id),
            may_edit=visitor_of(request).user.may("editor", kb),
        )

    def _curve(self, evaluation: Evaluation) -> Markup:
        suggested, in_force = evaluation.suggestion.value("threshold"), evaluation.settings.threshold
        return views.curve(evaluation.thresholds, suggested=suggested, in_force=in_force, language=self._language)

    def _progress(self, progress: Progress) -> Markup:
        return rendered("test_progress.html", self._language, texts=texts, progress=progress)

    def _one(self, kbs: Sequence[str]) -> str:
        if len(kbs) != 1:
            raise refused(self._t(texts.ONE_LIST))
        return kbs[0]

    def _t(self, message: Message, **values: Any) -> str:
        return message.text(self._language, **values)
