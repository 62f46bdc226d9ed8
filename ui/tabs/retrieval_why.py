"""Why was it not found? The part of the retrieval test that asks for what was expected."""

from collections.abc import Mapping, Sequence

import gradio as gr

from core.messages import Language
from service.knowledge_qa import KnowledgeQA
from ui.components import Updates, panel, refused
from ui.rendering import views
from ui.rendering.templates import rendered
from ui.texts import retrieval_test as texts
from ui.visitors import facade_for


class WhyPart:
    """The widgets, and what the explanation looks like."""

    def __init__(self, qa: KnowledgeQA, language: Language) -> None:
        self._qa, self._language = qa, language

    def build(self) -> None:
        """Make the widgets."""
        with gr.Accordion(texts.WHY.text(self._language), open=False, elem_id="test-why"):
            self.expected = gr.Textbox(
                label=texts.EXPECTED.text(self._language),
                placeholder=texts.EXPECTED_HINT.text(self._language),
                elem_id="test-expected",
            )
            self.button = gr.Button(texts.EXPLAIN.text(self._language), size="sm", elem_id="test-explain")
            self.picture = panel("test-explanation")

    def explained(
        self, question: str, expected: str, kbs: Sequence[str], overrides: Mapping[str, float], request: gr.Request
    ) -> Updates:
        """Show for each knowledge base which stage loses what was expected."""
        if not question or not expected or not kbs:
            raise refused(texts.SAY_WHAT.text(self._language))
        qa = facade_for(self._qa, request)
        explained = {
            kb: views.explanation(qa.explain(question, kb, expected, overrides), language=self._language) for kb in kbs
        }
        return {self.picture: rendered("test_why.html", self._language, explained=explained)}
