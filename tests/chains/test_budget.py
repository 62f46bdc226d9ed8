"""A prompt that fits: what is left out, in which order, and what the citations are of then."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from fakes import ScriptedChat
from hypothesis import given
from hypothesis import strategies as some
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage

from chains.budget import fitted_prompt
from configs.prompts import PROMPTS
from core.answers import Finished, LeftOut, Passage, Turn
from core.documents import Chunk
from core.model_errors import AnswerFailed, PromptTooLong

Bench = Any
TEMPLATE = "资料：{passages}\n问题：{question}"
TURNS = [Turn(f"第{n}问" * 5, f"第{n}答" * 10) for n in range(3)]


class Counting(ScriptedChat):
    """A model that counts a character as a token, and refuses longer prompts as the local ones do."""

    prompt_limit: int

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage], *_: Any, **__: Any) -> int:
        return sum(len(message.text) for message in messages)

    def _stream(self, messages: list[BaseMessage], *arguments: Any, **options: Any) -> Any:
        if (tokens := self.get_num_tokens_from_messages(messages)) > self.prompt_limit:
            raise PromptTooLong(tokens=tokens, limit=self.prompt_limit)
        return super()._stream(messages, *arguments, **options)


def passage(number: int, chars: int, before: int = 0, after: int = 0) -> Passage:
    """A passage whose chunk has `chars` characters, with `before` and `after` others around it."""
    start = 1000 * number
    text = "".join(chr(0x4E00 + (start + at) % 20_000) for at in range(before + chars + after))
    chunk = Chunk(
        id=number,
        document_id=number,
        ordinal=0,
        start=start + before,
        end=start + before + chars,
        text=text[before : before + chars],
        source=f"{number}.txt",
        heading="",
        kind="text",
        page=None,
        slide=None,
        sheet=None,
        row=None,
    )
    return Passage(chunk, start, start + len(text), text, 1 / (number + 1))


def fit(limit: int, passages: Sequence[Passage], history: Sequence[Turn] = (), question: str = "问") -> Any:
    fitted = fitted_prompt(Counting(prompt_limit=limit), TEMPLATE, question, passages, history)
    assert fitted.left_out == LeftOut(len(history) - len(fitted.messages) // 2, len(passages) - len(fitted.passages))
    return fitted.messages, fitted.passages


def length(messages: Sequence[BaseMessage]) -> int:
    return sum(len(message.text) for message in messages)


def attempts(passages: Sequence[Passage], history: Sequence[Turn]) -> list[tuple[tuple[Passage, ...], list[Turn]]]:
    """Everything that may be sent, in the order in which it is preferred."""
    tried = [(tuple(passages), list(history[dropped:])) for dropped in range(len(history) + 1)]
    tried += [(tuple(passages[:kept]), []) for kept in range(len(passages) - 1, 0, -1)]
    if passages:
        best = passages[0]
        chunk = best.chunk
        tried.append(((replace(best, start=chunk.start, end=chunk.end, text=chunk.text),), []))
    return tried


BODIES = some.lists(some.tuples(some.integers(1, 300), some.integers(0, 300), some.integers(0, 300)), max_size=5)
HISTORIES = some.lists(some.builds(Turn, some.text(max_size=80), some.text(max_size=200)), max_size=4)


@given(sizes=BODIES, history=HISTORIES, question=some.text(max_size=60), limit=some.integers(0, 2500))
def test_the_first_of_the_preferred_prompts_that_fits_is_sent(
    sizes: list[tuple[int, int, int]], history: list[Turn], question: str, limit: int
) -> None:
    passages = [passage(number, *size) for number, size in enumerate(sizes)]
    for preferred, turns in attempts(passages, history):
        written = "\n".join(f"[{n}] {p.chunk.source}\n{p.text}" for n, p in enumerate(preferred, start=1))
        last = TEMPLATE.format(passages=written, question=question)
        if len(last) + sum(len(turn.question + turn.answer) for turn in turns) <= limit:
            messages, kept = fit(limit, passages, history, question)
            assert kept == preferred
            assert messages[-1].text == last
            assert [message.text for message in messages[:-1]] == [t for u in turns for t in (u.question, u.answer)]
            return
    with pytest.raises(PromptTooLong):
        fit(limit, passages, history, question)


@given(sizes=BODIES.filter(bool), limit=some.integers(60, 800))
def test_what_was_cut_is_still_a_range_of_its_document(sizes: list[tuple[int, int, int]], limit: int) -> None:
    passages = [passage(number, *size) for number, size in enumerate(sizes)]
    try:
        _, kept = fit(limit, passages, TURNS)
    except PromptTooLong:
        return
    assert [p.chunk for p in kept] == [p.chunk for p in passages[: len(kept)]]
    for cut, whole in zip(kept, passages, strict=False):
        assert cut.text == whole.text[cut.start - whole.start : cut.end - whole.start] != ""
        assert cut.relevance == whole.relevance


def test_old_turns_go_first_then_the_last_passages_then_the_best_one_shrinks() -> None:
    """Step by step: each limit is one below what was needed before."""
    passages, limit, steps = [passage(n, 40, 20, 20) for n in range(3)], 100_000, []
    with pytest.raises(PromptTooLong):
        while True:
            messages, kept = fit(limit, passages, TURNS)
            steps.append((len(messages) // 2, len(kept), len(kept[0].text)))
            assert not messages[:-1] or messages[-2].text == TURNS[-1].answer
            limit = length(messages) - 1
    assert steps == [(3, 3, 80), (2, 3, 80), (1, 3, 80), (0, 3, 80), (0, 2, 80), (0, 1, 80), (0, 1, 40)]


def test_nothing_is_left_out_that_fits_exactly() -> None:
    passages = [passage(n, 40) for n in range(3)]
    whole = length(fit(100_000, passages, TURNS)[0])
    messages, kept = fit(whole, passages, TURNS)
    assert (length(messages), len(kept), len(messages)) == (whole, 3, 7)


def test_the_givers_lists_stay_as_they_are() -> None:
    passages, history = [passage(n, 40) for n in range(3)], list(TURNS)
    fit(100, passages, history)
    assert (len(passages), history) == (3, TURNS)


@pytest.mark.parametrize("model", [ScriptedChat(), GenericFakeChatModel(messages=iter([AIMessage("好")]))])
def test_a_model_without_a_limit_gets_everything(model: Any) -> None:
    passages = [passage(n, 999) for n in range(9)]
    fitted = fitted_prompt(model, TEMPLATE, "问", passages, TURNS)
    assert fitted.passages == tuple(passages)
    assert len(fitted.messages) == 7
    assert all(p.text in fitted.messages[-1].text for p in passages)


def test_without_passages_there_is_only_the_question() -> None:
    messages, kept = fit(10, [], TURNS)
    assert (len(messages), kept) == (1, ())


@pytest.fixture
def leave(bench: Bench) -> Bench:
    for name, days in (("甲", "五"), ("乙", "六"), ("丙", "七")):
        bench.put(f"{name}.txt", [f"{name}部门员工的年假有{days}天。" + f"{name}部门" * 30])
    return bench


def asked(bench: Bench, limit: int, text: str = "好 [1] [2] [3] [4]", **options: Any) -> tuple[Any, Counting]:
    model = Counting(pieces=[text], prompt_limit=limit)
    return bench.ask("年假有几天", model, threshold=0.0, **options), model


@pytest.mark.parametrize(("limit", "cited"), [(5000, [1, 2, 3]), (420, [1, 2]), (300, [1])])
def test_only_passages_that_were_sent_are_cited(leave: Bench, limit: int, cited: list[int]) -> None:
    answer, model = asked(leave, limit)
    assert len(answer.retrieval.passages) == 3
    assert [citation.n for citation in answer.citations] == cited
    assert length(model.calls[0]) <= limit
    for citation in answer.citations:
        assert f"[{citation.n}] {citation.chunk.source}\n{citation.quote}" in model.prompt
        assert citation.chunk == answer.retrieval.passages[citation.n - 1].chunk
        assert citation.quote == leave.store.text(citation.chunk.document_id, citation.start, citation.end)
    assert f"[{len(cited) + 1}]" not in model.prompt
    assert answer.citations[0].quote == answer.retrieval.passages[0].text
    assert model.prompt in answer.prompt


def test_the_history_gives_way_to_the_passages(leave: Bench) -> None:
    _, alone = asked(leave, 5000)
    answer, model = asked(leave, length(alone.calls[0]) + 60, history=TURNS)
    assert len(model.calls[0]) == 3
    assert model.calls[0][0].text == TURNS[-1].question
    assert [citation.n for citation in answer.citations] == [1, 2, 3]


@pytest.mark.parametrize("prompt", PROMPTS, ids=list(PROMPTS))
def test_a_question_that_alone_is_too_long_is_an_error_with_advice(leave: Bench, prompt: str) -> None:
    with pytest.raises(PromptTooLong) as caught:
        asked(leave, 60, prompt=prompt, history=TURNS)
    assert caught.value.values["limit"] == 60
    assert "KNOWGLM_CONTEXT_CHARS" in caught.value.advice("zh")


def test_a_passage_of_which_nothing_is_left_is_not_sent(leave: Bench) -> None:
    """A model that is shown one character of the material can only invent the rest."""
    template_chars = len(PROMPTS["default"].format(passages="", question="年假有几天"))
    with pytest.raises(PromptTooLong):
        asked(leave, template_chars + len("[1] 甲.txt\n甲部"))


def test_a_model_that_cannot_count_fails_like_one_that_cannot_write(leave: Bench) -> None:
    class Helpless(Counting):
        def get_num_tokens_from_messages(self, *_: Any, **__: Any) -> int:
            raise NotImplementedError("no tokenizer")

    with pytest.raises(AnswerFailed):
        leave.ask("年假有几天", Helpless(prompt_limit=9), threshold=0.0)


def test_a_stream_ends_with_the_whole_retrieval_although_less_was_sent(leave: Bench) -> None:
    *_, last = leave.events("年假有几天", Counting(pieces=["好"], prompt_limit=300), threshold=0.0)
    assert isinstance(last, Finished)
    assert len(last.answer.retrieval.passages) == 3
