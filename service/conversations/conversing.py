"""One question within a conversation: asked, answered, and kept, however it ends."""

import threading
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import cast

from core.answers import AnswerEvent, AskOptions, Delta, Finished
from core.conversation_errors import ConversationBusy, ExchangeNotFound
from core.errors import KnowGLMError
from service.conversations.store import Conversations
from service.knowledge_qa import KnowledgeQA


class Conversing:
    """Asks the questions of conversations, one at a time in each. Threads may share it."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations
        self._stops: dict[str, threading.Event] = {}  # by conversation in which an answer is being written
        self._lock = threading.Lock()

    def ask(
        self, qa: KnowledgeQA, owner: str, conversation_id: str, question: str, options: AskOptions
    ) -> Iterator[AnswerEvent]:
        """Ask the next question, in the conversation's mode and of its knowledge bases, as a stream of events.

        The question is kept before it is asked, the answer before it is told that it is finished. A stream that is
        closed, or stopped from elsewhere, keeps what has been written so far; it then ends without `Finished`.

        Args:
            qa: the façade, as the owner may use it.
            options: but for the mode, which is the conversation's.

        Raises:
            ConversationNotFound: the owner has none with this id.
            ConversationBusy: its last answer is still being written.
            KnowGLMError: as `KnowledgeQA.ask`; the exchange is kept as failed, with the reason.
        """
        conversation = self._conversations.load(owner, conversation_id)
        history = self._conversations.history(owner, conversation_id)
        wanted = replace(options, mode=conversation.mode)
        with self._writing(conversation_id) as stop, ExitStack() as stack:
            exchange = self._conversations.begin(owner, conversation_id, question)
            written = ""
            try:
                events = qa.ask(question, conversation.kbs, history, wanted)
                stack.callback(cast(Generator[AnswerEvent], events).close)  # which stops the model
                for event in events:
                    if isinstance(event, Finished):
                        self._conversations.finish(owner, exchange, event.answer)
                        yield event
                        return
                    written += event.text if isinstance(event, Delta) else ""
                    yield event
                    if stop.is_set():
                        break
            except KnowGLMError as error:
                self._conversations.fail(owner, exchange, error.text(wanted.language or qa.language))
                raise
            finally:
                with suppress(ExchangeNotFound):  # deleted in the meantime
                    self._conversations.stop(owner, exchange, written)  # unless it has ended otherwise

    def is_writing(self, conversation_id: str) -> bool:
        """Tell whether an answer is being written in a conversation."""
        return conversation_id in self._stops

    def stop(self, conversation_id: str) -> bool:
        """Stop the answer that is being written in a conversation, at its next word; return whether there is one."""
        with self._lock:
            if (stop := self._stops.get(conversation_id)) is not None:
                stop.set()
            return stop is not None

    @contextmanager
    def _writing(self, conversation_id: str) -> Iterator[threading.Event]:
        with self._lock:
            if conversation_id in self._stops:
                raise ConversationBusy
            stop = self._stops[conversation_id] = threading.Event()
        try:
            yield stop
        finally:
            with self._lock:
                del self._stops[conversation_id]
