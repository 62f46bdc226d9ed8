"""Questions within a conversation: kept, however the answer ends, and one at a time."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import ScriptedChat

from core.answers import AskOptions, Delta, Finished
from core.conversation_errors import ConversationBusy, ConversationNotFound
from core.conversations import Exchange
from core.errors import KnowledgeBaseNotFound
from service.conversations.conversing import Conversing
from service.knowledge_qa import KnowledgeQA

ME, KB, QUESTION = "me", "人事", "年假有几天？"


@pytest.fixture
def qa(make_app: Callable[..., KnowledgeQA], tmp_path: Path) -> KnowledgeQA:
    app = make_app(llm=ScriptedChat(pieces=["五", "天", " [1]"]))
    app.create(KB)
    (tmp_path / "假期.txt").write_text("员工每年有五天年假。", "utf-8")
    app.add(KB, [tmp_path / "假期.txt"])
    return app


@pytest.fixture
def conversing(qa: KnowledgeQA) -> Conversing:
    return Conversing(qa.conversations)


@pytest.fixture
def id(qa: KnowledgeQA) -> str:
    return qa.conversations.create(ME, [KB], "kb")


def last(qa: KnowledgeQA, id: str) -> Exchange:
    return qa.conversations.load(ME, id).exchanges[-1]


def test_an_answer_is_kept_before_it_is_told_to_be_finished(qa: KnowledgeQA, conversing: Conversing, id: str) -> None:
    for event in conversing.ask(qa, ME, id, QUESTION, AskOptions()):
        if isinstance(event, Finished):
            assert last(qa, id).answer is not None
        elif isinstance(event, Delta):
            assert (last(qa, id).state, conversing.is_writing(id)) == ("writing", True)
    assert (last(qa, id).state, last(qa, id).text) == ("done", "五天 [1]")
    assert not conversing.is_writing(id)


def test_what_was_written_of_a_stream_that_is_closed_is_kept(qa: KnowledgeQA, conversing: Conversing, id: str) -> None:
    events = conversing.ask(qa, ME, id, QUESTION, AskOptions())
    while not isinstance(next(events), Delta):
        pass
    events.close()  # type: ignore[attr-defined]
    assert (last(qa, id).state, last(qa, id).text) == ("stopped", "五")
    assert not conversing.is_writing(id)


def test_an_answer_is_stopped_from_elsewhere_at_its_next_word(qa: KnowledgeQA, conversing: Conversing, id: str) -> None:
    assert not conversing.stop(id)
    seen = []
    for event in conversing.ask(qa, ME, id, QUESTION, AskOptions()):
        seen.append(event)
        if isinstance(event, Delta):
            assert conversing.stop(id)
    assert not any(isinstance(event, Finished) for event in seen)
    assert (last(qa, id).state, last(qa, id).text) == ("stopped", "五")


def test_a_failure_is_kept_with_its_reason_in_the_language_of_the_page(qa: KnowledgeQA, conversing: Conversing) -> None:
    id = qa.conversations.create(ME, ["没有的库"], "kb")
    with pytest.raises(KnowledgeBaseNotFound):
        list(conversing.ask(qa, ME, id, QUESTION, AskOptions(language="en")))
    assert last(qa, id).state == "failed"
    assert "There is no knowledge base" in last(qa, id).text


def test_one_answer_at_a_time_in_a_conversation(qa: KnowledgeQA, conversing: Conversing, id: str) -> None:
    """Answers were mixed up (LC#405, LC#2059)."""
    events = conversing.ask(qa, ME, id, QUESTION, AskOptions())
    next(events)
    with pytest.raises(ConversationBusy):
        next(conversing.ask(qa, ME, id, "病假呢？", AskOptions()))
    list(events)
    assert [exchange.question for exchange in qa.conversations.load(ME, id).exchanges] == [QUESTION]


def test_a_conversation_that_is_deleted_meanwhile_is_no_trouble(
    qa: KnowledgeQA, conversing: Conversing, id: str
) -> None:
    events = conversing.ask(qa, ME, id, QUESTION, AskOptions())
    while not isinstance(next(events), Delta):
        pass
    qa.conversations.delete(ME, id)
    events.close()  # type: ignore[attr-defined]
    assert not conversing.is_writing(id)


def test_nobody_asks_in_the_conversation_of_somebody_else(qa: KnowledgeQA, conversing: Conversing, id: str) -> None:
    with pytest.raises(ConversationNotFound):
        next(conversing.ask(qa, "somebody", id, QUESTION, AskOptions()))


def test_the_conversation_says_what_is_asked_and_how(qa: KnowledgeQA, conversing: Conversing) -> None:
    id = qa.conversations.create(ME, [KB], "retrieval")
    *_, finished = conversing.ask(qa, ME, id, QUESTION, AskOptions(mode="chat"))
    assert isinstance(finished, Finished)
    assert finished.answer.mode == "none"
    assert {passage.chunk.kb for passage in finished.answer.retrieval.passages} == {KB}
