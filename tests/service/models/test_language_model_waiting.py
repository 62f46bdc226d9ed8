"""Changing the language model while answers are being written: they come to their end first, new ones wait."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from configs.environment import load_settings
from configs.model_config import Settings
from core.answers import Progress, ignore_progress
from core.model_errors import ModelBusy, ModelNotFound
from service.models import language_model, running_answers
from service.models.language_model import LanguageModel


class Loaded:
    """Stands for a model in memory."""

    def __init__(self, name: str) -> None:
        self.loaded, self.prompt_limit, self.freed = name, 100, False

    def free(self) -> None:
        self.freed = True


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Loaded]:
    """What has been loaded, by a model server's name."""
    loaded: list[Loaded] = []

    def load(target: Any, *_: Any) -> Loaded:
        loaded.append(Loaded(target.name))
        return loaded[-1]

    monkeypatch.setattr(language_model, "load_language_model", load)
    return loaded


@pytest.fixture
def model(loads: list[Loaded]) -> LanguageModel:
    model = LanguageModel(served("甲"))
    model.load()
    return model


def served(name: str) -> Settings:
    return load_settings({"llm": name, "llm_url": "http://127.0.0.1:1/v1"}, environ={})


def answer(model: LanguageModel, pieces: int = 3) -> Iterator[int]:
    """Write an answer as `service.answers.asking` does, piece by piece."""
    with model.answering():
        model.load()
        yield from range(pieces)


def switched(model: LanguageModel, **options: Any) -> tuple[threading.Thread, list[BaseException]]:
    """Change the model on a thread of its own; return it and what it raises."""
    errors: list[BaseException] = []

    def switch() -> None:
        try:
            model.use(served("乙"), wait=True, **options)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            errors.append(error)

    thread = threading.Thread(target=switch)
    thread.start()
    return thread, errors


def held(model: LanguageModel) -> bool:
    return model._answers._is_held


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_pain_45_a_switch_waits_for_the_answers_that_are_being_written(
    model: LanguageModel, loads: list[Loaded]
) -> None:
    answers, seen = [answer(model), answer(model)], list[Progress]()
    for one in answers:
        next(one)
    thread, errors = switched(model, progress=seen.append)
    until(lambda: len(seen) > 1)
    assert list(answers[0]) == [1, 2]
    thread.join(0.3)
    assert (loads[0].freed, len(loads), thread.is_alive()) == (False, 1, True)
    assert list(answers[1]) == [1, 2]
    thread.join(10)
    assert (errors, loads[0].freed, model.in_force) == ([], True, "乙")
    assert (seen[0].done, seen[0].total) == (0, 2)
    assert (1, 2) in {(progress.done, progress.total) for progress in seen}


def test_new_questions_wait_for_the_new_model(model: LanguageModel, loads: list[Loaded]) -> None:
    writing, written = answer(model), list[str]()
    next(writing)
    thread, _ = switched(model)
    until(lambda: held(model))

    def ask() -> None:
        with model.answering():
            written.append(model.load().loaded)  # type: ignore[attr-defined]

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for one in asking:
        one.start()
    time.sleep(0.05)
    assert written == []
    writing.close()
    for one in (thread, *asking):
        one.join(10)
    assert written == ["乙"] * 3
    assert [one.loaded for one in loads] == ["甲", "乙"]


def test_without_waiting_the_model_goes_at_once(model: LanguageModel, loads: list[Loaded]) -> None:
    writing = answer(model)
    next(writing)
    model.use(served("乙"))
    assert (loads[0].freed, model.in_force) == (True, "乙")
    model.unload(wait=False)
    assert loads[1].freed
    assert list(writing) == [1, 2]


def test_an_answer_that_nobody_reads_to_its_end_does_not_count_once_it_is_collected(model: LanguageModel) -> None:
    writing = answer(model)
    next(writing)
    thread, errors = switched(model)
    until(lambda: held(model))
    circle: list[Any] = [writing]
    circle.append(circle)  # only the garbage collector finds it
    del writing, circle
    gc.collect()
    thread.join(10)
    assert (errors, model.in_force) == ([], "乙")


def test_an_answer_may_be_collected_on_the_thread_that_is_counting(model: LanguageModel) -> None:
    """The collector runs anywhere, so also between two lines that hold the lock."""
    writing = answer(model)
    next(writing)
    done = threading.Event()

    def collected_inside() -> None:
        nonlocal writing
        with model._answers._changed:
            del writing
            gc.collect()
        done.set()

    threading.Thread(target=collected_inside, daemon=True).start()
    assert done.wait(10)
    model.use(served("乙"), wait=True)


def test_who_reads_an_answer_and_waits_for_it_is_told(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_answers, "_PATIENCE_S", 0.3)
    loaded = model.in_force
    writing = answer(model)
    for change in (lambda: model.use(served("乙"), wait=True), model.unload):
        next(writing)
        with pytest.raises(ModelBusy) as caught:
            change()
        assert caught.value.values["count"] == 1
        assert caught.value.values["seconds"] >= 0.3
        assert model.in_force == loaded
    assert list(answer(model)) == [0, 1, 2]  # the gate is open again
    writing.close()
    model.use(served("乙"), wait=True)


def test_the_waiting_can_be_cancelled_and_nothing_has_changed(model: LanguageModel, loads: list[Loaded]) -> None:
    def cancel(_: Progress) -> None:
        raise KeyboardInterrupt

    writing = answer(model)
    next(writing)
    with pytest.raises(KeyboardInterrupt):
        model.use(served("乙"), cancel, wait=True)
    assert (loads[0].freed, model.in_force) == (False, "甲")
    assert list(writing) == [1, 2]
    assert list(answer(model)) == [0, 1, 2]


def test_a_switch_that_fails_opens_the_gate_again(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelNotFound):
        model.use(load_settings({"llm": "chatglm2-6b", "model_dir": "/nowhere"}, environ={}), wait=True)
    assert list(answer(model)) == [0, 1, 2]

    def fail(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(language_model, "load_language_model", fail)
    with pytest.raises(MemoryError):
        model.use(served("乙"), wait=True)
    with model.answering():
        pass


def test_two_switches_come_one_after_the_other(model: LanguageModel, loads: list[Loaded]) -> None:
    writing = answer(model)
    next(writing)
    threads = [switched(model)[0] for _ in range(3)]
    until(lambda: held(model))
    writing.close()
    for thread in threads:
        thread.join(10)
    assert [one.loaded for one in loads] == ["甲", "乙", "乙", "乙"]
    assert [one.freed for one in loads] == [True, True, True, False]


def test_unloading_frees_the_memory_and_the_next_question_loads_again(
    model: LanguageModel, loads: list[Loaded]
) -> None:
    model.unload()
    assert loads[0].freed
    assert model.in_force == "甲"
    assert list(answer(model)) == [0, 1, 2]
    assert [(one.loaded, one.freed) for one in loads] == [("甲", True), ("甲", False)]
    model.unload(ignore_progress)
    model.unload()


def test_answers_and_switches_at_once_never_write_with_a_model_that_is_gone(
    model: LanguageModel, loads: list[Loaded]
) -> None:
    wrong, stop = list[str](), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            with model.answering():
                mine: Any = model.load()
                time.sleep(0.001)
                if mine.freed:
                    wrong.append(mine.loaded)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(10):
        model.use(served(f"第{number}"), wait=True)
        model.unload()
    stop.set()
    for thread in threads:
        thread.join(10)
    assert wrong == []
    assert not any(thread.is_alive() for thread in threads)
