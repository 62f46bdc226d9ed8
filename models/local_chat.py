"""What the language models that run in this process share: one thread that writes, callers that read."""

import asyncio
import traceback
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field

from core.model_errors import MODEL_FREED, AnswerFailed, PromptTooLong
from core.sampling import Sampling
from models.answer_stream import AnswerStream, Item, opened
from models.answer_writer import AnswerWriter

GREEDY = Sampling()


class LocalChatModel(BaseChatModel):
    """A language model in this process.

    Answers are written one at a time, in the order in which they were asked for, by one thread; who reads slowly holds
    nobody up, and closing or cancelling a stream stops it before the next token. There is no tool calling, structured
    output or input other than text.

    Attributes:
        model_name: what the model is called.
        loaded: precision and device in force, such as "bf16 on cpu".
        context_tokens: longest prompt plus answer, in tokens.
        sampling: how answers are drawn; each call may override its fields by keyword.
    """

    model_name: str
    loaded: str
    context_tokens: int
    sampling: Sampling = GREEDY
    writer: AnswerWriter = Field(default_factory=AnswerWriter, exclude=True, repr=False)

    @abstractmethod
    def prompt_ids(self, messages: Sequence[BaseMessage]) -> list[int]:
        """Return the tokens that a conversation becomes.

        Raises:
            ValueError: the messages are not a conversation in text.
        """

    @abstractmethod
    def _new_answer(self, stop: Sequence[str]) -> AnswerStream:
        """Return an answer to be filled, which ends as the model says or at a text in `stop`."""

    @abstractmethod
    def _run(self, prompt: list[int], sampling: Sampling, answer: AnswerStream) -> None:
        """Let the model write until `answer` has enough; runs in the writing thread."""

    @abstractmethod
    def _release(self) -> None:
        """Let go of the weights; runs in the writing thread."""

    @property
    def prompt_limit(self) -> int:
        """How many tokens a prompt may have; the rest of the context is for the answer."""
        return max(0, self.context_tokens - self.sampling.answer_tokens)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Return how many tokens the prompt has that these messages become."""
        return len(self.prompt_ids(messages))

    def free(self) -> None:
        """Remove the weights from memory; answers that are not finished fail, as do later ones."""
        self.writer.free(self._release)

    def _ask(
        self,
        messages: Sequence[BaseMessage],
        stop: list[str] | None,
        options: dict[str, Any],
        deliver: Callable[[Item], None] | None = None,
    ) -> AnswerStream:
        """Queue a question, and return the answer as it will come; `deliver` takes its items in the writing thread."""
        sampling = replace(self.sampling, **{key: options[key] for key in asdict(self.sampling) if key in options})
        prompt, limit = self.prompt_ids(messages), max(0, self.context_tokens - sampling.answer_tokens)
        if len(prompt) > limit:
            raise PromptTooLong(tokens=len(prompt), limit=limit)
        answer = self._new_answer(stop or ())
        answer.deliver = deliver or answer.deliver
        self.writer.submit(answer, partial(self._write, prompt, sampling, answer))
        return answer

    def _write(self, prompt: list[int], sampling: Sampling, answer: AnswerStream) -> None:
        try:
            if not (self.writer.freed or answer.cancelled()):
                self._run(prompt, sampling, answer)
            if self.writer.freed:
                raise AnswerFailed(detail=MODEL_FREED)
            answer.finish(self.model_name, len(prompt))
        except BaseException as error:  # noqa: BLE001 - whoever reads the answer raises it
            traceback.clear_frames(error.__traceback__)  # an error that is kept must not keep the weights
            answer.fail(error)
        finally:
            self.writer.done(answer)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        answer = self._ask(messages, stop, kwargs)
        try:
            while chunk := answer.next_chunk():
                if run_manager:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
        finally:
            answer.cancel()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        items: asyncio.Queue[Item] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def deliver(item: Item) -> None:
            loop.call_soon_threadsafe(items.put_nowait, item)

        answer = self._ask(messages, stop, kwargs, deliver)
        try:
            while chunk := opened(await items.get()):
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
        finally:
            answer.cancel()

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # LangChain looks for this name
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, "loaded": self.loaded, **asdict(self.sampling)}
