"""LangChain's messages as rounds."""

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from models.turns import Conversation, as_turns


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([HumanMessage("问")], Conversation("", (), "问")),
        ([SystemMessage("设定"), HumanMessage("问")], Conversation("设定", (), "问")),
        (
            [HumanMessage("一"), AIMessage("甲"), HumanMessage("二"), AIMessage("乙"), HumanMessage("三")],
            Conversation("", (("一", "甲"), ("二", "乙")), "三"),
        ),
        ([HumanMessage("一"), HumanMessage("二")], Conversation("", (), "一\n二")),
        (
            [HumanMessage("一"), AIMessage("甲"), AIMessage("乙"), HumanMessage("二")],
            Conversation("", (("一", "甲\n乙"),), "二"),
        ),
        (
            [HumanMessage("一"), SystemMessage("甲"), HumanMessage("二"), SystemMessage("乙")],
            Conversation("甲\n乙", (), "一\n二"),
        ),
        ([AIMessage("您好"), HumanMessage("问")], Conversation("", (("", "您好"),), "问")),
        ([HumanMessage("一"), AIMessageChunk("甲"), HumanMessage("二")], Conversation("", (("一", "甲"),), "二")),
        ([HumanMessage("")], Conversation("", (), "")),
        (
            [HumanMessage(["年假", {"type": "text", "text": "几天？"}])],
            Conversation("", (), "年假几天？"),
        ),
    ],
    ids=[
        "one",
        "system",
        "rounds",
        "human_run",
        "answer_run",
        "system_anywhere",
        "greeting",
        "chunk",
        "empty",
        "blocks",
    ],
)
def test_messages_become_rounds(messages: list[BaseMessage], expected: Conversation) -> None:
    assert as_turns(messages) == expected


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "no human message"),
        ([SystemMessage("设定")], "no human message"),
        ([AIMessage("甲")], "no human message"),
        ([HumanMessage("一"), AIMessage("甲")], "an answer already"),
        ([HumanMessage([{"type": "image", "url": "https://example.com/a.png"}])], "'image'"),
        ([HumanMessage([{"type": "text", "text": "看"}, {"type": "audio", "base64": ""}])], "'audio'"),
        ([HumanMessage("一"), ToolMessage("3", tool_call_id="1"), HumanMessage("二")], "'tool'"),
        ([ChatMessage("一", role="critic")], "'chat'"),
        (
            [
                HumanMessage("一"),
                AIMessage("", tool_calls=[{"name": "add", "args": {}, "id": "1"}]),
                HumanMessage("二"),
            ],
            "calls no tools",
        ),
    ],
    ids=[
        "nothing",
        "only_system",
        "only_answer",
        "trailing_answer",
        "image",
        "audio",
        "tool_result",
        "role",
        "tool_call",
    ],
)
def test_what_is_no_conversation_in_text_is_refused(messages: list[BaseMessage], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        as_turns(messages)


def test_the_system_text_goes_before_the_first_question_where_there_is_no_system_role() -> None:
    assert Conversation("设定", (("一", "甲"),), "二").folded() == Conversation("", (("设定\n\n一", "甲"),), "二")
    assert Conversation("设定", (), "一").folded() == Conversation("", (), "设定\n\n一")


def test_rewriting_reaches_every_text() -> None:
    assert Conversation("a", (("b", "c"),), "d").rewritten(str.upper) == Conversation("A", (("B", "C"),), "D")


def test_a_chat_has_roles() -> None:
    assert Conversation("设定", (("一", "甲"),), "二").as_chat() == [
        {"role": "system", "content": "设定"},
        {"role": "user", "content": "一"},
        {"role": "assistant", "content": "甲"},
        {"role": "user", "content": "二"},
    ]
