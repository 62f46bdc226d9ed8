"""What a terminal shows while files are worked on."""

from io import StringIO

import pytest
from rich.console import Console

from cli.render import Screen
from core.answers import Progress


@pytest.mark.parametrize(
    "name",
    ["假期.txt", "甲[/乙].txt", "[草稿]报告.txt", "[final]报告.txt", "{0}.txt"],
    ids=["plain", "closing_tag", "chinese_tag", "tag", "braces"],
)
def test_the_progress_bar_shows_any_file_name(name: str) -> None:
    terminal = StringIO()
    screen = Screen("zh")
    screen._err = Console(file=terminal, force_terminal=True, width=100)
    with screen.progress() as progress:
        progress(Progress(1, 3, name))
    assert name in terminal.getvalue()
    assert "1/3" in terminal.getvalue()


def test_nothing_is_drawn_where_standard_error_is_no_terminal() -> None:
    pipe = StringIO()
    screen = Screen("zh")
    screen._err = Console(file=pipe)
    with screen.progress() as progress:
        progress(Progress(1, 3, "假期.txt"))
    assert pipe.getvalue() == ""
