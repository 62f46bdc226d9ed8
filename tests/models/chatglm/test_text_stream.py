"""An answer comes in pieces that together are the whole, each as early as it is certain."""

from collections.abc import Sequence

import pytest
from golden_cases import TINY, tiny_bpe
from hypothesis import given, settings
from hypothesis import strategies as st

from models.chatglm.chat_format import ChatFormat, build_chat_format
from models.chatglm.text_stream import TextStream
from models.chatglm.tokenizer import ChatGLM2Tokenizer, Tokenizer, load_tokenizer

ICE, BPE = load_tokenizer(TINY / "v1_chat_tiny", "v1"), ChatGLM2Tokenizer(tiny_bpe())
ICE_CHAT, BPE_CHAT = (
    build_chat_format(generation, tokenizer, gmask_id=181, sop_id=184, eos_id=2)
    for generation, tokenizer in ((1, ICE), (2, BPE))
)
each_kind = pytest.mark.parametrize(("tokenizer", "chat"), [(ICE, ICE_CHAT), (BPE, BPE_CHAT)], ids=["v1", "v2"])

ALPHABET = "中年a,!?: \n\t　[]训练时间<n|>b\ufffd👋"
FRAGMENTS = ["[[训练时间]]", "[[训练", "<n>", "<|tab|>", "<|blank_2|>", "<|blank_81|>", "<|bla", "👋🏽", "龘", "   "]
fragments = st.one_of(st.sampled_from(FRAGMENTS), st.text(ALPHABET, max_size=8))
texts = st.lists(fragments, max_size=8).map("".join)
ends = st.one_of(st.text(ALPHABET, min_size=1, max_size=3), st.sampled_from(["", "2023", "年，", " b"]))
stop_words = st.lists(ends, max_size=3)


def ids_of(tokenizer: Tokenizer) -> st.SearchStrategy[list[int]]:
    """Texts, characters piece by piece, bytes cut anywhere, and ids without rhyme or reason."""
    parts = st.one_of(
        texts.map(tokenizer.encode),
        texts.map(lambda text: [number for character in text for number in tokenizer.encode(character)]),
        st.sampled_from("👋龘\u3000é").flatmap(
            lambda text: st.integers(1, 5).map(lambda n: tokenizer.encode(text)[-n:])
        ),
        st.lists(st.integers(-1, 530), max_size=6),
    )
    return st.lists(parts, max_size=25).map(lambda lists: [number for ids in lists for number in ids])


def spelled(ids: Sequence[int]) -> str:
    return "".join(map(chr, ids))


def pieces(stream: TextStream, ids: Sequence[int]) -> list[str]:
    return [*map(stream.push, ids), stream.finish()]


def cut(text: str, stops: Sequence[str]) -> str:
    return text[: min((text.find(stop) for stop in stops if stop and stop in text), default=len(text))]


@each_kind
@settings(derandomize=True, max_examples=120, deadline=None)
@given(data=st.data())
def test_the_pieces_are_the_whole(tokenizer: Tokenizer, chat: ChatFormat, data: st.DataObject) -> None:
    ids, stops = data.draw(ids_of(tokenizer)), data.draw(stop_words)
    whole = chat.response(tokenizer.decode(ids))
    if whole:
        at = data.draw(st.integers(0, len(whole) - 1))
        stops.append(whole[at : at + data.draw(st.integers(0, 4))])
    stream = TextStream(tokenizer.decode, chat.response, stops)
    assert "".join(pieces(stream, ids)) == cut(whole, stops)
    assert stream.stopped == any(stop and stop in whole for stop in stops)


@each_kind
@settings(derandomize=True, max_examples=120, deadline=None)
@given(data=st.data())
def test_without_stop_words_nothing_is_lost(tokenizer: Tokenizer, chat: ChatFormat, data: st.DataObject) -> None:
    ids = data.draw(ids_of(tokenizer))
    stream = TextStream(tokenizer.decode, chat.response)
    assert "".join(pieces(stream, ids)) == chat.response(tokenizer.decode(ids))
    assert not stream.stopped


