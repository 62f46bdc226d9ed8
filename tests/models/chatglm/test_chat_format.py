"""Prompts and answers of the three generations, and how a folder shows which one it is."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from golden_cases import GOLDEN, TINY
from hypothesis import given, settings
from hypothesis import strategies as st

from models.chatglm.chat_format import ChatFormat, ChatGLM1Format, build_chat_format, detect_generation
from models.chatglm.tokenizer import Tokenizer, load_tokenizer

ROLES = {"<|system|>": -1, "<|user|>": -2, "<|assistant|>": -3, "<|observation|>": -4}
GMASK, SOP, EOS = -10, -11, -12
TRANSCRIPTS = sorted(path.parent for path in GOLDEN.rglob("chat.json"))
TURNS = [("在吗", "在。"), ("好吗", "好。")]


class Spelled(Tokenizer):
    """One id per character."""

    def encode(self, text: str) -> list[int]:
        return [ord(character) for character in text]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))

    @property
    def ids(self) -> int:
        return 0x110000

    def special(self, piece: str) -> int | None:
        return ROLES.get(piece)


def chat(generation: int) -> ChatFormat:
    return build_chat_format(generation, Spelled(), gmask_id=GMASK, sop_id=SOP, eos_id=EOS)


def ids(*parts: str | int) -> list[int]:
    return [number for part in parts for number in ([part] if isinstance(part, int) else map(ord, part))]


def test_there_are_transcripts() -> None:
    assert TRANSCRIPTS


@pytest.mark.parametrize("folder", TRANSCRIPTS, ids=lambda folder: folder.name)
def test_recorded_conversations_have_the_same_ids_and_answers(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    family = "v1" if "inner_hidden_size" in config else "v2"
    tokenizer = load_tokenizer(folder, family)
    recorded = build_chat_format(
        detect_generation(folder, family),
        tokenizer,
        gmask_id=config["gmask_token_id"],
        sop_id=config["bos_token_id"],
        eos_id=config["eos_token_id"],
    )
    for case in json.loads((folder / "chat.json").read_text("utf-8")):
        turns = [tuple(turn) for turn in case["history"]]
        assert recorded.prompt(turns, case["query"]) == case["input_ids"]
        assert recorded.response(tokenizer.decode(case["output_ids"])) == case["response_no_cleanup"]


@pytest.mark.parametrize(
    ("turns", "system", "text"),
    [
        ([], "", "去哪"),
        ([], "简洁", "简洁\n去哪"),
        (TURNS, "", "[Round 0]\n问：在吗\n答：在。\n[Round 1]\n问：好吗\n答：好。\n[Round 2]\n问：去哪\n答："),
        (TURNS[:1], "简洁", "[Round 0]\n问：简洁\n在吗\n答：在。\n[Round 1]\n问：去哪\n答："),
    ],
    ids=["first", "first_system", "later", "later_system"],
)
def test_chatglm_prompts(turns: list[tuple[str, str]], system: str, text: str) -> None:
    assert chat(1).prompt(turns, "去哪", system) == ids(text, GMASK, SOP)


@pytest.mark.parametrize(
    ("turns", "system", "text"),
    [
        ([], "", "[Round 1]\n\n问：去哪\n\n答："),
        ([], "简洁", "[Round 1]\n\n问：简洁\n去哪\n\n答："),
        (TURNS[:1], "", "[Round 1]\n\n问：在吗\n\n答：在。\n\n[Round 2]\n\n问：去哪\n\n答："),
        (TURNS[:1], "简洁", "[Round 1]\n\n问：简洁\n在吗\n\n答：在。\n\n[Round 2]\n\n问：去哪\n\n答："),
    ],
    ids=["first", "first_system", "later", "later_system"],
)
def test_chatglm2_prompts(turns: list[tuple[str, str]], system: str, text: str) -> None:
    assert chat(2).prompt(turns, "去哪", system) == ids(GMASK, SOP, text)


def test_chatglm3_prompts() -> None:
    third = chat(3)
    assert third.prompt([], "去哪") == ids(GMASK, SOP, -2, "\n去哪", -3)
    assert third.prompt(TURNS[:1], "去哪", "简洁") == ids(
        GMASK, SOP, -1, "\n简洁", -2, "\n在吗", -3, "\n在。", -2, "\n去哪", -3
    )


def test_chatglm3_needs_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(ROLES, "<|user|>")
    with pytest.raises(ValueError, match="user"):
        chat(3)


def test_special_words_in_a_question_stay_text() -> None:
    folder = TINY / "v1_chat_tiny"
    real = build_chat_format(1, load_tokenizer(folder, "v1"), gmask_id=181, sop_id=184, eos_id=185)
    prompt = real.prompt([], "<sop> [gMASK] <eop>", "[MASK]")
    assert prompt[-2:] == [181, 184]
    assert not set(range(180, 188)) & set(prompt[:-2])


def test_stop_ids() -> None:
    assert chat(1).stop_ids == chat(2).stop_ids == {EOS}
    assert chat(3).stop_ids == {EOS, ROLES["<|user|>"], ROLES["<|observation|>"]}


def test_recorded_answers_are_cleaned_up_alike() -> None:
    vectors = json.loads((TINY / "postprocess_vectors.json").read_text("utf-8"))
    assert vectors
    for text, expected in vectors:
        assert chat(1).response(text) == expected


@settings(derandomize=True, deadline=None)
@given(st.text("中年a,!:;?， \n[训练时间]", max_size=30))
def test_punctuation_follows_the_rule_of_the_release(text: str) -> None:
    expected = text.strip().replace("[[训练时间]]", "2023年")
    for mark, full in zip(",!:;?", "，！：；？", strict=True):
        expected = re.sub(rf"([\u4e00-\u9fff])\{mark}", rf"\1{full}", expected)
        expected = re.sub(rf"\{mark}([\u4e00-\u9fff])", rf"{full}\1", expected)
    assert ChatGLM1Format(Spelled(), gmask_id=GMASK, sop_id=SOP, eos_id=EOS).response(text) == expected


@pytest.mark.parametrize("generation", [2, 3])
def test_later_generations_keep_their_punctuation(generation: int) -> None:
    assert chat(generation).response("\n [[训练时间]],好:a \n") == "2023年,好:a"


@pytest.mark.parametrize(
    ("name", "files", "generation"),
    [
        ("model", {}, 2),
        ("chatglm2-6b", {"config.json": '{"_name_or_path": "THUDM/chatglm2-6b"}', "tokenizer_config.json": "{}"}, 2),
        ("ChatGLM3-6B", {}, 3),
        ("model", {"config.json": '{\n "_name_or_path" : "THUDM/ChatGLM3-6b-base"}'}, 3),
        ("model", {"config.json": '{"note": "chatglm3"}'}, 2),
        ("model", {"tokenizer_config.json": '{"additional_special_tokens": ["<|user|>"]}'}, 3),
        ("model", {"tokenizer_config.json": "{[", "config.json": '["_name_or_path", '}, 2),
        ("model", {"tokenizer_config.json": "\x00", "config.json": ""}, 2),
    ],
    ids=["bare", "second", "folder", "config", "elsewhere", "roles", "malformed", "empty"],
)
def test_the_generation_of_a_folder(tmp_path: Path, name: str, files: dict[str, str], generation: int) -> None:
    folder = tmp_path / name
    folder.mkdir()
    for file, content in files.items():
        (folder / file).write_text(content, "utf-8")
    assert detect_generation(folder, "v2") == generation
    assert detect_generation(folder, "v1") == 1


def test_bytes_that_are_no_text_do_not_disturb_the_look(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_bytes(b'\xff\xfe{"<|user|>"')
    assert detect_generation(tmp_path, "v2") == 3
