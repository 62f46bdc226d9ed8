"""A local language model that repeats the question, at the pace that a test sets."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from pydantic import PrivateAttr

from core.sampling import Sampling
from models.answer_stream import AnswerStream
from models.local_chat import LocalChatModel

END = 0
_PATIENCE_S = 5.0


class Letters:
    """A reader for which every token is a letter, and "#" ends an answer."""

    def __init__(self, last_words: str = "") -> None:
        self.stopped, self._last_words = False, last_words

    def push(self, token: int) -> str:
        self.stopped = chr(token) == "#"
        return "" if self.stopped else chr(token)

    def finish(self) -> str:
        return self._last_words


class EchoChat(LocalChatModel):
    """Repeats the question, a letter for each step that it is allowed, and then the end token."""

    _steps: threading.Semaphore = PrivateAttr(default_factory=lambda: threading.Semaphore(10**9))
    _said: list[str] = PrivateAttr(default_factory=list)
    _samplings: list[Sampling] = PrivateAttr(default_factory=list)
    _weights: Any = PrivateAttr(default_factory=Letters)
    _inside: int = PrivateAttr(default=0)

    @property
    def _llm_type(self) -> str:
        return "echo"

    def prompt_ids(self, messages: Sequence[BaseMessage]) -> list[int]:
        return [ord(letter) for letter in str(messages[-1].content)]

    def _new_answer(self, stop: Sequence[str]) -> AnswerStream:
        return AnswerStream(Letters("".join(stop)), {END})

    def _run(self, prompt: list[int], sampling: Sampling, answer: AnswerStream) -> None:
        assert self._inside == 0, "two answers are written at once"
        self._inside += 1
        self._samplings.append(sampling)
        try:
            for token in [*prompt, END][: sampling.answer_tokens]:
                patience = time.monotonic() + _PATIENCE_S
                while not self._steps.acquire(timeout=0.01):
                    if answer.cancelled():
                        return
                    assert time.monotonic() < patience, "nobody lets the model go on"
                if chr(token) == "!":
                    raise MemoryError("no room")
                self._said.append(chr(token))
                if answer.push(token):
                    return
        finally:
            self._inside -= 1

    def _release(self) -> None:
        self._weights = None

    def end_thread(self) -> None:
        """Let the writing thread end before the garbage collector would."""
        self._steps.release(1000)
        self.free()


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another thread does."""
    patience = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < patience
        time.sleep(0.001)


class Ear(BaseCallbackHandler):
    """Hears each piece, and may raise."""

    raise_error = True

    def __init__(self, error: BaseException | None = None) -> None:
        self.heard: list[str] = []
        self._error = error

    def on_llm_new_token(self, token: str, **_: Any) -> None:
        self.heard.append(token)
        if self._error:
            raise self._error
