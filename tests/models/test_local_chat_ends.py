"""How answers of a local model end early: their reader leaves, the model fails, it is freed, the program stops."""

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from echo_chat import END, Ear, EchoChat, until
from langchain_core.messages import HumanMessage

from core.model_errors import AnswerFailed
from core.sampling import Sampling


@pytest.fixture
def model() -> Iterator[EchoChat]:
    model = EchoChat(model_name="回声", loaded="in the head", context_tokens=100, sampling=Sampling(answer_tokens=40))
    yield model
    model.end_thread()


@pytest.fixture
def gated(model: EchoChat) -> EchoChat:
    """The model, which takes a step for each `gated._steps.release()`."""
    model._steps = threading.Semaphore(0)
    return model


class TestLeaving:
    """Whoever leaves a stream stops it, and the next question starts at once."""

    def left(self, gated: EchoChat, seen: int) -> None:
        """Check that the model stopped, and answers what comes next."""
        gated._steps.release(100)
        assert gated.invoke("xy").content == "xy"
        assert gated._said[seen:] in ([*"xy", chr(END)], ["c", *"xy", chr(END)])  # the token in the making

    def begun(self, gated: EchoChat) -> Iterator[Any]:
        gated._steps.release(2)
        stream = gated.stream("abcdefgh")
        assert [next(stream).content, next(stream).content] == ["a", "b"]
        return stream

    def test_by_closing(self, gated: EchoChat) -> None:
        stream = self.begun(gated)
        stream.close()  # type: ignore[attr-defined]
        self.left(gated, 2)

    def test_by_forgetting(self, gated: EchoChat) -> None:
        stream = self.begun(gated)
        del stream
        gc.collect()
        self.left(gated, 2)

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
    def test_by_an_error_of_the_callers(self, gated: EchoChat, error: type[BaseException]) -> None:
        gated._steps.release(2)
        with pytest.raises(error):
            for _ in gated.stream("abcdefgh"):
                raise error
        gc.collect()
        self.left(gated, 2)

    @pytest.mark.parametrize("ask", ["invoke", "stream"])
    def test_by_an_error_in_a_handler(self, gated: EchoChat, ask: str) -> None:
        gated._steps.release(2)
        with pytest.raises(KeyError):
            answer = getattr(gated, ask)("abcdefgh", config={"callbacks": [Ear(KeyError("x"))]})
            list(answer)
        gc.collect()
        self.left(gated, 2)

    def test_before_its_turn(self, gated: EchoChat) -> None:
        """What was asked and given up while another answer was written is never begun."""
        running = self.begun(gated)
        second = gated._ask([HumanMessage("zzz")], None, {})
        second.cancel()
        running.close()  # type: ignore[attr-defined]
        self.left(gated, 2)
        assert "z" not in gated._said

    async def test_by_cancelling_a_task(self, gated: EchoChat) -> None:
        gated._steps.release(2)
        task = asyncio.create_task(gated.ainvoke("abcdefgh"))
        await asyncio.to_thread(until, lambda: len(gated._said) == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(self.left, gated, 2)

    async def test_by_closing_an_asynchronous_stream(self, gated: EchoChat) -> None:
        gated._steps.release(1)
        stream = gated.astream("abcdefgh")
        assert (await anext(stream)).content == "a"
        await stream.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)
        await asyncio.to_thread(self.left, gated, 1)


