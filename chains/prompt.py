"""The prompt that a language model is sent: passages as numbered data, then the question; history as messages."""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from core.answers import Passage, Turn


def build_messages(
    template: str, question: str, passages: Sequence[Passage], history: Sequence[Turn], history_turns: int
) -> list[BaseMessage]:
    """Return the conversation to send: the last `history_turns` turns, then the filled template.

    History holds real questions and plain answers only; passages of earlier turns are not repeated.
    """
    turns = list(history)[-history_turns:] if history_turns else []
    messages: list[BaseMessage] = []
    for turn in turns:
        messages += [HumanMessage(turn.question), AIMessage(turn.answer)]
    return [*messages, HumanMessage(template.format(passages=numbered(passages), question=question))]


def numbered(passages: Sequence[Passage]) -> str:
    """Return the passages as "[n] source, place" and text, counted from 1."""
    return "\n".join(
        f"[{number}] {_label(passage)}\n{passage.text}" for number, passage in enumerate(passages, start=1)
    )


def _label(passage: Passage) -> str:
    chunk = passage.chunk
    return " · ".join(text for text in (chunk.source, chunk.heading) if text)
