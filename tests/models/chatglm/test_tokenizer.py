"""Text to ids and back, as the released tokenizers do it; and files that are not what they should be."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from golden_cases import GOLDEN, TINY, tiny_bpe
from hypothesis import given, settings
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor

from core.model_errors import CheckpointUnreadable
from models.chatglm.tokenizer import ChatGLM2Tokenizer, IceTokenizer, Tokenizer, load_tokenizer

ICE_MODEL = (TINY / "v1_chat_tiny" / "ice_text.model").read_bytes()
ICE, BPE = IceTokenizer(ICE_MODEL), ChatGLM2Tokenizer(tiny_bpe())
BPE_PIECES = SentencePieceProcessor(model_proto=tiny_bpe()).get_piece_size()
NEWLINE, MASK, TAB, BYTE_0 = 4, 180, 188, 268  # of the tiny ice_text.model, in the released order
LATER_PIECES = 344  # that the first release of ice_text.model lacks
SPECIAL_WORDS = ["<sop>", "<eop>", "[MASK]", "[gMASK]", "[sMASK]", "<pad>", "<unk>", "<s>", "</s>", "<ENC>"]
ROLES = ["<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"]
texts = st.text(st.one_of(st.sampled_from("你好世界 \n\t,:.ab0👋<n>"), st.characters()), max_size=60)
words = st.sampled_from([*SPECIAL_WORDS, *ROLES, " ", "\n"])
special_texts = st.lists(st.one_of(words, texts), max_size=8).map("".join)


def blank(count: int) -> int:
    return TAB - 1 + count


@pytest.mark.parametrize(
    ("text", "whitespace"),
    [
        ("a\nb", [NEWLINE]),
        ("a\tb", [TAB]),
        ("a b", []),
        ("a  b", [blank(2)]),
        ("a" + " " * 80 + "b", [blank(80)]),
        ("a" + " " * 81 + "b", [blank(80)]),
        ("a" + " " * 82 + "b", [blank(80), blank(2)]),
        ("a\n    b\t\tc", [NEWLINE, blank(4), TAB, TAB]),
    ],
    ids=["newline", "tab", "one", "two", "80", "81", "82", "code"],
)
def test_whitespace_has_pieces_of_its_own_and_comes_back(text: str, whitespace: list[int]) -> None:
    ids = ICE.encode(text)
    assert [number for number in ids if number == NEWLINE or TAB <= number <= blank(80)] == whitespace
    assert ICE.decode(ids) == text


def test_ice_text_is_normalised_and_rare_characters_are_bytes() -> None:
    assert ICE.decode(ICE.encode("：１？👋")) == ":1?👋"
    assert ICE.encode("👋")[-4:] == [BYTE_0 + byte for byte in "👋".encode()]
    assert ICE.decode(ICE.encode("👋")[:-1]) == "\ufffd" * 3


def test_decoding_drops_what_has_no_text() -> None:
    hello = ICE.encode("你好")
    assert ICE.decode([3, MASK, *hello, 185, 524, 130527, -1]) == "你好"
    assert BPE.decode([0, 1, 2, *BPE.encode("你好"), BPE_PIECES, BPE_PIECES + 6, 10**6, -1]) == "你好"
    assert ICE.decode([]) == BPE.decode([]) == ""
    assert ICE.decode([0]) == " ⁇ "  # as the release has it; later ones drop what they do not know


@settings(derandomize=True, deadline=None)
@given(special_texts)
def test_no_text_becomes_a_special_id(text: str) -> None:
    assert not {1, 2, 3, *range(MASK, TAB)} & set(ICE.encode(text))
    assert all(3 <= number < BPE_PIECES for number in BPE.encode(text))


@settings(derandomize=True, deadline=None)
@given(special_texts)
def test_byte_pairs_give_the_text_back(text: str) -> None:
    text = text.replace("\u2581", "_")  # sentencepiece's own sign for a space
    assert BPE.decode(BPE.encode(text)) == text.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("tokenizer", [ICE, BPE], ids=["v1", "v2"])
def test_half_characters_are_question_marks(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("好\ud83d。")) == "好?。"


def test_special_pieces_have_their_ids() -> None:
    names = ["[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<pad>"]
    assert [ICE.special(name) for name in names] == [180, 181, 182, 184, 185, 3]
    assert [ICE.special(name) for name in ("你好", "<n>", "<|tab|>", "<0x00>", *ROLES)] == [None] * 8
    names = ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", *ROLES]
    assert [BPE.special(name) for name in names] == [BPE_PIECES + offset for offset in range(9)]
    assert BPE.special("你好") is None


def fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield number, payload and whole encoding of each field of a protobuf message."""

    def varint(at: int) -> tuple[int, int]:
        value = shift = 0
        while message[at] & 0x80:
            value, shift, at = value | (message[at] & 0x7F) << shift, shift + 7, at + 1
        return value | message[at] << shift, at + 1

    at = 0
    while at < len(message):
        start, (tag, at) = at, varint(at)
        match tag & 7:
            case 0:
                begin, (_, at) = at, varint(at)
            case 2:
                size, begin = varint(at)
                at = begin + size
            case fixed:
                begin, at = at, at + {1: 8, 5: 4}[fixed]
        yield tag >> 3, message[begin:at], message[start:at]


