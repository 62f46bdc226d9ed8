"""What a conversation asks, and how; and what there is to know about that."""

from collections.abc import Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from core.answers import AskMode
from core.messages import Language, Message
from service.knowledge_qa import KnowledgeQA
from ui.components import LIVE, Updates, panel, told
from ui.rendering import chat as pictures
from ui.texts import chat as texts
from ui.visitors import facade_for, visitor_of


class Choice:
    """The knowledge bases and the mode of the conversation that is open, and what writes its answers."""

    def __init__(self, qa: KnowledgeQA, language: Language) -> None:
        self._qa, self._language = qa, language
        with gr.Row(elem_id="talk-settings"):
            self._kbs = gr.Dropdown(
                [], label=self._t(texts.KNOWLEDGE_BASES), multiselect=True, elem_id="chat-kbs", scale=3
            )
            self._mode = gr.Dropdown([], label=self._t(texts.MODE), elem_id="chat-mode", scale=2)
        self._status = panel("status")
        self.given = [self._kbs, self._mode]
        self.widgets = [*self.given, self._status]
        self.on_select: dict[str, Any] = {
            "fn": told(language)(self.refresh),
            "inputs": self.given,
            "outputs": self.widgets,
        }

    def wire(self, conversation: gr.State) -> None:
        """Keep what is chosen with the conversation whose id this is."""
        for change in (self._kbs.input, self._mode.input):
            change(told(self._language)(self.settle), [conversation, *self.given], self._status, **LIVE)

    def settle(self, conversation_id: str, kbs: list[str], mode: AskMode, request: gr.Request) -> Updates:
        """Keep with the conversation what it asks, and say what there is to know about that."""
        if conversation_id:
            self._qa.conversations.choose(visitor_of(request).owner, conversation_id, kbs=kbs, mode=mode)
        return {self._status: self._stated(kbs, request)}

    def refresh(self, kbs: list[str], mode: AskMode | None, request: gr.Request) -> Updates:
        """Bring up to date what other tabs may have changed: the knowledge bases and the model."""
        if mode is None:  # selected with the page itself, which is still to be loaded
            return {self._status: gr.skip()}
        updates = self.of(kbs, mode, request)
        for widget, given in zip(self.given, (kbs, mode), strict=True):
            if updates[widget]["value"] == given:
                del updates[widget]["value"]  # the visitor may have chosen something else meanwhile
        return updates

    def of(self, kbs: Sequence[str], mode: AskMode, request: gr.Request) -> Updates:
        """Show a choice, without what is there no more."""
        names = [info.name for info in facade_for(self._qa, request).knowledge_bases() if not info.is_damaged]
        modes, there = self._modes(), [kb for kb in kbs if kb in names]
        return {
            self._kbs: gr.update(choices=names, value=there),
            self._mode: gr.update(
                choices=[(self._t(texts.MODES[one]), one) for one in modes], value=mode if mode in modes else "kb"
            ),
            self._status: self._stated(there, request),
        }

    def _modes(self) -> list[AskMode]:
        modes: list[AskMode] = ["kb", "retrieval"]
        if self._qa.model_in_force != "extractive":
            modes.append("chat")
        if self._qa.settings.web_search != "off":
            modes += ["web", "kb+web"]
        return modes

    def _stated(self, kbs: Sequence[str], request: gr.Request) -> Markup:
        qa = facade_for(self._qa, request)
        notices = qa.notices(kbs) if kbs else []
        return pictures.status(qa.model_in_force, notices, language=self._language)

    def _t(self, message: Message) -> str:
        return message.text(self._language)
