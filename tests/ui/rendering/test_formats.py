"""Numbers, times, places, and text of unknown origin."""

import time

import pytest
from edge_texts import EDGE_TEXTS

from core.documents import Chunk
from ui.rendering.formats import excerpt, fine_percent, local_time, percent, place, size, visible


@pytest.mark.parametrize(
    ("share", "shown"), [(0.0, "0%"), (0.404, "40%"), (0.999, "100%"), (1, "100%"), (None, "–")], ids=str
)
def test_percentages_are_whole(share: float | None, shown: str) -> None:
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("share", "shown"), [(0.0, "0%"), (0.3199, "32%"), (0.3194, "31.9%"), (0.1, "10%"), (1.0, "100%")], ids=str
)
def test_fine_percentages_have_one_decimal_at_most(share: float, shown: str) -> None:
    assert fine_percent(share) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 KB"), (1, "1 KB"), (1024, "1 KB"), (1025, "2 KB"), (1_048_576, "1.0 MB"), (52_428_800, "50.0 MB")],
    ids=str,
)
def test_sizes_are_counted_as_the_limit_of_uploads_is(count: int, shown: str) -> None:
    assert size(count) == shown


def test_times_are_those_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert local_time(1_700_000_000) == "2023-11-15 06:13"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_place_names_what_is_known() -> None:
    chunk = Chunk(1, 1, 0, 0, 1, "x", "a.xlsx", "", "row", None, None, "一月", 7)
    assert place(chunk, "zh") == "一月 · 第 7 行"
    assert place(chunk, "en") == "一月 · row 7"
    assert place(Chunk(1, 1, 0, 0, 1, "x", "a.txt", "", "text", None, None, None, None), "zh") == ""


@pytest.mark.parametrize("text", [*EDGE_TEXTS.values(), "a\r\nb\rc", "\x00\u202e\ud800"])
def test_what_is_made_visible_keeps_its_positions(text: str) -> None:
    assert len(visible(text)) == len(text)


@pytest.mark.parametrize("text", EDGE_TEXTS.values(), ids=EDGE_TEXTS)
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_an_excerpt_is_one_line() -> None:
    assert excerpt(" 甲\n\n 乙 ") == "甲 乙"
    assert excerpt("很" * 500) == "很" * 160 + "…"
