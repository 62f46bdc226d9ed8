"""One thread writes, callers read: answers, settings and order, with a model that says what it is told."""

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import pytest
from echo_chat import END, Ear, EchoChat, until
from langchain_core.messages import HumanMessage

from core.model_errors import PromptTooLong
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


class TestAnswers:
    def test_an_answer_and_what_it_took(self, model: EchoChat) -> None:
        answer = model.invoke("abc")
        assert answer.content == "abc"
        assert answer.usage_metadata == {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
        figures = answer.response_metadata
        assert (figures["model_name"], figures["finish_reason"]) == ("回声", "stop")

    def test_an_answer_that_is_cut_says_so(self, model: EchoChat) -> None:
        answer = model.invoke("abc", answer_tokens=2)
        assert answer.content == "ab"
        assert answer.usage_metadata == {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
        assert answer.response_metadata["finish_reason"] == "length"

    def test_a_reader_that_has_enough_stops_the_model(self, model: EchoChat) -> None:
        answer = model.invoke("ab#cd")
        assert answer.content == "ab"
        assert answer.response_metadata["finish_reason"] == "stop"
        assert model._said == ["a", "b", "#"]

    def test_what_the_reader_held_back_comes_last(self, model: EchoChat) -> None:
        pieces = [chunk.content for chunk in model.stream("ab", stop=["X", "Y"])]
        assert [piece for piece in pieces if piece] == ["a", "b", "XY"]

    def test_nothing_is_an_answer_too(self, model: EchoChat) -> None:
        answer = model.invoke("")
        assert (answer.content, answer.response_metadata["finish_reason"]) == ("", "stop")
        assert [chunk.content for chunk in model.stream("")][-1] == ""

    def test_a_stream_carries_the_figures_once_and_last(self, model: EchoChat) -> None:
        *earlier, last = model.stream("abc")
        assert "".join(str(chunk.content) for chunk in earlier) == "abc"
        assert not any(chunk.usage_metadata or chunk.response_metadata.get("finish_reason") for chunk in earlier)
        assert last.usage_metadata is not None
        assert last.usage_metadata["total_tokens"] == 7

    def test_handlers_hear_every_piece_once(self, model: EchoChat) -> None:
        ears = [Ear() for _ in range(2)]
        model.invoke("abc", config={"callbacks": [ears[0]]})
        list(model.stream("abc", config={"callbacks": [ears[1]]}))
        for ear in ears:
            assert [piece for piece in ear.heard if piece] == ["a", "b", "c"]

    async def test_asynchronous_handlers_too(self, model: EchoChat) -> None:
        ears = [Ear() for _ in range(2)]
        await model.ainvoke("abc", config={"callbacks": [ears[0]]})
        assert "".join([str(chunk.content) async for chunk in model.astream("abc", config={"callbacks": [ears[1]]})])
        for ear in ears:
            assert [piece for piece in ear.heard if piece] == ["a", "b", "c"]

    def test_several_questions_in_one_call(self, model: EchoChat) -> None:
        result = model.generate([[HumanMessage("ab")], [HumanMessage("c")]])
        assert [[each.text for each in row] for row in result.generations] == [["ab"], ["c"]]


class TestSettings:
    def test_each_call_may_override_each_field(self, model: EchoChat) -> None:
        changed = Sampling(7, 0.5, 0.4, 3, 1.2, 9)
        model.invoke("a", **asdict(changed))
        list(model.bind(**asdict(changed)).stream("a"))
        model.invoke("a", temperature=0.1, unknown=1)
        assert model._samplings == [changed, changed, Sampling(40, temperature=0.1)]
        assert model.sampling == Sampling(40)

    def test_a_prompt_leaves_room_for_its_answer(self, model: EchoChat) -> None:
        assert model.prompt_limit == 60
        model.invoke("a" * 60)
        for ask in (model.invoke, lambda question: list(model.stream(question))):
            with pytest.raises(PromptTooLong) as caught:
                ask("a" * 61)
            assert caught.value.values == {"tokens": 61, "limit": 60}
        assert model.invoke("a" * 61, answer_tokens=39).content == "a" * 39
        assert len(model._samplings) == 2

    async def test_asynchronous_prompts_have_the_same_limit(self, model: EchoChat) -> None:
        with pytest.raises(PromptTooLong):
            await model.ainvoke("a" * 61)
        with pytest.raises(PromptTooLong):
            await anext(aiter(model.astream("a" * 61)))

    def test_an_answer_longer_than_the_context_leaves_no_room(self, model: EchoChat) -> None:
        with pytest.raises(PromptTooLong) as caught:
            model.invoke("a", answer_tokens=101)
        assert caught.value.values["limit"] == 0

    def test_messages_are_counted_as_the_prompt_that_they_become(self, model: EchoChat) -> None:
        assert model.get_num_tokens_from_messages([HumanMessage("abc")]) == 3


class TestOrder:
    def test_answers_are_written_in_the_order_of_the_questions(self, gated: EchoChat) -> None:
        answers = [gated._ask([HumanMessage(question)], None, {}) for question in ("aa", "bb", "cc")]
        gated._steps.release(100)
        for answer in reversed(answers):
            while answer.next_chunk():
                pass
        assert [letter for letter in gated._said if letter != chr(END)] == [*"aabbcc"]
        until(lambda: not gated.writer._open)

    def test_many_callers_each_get_their_own(self, model: EchoChat) -> None:
        questions = [f"{number}" * 7 for number in range(30)]
        with ThreadPoolExecutor(8) as callers:
            assert [answer.content for answer in callers.map(model.invoke, questions)] == questions

    def test_who_reads_slowly_holds_nobody_up(self, model: EchoChat) -> None:
        slow = model.stream("abcdef")
        assert next(slow).content == "a"
        assert model.invoke("xyz").content == "xyz"
        assert "".join(str(chunk.content) for chunk in slow) == "bcdef"

    def test_an_answer_nobody_has_begun_to_read_is_not_asked_for(self, model: EchoChat) -> None:
        model.stream("abc")
        assert model.invoke("x").content == "x"
        assert model._said == ["x", chr(END)]


def test_the_thread_ends_with_the_model() -> None:
    model = EchoChat(model_name="m", loaded="l", context_tokens=1000)
    assert model.writer._thread is None
    model.invoke("a")
    thread = model.writer._thread
    assert thread is not None
    del model
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()
