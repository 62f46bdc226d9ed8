"""Folding: texts that a reader takes for the same compare as equal."""

import pytest
from edge_texts import EDGE_TEXTS

from analysis.folding import fold


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ＣｈａｔＧＬＭ－６Ｂ", "ChatGLM-6B"),
        ("１３ＧＢ", "13gb"),
        ("（甲）：乙？", "(甲):乙?"),
        ("ｱｲｳ", "アイウ"),
        ("請假須經部門主管批准", "请假须经部门主管批准"),
        ("並於系統登記", "并于系统登记"),
        ("什麼時候", "什么时候"),
        ("裡面", "里面"),
        ("PyTorch", "PYTORCH"),
        ("ﬁle", "file"),
        ("cafe\u0301", "café"),
        ("①", "1"),
        ("\u3000甲", " 甲"),
    ],
)
def test_equal_after_folding(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("甲", "乙"), ("未", "末"), ("6B", "6C"), ("己", "已")])
def test_distinct_after_folding(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_the_two_edge_pairs() -> None:
    assert fold(EDGE_TEXTS["full_width"]) == fold(EDGE_TEXTS["half_width"])
    assert fold(EDGE_TEXTS["traditional"]) == fold(EDGE_TEXTS["simplified"])


def test_phrases_are_converted_by_their_meaning() -> None:
    """乾 is 干 in 乾燥 and stays 乾 in 乾坤: a table of single characters would get one of them wrong."""
    assert fold("乾燥") == "干燥"
    assert fold("乾坤") == "乾坤"


def test_rare_characters_and_emoji_survive() -> None:
    assert fold("𰻝𠮷🎉👨‍👩‍👧") == "𰻝𠮷🎉👨‍👩‍👧"


@pytest.mark.parametrize("text", EDGE_TEXTS.values(), ids=EDGE_TEXTS)
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_the_empty_text() -> None:
    assert fold("") == ""
