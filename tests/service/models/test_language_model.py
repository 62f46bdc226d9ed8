"""The language model of an application: loaded when it is needed, freed before another one comes, replaced at will."""

import gc
import re
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fakes import ScriptedChat
from golden_cases import TINY
from tiny_models import CHATML, change, tiny_checkpoint

from core.answers import Delta, Finished, Progress, Retrieved, Turn
from core.errors import ConfigError, KnowGLMError
from core.model_errors import (
    AnswerFailed,
    CheckpointUnreadable,
    ModelError,
    ModelNotFound,
    PromptTooLong,
)
from service.models import language_model

App = Any
GLM, CAUSAL = "chatglm-6b", "qwen2.5-1.5b-instruct"
LEAVE = "云杉公司假期规定\n员工入职满一年后有五天年假。\n年假须提前三天申请。\n"
QUESTION = "年假有几天"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tiny models under the names of large ones: a ChatGLM that hardly ever ends an answer, and a Qwen."""
    folder = tmp_path_factory.mktemp("weights")
    shutil.copytree(TINY / "v1_chat_tiny", folder / GLM)
    change(folder / GLM / "config.json", eos_token_id=527)
    tiny_checkpoint(folder / CAUSAL, "qwen2")
    gc.freeze()  # whenever a model is freed, garbage is looked for: not in the libraries, please
    yield folder
    gc.unfreeze()


@pytest.fixture
def hr(make_app: Callable[..., App], weights: Path, write: Callable[..., list[Path]]) -> Callable[..., App]:
    """Build an application with one document: `hr(llm="chatglm-6b")`."""

    def build(**flags: Any) -> App:
        app = make_app(**{"model_dir": weights, "answer_tokens": 8, "threshold": 0.2, **flags})
        app.create("人事")
        app.add("人事", write(**{"假期.txt": LEAVE}))
        return app

    return build


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models that have been loaded."""
    names: list[str] = []
    load = language_model.load_language_model

    def noted(target: Any, *arguments: Any) -> Any:
        names.append(target.name)
        return load(target, *arguments)

    monkeypatch.setattr(language_model, "load_language_model", noted)
    return names


def network(app: App) -> Any:
    """What holds the weights of the model that is loaded."""
    model = app._model._model
    return model.decoder if hasattr(model, "decoder") else model.network


def deltas(events: Iterator[Any]) -> Iterator[str]:
    return (event.text for event in events if isinstance(event, Delta))


class TestLoading:
    def test_it_waits_for_an_answer_that_needs_it(
        self, hr: Callable[..., App], loads: list[str], answered: Callable[..., Any]
    ) -> None:
        app = hr()
        app.rebuild("人事")
        app.search(QUESTION, "人事")
        app.retriever("人事").invoke(QUESTION)
        assert app.notices("人事")[:-1] == []  # the last is about the embedding
        assert app.model_in_force == GLM
        assert answered(app, "火星上有没有水", "人事").refused
        assert loads == []
        events = app.ask(QUESTION, "人事")
        assert isinstance(next(events), Retrieved)
        assert loads == []
        assert [type(event) for event in events][-1] is Finished
        answered(app, QUESTION, "人事")
        assert loads == [GLM]

    def test_threads_that_all_need_it_load_it_once(
        self, hr: Callable[..., App], loads: list[str], answered: Callable[..., Any]
    ) -> None:
        app, together = hr(), threading.Barrier(6)

        def ask(_: int) -> str:
            together.wait()
            return str(answered(app, QUESTION, "人事").text)

        with ThreadPoolExecutor(6) as pool:
            assert len(set(pool.map(ask, range(6)))) == 1
        assert loads == [GLM]

    def test_its_progress_rises_to_the_total(self, hr: Callable[..., App], loads: list[str]) -> None:
        app, seen = hr(), list[Progress]()
        in_force = app.load_model(seen.append)
        steps = [progress.done for progress in seen]
        assert len(steps) > 3
        assert steps == sorted(set(steps))
        assert {progress.total for progress in seen} == {steps[-1]}
        assert all(progress.label for progress in seen)
        assert re.fullmatch(rf"{GLM} \(\w+(, exact)?\) on (cpu|mps|cuda:\d)", in_force)
        assert app.model_in_force == app.load_model(seen.append) == in_force
        assert len(seen) == len(steps)
        assert loads == [GLM]

    def test_an_interrupted_loading_begins_anew(self, hr: Callable[..., App], answered: Callable[..., Any]) -> None:
        def interrupt(progress: Progress) -> None:
            raise KeyboardInterrupt

        app = hr()
        with pytest.raises(KeyboardInterrupt):
            app.load_model(interrupt)
        assert app.model_in_force == GLM
        assert answered(app, QUESTION, "人事").mode == "llm"

    @pytest.mark.parametrize("flags", [{"llm": "extractive"}, {"llm": "chatglm2-6b"}, {"llm": "/nowhere/model"}])
    def test_where_there_is_none_nothing_is_loaded(
        self, hr: Callable[..., App], loads: list[str], answered: Callable[..., Any], flags: dict[str, str]
    ) -> None:
        app = hr(**flags)
        assert app.load_model() == app.model_in_force == "extractive"
        answer = answered(app, QUESTION, "人事")
        assert (answer.mode, "五天年假" in answer.text, answer.prompt, loads) == ("extractive", True, "", [])

    @pytest.mark.parametrize("llm", [GLM, CAUSAL])
    def test_closing_frees_it_and_it_comes_back_when_asked(
        self, hr: Callable[..., App], loads: list[str], answered: Callable[..., Any], llm: str
    ) -> None:
        app = hr(llm=llm)
        text = answered(app, QUESTION, "人事").text
        held = weakref.ref(network(app))
        app.close()
        assert held() is None
        assert answered(app, QUESTION, "人事").text == text
        assert loads == [llm, llm]


