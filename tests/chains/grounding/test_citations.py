"""Marks `[n]`: which numbers a text cites, and that invented ones never reach the reader, however the text arrives."""

import random

import pytest

from chains.grounding.citations import CitationFilter, cited, without_marks


def filtered(pieces: list[str], count: int = 2) -> tuple[str, tuple[int, ...]]:
    marks = CitationFilter(count)
    text = "".join([*map(marks.push, pieces), marks.finish()])
    return text, marks.removed


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("五天 [2]，三天 [1]，再说 [2]。", (2, 1)),
        ("[1][7]", (1, 7)),
        ("[1, 7] 和 [1、3]", (1, 7, 3)),
        ("[2-4]", (2, 3, 4)),
        ("【7】\uff3b8\uff3d [\uff19]", (7, 8, 9)),
        ("[2023]年 [a] [] [1a] [ ] (3) [-1] [0, 1]", ()),
        ("", ()),
    ],
    ids=["order", "adjacent", "list", "range", "full_width", "no_marks", "empty"],
)
def test_cited_numbers_come_in_the_order_of_their_first_appearance(text: str, numbers: tuple[int, ...]) -> None:
    assert cited(text) == numbers


@pytest.mark.parametrize(
    ("text", "left", "removed"),
    [
        ("五天 [9]。", "五天。", (9,)),
        ("五天 [1]。", "五天 [1]。", ()),
        ("五天[1][7]。", "五天[1]。", (7,)),
        ("五天 [1, 7]。", "五天 [1]。", (7,)),
        ("五天 [1, 2]。", "五天 [1][2]。", ()),
        ("五天【7】，三天\uff3b2\uff3d。", "五天，三天[2]。", (7,)),
        ("[0] 五天", "五天", (0,)),
        ("a [9] b", "a b", (9,)),
        ("a [9]b", "a b", (9,)),
        ("第一行\n[9] 第二行", "第一行\n第二行", (9,)),
        ("五天 [9] [1]", "五天 [1]", (9,)),
        ("[9] [8] [9]", "", (9, 8)),
        ("[1-4]", "[1][2]", (3, 4)),
        ("[[9]]好", "好", (9,)),
        ("[2023]年，[a]，x[0, 1]，[1234]", "[2023]年，[a]，x[0, 1]，[1234]", ()),
        ("末尾 [", "末尾 [", ()),
        ("末尾 [1", "末尾 [1", ()),
        ("缩进\n    代码", "缩进\n    代码", ()),
    ],
    ids=[
        "invented", "kept", "adjacent", "part_of_a_list", "list", "full_width", "zero", "double_blank", "parted_words",
        "line_start", "before_a_mark", "repeated", "range", "doubled", "no_marks", "open", "open_number", "blanks",
    ],
)  # fmt: skip
def test_invented_numbers_are_removed_and_reported(text: str, left: str, removed: tuple[int, ...]) -> None:
    assert filtered([text]) == (left, removed)
    assert filtered(list(text)) == (left, removed), "one character at a time"


def test_only_what_may_begin_a_mark_is_held_back() -> None:
    marks = CitationFilter(1)
    assert marks.push("五天 [1]") == "五天 [1]"
    assert marks.push("，三天 [") == "，三天"
    assert marks.push("注") == " [注"
    assert marks.push("] 再说[12") == "] 再说"
    assert marks.push("34]") == "[1234]"
    assert marks.finish() == ""
    assert marks.removed == ()


def test_without_passages_every_mark_is_invented() -> None:
    assert filtered(["好[1]，[", "2]行"], count=0) == ("好，行", (1, 2))


def test_however_a_text_is_cut_nothing_invented_comes_out() -> None:
    dice = random.Random(5)
    for _ in range(5000):
        text = "".join(dice.choice("[[]]【】 \n1790,a。-") for _ in range(dice.randint(1, 14)))
        cuts = sorted(dice.choices(range(len(text) + 1), k=3))
        pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        left, removed = filtered(pieces)
        assert set(cited(left)) <= {1, 2}, text
        assert (left, removed) == filtered([text]), pieces


def test_taking_marks_away_keeps_every_position() -> None:
    text = "五天 [1]，三天【2】[3]"
    plain = without_marks(text)
    assert len(plain) == len(text)
    assert plain.split() == ["五天", "，三天"]
