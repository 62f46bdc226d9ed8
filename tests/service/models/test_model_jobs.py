"""Changes of the language model in the background: one at a time, watched, cancelled, never lost."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.answers import Progress
from core.job_errors import JobCancelled, JobFailed
from core.messages import Message
from core.model_errors import DeviceNotFound
from service.models.downloads import ModelChange, ModelChanges

ABOUT = Message("换用甲", "Switching to A")


@pytest.fixture
def changes() -> Iterator[ModelChanges]:
    changes = ModelChanges()
    yield changes
    changes.close()


def last(changes: ModelChanges) -> ModelChange:
    assert changes.last is not None
    return changes.last


def ended(changes: ModelChanges) -> ModelChange:
    deadline = time.monotonic() + 10
    while not last(changes).ended:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return last(changes)


class Work:
    """Work that goes on, step by step, until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, progress: Callable[[Progress], None]) -> None:
        progress(Progress(1, 2, "层"))
        self.begun.set()
        while not self.go_on.wait(0.002):
            progress(Progress(1, 2, "层"))


def test_a_change_is_watched_and_another_one_is_not_begun_meanwhile(changes: ModelChanges) -> None:
    assert changes.last is None
    work = Work()
    assert changes.start(ABOUT, work)
    assert work.begun.wait(10)
    assert last(changes) == ModelChange(1, ABOUT, "running", Progress(1, 2, "层"), None)
    assert not changes.start(ABOUT, work)
    work.go_on.set()
    assert ended(changes).state == "done"


def test_the_next_one_is_begun_once_the_last_has_ended(changes: ModelChanges) -> None:
    for number in (1, 2, 3):
        while not changes.start(ABOUT, lambda _: None):
            time.sleep(0.001)
        assert ended(changes).number == number


def test_it_is_cancelled_at_its_next_step(changes: ModelChanges) -> None:
    changes.cancel()
    work = Work()
    changes.start(ABOUT, work)
    assert work.begun.wait(10)
    changes.cancel()
    change = ended(changes)
    assert (change.state, type(change.error)) == ("cancelled", JobCancelled)


@pytest.mark.parametrize(
    ("raised", "kind", "logged"),
    [(DeviceNotFound(device="cuda:9", known="cpu"), DeviceNotFound, 0), (ZeroDivisionError("ach"), JobFailed, 1)],
    ids=["foreseen", "unforeseen"],
)
def test_an_error_is_kept_to_be_shown(
    changes: ModelChanges, caplog: pytest.LogCaptureFixture, raised: Exception, kind: type, logged: int
) -> None:
    def fail(_: Any) -> None:
        raise raised

    with caplog.at_level(logging.ERROR):
        changes.start(ABOUT, fail)
        change = ended(changes)
    assert (change.state, type(change.error), len(caplog.records)) == ("failed", kind, logged)


def test_closing_ends_what_is_being_done() -> None:
    changes, work = ModelChanges(), Work()
    changes.start(ABOUT, work)
    assert work.begun.wait(10)
    changes.close()
    assert last(changes).state == "cancelled"
    ModelChanges().close()
