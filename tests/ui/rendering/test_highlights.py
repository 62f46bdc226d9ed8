"""Ranges of a document over a text of it."""

from hypothesis import given
from hypothesis import strategies as st

from ui.rendering.highlights import segments

ranges = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=6)


@given(st.text(max_size=30), st.integers(0, 20), ranges)
def test_segments_hold_every_character_once_and_mark_what_is_in_a_range(
    text: str, start: int, marked: list[tuple[int, int]]
) -> None:
    cut = segments(text, start, marked)
    assert "".join(one.text for one in cut) == text
    assert all(one.text for one in cut)
    marks = [one.is_marked for one in cut for _ in one.text]
    assert marks == [any(low <= start + n < high for low, high in marked) for n in range(len(text))]


@given(st.text(min_size=1, max_size=30), st.integers(0, 20), st.integers(0, 40), st.integers(0, 40))
def test_what_is_around_is_outside_the_cited_range(text: str, start: int, first: int, last: int) -> None:
    cut = segments(text, start, [], (first, last))
    around = [one.is_around for one in cut for _ in one.text]
    assert around == [not first <= start + n < last for n in range(len(text))]
