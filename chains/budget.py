"""Keeping a prompt within what the model can read: old turns go first, then the least relevant passages."""

from collections.abc import Sequence
from dataclasses import replace

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from chains.prompt import build_messages
from core.answers import Passage, Turn


def fitted_messages(
    llm: BaseChatModel, template: str, question: str, passages: Sequence[Passage], history: Sequence[Turn]
) -> tuple[list[BaseMessage], tuple[Passage, ...]]:
    """Return the messages to send and the passages that are in them, by falling relevance.

    A model that has a `prompt_limit` gets no longer prompt, in tokens as it counts them itself, if leaving out helps:
    the oldest turn first; then the last passage; the best one shrinks to its own chunk, then to the chunk's beginning.
    """
    limit: int | None = getattr(llm, "prompt_limit", None)
    turns, kept = list(history), list(passages)
    while True:
        messages = build_messages(template, question, kept, turns)
        if limit is None or llm.get_num_tokens_from_messages(messages) <= limit:
            return messages, tuple(kept)
        if turns:
            del turns[0]
        elif len(kept) > 1:
            del kept[-1]
        elif kept and (shorter := _shorter(kept[0])) is not None:
            kept = [shorter]
        else:
            return messages, tuple(kept)  # the question alone is too long; the model says so


def _shorter(passage: Passage) -> Passage | None:
    """Return a passage without the neighbours of its chunk, or half of it; None where nothing is left to leave out."""
    chunk = passage.chunk
    if passage.start < chunk.start or chunk.end < passage.end:
        return replace(passage, start=chunk.start, end=chunk.end, text=chunk.text)
    half = len(passage.text) // 2
    return replace(passage, end=passage.start + half, text=passage.text[:half]) if half else None
