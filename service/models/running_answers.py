"""The answers that are being written, and the gate in front of them where the model is to be changed."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from core.answers import Progress, ProgressCallback
from core.model_errors import ModelBusy

_PATIENCE_S = 600.0
_STEP_S = 0.2


class RunningAnswers:
    """Counts answers; lets a change of the model wait for them, and new ones wait for the change."""

    def __init__(self) -> None:
        # On a lock that a thread may take twice: garbage collection ends abandoned answers on any thread, at any line.
        self._changed = threading.Condition(threading.RLock())
        self._begun: dict[object, float] = {}
        self._is_held = False

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count an answer until the block ends; wait first while answers are held back."""
        answer = object()
        with self._changed:
            self._changed.wait_for(lambda: not self._is_held)
            self._begun[answer] = time.monotonic()
        try:
            yield
        finally:
            with self._changed:
                del self._begun[answer]
                self._changed.notify_all()

    @contextmanager
    def held(self, progress: ProgressCallback) -> Iterator[None]:
        """Hold new answers back until the block ends; wait first for those that are being written.

        A caller that reads an answer and waits for it on the same thread waits in vain, and is told so in the end.

        Args:
            progress: called about five times a second with how many of them have ended; an exception from it ends the
                waiting, and answers go on as before.

        Raises:
            ModelBusy: one of them is still being written after ten minutes.
        """
        while not self._hold():
            progress(Progress(0, 1, ""))
        try:
            self._wait(progress)
            yield
        finally:
            with self._changed:
                self._is_held = False
                self._changed.notify_all()

    def _hold(self) -> bool:
        """Hold new answers back; return False where another change of the model goes on doing so."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._is_held, _STEP_S):
                return False
            self._is_held = True
            return True

    def _wait(self, progress: ProgressCallback) -> None:
        total, deadline = len(self._begun), time.monotonic() + _PATIENCE_S
        while running := list(self._begun.values()):
            progress(Progress(total - len(running), total, ""))
            now = time.monotonic()
            if now > deadline:
                raise ModelBusy(count=len(running), seconds=now - min(running))
            with self._changed:
                self._changed.wait_for(lambda: not self._begun, _STEP_S)
