"""What stands around the exchanges of a chat, as HTML."""

import time
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from core.conversations import Conversation, Exchange
from core.messages import Language, Message
from ui.rendering import views
from ui.rendering.templates import rendered
from ui.texts import chat as texts


def transcript(conversation: Conversation, *, language: Language) -> Markup:
    """Show a conversation; of an exchange that is being written, nothing: it is shown as it grows."""
    finished = [exchange for exchange in conversation.exchanges if exchange.state != "writing"]
    exchanges = [
        views.exchange(
            exchange,
            language=language,
            kbs=conversation.kbs,
            mode=conversation.mode,
            is_last=exchange is conversation.exchanges[-1],
        )
        for exchange in finished
    ]
    return rendered("transcript.html", language, texts=texts, conversation=conversation, exchanges=exchanges)


def writing(question: str, text: str, *, is_quoted: bool, language: Language) -> Markup:
    """Show an answer that is being written."""
    growing = Exchange(0, question, None, "writing", text, 0, time.time())
    return views.exchange(growing, language=language, is_quoted=is_quoted)


def welcome(language: Language) -> Markup:
    """Show what a conversation that has not begun may begin with."""
    return rendered("welcome.html", language, texts=texts)


def status(model: str, notices: Sequence[Message], *, language: Language) -> Markup:
    """Show what writes the answers, and what the user should know."""
    return rendered("status.html", language, texts=texts, model=model, notices=notices)


def of_exchange(exchange_id: int, picture: Markup) -> Markup:
    """Say which exchange a source belongs to, for the buttons in it."""
    return Markup('<div data-exchange="{}">{}</div>').format(exchange_id, picture)


def why(expect: str, explained: Mapping[str, Markup], *, language: Language) -> Markup:
    """Show why something was not found, in each knowledge base."""
    return rendered("why.html", language, texts=texts, expect=expect, explained=explained)