class TestAsynchronous:
    async def test_answers(self, model: EchoChat) -> None:
        assert (await model.ainvoke("abc")).content == "abc"
        assert "".join([str(chunk.content) async for chunk in model.astream("abc")]) == "abc"
        answers = await asyncio.gather(*(model.ainvoke(f"{number}" * 3) for number in range(10)))
        assert [answer.content for answer in answers] == [f"{number}" * 3 for number in range(10)]

    async def test_who_waits_for_a_turn_does_not_keep_others_from_reading(self, gated: EchoChat) -> None:
        """The loop's threads are few, and the program's: one for each question in the queue would take them all."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        running = gated.astream("abcdefgh")
        gated._steps.release(1)
        assert (await anext(running)).content == "a"
        waiting = [asyncio.create_task(gated.ainvoke(question)) for question in ("xx", "yy", "zz")]
        await asyncio.to_thread(until, lambda: len(gated.writer._open) >= 3)
        try:
            gated._steps.release(1)
            async with asyncio.timeout(0.5):
                assert (await anext(running)).content == "b"
        finally:
            gated._steps.release(100)
            await asyncio.gather(*waiting)
            await running.aclose()  # type: ignore[attr-defined]

    async def test_a_cancelled_question_gives_its_thread_back(self, gated: EchoChat) -> None:
        gated._steps.release(1)
        running = gated.stream("abc")
        assert next(running).content == "a"
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        waiting = asyncio.create_task(gated.ainvoke("x"))
        while len(gated.writer._open) < 2:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        try:
            async with asyncio.timeout(0.5):
                await asyncio.to_thread(int)
        finally:
            running.close()  # type: ignore[attr-defined]


class TestFailing:
    def test_an_error_reaches_its_reader_and_nobody_else(self, model: EchoChat) -> None:
        stream = model.stream("ab!")
        assert [next(stream).content, next(stream).content] == ["a", "b"]
        with pytest.raises(MemoryError, match="no room"):
            next(stream)
        with pytest.raises(MemoryError):
            model.invoke("!")
        assert model.invoke("ab").content == "ab"
        until(lambda: not model.writer._open)

    async def test_asynchronously_too(self, model: EchoChat) -> None:
        with pytest.raises(MemoryError):
            await model.ainvoke("ab!")
        assert (await model.ainvoke("ab")).content == "ab"

    def test_a_question_that_is_none_is_refused_in_the_callers_thread(
        self, model: EchoChat, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: Any) -> list[int]:
            raise ValueError("no conversation")

        monkeypatch.setattr(EchoChat, "prompt_ids", refuse)
        with pytest.raises(ValueError, match="no conversation"):
            model.invoke("a")
        assert model._samplings == []


class TestFreeing:
    def test_weights_go_and_answers_fail(self, model: EchoChat) -> None:
        weights = weakref.ref(model._weights)
        model.invoke("a")
        model.free()
        assert weights() is None
        for ask in (model.invoke, lambda question: list(model.stream(question))):
            with pytest.raises(AnswerFailed) as caught:
                ask("b")
            assert "移除" in caught.value.text("zh")
        assert model._said == ["a", chr(END)]
        model.free()
        assert model.get_num_tokens_from_messages([HumanMessage("abc")]) == 3

    async def test_asynchronous_answers_fail_too(self, model: EchoChat) -> None:
        model.free()
        with pytest.raises(AnswerFailed):
            await model.ainvoke("b")

    def test_an_answer_in_the_making_fails_where_it_is_read(self, gated: EchoChat) -> None:
        gated._steps.release(1)
        stream = gated.stream("abcdefgh")
        assert next(stream).content == "a"
        waiting = gated._ask([HumanMessage("z")], None, {})
        gated.free()
        assert gated._weights is None
        with pytest.raises(AnswerFailed):
            next(stream)
        with pytest.raises(AnswerFailed):
            waiting.next_chunk()
        assert "z" not in gated._said
        assert gated.writer._open == set()

    def test_what_was_finished_can_still_be_read(self, model: EchoChat) -> None:
        stream = model.stream("abc")
        assert next(stream).content == "a"
        until(lambda: not model.writer._open)
        model.free()
        assert "".join(str(chunk.content) for chunk in stream) == "bc"

    def test_while_many_ask(self, model: EchoChat) -> None:
        """Every caller gets a whole answer or the error, and none waits for ever."""
        outcomes: list[str] = []

        def ask(number: int) -> None:
            try:
                outcomes.append(str(model.invoke(f"{number}" * 5).content))
            except AnswerFailed:
                outcomes.append("failed")

        with ThreadPoolExecutor(8) as callers:
            for number in range(60):
                callers.submit(ask, number)
                if number == 30:
                    model.free()
        assert len(outcomes) == 60
        assert set(outcomes) <= {"failed", *(f"{number}" * 5 for number in range(60))}
        assert "failed" in outcomes


LEAVING = """
import sys, threading, time
sys.path[:0] = {paths!r}
from echo_chat import EchoChat
model = EchoChat(model_name="m", loaded="l", context_tokens=999)
model._steps = threading.Semaphore(1)
stream = model.stream("a" * 400)
next(stream)
threading.Thread(target=lambda: [time.sleep(0.05) or model._steps.release() for _ in range(400)], daemon=True).start()
print(time.time(), flush=True)
"""


def test_a_program_that_ends_does_not_wait_for_its_answers(root: Path) -> None:
    """Ctrl-C in a server, while an answer takes minutes: nobody is there to read it any more."""
    code = LEAVING.format(paths=[str(root), str(root / "tests")])
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root) as program:
        assert program.stdout is not None
        assert program.stdout.readline()
        try:
            assert program.wait(timeout=2) == 0
        finally:
            program.kill()
