"""The benchmark of the web page: the arithmetic of its figures, and that its goals can be missed."""

import pytest

from bench.talks import Talk, mixed_up, overhead
from bench.web_page import against, goals_met

EXCHANGES = [("谁？", "小明。[1]"), ("几时？", "三点。[1][2]"), ("何处？", "知识库里没有。")]
FACADE = Talk(EXCHANGES, [0.01, 0.02, 0.03])


def test_the_overhead_is_what_the_page_takes_beyond_the_facade() -> None:
    page, bare = Talk(EXCHANGES, [0.11, 0.14, 0.43]), Talk([], [0.04, 0.05, 0.06])
    figures = overhead(page, FACADE, bare)
    assert figures["questions"] == 3
    assert figures["page_ms"] == pytest.approx(140)
    assert figures["façade_ms"] == pytest.approx(20)
    assert figures["page ÷ façade"] == pytest.approx(7)
    assert figures["beyond façade_ms"] == pytest.approx(120), "the median of the differences"
    assert figures["beyond façade ÷ bare Gradio"] == pytest.approx(120 / 50)


def test_an_overhead_wants_a_time_of_the_facade_for_each_question() -> None:
    with pytest.raises(ValueError, match="shorter"):
        overhead(FACADE, Talk(EXCHANGES[:2], [0.01, 0.02]), FACADE)


@pytest.mark.parametrize(
    ("shown", "wrong"),
    [
        ([("谁？", "\n小明。 \n"), ("几时？", "三\n点。"), EXCHANGES[2]], 0),
        ([EXCHANGES[0], ("几时？", "小明。"), EXCHANGES[2]], 1),
        ([EXCHANGES[1], EXCHANGES[0], EXCHANGES[2]], 2),
        ([EXCHANGES[0], ("别人问的？", "三点。"), EXCHANGES[2]], 1),
        (EXCHANGES[:1], 2),
        ([*EXCHANGES, ("谁？", "小红。")], 1),
        ([], 3),
    ],
    ids=["as_shown", "answer", "exchanged", "question", "lost", "one_too_many", "nothing"],
)
def test_answers_that_are_mixed_up_are_counted(shown: list[tuple[str, str]], wrong: int) -> None:
    assert mixed_up(Talk(shown, []), FACADE) == wrong


def test_ratios_stand_beside_their_figures() -> None:
    figures = against({"first_s": 3.0, "loaded_mb": 1.0, "from elsewhere": 0}, {"first_s": 2, "from elsewhere": 0}, "x")
    assert list(figures.items()) == [
        ("first_s", 3.0),
        ("first_s ÷ x", 1.5),
        ("loaded_mb", 1.0),
        ("from elsewhere", 0),
    ]


def test_the_goals_can_be_missed() -> None:
    fine = {"visit": {"from elsewhere": 0}, "questions": {"answers mixed up": 0}, "visitors": {"answers mixed up": 0}}
    assert goals_met(fine)
    for name, figure in (("visit", "from elsewhere"), ("questions", "answers mixed up")):
        assert not goals_met(fine | {name: {figure: 1}})
    assert not goals_met(fine | {"visitors": {"answers mixed up": 1}})