class TestSwitching:
    @pytest.mark.parametrize("order", [(GLM, CAUSAL), (CAUSAL, GLM), (GLM, GLM)], ids=["to_causal", "to_glm", "same"])
    def test_the_old_one_is_gone_before_the_new_one_is_loaded(
        self, hr: Callable[..., App], monkeypatch: pytest.MonkeyPatch, order: tuple[str, str]
    ) -> None:
        app, load = hr(llm=order[0]), language_model.load_language_model
        app.load_model()
        held, seen = weakref.ref(network(app)), list[object]()

        def observe(*arguments: Any) -> Any:
            seen.append(held())
            return load(*arguments)

        monkeypatch.setattr(language_model, "load_language_model", observe)
        in_force = app.use_model(llm=order[1], precision="fp32", device="cpu")
        assert seen == [None]
        assert re.fullmatch(rf"{order[1]} \(fp32(, exact)?\) on cpu", in_force)
        assert app.model_in_force == in_force

    def test_what_was_set_before_stays_set(self, hr: Callable[..., App]) -> None:
        app = hr(llm=GLM, temperature=0.5, seed=3, top_k=2)
        before = app.settings
        app.use_model(llm=CAUSAL, seed=None)
        assert app.settings == before.model_copy(update={"llm": CAUSAL, "seed": None})
        assert "precision" not in app.settings.model_fields_set

    def test_progress_is_reported(self, hr: Callable[..., App]) -> None:
        seen: list[Progress] = []
        hr(llm=CAUSAL).use_model(seen.append, llm=GLM)
        assert seen[-1].done == seen[-1].total > 3

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"llm": "chatglm2-6b"}, ModelNotFound),
            ({"llm": "/nowhere/model"}, ModelNotFound),
            ({"llm": "nonsense"}, ConfigError),
            ({"precision": "int5"}, ConfigError),
            ({"device": "gpu"}, ConfigError),
            ({"temperature": 9, "llm": CAUSAL}, ConfigError),
            ({"answer_tokens": 0}, ConfigError),
            ({"lllm": GLM}, ConfigError),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
    )
    def test_a_change_that_cannot_be_leaves_everything_as_it_was(
        self, hr: Callable[..., App], loads: list[str], changes: dict[str, Any], error: type[Exception]
    ) -> None:
        app = hr()
        before = app.load_model(), network(app), app.settings
        with pytest.raises(error):
            app.use_model(**changes)
        assert (app.model_in_force, network(app), app.settings) == before
        assert [*deltas(app.ask(QUESTION, "人事"))]
        assert loads == [GLM]

    def test_what_is_missing_is_named_with_its_place_and_the_command(
        self, hr: Callable[..., App], weights: Path
    ) -> None:
        with pytest.raises(ModelNotFound) as caught:
            hr().use_model(llm="chatglm2-6b")
        assert str(weights / "chatglm2-6b") in caught.value.reason("zh")
        assert "models download chatglm2-6b" in caught.value.advice("en")

    @pytest.mark.parametrize("llm", [GLM, CAUSAL])
    def test_an_answer_that_is_being_written_ends(
        self, hr: Callable[..., App], answered: Callable[..., Any], llm: str
    ) -> None:
        app = hr(llm=llm, answer_tokens=1024 if llm == GLM else 8192, arithmetic="exact")
        pieces = deltas(app.ask(QUESTION, "人事"))
        assert next(pieces)
        held = weakref.ref(network(app))
        app.use_model(llm=CAUSAL if llm == GLM else GLM, answer_tokens=4)
        assert held() is None
        with pytest.raises(AnswerFailed) as caught:
            list(pieces)
        assert "内存" in caught.value.reason("zh")
        assert answered(app, QUESTION, "人事").mode == "llm"

    def test_readers_in_other_threads_are_told_too(self, hr: Callable[..., App]) -> None:
        app, begun = hr(answer_tokens=1024, arithmetic="exact"), threading.Barrier(4)

        def read(_: int) -> Exception | None:
            pieces = app.ask(QUESTION, "人事")
            next(pieces)
            begun.wait()
            try:
                list(pieces)
            except ModelError as error:
                return error
            return None

        with ThreadPoolExecutor(3) as pool:
            reading = [pool.submit(read, number) for number in range(3)]
            app.load_model()
            begun.wait()
            app.use_model(llm="extractive")
            errors = [job.result(timeout=30) for job in reading]
        assert all(isinstance(error, ModelError) for error in errors)

    def test_without_a_model_sentences_are_quoted_again(
        self, hr: Callable[..., App], loads: list[str], answered: Callable[..., Any]
    ) -> None:
        app = hr()
        written = answered(app, QUESTION, "人事")
        held = weakref.ref(network(app))
        assert app.use_model(llm="extractive") == "extractive"
        assert held() is None
        answer = answered(app, QUESTION, "人事")
        assert (answer.mode, "五天年假" in answer.citations[0].quote) == ("extractive", True)
        app.use_model(llm=GLM)
        assert answered(app, QUESTION, "人事").text == written.text
        assert loads == [GLM, GLM]

    def test_a_question_that_was_asked_before_such_a_switch_is_not_told_to_download_it(
        self, hr: Callable[..., App]
    ) -> None:
        app = hr()
        events = app.ask(QUESTION, "人事")
        next(events)
        app.use_model(llm="extractive")
        try:
            assert isinstance(list(events)[-1], Finished)
        except KnowGLMError as error:
            assert "download extractive" not in error.text("en")

    def test_a_model_that_a_program_brought_can_be_replaced(
        self, hr: Callable[..., App], answered: Callable[..., Any]
    ) -> None:
        app = hr(llm=ScriptedChat(pieces=["五天 [1]"]))
        assert (app.model_in_force, app.load_model()) == ("ScriptedChat", "ScriptedChat")
        assert answered(app, QUESTION, "人事").text == "五天 [1]"
        assert app.use_model(llm="extractive") == "extractive"
        assert answered(app, QUESTION, "人事").mode == "extractive"
        assert "ScriptedChat" not in app.model_in_force

    def test_after_a_failed_load_the_old_model_is_in_force_again(
        self, hr: Callable[..., App], loads: list[str], answered: Callable[..., Any], tmp_path: Path
    ) -> None:
        broken = Path(shutil.copytree(TINY / "v1_chat_tiny", tmp_path / "broken"))
        file = broken / "model.safetensors"
        file.write_bytes(file.read_bytes()[:100_000])
        app = hr()
        app.load_model()
        text, before = answered(app, QUESTION, "人事").text, app.settings
        with pytest.raises(CheckpointUnreadable):
            app.use_model(llm=str(broken))
        assert (app.settings, app.model_in_force) == (before, GLM)
        assert answered(app, QUESTION, "人事").text == text
        assert loads == [GLM, "broken", GLM]

    def test_an_interrupted_switch_goes_back_to_the_old_model(
        self, hr: Callable[..., App], answered: Callable[..., Any]
    ) -> None:
        def interrupt(progress: Progress) -> None:
            if progress.done > 1:
                raise KeyboardInterrupt

        app = hr(llm=CAUSAL)
        written, before = answered(app, QUESTION, "人事").text, app.settings
        with pytest.raises(KeyboardInterrupt):
            app.use_model(interrupt, llm=GLM)
        assert (app.settings, answered(app, QUESTION, "人事").text) == (before, written)

    @pytest.mark.parametrize("llm", [GLM, CAUSAL])
    def test_another_sampling_leaves_the_weights_where_they_are(
        self, hr: Callable[..., App], loads: list[str], answered: Callable[..., Any], llm: str
    ) -> None:
        warm = {"temperature": 1.5, "seed": 3, "top_p": 1.0, "answer_tokens": 12}
        app = hr(llm=llm)
        greedy, weights = answered(app, QUESTION, "人事").text, network(app)
        app.use_model(wait=True, **warm)
        drawn = answered(app, QUESTION, "人事").text
        model = app._model._model
        assert (app.settings.temperature, model.prompt_limit) == (1.5, model.context_tokens - 12)
        assert (network(app), loads) == (weights, [llm])
        assert drawn != greedy
        app.use_model(temperature=None, seed=None, top_p=None, answer_tokens=8)
        assert (answered(app, QUESTION, "人事").text, network(app)) == (greedy, weights)

    def test_another_sampling_of_a_model_that_is_not_loaded_does_not_load_it(
        self, hr: Callable[..., App], loads: list[str]
    ) -> None:
        app = hr()
        app.use_model(temperature=0.5)
        assert (app.settings.temperature, loads) == (0.5, [])

    def test_asking_for_the_same_model_again_reads_its_files_again(
        self, hr: Callable[..., App], loads: list[str]
    ) -> None:
        """They may have changed: an adapter that was trained further has the folder that it had."""
        app = hr()
        app.load_model()
        app.use_model(llm=GLM)
        app.use_model(llm=GLM, temperature=0.5, precision="fp32")
        assert loads == [GLM] * 3

    def test_a_setting_of_something_else_is_not_half_applied(self, hr: Callable[..., App]) -> None:
        app = hr(embedding="lexical")
        with pytest.raises(ConfigError):
            app.use_model(embedding="m3e-base")
        assert app.settings.embedding == "lexical"

    def test_threads_do_not_pile_up(self, hr: Callable[..., App], answered: Callable[..., Any]) -> None:
        app = hr()
        before = threading.active_count()
        for _ in range(4):
            app.use_model(llm=GLM)
            answered(app, QUESTION, "人事")
        gc.collect()
        assert threading.active_count() <= before + 2


