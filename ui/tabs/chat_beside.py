"""What stands beside the chat: a source with the text around it, or why something was not found."""

import gradio as gr
from markupsafe import Markup

from core.answers import Answer, Citation
from core.conversations import Conversation
from core.curation import SourceView
from core.errors import KnowledgeBaseError
from core.messages import Language
from service.knowledge_qa import KnowledgeQA
from ui.components import QUIET, Updates, data_of, panel, told
from ui.rendering import chat as pictures
from ui.rendering import views
from ui.rendering.formats import original_address
from ui.rendering.highlights import supports
from ui.visitors import facade_for, visitor_of


class Beside:
    """The column beside the chat; on a phone it lies over it."""

    def __init__(self, qa: KnowledgeQA, language: Language) -> None:
        self._qa, self._language = qa, language
        with gr.Column(elem_id="beside", scale=4, min_width=280, visible=False) as self._column:
            self._panel = panel("source-panel")
        self.widgets = [self._column, self._panel]

    def wire(self, conversation: gr.State) -> None:
        """Let its buttons work; `conversation` holds the id of the one that is open."""
        self._panel.click(told(self._language)(self.act), conversation, self.widgets, **QUIET)

    def act(self, conversation_id: str, event: gr.EventData, request: gr.Request) -> Updates:
        """Turn to another source of the same answer, or close."""
        data = data_of(event)
        if data["action"] == "source":
            return self.source(conversation_id, int(data["exchange"]), int(data["n"]), request)
        return self.closed()

    def closed(self) -> Updates:
        """Show nothing."""
        return {self._column: gr.update(visible=False), self._panel: Markup("")}

    def source(self, conversation_id: str, exchange_id: int, n: int, request: gr.Request) -> Updates:
        """Show source `n` of an answer."""
        answer = answer_in(self._conversation(conversation_id, request), exchange_id)
        citation = next((one for one in answer.citations if one.n == n), None) if answer else None
        if answer is None or citation is None:
            return self.closed()
        view, original = self._view(citation, request)
        picture = views.source_panel(
            citation,
            view,
            language=self._language,
            supports=supports(answer, citation),
            numbers=[one.n for one in answer.citations],
            original=original,
        )
        return self._open(pictures.of_exchange(exchange_id, picture))

    def why(self, conversation_id: str, exchange_id: int, expect: str, request: gr.Request) -> Updates:
        """Show for each knowledge base that was asked which stage lost what somebody expected to be found."""
        conversation = self._conversation(conversation_id, request)
        answer, qa = answer_in(conversation, exchange_id), facade_for(self._qa, request)
        if answer is None or not expect.strip():
            return self.closed()
        asked = answer.rewritten or answer.question
        explained = {
            kb: views.explanation(qa.explain(asked, kb, expect.strip()), language=self._language)
            for kb in conversation.kbs
        }
        return self._open(pictures.why(expect.strip(), explained, language=self._language))

    def _open(self, picture: Markup) -> Updates:
        return {self._column: gr.update(visible=True), self._panel: picture}

    def _view(self, citation: Citation, request: gr.Request) -> tuple[SourceView, str]:
        """Return the text around a citation and the address of the original; what was quoted, if that is all there is.

        A document that was changed or removed since no longer has its text where the answer found it.
        """
        chunk = citation.chunk
        quoted = SourceView(
            chunk.kb, chunk.source, chunk.heading, chunk.page, "", citation.quote, "", citation.start, citation.end
        )
        try:
            view = facade_for(self._qa, request).curation.source(chunk.kb, chunk.source, citation.start, citation.end)
        except KnowledgeBaseError:
            return quoted, ""
        return (view if view.text == citation.quote else quoted), original_address(chunk.kb, chunk.source)

    def _conversation(self, id: str, request: gr.Request) -> Conversation:
        return self._qa.conversations.load(visitor_of(request).owner, id)


def answer_in(conversation: Conversation, exchange_id: int) -> Answer | None:
    """Return an answer of a conversation; None where there is none (yet)."""
    return next((one.answer for one in conversation.exchanges if one.id == exchange_id), None)
