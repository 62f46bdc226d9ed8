"""The building blocks of the tabs, as Gradio makes a page and answers events of them."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import pytest
from page_visits import PAGE, Site, fired

from ui.components import told


def test_enter_in_an_empty_question_box_changes_nothing(open_site: Site) -> None:
    """It emptied the whole chat: transcript, list and the names of the buttons."""
    ended = fired(open_site.browser(), open_site.handler("ChatTab.ask"), [" ", "", [], None])
    assert ended["success"]
    shown = ended["output"]["data"][1:]  # what comes first is known to the server alone
    assert len(shown) > 3
    assert all(update["__type__"] == "update" and "value" not in update for update in shown), shown


def steps_of(*updates: Any) -> Callable[[], Iterator[Any]]:
    def handler() -> Iterator[Any]:
        yield from updates

    return told("en")(handler)


@pytest.mark.parametrize(
    ("updates", "steps"),
    [((), [gr.skip()]), (("one",), ["one"]), (("one", "two"), ["one", "two"])],
    ids=["none", "one", "two"],
)
def test_a_handler_that_streams_says_something_always(updates: tuple[str, ...], steps: list[Any]) -> None:
    assert list(steps_of(*updates)()) == steps


def test_a_stream_that_is_closed_closes_what_it_told() -> None:
    closed = []

    @told("en")
    def handler() -> Iterator[str]:
        try:
            yield "one"
            yield "two"
        finally:
            closed.append(True)

    for taken in (1, 2):
        stream = handler()
        assert [next(stream) for _ in range(taken)] == ["one", "two"][:taken]
        stream.close()
        assert len(closed) == taken


def test_a_page_comes_without_the_description_of_an_api(open_site: Site) -> None:
    """It was more than half of the page, for an API that is not offered."""
    page = open_site.browser().get("/zh/", headers=PAGE)
    assert page.status_code == 200
    assert "gradio_config" in page.text
    assert "code_snippets" not in page.text


def test_the_state_of_pages_that_were_left_is_given_up(open_site: Site) -> None:
    """Gradio keeps that of ten thousand, about half a megabyte each."""
    holder = open_site._gradio("zh").state_holder
    assert holder.capacity <= 1000


def test_no_event_waits_for_statistics_of_all_before(open_site: Site) -> None:
    """Gradio made a table of its last ten thousand events after each of them."""
    browser, queue = open_site.browser(), open_site._gradio("zh").get_blocks()._queue
    for _ in range(3):
        fired(browser, open_site.handler("ChatTab.ask"), [" ", "", [], None])
    assert queue.cached_event_analytics_summary == {"functions": {}}
    assert len(queue.event_analytics) <= 1