class TestPipeline:
    @pytest.mark.parametrize("llm", [GLM, CAUSAL])
    def test_an_answer_is_streamed_from_a_prompt_that_fits(
        self, make_app: Callable[..., App], weights: Path, write: Callable[..., list[Path]], llm: str
    ) -> None:
        app = make_app(
            model_dir=weights,
            llm=str(weights / llm),
            answer_tokens=20,
            threshold=0,
            context_chars=9000,
            chunk_chars=90,
        )
        app.create("人事")
        for part in "甲乙丙丁":
            manual = "".join(f"{part}部第{n}条 年假与{n}类岗位的关系，由人事部解释。\n\n" for n in range(20))
            app.add("人事", write(**{f"{part}.txt": manual}))
        history = [Turn(f"第{n}问，年假有几天？", "五天 [1]。" * 20) for n in range(3)]
        *events, last = app.ask(QUESTION, "人事", history)
        pieces = [*deltas(iter(events))]
        assert isinstance(last, Finished)
        assert "".join(pieces).strip() == last.answer.text != ""
        assert len(pieces) > 3
        assert sum(len(passage.text) for passage in last.answer.retrieval.passages) > 300
        model = app._model._model
        assert model.prompt_limit == (2028 if llm == GLM else 492)
        assert last.answer.prompt.startswith("human: ")
        assert QUESTION in last.answer.prompt
        tokens = len(model.get_token_ids(last.answer.prompt.removeprefix("human: ")))
        assert model.prompt_limit / 10 < tokens <= model.prompt_limit
        assert last.answer.retrieval.passages[0].text[:20] in last.answer.prompt

    @pytest.mark.parametrize("llm", [GLM, CAUSAL])
    def test_a_question_that_is_too_long_alone_is_refused_with_advice(self, hr: Callable[..., App], llm: str) -> None:
        app = hr(llm=llm, answer_tokens=500 if llm == GLM else 32_000 // 4)
        with pytest.raises(PromptTooLong) as caught:
            list(app.ask(QUESTION * 9000, "人事"))
        assert caught.value.values["tokens"] > caught.value.values["limit"] > 0
        assert "缩短问题" in caught.value.advice("zh")

    def test_an_answer_longer_than_the_context_leaves_no_room(self, hr: Callable[..., App]) -> None:
        with pytest.raises(PromptTooLong) as caught:
            list(hr(answer_tokens=8192).ask(QUESTION, "人事"))
        assert "KNOWGLM_ANSWER_TOKENS" in caught.value.advice("en")

    @pytest.mark.parametrize(
        "llm",
        [
            GLM,
            pytest.param(CAUSAL),
        ],
    )
    def test_half_a_character_in_the_history_is_only_a_character(
        self, hr: Callable[..., App], answered: Callable[..., Any], llm: str
    ) -> None:
        assert answered(hr(llm=llm), QUESTION, "人事", [Turn("半\ud83d", "个\udcff")]).mode == "llm"

    def test_what_a_chat_template_raises_is_an_error_of_ours(self, hr: Callable[..., App], tmp_path: Path) -> None:
        """Templates refuse what their models were not trained on; the conversation has to survive it."""
        once = "{% if messages|length > 1 %}{{ raise_exception('once only') }}{% endif %}" + CHATML
        app = hr(llm=str(tiny_checkpoint(tmp_path / "once", "qwen2", once)))
        assert [*deltas(app.ask(QUESTION, "人事"))]
        with pytest.raises(KnowGLMError):
            list(app.ask(QUESTION, "人事", [Turn("甲", "乙")]))
