"""The retrieval test: what a question finds, with which settings, and whether that is right."""

import json
from typing import Any

import gradio as gr
from markupsafe import Markup

from core.answers import Hit, Retrieval
from core.errors import KnowGLMError
from core.messages import Language, Message
from service.evaluating.evaluations import Evaluations
from service.knowledge.library import SAMPLES
from service.knowledge_qa import KnowledgeQA
from ui.components import LIVE, QUIET, Updates, data_of, panel, refused, told
from ui.rendering import views
from ui.rendering.templates import rendered
from ui.tabs.retrieval_marks import Marker, WrongMarks
from ui.tabs.retrieval_questions import QuestionsPart
from ui.tabs.retrieval_settings import Given, SettingsPart
from ui.tabs.retrieval_sliders import Sliders
from ui.tabs.retrieval_why import WhyPart
from ui.texts import retrieval_test as texts
from ui.visitors import facade_for

_QUESTION_CHARS = 8000
_THRESHOLD_LINE = "window.knowglm.threshold(element, trigger);"


class RetrievalTestTab:
    """The widgets of the retrieval test, and what they do. The knowledge bases chosen here are its own.

    Args:
        evaluations: shared by all pages of a server.
        language: of the page.
    """

    def __init__(self, qa: KnowledgeQA, evaluations: Evaluations, language: Language) -> None:
        self._qa, self._language = qa, language
        self._marker = Marker(qa)
        self._settings = SettingsPart(qa, language)
        self._why = WhyPart(qa, language)
        self._questions = QuestionsPart(qa, evaluations, language)
        self._build()
        self._wire()

    # --- widgets -------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self._wrong = gr.State(WrongMarks())
        with gr.Column(elem_id="test"):
            self._kbs = gr.Dropdown(
                [],
                label=self._t(texts.KNOWLEDGE_BASES),
                info=self._t(texts.KNOWLEDGE_BASES_ABOUT),
                multiselect=True,
                elem_id="test-kbs",
            )
            with gr.Tabs(elem_id="test-parts") as self._parts:
                with gr.Tab(self._t(texts.TRY), id="try"):
                    self._build_trying()
                with gr.Tab(self._t(texts.QUESTIONS), id="questions"):
                    self._questions.build()

    def _build_trying(self) -> None:
        self._question = gr.Textbox(
            label=self._t(texts.QUESTION),
            placeholder=self._t(texts.QUESTION_HINT),
            max_length=_QUESTION_CHARS,
            interactive=False,  # until it is known what can be searched
            elem_id="test-question",
        )
        with gr.Row(elem_id="test-columns"):
            with gr.Column(elem_id="test-settings", scale=2, min_width=260):
                gr.HTML(rendered("test_fold.html", self._language, texts=texts), elem_id="test-fold")
                self._settings.build()
            with gr.Column(elem_id="test-found", scale=5, min_width=300):
                self._results = panel("test-results", js=_THRESHOLD_LINE)
                self._why.build()

    def _wire(self) -> None:
        telling, settings = told(self._language), self._settings
        given = {self._question, self._kbs, self._wrong, *settings.inputs}
        everything = [self._kbs, self._question, *settings.outputs, self._results, *self._questions.outputs]
        # Gradio's text box has an `input` only for what keys type, but not for what is composed, pasted or deleted.
        for live in (self._question.change, self._question.submit, *(slider.input for slider in settings.sliders)):
            live(telling(self.search), given, self._results, **LIVE)
        self._results.release(telling(self.drag), given, [*settings.a.widgets, self._results], **QUIET)
        marked = [self._wrong, self._results, *self._questions.outputs]
        self._results.click(telling(self.mark), given, marked, **QUIET)
        self._kbs.input(telling(self.choose), given, everything, **LIVE)
        saved = [*settings.outputs, self._results]
        settings.compare.input(telling(self.compare), given, saved, **LIVE)
        settings.apply_button.click(telling(self.apply), given, saved, **QUIET)
        settings.defaults_button.click(telling(self.reset), given, saved, **QUIET)
        for ask in (self._why.button.click, self._why.expected.submit):
            ask(telling(self.explain), given | {self._why.expected}, self._why.picture, **QUIET)
        self._why.picture.click(telling(self.adopt), given, [*settings.a.widgets, self._results], **QUIET)
        self._questions.wire(self._kbs, self._question, self._parts)
        for changed in (self._questions.chosen, self._questions.adopted):
            changed.then(telling(self.choose), given, everything, **QUIET)
        self.on_select = {"fn": telling(self.refresh), "inputs": given, "outputs": everything}

    # --- searching -----------------------------------------------------------------------------------------------

    def search(self, given: Given, request: gr.Request) -> Updates:
        """Show what the question finds, by the very search that answers in the chat."""
        return {self._results: self._found(given, request)}

    def drag(self, given: Given, event: gr.EventData, request: gr.Request) -> Updates:
        """Search with the threshold at which the line was let go."""
        return self._tried(given, {"threshold": float(data_of(event)["threshold"])}, request)

    def compare(self, given: Given, request: gr.Request) -> Updates:
        """Show or hide the second settings."""
        return self._after(given, self._settings.compared(given), request)

    def explain(self, given: Given, request: gr.Request) -> Updates:
        """Show which stage loses what somebody expected, with the settings as they are tried."""
        question, overrides = given[self._question].strip(), self._settings.overrides(given, self._settings.a)
        return self._why.explained(question, given[self._why.expected].strip(), given[self._kbs], overrides, request)

    def adopt(self, given: Given, event: gr.EventData, request: gr.Request) -> Updates:
        """Try the settings that an explanation suggests."""
        return self._tried(given, json.loads(data_of(event)["changes"]), request)

    def _tried(self, given: Given, values: dict[str, float], request: gr.Request) -> Updates:
        return self._after(given, self._settings.a.showing(values), request)

    def _after(self, given: Given, updates: Updates, request: gr.Request) -> Updates:
        """Return updates, and what is found once they are made."""
        now = {**given, **{one: _value(update) for one, update in updates.items() if _has_value(update)}}
        return {**updates, self._results: self._found(now, request)}

    def _found(self, given: Given, request: gr.Request) -> Markup:
        if not given[self._kbs]:
            return self._note(self._t(texts.CHOOSE_KB))
        if not given[self._question].strip():
            return self._note(self._t(texts.TYPE_A_QUESTION))
        try:
            return self._shown(given, request)
        except KnowGLMError as error:  # a message that goes away by itself would come with every letter
            return self._note(error.text(self._language), kind="failure")

    def _shown(self, given: Given, request: gr.Request) -> Markup:
        retrieval = self._retrieved(given, self._settings.a, request)
        if given[self._settings.compare]:
            other = self._retrieved(given, self._settings.b, request)
            return views.two_retrievals(retrieval, other, language=self._language)
        marks = self._marker.marks(retrieval, given[self._wrong], request)
        threshold = retrieval.settings.threshold
        picture = views.retrieval(retrieval, threshold=threshold, language=self._language, marks=marks)
        listed = self._marker.listed(retrieval.question, given[self._kbs], request)
        values = {"listed": listed, "may_edit": all(one.may_edit for one in listed), "picture": picture}
        return rendered("test_results.html", self._language, texts=texts, **values)

    def _retrieved(self, given: Given, sliders: Sliders, request: gr.Request) -> Retrieval:
        question, overrides = given[self._question].strip(), self._settings.overrides(given, sliders)
        return facade_for(self._qa, request).search(question, given[self._kbs], overrides)

    # --- marks ---------------------------------------------------------------------------------------------------

    def mark(self, given: Given, event: gr.EventData, request: gr.Request) -> Updates:
        """Put into the list of a knowledge base what is said of a hit, or of the question as a whole."""
        data, question, wrong = data_of(event), given[self._question].strip(), given[self._wrong]
        match data["action"]:
            case "mark":
                chunk = self._hit(given, data, request).chunk
                wrong = self._marker.mark(question, chunk, wrong, is_right=data["right"] == "true", request=request)
            case "unanswerable":
                wrong = self._marker.unanswerable(question, data["kb"], wrong, request)
            case "take-out":
                wrong = self._marker.take_out(question, data["kb"], wrong, request)
        return {
            self._wrong: wrong,
            self._results: self._found({**given, self._wrong: wrong}, request),
            **self._questions.listed(given[self._kbs], request),
        }

    def _hit(self, given: Given, data: dict[str, str], request: gr.Request) -> Hit:
        wanted = (data["kb"], int(data["chunk"]))
        hits = self._retrieved(given, self._settings.a, request).hits
        hit = next((hit for hit in hits if (hit.chunk.kb, hit.chunk.id) == wanted), None)
        if hit is None:
            raise refused(self._t(texts.RESULTS_CHANGED))
        return hit

    # --- knowledge bases and their settings ----------------------------------------------------------------------

    def choose(self, given: Given, request: gr.Request) -> Updates:
        """Search other knowledge bases, with what is in force for them."""
        updates = self._settings.opened(given[self._kbs], request)
        updates |= self._questions.listed(given[self._kbs], request)
        return self._after_choice(given, updates, request)

    def refresh(self, given: Given, request: gr.Request) -> Updates:
        """Open the tab: at the samples, or as it was, with what other tabs may have changed."""
        names = self._names(request)
        kbs = [kb for kb in given[self._kbs] or (SAMPLES,) if kb in names]
        updates = {
            self._kbs: gr.update(choices=names, value=kbs),
            self._question: gr.update(interactive=True),
            **self._settings.refreshed(given, kbs, request),
            **self._questions.listed(kbs, request),
        }
        return self._after_choice(given, updates, request)

    def apply(self, given: Given, request: gr.Request) -> Updates:
        """Save with the knowledge base the settings that are tried, for the chat and everything else."""
        return self._after(given, self._settings.apply(given, given[self._kbs], request), request)

    def reset(self, given: Given, request: gr.Request) -> Updates:
        """Go back to the application's settings."""
        return self._after(given, self._settings.reset(given[self._kbs], request), request)

    def _after_choice(self, given: Given, updates: Updates, request: gr.Request) -> Updates:
        """Do as `_after` does where there is a question; if not, somebody may be typing its first letters now."""
        return self._after(given, updates, request) if given[self._question].strip() else updates

    def _names(self, request: gr.Request) -> list[str]:
        return [info.name for info in facade_for(self._qa, request).knowledge_bases() if not info.is_damaged]

    def _note(self, text: str, kind: str = "note") -> Markup:
        return rendered("test_note.html", self._language, kind=kind, lines=[text])

    def _t(self, message: Message, **values: Any) -> str:
        return message.text(self._language, **values)


def _has_value(update: Any) -> bool:
    return not isinstance(update, dict) or "value" in update


def _value(update: Any) -> Any:
    return update["value"] if isinstance(update, dict) else update
