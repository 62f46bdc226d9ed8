"""Keeping a prompt within what the model can read: old turns go first, then the least relevant passages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from chains.prompt import build_messages
from core.answers import LeftOut, Passage, Turn
from core.model_errors import PromptTooLong


@dataclass(frozen=True, slots=True)
class Fitted:
    """A prompt within the limit.

    Attributes:
        passages: those that are in it, by falling relevance.
    """

    messages: list[BaseMessage]
    passages: tuple[Passage, ...]
    left_out: LeftOut


def fitted_prompt(
    llm: BaseChatModel,
    template: str,
    question: str,
    passages: Sequence[Passage],
    history: Sequence[Turn],
    *,
    system: str = "",
) -> Fitted:
    """Return the prompt to send.

    A model that has a `prompt_limit` gets no longer one, in tokens as it counts them itself: the oldest turn is left
    out first, then the last passage, then what surrounds the best passage's own chunk. No chunk is cut.

    Raises:
        PromptTooLong: the question with the best chunk alone is too long.
    """
    limit: int | None = getattr(llm, "prompt_limit", None)
    turns, kept = list(history), list(passages)
    while True:
        messages = build_messages(template, question, kept, turns, system)
        tokens = 0 if limit is None else llm.get_num_tokens_from_messages(messages)
        if limit is None or tokens <= limit:
            left_out = LeftOut(len(history) - len(turns), len(passages) - len(kept))
            return Fitted(messages, tuple(kept), left_out)
        if turns:
            del turns[0]
        elif len(kept) > 1:
            del kept[-1]
        elif kept and _has_neighbours(kept[0]):
            chunk = kept[0].chunk
            kept = [replace(kept[0], start=chunk.start, end=chunk.end, text=chunk.text)]
        else:
            raise PromptTooLong(tokens=tokens, limit=limit)


def _has_neighbours(passage: Passage) -> bool:
    return passage.start < passage.chunk.start or passage.chunk.end < passage.end
