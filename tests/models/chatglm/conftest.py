"""What the tests of the runtime ask for: one thread for tiny products, and none left behind."""

import gc
import threading
import time
from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Compute in one thread: products of tiny matrices take many times as long where two wait for a busy core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    """Fail a test after which a language model still has its writing thread."""
    yield
    patience = time.monotonic() + 5
    while left := [thread.name for thread in threading.enumerate() if thread.name.startswith("language-model")]:
        gc.collect()
        assert time.monotonic() < patience, left
        time.sleep(0.005)