def first_release(model: bytes) -> bytes:
    """Return an ice_text.model as it was before byte pieces came to it."""
    whole = list(fields(model))
    pieces = [encoding for number, _, encoding in whole if number == 1][:-LATER_PIECES]
    specs = b"".join(payload for number, payload, _ in whole if number == 2)
    spec = b"".join(encoding for number, _, encoding in fields(specs) if number != 35)
    size = bytes([len(spec) & 0x7F | 0x80, len(spec) >> 7])
    rest = [encoding for number, _, encoding in whole if number > 2]
    return b"".join([*pieces, b"\x12", size, spec, *rest])


OLD_ICE = IceTokenizer(first_release(ICE_MODEL))


def test_the_first_release_of_the_file_is_really_shorter() -> None:
    old = SentencePieceProcessor(model_proto=first_release(ICE_MODEL))
    assert old.get_piece_size() == MASK
    assert 0 in old.encode("👋")


def test_the_first_release_of_the_file_gets_the_pieces_of_the_later_one() -> None:
    completed, later = (
        [payload for number, payload, _ in fields(model) if number == 1]
        for model in (OLD_ICE._pieces.serialized_model_proto(), ICE_MODEL)
    )
    assert completed == later


@settings(derandomize=True, deadline=None)
@given(special_texts, st.lists(st.integers(-1, 530), max_size=30))
def test_the_first_release_of_the_file_gives_the_ids_of_the_later_one(text: str, ids: list[int]) -> None:
    assert OLD_ICE.encode(text) == ICE.encode(text)
    assert OLD_ICE.decode(ids) == ICE.decode(ids)
    for name in SPECIAL_WORDS:
        assert OLD_ICE.special(name) == ICE.special(name)


@pytest.mark.parametrize("family", ["v1", "v2"])
def test_the_released_files_give_the_recorded_ids(family: str) -> None:
    recorded = json.loads((TINY / "tokenizer_vectors.json").read_text("utf-8"))[family]
    path = GOLDEN / recorded["file"]
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != recorded["sha256"]:
        pytest.skip(f"the released {path.name} is not in KNOWGLM_GOLDEN_DIR: it belongs to the model's licence")
    tokenizer = load_tokenizer(GOLDEN, family)
    for case in recorded["vectors"]:
        assert tokenizer.encode(case["text"]) == case["ids"]
        assert tokenizer.decode(case["ids"]) == case["decoded"]
    special = {piece: number for piece, number in recorded["special"].items() if tokenizer.special(piece) is not None}
    assert {piece: tokenizer.special(piece) for piece in special} == special
    assert "[gMASK]" in special


@pytest.mark.parametrize(
    ("family", "name", "model"),
    [("v1", "ice_text.model", ICE_MODEL), ("v2", "tokenizer.model", tiny_bpe())],
    ids=["v1", "v2"],
)
def test_a_tokenizer_is_read_from_its_folder(tmp_path: Path, family: str, name: str, model: bytes) -> None:
    (tmp_path / name).write_bytes(model)
    expected = ICE if family == "v1" else BPE
    assert load_tokenizer(tmp_path, family).encode("你好\n世界") == expected.encode("你好\n世界")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is no such file"),
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:5e97\nsize 2706249\n", "Git LFS pointer"),
        (b"<html>404</html>", "not a whole sentencepiece model"),
        (ICE_MODEL[:100_000], "not a whole sentencepiece model"),
    ],
    ids=["missing", "empty", "pointer", "page", "cut"],
)
@pytest.mark.parametrize(("family", "name"), [("v1", "ice_text.model"), ("v2", "tokenizer.model")], ids=["v1", "v2"])
def test_an_unusable_file_is_named_with_its_reason(
    tmp_path: Path, family: str, name: str, content: bytes | None, why: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointUnreadable, match=why) as raised:
        load_tokenizer(tmp_path, family)
    assert raised.value.values["file"] == tmp_path / name
    assert str(tmp_path) in raised.value.advice("zh")


def test_a_file_that_cannot_be_opened_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").mkdir()
    with pytest.raises(CheckpointUnreadable):
        load_tokenizer(tmp_path, "v2")
