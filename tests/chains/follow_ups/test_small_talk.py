"""Greetings, thanks and goodbyes are answered without a search; a question that greets stays a question."""

import pytest

from chains.follow_ups.small_talk import small_talk

GREETINGS = [
    "你好",
    "您好！",
    "妳好",
    "你好啊~",
    "你好你好",
    "早上好",
    "哈喽",
    "在吗？",
    "hi",
    "Hello there!",
    "hi hi",
    "Good morning, KnowGLM",
]
THANKS = [
    "谢谢",
    "谢谢你",
    "謝謝！",
    "非常感谢！",
    "好的，谢谢",
    "thanks!",
    "Thank you very much.",
    "Hi, thanks 😊",
    "ｔｈａｎｋｓ",
]
GOODBYES = ["再见", "拜拜", "谢谢，再见", "晚安", "bye bye", "See you later!"]
IDENTITY = [
    "你是谁",
    "你是谁？",
    "你好，你是谁",
    "你能做什么？",
    "介绍一下你自己",
    "Who are you?",
    "what can you do",
    "what's your name?",
]
UNDERSTOOD = ["好的", "明白了", "知道了。", "OK", "I see.", "没有别的问题了"]
QUESTIONS = [
    "你好，请问年假有几天？",
    "谢谢你告诉我年假",
    "好的，那北京呢",
    "hi, how much is it",
    "thanks, what is the limit?",
    "感谢信怎么写",
    "“再见”的英文是什么",
    "拜访客户要申请吗",
    "你们公司好吗",
    "你是谁的助手？",
    "为什么？",
    "why?",
    "",
    "？",
    "👋",
]


@pytest.mark.parametrize(
    ("texts", "part"),
    [
        (GREETINGS, "你好！"),
        (THANKS, "不客气"),
        (GOODBYES, "再见"),
        (IDENTITY, "我是 KnowGLM"),
        (UNDERSTOOD, "好的，还有"),
    ],
    ids=["greetings", "thanks", "goodbyes", "identity", "understood"],
)
def test_pain_21_small_talk_gets_a_fixed_reply(texts: list[str], part: str) -> None:
    for text in texts:
        reply = small_talk(text)
        assert reply is not None, text
        assert reply.zh.startswith(part), text
        assert reply.text("en").isascii()


@pytest.mark.parametrize("text", QUESTIONS)
def test_everything_else_is_a_question(text: str) -> None:
    assert small_talk(text) is None


def test_a_long_text_is_a_question() -> None:
    assert small_talk("你好" * 5000) is None
