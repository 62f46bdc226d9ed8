"""The chat: conversations, answers as they are written, and the source beside the answer."""

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
from markupsafe import Markup

from core.answers import AnswerEvent, AskMode, AskOptions, Delta, Finished
from core.conversation_errors import ConversationBusy
from core.conversations import Conversation, Rating
from core.errors import KnowGLMError
from core.evaluation import LabelledQuestion
from core.messages import Language, Message
from service.conversations.conversing import Conversing
from service.knowledge.library import SAMPLES
from service.knowledge_qa import KnowledgeQA
from ui.components import LIVE, QUIET, Updates, data_of, notice, panel, refused, told
from ui.rendering import chat as pictures
from ui.rendering import views
from ui.tabs.chat_beside import Beside, answer_in
from ui.tabs.chat_choice import Choice
from ui.texts import chat as texts
from ui.visitors import facade_for, visitor_of

_FRAME_S = 0.06  # between two pictures of an answer that is being written
_PATIENCE_S = 5.0  # with a model that is asked to stop
_OF_KNOWLEDGE_BASES: tuple[AskMode, ...] = ("kb", "retrieval", "kb+web")
_QUESTION_CHARS = 8000


class ChatTab:
    """The widgets of the chat, and what they do.

    Args:
        conversing: shared by all pages of a server.
        language: of the page.
    """

    def __init__(self, qa: KnowledgeQA, conversing: Conversing, language: Language) -> None:
        self._qa, self._conversing, self._language = qa, conversing, language
        self._left: set[str] = set()  # conversations that were left while an answer was being written in them
        self._build()
        self._wire()

    # --- widgets -------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self._conversation = gr.State("")
        with gr.Row(elem_id="chat"):
            with gr.Column(elem_id="conversations", scale=2, min_width=200):
                self._new = gr.Button(self._t(texts.NEW), elem_id="new-conversation", size="sm")
                self._search = gr.Textbox(
                    placeholder=self._t(texts.SEARCH),
                    label=self._t(texts.SEARCH),
                    show_label=False,
                    container=False,
                    elem_id="conversation-search",
                )
                self._list = panel("conversation-list")
            with gr.Column(elem_id="talk", scale=6, min_width=300):
                self._choice = Choice(self._qa, self._language)
                with gr.Column(elem_id="scroll"):
                    self._transcript = panel("transcript")
                    self._current = panel("current", js="window.knowglm.follow(document.getElementById('scroll'));")
                self._build_question()
            self._beside = Beside(self._qa, self._language)

    def _build_question(self) -> None:
        with gr.Row(elem_id="ask"):
            self._question = gr.Textbox(
                placeholder=self._t(texts.QUESTION),
                label=self._t(texts.QUESTION_LABEL),
                show_label=False,
                container=False,
                lines=1,
                max_lines=6,
                max_length=_QUESTION_CHARS,
                elem_id="question",
                scale=6,
            )
            self._send = gr.Button(self._t(texts.SEND), variant="primary", elem_id="send", min_width=72, scale=1)
            self._stop = gr.Button(
                self._t(texts.STOP), variant="stop", elem_id="stop", min_width=72, scale=1, visible=False
            )

    def _wire(self) -> None:
        telling = told(self._language)
        talk = [self._conversation, self._transcript, self._current, self._list, self._question, self._send, self._stop]
        opened = [*talk, *self._choice.widgets, *self._beside.widgets]
        asked = [self._question, self._conversation, *self._choice.given]
        for event in (self._send.click, self._question.submit):
            event(telling(self.ask), asked, talk, **QUIET)
        self._stop.click(telling(self.stop), self._conversation, self._stop, **QUIET)
        self._transcript.click(telling(self.act), self._conversation, opened, **QUIET)
        self._beside.wire(self._conversation)
        self._new.click(telling(self.new), self._conversation, opened, **QUIET)
        self._list.click(telling(self.choose), [self._conversation, self._search], opened, **QUIET)
        searched = [self._conversation, self._search]
        self._search.change(telling(self.find), searched, self._list, **LIVE)  # `input` is deaf to IMEs and pasting
        self._choice.wire(self._conversation)
        self.on_load: dict[str, Any] = {"fn": telling(self.load), "outputs": opened}
        self.on_select = self._choice.on_select

    # --- asking --------------------------------------------------------------------------------------------------

    def ask(
        self, question: str, conversation_id: str, kbs: list[str], mode: AskMode, request: gr.Request
    ) -> Iterator[Updates]:
        """Ask the next question; a conversation begins with the first one."""
        question, owner = question.strip(), visitor_of(request).owner
        if not question:
            return
        if not kbs and mode in _OF_KNOWLEDGE_BASES:
            raise refused(self._t(texts.NO_KNOWLEDGE_BASE))
        if self._conversing.is_writing(conversation_id):
            raise ConversationBusy
        if conversation_id:  # may still name a knowledge base that is gone
            self._qa.conversations.choose(owner, conversation_id, kbs=kbs, mode=mode)
        else:
            conversation_id = self._qa.conversations.create(owner, kbs, mode)
        yield from self._answered(owner, conversation_id, question, request)

    def stop(self, conversation_id: str) -> Updates:
        """Stop the answer that is being written; the handler that shows it then comes to its end."""
        self._conversing.stop(conversation_id)
        return {self._stop: gr.update(interactive=False)}

    def _answered(self, owner: str, id: str, question: str, request: gr.Request) -> Iterator[Updates]:
        options = AskOptions(rewrite=self._qa.settings.rewrite, language=self._language)
        events = self._conversing.ask(facade_for(self._qa, request), owner, id, question, options)
        yield {
            self._conversation: id,
            self._transcript: self._transcribed(self._qa.conversations.load(owner, id)),
            self._current: self._growing(question, ""),
            self._question: gr.update(value=""),
            self._send: gr.update(visible=False),
            self._stop: gr.update(visible=True, interactive=True),
        }
        try:
            for picture in self._frames(question, events):
                yield {self._current: picture} if id not in self._left else {self._current: gr.skip()}
        except KnowGLMError:
            yield self._settled(owner, id)
            raise
        yield self._settled(owner, id)

    def _frames(self, question: str, events: Iterator[AnswerEvent]) -> Iterator[Markup]:
        """Yield pictures of an answer that is being written, no more of them than an eye can follow."""
        text, drawn_at = "", 0.0
        for event in events:
            text += event.text if isinstance(event, Delta) else ""
            if not isinstance(event, Finished) and time.monotonic() - drawn_at >= _FRAME_S:
                yield self._growing(question, text)
                drawn_at = time.monotonic()

    def _growing(self, question: str, text: str) -> Markup:
        is_quoted = self._qa.model_in_force == "extractive"
        return pictures.writing(question, text, is_quoted=is_quoted, language=self._language)

    def _settled(self, owner: str, id: str) -> Updates:
        """Show a conversation in which nothing is being written, unless it has been left."""
        if id in self._left:
            self._left.discard(id)
            return {self._current: gr.skip()}
        return {
            self._conversation: id,
            self._transcript: self._transcribed(self._qa.conversations.load(owner, id)),
            self._current: Markup(""),
            self._list: self._listed(owner, id),
            self._send: gr.update(visible=True),
            self._stop: gr.update(visible=False),
        }

    # --- what stands in the transcript ---------------------------------------------------------------------------

    def act(self, conversation_id: str, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        """Do what was clicked in the transcript."""
        data, owner = data_of(event), visitor_of(request).owner
        match data["action"]:
            case "example":
                yield from self.ask(data["question"], conversation_id, [SAMPLES], "kb", request)
                return
            case "retry":
                question = self._qa.conversations.drop_last(owner, conversation_id)
                yield from self._answered(owner, conversation_id, question, request)
                return
            case "source":
                yield self._beside.source(conversation_id, int(data["exchange"]), int(data["n"]), request)
                return
            case "why":
                yield self._beside.why(conversation_id, int(data["exchange"]), data["value"], request)
                return
            case "rate":
                self._rate(conversation_id, int(data["exchange"]), int(data["rating"]), request)
            case "clear":
                self._qa.conversations.clear(owner, conversation_id)
        yield self._settled(owner, conversation_id)

    def _rate(self, conversation_id: str, exchange_id: int, rating: int, request: gr.Request) -> None:
        """Keep a rating; the question of a thumbs-down goes to the list of each knowledge base that was asked."""
        owner, qa = visitor_of(request).owner, facade_for(self._qa, request)
        rated: Rating = 1 if rating > 0 else -1 if rating < 0 else 0
        self._qa.conversations.rate(owner, exchange_id, rated)
        conversation = self._qa.conversations.load(owner, conversation_id)
        answer = answer_in(conversation, exchange_id)
        if rated < 0 and answer is not None:
            for kb in conversation.kbs:
                if visitor_of(request).user.may("editor", kb):
                    qa.add_questions(kb, [LabelledQuestion(answer.rewritten or answer.question)], "feedback")
                    notice(texts.NOTED.text(self._language, kb=kb))

    # --- which conversation --------------------------------------------------------------------------------------

    def load(self, request: gr.Request) -> Updates:
        """Open the page: at the conversation that its address names, else at a new one."""
        id, owner = request.query_params.get("c", ""), visitor_of(request).owner
        known = {summary.id for summary in self._qa.conversations.list(owner)}
        return self._opened(owner, id if id in known else "", request)

    def new(self, conversation_id: str, request: gr.Request) -> Updates:
        """Begin a conversation; it is kept once something is asked."""
        self._leave(conversation_id)
        return self._opened(visitor_of(request).owner, "", request)

    def choose(self, conversation_id: str, query: str, event: gr.EventData, request: gr.Request) -> Updates:
        """Open, rename or delete a conversation of the list."""
        data, owner = data_of(event), visitor_of(request).owner
        id = data["conversation"]
        match data["action"]:
            case "open":
                if id != conversation_id:
                    self._leave(conversation_id)
                return self._opened(owner, id, request)
            case "rename":
                self._qa.conversations.rename(owner, id, data["value"])
            case "delete":
                self._leave(id)
                self._qa.conversations.delete(owner, id)
                if id == conversation_id:
                    return self._opened(owner, "", request)
        opened = {self._list: self._listed(owner, conversation_id, query)}
        if id == conversation_id:
            opened[self._transcript] = self._transcribed(self._qa.conversations.load(owner, id))
        return opened

    def find(self, conversation_id: str, query: str, request: gr.Request) -> Updates:
        """List the conversations in which something occurs."""
        return {self._list: self._listed(visitor_of(request).owner, conversation_id, query)}

    def _leave(self, id: str) -> None:
        """Stop the answer that is being written in a conversation, which must not show in the one that is opened."""
        if self._conversing.stop(id):
            self._left.add(id)
            deadline = time.monotonic() + _PATIENCE_S
            while (
                self._conversing.is_writing(id) and time.monotonic() < deadline
            ):  # until then Gradio takes no question
                time.sleep(_FRAME_S)

    def _opened(self, owner: str, id: str, request: gr.Request) -> Updates:
        self._left.discard(id)
        conversation = self._qa.conversations.load(owner, id) if id else None
        kbs, mode = (conversation.kbs, conversation.mode) if conversation else ((SAMPLES,), "kb")
        return {
            **self._choice.of(kbs, mode, request),
            self._conversation: id,
            self._transcript: self._transcribed(conversation) if conversation else pictures.welcome(self._language),
            self._current: Markup(""),
            self._list: self._listed(owner, id),
            self._send: gr.update(visible=True),
            self._stop: gr.update(visible=False),
            **self._beside.closed(),
        }

    def _listed(self, owner: str, current: str, query: str = "") -> Markup:
        summaries = self._qa.conversations.list(owner, query)
        return views.conversations(summaries, current, language=self._language)

    def _transcribed(self, conversation: Conversation) -> Markup:
        return pictures.transcript(conversation, language=self._language)

    def _t(self, message: Message, **values: Any) -> str:
        return message.text(self._language, **values)