@settings(derandomize=True, max_examples=120, deadline=None)
@given(texts)
def test_an_ordinary_letter_releases_all_before_it(text: str) -> None:
    stream = TextStream(spelled, ICE_CHAT.response)
    shown = "".join(stream.push(ord(character)) for character in text + "x")
    assert shown == ICE_CHAT.response(text + "x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("你好", ["你", "好", ""]),
        ("好,a", ["好", "，", "a", ""]),
        ("a,中", ["a", "", "，中", ""]),
        ("a,b", ["a", "", ",b", ""]),
        ("a,,中", ["a", "", ",", "，中", ""]),
        ("a, b", ["a", "", "", ", b", ""]),
        ("a, ", ["a", "", "", ","]),
        ("  a", ["", "", "a", ""]),
        ("a  ", ["a", "", "", ""]),
        ("a\n\nb", ["a", "", "", "\n\nb", ""]),
        ("[[训练时间]],", [*[""] * 7, "2023年", "，", ""]),
        ("[[[训x", ["", "", "[", "", "[[训x", ""]),
        ("[[训练", ["", "", "", "", "[[训练"]),
        ("a <n", ["a", "", "", "", " <n"]),
        ("a <x", ["a", "", "", " <x", ""]),
        ("a?\ufffd", ["a", "", "", "?\ufffd"]),
        ("\ufffd" * 5, ["", "", "", "\ufffd", "\ufffd", "\ufffd" * 3]),
    ],
)
def test_text_comes_as_soon_as_it_is_certain(text: str, expected: list[str]) -> None:
    assert pieces(TextStream(spelled, ICE_CHAT.response), [ord(character) for character in text]) == expected


@pytest.mark.parametrize(
    ("stops", "text", "expected", "stopped"),
    [
        (["用户"], "好的用户说", ["好", "的", "", "", "", ""], True),
        (["用户"], "用法", ["", "用法", ""], False),
        (["用户"], "用", ["", "用"], False),
        (["\n问"], "好\n问", ["好", "", "", ""], True),
        (["abc", "b"], "abx", ["", "", "a", ""], True),
        (["abc", "b"], "abc", ["", "", "", ""], True),
        (["abc", "b"], "ab", ["", "", "a"], True),
        (["，b"], "好,b", ["好", "", "", ""], True),
        (["!"], "a!", ["a", "", ""], True),
        (["aab"], "aaab", ["", "", "a", "", ""], True),
        ([""], "a", ["a", ""], False),
    ],
)
def test_a_stop_word_ends_the_text(stops: list[str], text: str, expected: list[str], *, stopped: bool) -> None:
    stream = TextStream(spelled, ICE_CHAT.response, stops)
    assert pieces(stream, [ord(character) for character in text]) == expected
    assert stream.stopped == stopped


def test_a_stop_word_is_known_at_once() -> None:
    stream = TextStream(spelled, ICE_CHAT.response, ["停"])
    assert [stream.push(ord("好")), stream.stopped] == ["好", False]
    assert [stream.push(ord("停")), stream.stopped] == ["", True]
    assert [stream.push(ord("好")), stream.finish()] == ["", ""]


def test_an_emoji_arrives_whole() -> None:
    ids = ICE.encode("你好👋!")
    assert [piece for piece in pieces(TextStream(ICE.decode, ICE_CHAT.response), ids) if piece] == ["你好", "👋", "!"]


@each_kind
def test_a_long_answer_is_not_decoded_again_and_again(tokenizer: Tokenizer, chat: ChatFormat) -> None:
    asked = []

    def decode(ids: Sequence[int]) -> str:
        asked.append(len(ids))
        return tokenizer.decode(ids)

    ids = tokenizer.encode("问题, 答案 hello world。世界👋\n\n" * 150)
    assert "".join(pieces(TextStream(decode, chat.response), ids)) == chat.response(tokenizer.decode(ids))
    assert len(ids) > 1500
    assert max(asked) < 50


@each_kind
def test_ids_without_text_take_no_space_away(tokenizer: Tokenizer, chat: ChatFormat) -> None:
    ids = [number for word in tokenizer.encode("hello world" * 40) for number in (word, -1, -1)]
    assert "".join(pieces(TextStream(tokenizer.decode, chat.response), ids)) == "hello world" * 40
