"""An answer on its way from the thread that writes it to the one that reads it."""

import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from queue import SimpleQueue
from typing import Protocol

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk

Item = ChatGenerationChunk | BaseException | None
"""A piece of an answer, what stopped it, or its end."""


class TokenReader(Protocol):
    """Makes text of tokens, piece by piece."""

    stopped: bool

    def push(self, token: int, /) -> str:
        """Take the next token, and return the text that is certain now; often none."""
        ...

    def finish(self) -> str:
        """Return what was held back, when no token follows."""
        ...


class AnswerStream:
    """One answer.

    Args:
        reader: makes text of the tokens.
        ends: ids of the tokens that end an answer.

    Attributes:
        deliver: takes each item, in the thread that writes; by default they wait for `next_chunk`.
    """

    def __init__(self, reader: TokenReader, ends: Collection[int]) -> None:
        self._reader = reader
        self._ends = ends
        self._chunks: SimpleQueue[Item] = SimpleQueue()
        self.deliver: Callable[[Item], None] = self._chunks.put
        self._tokens = 0
        self._ended = False
        self._cancelled = threading.Event()

    # --- the side that writes --------------------------------------------------------------------------------------

    def push(self, token: int) -> bool:
        """Take the next token from the model, and return whether it is to stop."""
        self._tokens += 1
        self._ended = token in self._ends
        if not self._ended:
            self._put(self._reader.push(token))
            self._ended = self._reader.stopped
        return self._ended or self.cancelled()

    def finish(self, model_name: str, prompt_tokens: int) -> None:
        """Close the answer with what the model used: tokens in, tokens out with the one that ended it, and why."""
        self._put(self._reader.finish())
        ended = self._ended or self._reader.stopped
        last = AIMessageChunk(
            content="",
            chunk_position="last",
            usage_metadata=UsageMetadata(
                input_tokens=prompt_tokens, output_tokens=self._tokens, total_tokens=prompt_tokens + self._tokens
            ),
            response_metadata={"model_name": model_name, "finish_reason": "stop" if ended else "length"},
        )
        self._deliver(ChatGenerationChunk(message=last))
        self._deliver(None)

    def fail(self, error: BaseException) -> None:
        """Hand an error to the side that reads."""
        self._deliver(error)

    def cancelled(self) -> bool:
        """Tell whether nobody waits for more; at the end of a program nobody does."""
        return self._cancelled.is_set() or not threading.main_thread().is_alive()

    def _put(self, text: str) -> None:
        if text:
            self._deliver(ChatGenerationChunk(message=AIMessageChunk(content=text)))

    # --- the side that reads ---------------------------------------------------------------------------------------

    def next_chunk(self) -> ChatGenerationChunk | None:
        """Wait for the next piece; None after the last, and whatever stopped the model is raised."""
        return opened(self._chunks.get())

    def cancel(self) -> None:
        """Want no more, and let go of who waits."""
        self._cancelled.set()
        self._deliver(None)

    def abort(self, error: BaseException) -> None:
        """Let it end with an error, now."""
        self._cancelled.set()
        self._deliver(error)

    def _deliver(self, item: Item) -> None:
        with suppress(RuntimeError):  # of an event loop that is closed: nobody reads any more
            self.deliver(item)


def opened(item: Item) -> ChatGenerationChunk | None:
    """Return what was delivered; an error is raised."""
    if isinstance(item, BaseException):
        raise item
    return item
