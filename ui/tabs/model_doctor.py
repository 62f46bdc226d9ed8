"""The look at everything that the program needs."""

from collections.abc import Iterator

import gradio as gr

from core.messages import Language
from service.knowledge_qa import KnowledgeQA
from service.models.doctor import diagnose
from ui.components import QUIET, Updates, panel, told
from ui.rendering import models as pictures
from ui.rendering import views
from ui.texts import models as texts
from ui.visitors import facade_for


class Doctor:
    """A button, and what it finds."""

    def __init__(self, qa: KnowledgeQA, language: Language) -> None:
        self._qa, self._language = qa, language
        gr.HTML(pictures.heading(texts.DOCTOR, texts.DOCTOR_ABOUT, language=language))
        with gr.Row(elem_classes="model-doctor"):
            self._button = gr.Button(texts.DIAGNOSE.text(language), elem_id="model-diagnose", scale=1)
            self._online = gr.Checkbox(label=texts.ONLINE.text(language), elem_id="model-online", scale=3)
        self._panel = panel("model-doctor")
        self._button.click(told(language)(self.examine), self._online, self._panel, **QUIET)

    def examine(self, online: bool, request: gr.Request) -> Iterator[Updates]:
        """Examine everything; nothing is contacted unless that is wanted."""
        settings = facade_for(self._qa, request).settings
        yield {self._panel: pictures.note(texts.EXAMINING.text(self._language))}
        yield {self._panel: views.doctor(diagnose(settings, online=online), language=self._language)}
