"""The prompt that a language model is sent: passages as numbered data, then the question; history as messages."""

import re
from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from core.answers import Passage, Turn

_UNSEEN = "[\u200b-\u200f\u2060\ufeff]"  # characters without width
_OPEN, _CLOSE, _SLASH = r"[<\uff1c\u2039\u3008]", r"[>\uff1e\u203a\u3009]", r"\s/\uff0f"  # in any width
_HARMLESS = "\u3014"  # another bracket
_CLOSING_TAG = re.compile(r"</([^<>/]+)>")


def build_messages(
    template: str, question: str, passages: Sequence[Passage], history: Sequence[Turn], system: str = ""
) -> list[BaseMessage]:
    """Return the conversation to send: the system prompt, the turns of the history, then the filled template.

    History holds real questions and plain answers only; passages of earlier turns are not repeated. A tag of the
    template that occurs in a passage, however it is written, loses its bracket, so that no document can end the part
    that is only material.
    """
    material = _without_tags(numbered(passages), template)
    return build_chat(template.format(passages=material, question=question), history, system)


def build_chat(question: str, history: Sequence[Turn], system: str = "") -> list[BaseMessage]:
    """Return a conversation that rests on nothing but itself."""
    messages: list[BaseMessage] = [SystemMessage(system)] if system else []
    for turn in history:
        messages += [HumanMessage(turn.question), AIMessage(turn.answer)]
    return [*messages, HumanMessage(question)]


def numbered(passages: Sequence[Passage]) -> str:
    """Return the passages as "[n] source, place" and text, counted from 1."""
    return "\n".join(
        f"[{number}] {_label(passage)}\n{passage.text}" for number, passage in enumerate(passages, start=1)
    )


def _without_tags(text: str, template: str) -> str:
    """Take the brackets from what reads like a tag of the template: in any case, width, or with unseen characters."""
    names = "|".join(f"{_UNSEEN}*".join(map(re.escape, name)) for name in _CLOSING_TAG.findall(template))
    if not names:
        return text
    tag = (
        rf"{_OPEN}(?=[{_SLASH}]*{_UNSEEN}*(?:{names}){_UNSEEN}*(?:[{_SLASH}][^{_OPEN[1:-1]}{_CLOSE[1:-1]}]*)?{_CLOSE})"
    )
    return re.sub(tag, _HARMLESS, text, flags=re.IGNORECASE)


def _label(passage: Passage) -> str:
    chunk = passage.chunk
    return " · ".join(text for text in (chunk.source, chunk.heading) if text)
