"""Language models of transformers as chat models: what they write, how they stop, what they count."""

import asyncio
import gc
import itertools
import json
import random
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from safetensors.torch import load_file, save_file
from tiny_models import CONTEXT_TOKENS, change, tiny_checkpoint, tiny_moss
from transformers import AutoModelForCausalLM, AutoTokenizer, CodeGenConfig, CodeGenForCausalLM, CodeGenTokenizer

from core.model_errors import (
    AnswerFailed,
    DeviceNotFound,
    ModelError,
    ModelFailed,
    ModelTooLarge,
    ModelUnsupported,
    PromptTooLong,
)
from core.sampling import Sampling
from models.causal_lm import CausalLM
from models.devices import Device

MOSS_SIZES = ["vocab_size", "n_positions", "n_ctx", "n_embd", "n_layer", "n_head", "rotary_dim", "eos_token_id"]
KINDS = ["llama", "qwen2", "glm4", "rwkv", "codegen", "gpt2", "moss"]
TALK = [SystemMessage("你是助手"), HumanMessage("你好"), AIMessage("您好！"), HumanMessage("How are you?")]
GREEDY = Sampling(answer_tokens=16)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Checkpoints, each written when it is first asked for; tests leave them as they are."""

    @cache
    def folder(kind: str) -> Path:
        path = tmp_path_factory.mktemp(kind)
        return tiny_moss(path) if kind == "moss" else tiny_checkpoint(path, kind)

    return folder


@pytest.fixture
def make(folders: Callable[[str], Path]) -> Callable[..., CausalLM]:
    """Load a model of a kind: `make("glm4", sampling=…)`."""

    def load(kind: str = "llama", sampling: Sampling = GREEDY, **options: Any) -> CausalLM:
        options = {"chat_style": "moss" if kind == "moss" else "template", "precision": "fp32", **options}
        return CausalLM.load(folders(kind), name=f"tiny-{kind}", device="cpu", sampling=sampling, **options)

    return load


def as_transformers_has_it(folder: Path, kind: str) -> tuple[Any, Any]:
    """Return network and tokenizer of a checkpoint, loaded without the code under test."""
    if kind != "moss":
        return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    sizes = json.loads((folder / "config.json").read_text("utf-8"))
    network = CodeGenForCausalLM(CodeGenConfig(**{key: sizes[key] for key in MOSS_SIZES})).eval()
    network.load_state_dict(load_file(folder / "model.safetensors"))
    return network, CodeGenTokenizer.from_pretrained(folder)


def dictate(model: CausalLM, text: str, *, end: bool = True) -> list[int]:
    """Make the network write a text, then its end token if `end`, else the text again; return the text's tokens."""
    tokens = model.get_token_ids(text)
    script = itertools.chain(tokens, [model.network.generation_config.eos_token_id] if end else [])
    script = script if end else itertools.cycle(tokens)

    def rewrite(_: Any, __: Any, output: Any) -> Any:
        output.logits[:, -1] = -100.0
        output.logits[:, -1, next(script)] = 100.0
        return output

    model.network.register_forward_hook(rewrite)
    return tokens


def count_steps(model: CausalLM, seconds: float = 0.0) -> list[float]:
    """Return a list that grows with every step of the network, which takes at least `seconds`."""
    steps: list[float] = []

    def note(*_: Any) -> None:
        steps.append(time.monotonic())
        time.sleep(seconds)

    model.network.register_forward_pre_hook(note)
    return steps


def wait_for_turn(model: CausalLM) -> None:
    """Return when the model has finished with everything it was asked before."""
    model.invoke("好", answer_tokens=1)


class TestParity:
    """What transformers computes directly is what the chat model says."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_greedy_answers_are_those_of_a_loop_without_a_cache(
        self, make: Callable[..., CausalLM], folders: Callable[[str], Path], kind: str
    ) -> None:
        model = make(kind)
        network, tokenizer = as_transformers_has_it(folders(kind), kind)
        prompt = model.tokenizer.prompt(TALK)
        tokens = torch.tensor([prompt])
        for _ in range(GREEDY.answer_tokens):
            with torch.no_grad():
                choice = network(tokens, use_cache=False).logits[:, -1:].argmax(-1)
            if choice.item() in {network.generation_config.eos_token_id, tokenizer.eos_token_id}:
                break
            tokens = torch.cat([tokens, choice], 1)
        answer = model.invoke(TALK)
        assert answer.content == tokenizer.decode(tokens[0, len(prompt) :], skip_special_tokens=True).lstrip()
        assert answer.content
        assert model.network.dtype == torch.float32

    def test_moss_reads_its_marks_as_single_tokens(
        self, make: Callable[..., CausalLM], folders: Callable[[str], Path]
    ) -> None:
        model = make("moss")
        tokenizer = CodeGenTokenizer.from_pretrained(folders("moss"))
        (human,) = model.get_token_ids("<eoh>")
        (end,) = model.get_token_ids("<eom>")
        prompt = model.tokenizer.prompt(TALK)
        assert (prompt.count(human), prompt.count(end)) == (2, 1)
        assert tokenizer.decode(prompt) == (
            "你是助手\n<|Human|>: 你好<eoh>\n<|MOSS|>: 您好！<eom>\n<|Human|>: How are you?<eoh>\n<|MOSS|>:"
        )

    def test_sampling_is_temperature_then_top_k_then_top_p(self, make: Callable[..., CausalLM]) -> None:
        drawn = Sampling(answer_tokens=12, temperature=1.5, top_k=20, top_p=0.8, repetition_penalty=1.3, seed=7)
        model = make(sampling=drawn)
        numbers = torch.Generator().manual_seed(7)
        prompt = model.tokenizer.prompt(TALK)
        tokens = torch.tensor([prompt])
        for _ in range(drawn.answer_tokens):
            with torch.no_grad():
                scores = model.network(tokens).logits[0, -1]
            seen = tokens[0, len(prompt) :].unique()  # what is in the prompt may be repeated
            scores[seen] = torch.where(scores[seen] > 0, scores[seen] / 1.3, scores[seen] * 1.3)
            best, places = (scores / 1.5).topk(20)
            chances = best.softmax(-1)
            before = chances.cumsum(-1) - chances
            kept = torch.zeros_like(scores)
            kept[places] = torch.where(before < 0.8, chances, 0.0)
            tokens = torch.cat([tokens, (kept / kept.sum()).multinomial(1, generator=numbers)[None]], 1)
        expected = model.tokenizer._tokenizer.decode(tokens[0, len(prompt) :], skip_special_tokens=True)
        assert model.invoke(TALK).content == expected.lstrip()


class TestSampling:
    DRAWN = Sampling(answer_tokens=12, temperature=1.0, top_p=1.0, top_k=0, seed=1)

    def test_a_seed_gives_one_answer_and_another_seed_another(self, make: Callable[..., CausalLM]) -> None:
        model = make(sampling=self.DRAWN)
        assert model.invoke("你好").content == model.invoke("你好").content
        assert model.invoke("你好").content != model.invoke("你好", seed=2).content
        assert model.invoke("你好", seed=None).content != model.invoke("你好", seed=None).content

    def test_the_random_numbers_of_the_process_stay_as_they_are(self, make: Callable[..., CausalLM]) -> None:
        model = make(sampling=self.DRAWN)
        before = torch.get_rng_state(), random.getstate()
        model.invoke("你好")
        assert torch.equal(torch.get_rng_state(), before[0])
        assert random.getstate() == before[1]

    def test_each_call_may_override_the_sampling(self, make: Callable[..., CausalLM]) -> None:
        model = make(sampling=self.DRAWN)
        greedy = make(sampling=replace(self.DRAWN, temperature=0.0)).invoke("你好").content
        assert model.bind(temperature=0.0).invoke("你好").content == greedy
        assert model.bind(top_k=1).invoke("你好").content == greedy
        assert model.bind(top_p=1e-6).invoke("你好").content == greedy
        assert model.invoke("你好").content != greedy
        short = model.invoke("你好", answer_tokens=3)
        assert short.usage_metadata is not None
        assert short.usage_metadata["output_tokens"] == 3

    def test_a_penalty_makes_the_model_leave_what_it_said(self, make: Callable[..., CausalLM]) -> None:
        """A prompt's own tokens count: with a penalty beyond reason none of them is likeliest."""
        model = make(sampling=replace(GREEDY, repetition_penalty=1e6))
        prompt = model.tokenizer.prompt([HumanMessage("你好")])
        with torch.no_grad():
            scores = model.network(torch.tensor([prompt])).logits[0, -1]
        best = next(token for token in scores.argsort(descending=True).tolist() if token not in prompt)
        first = model.invoke("你好", answer_tokens=1).content
        assert first == model.tokenizer._tokenizer.decode([best]).lstrip()

    def test_of_the_folders_own_way_to_write_only_the_end_tokens_are_in_force(
        self, make: Callable[..., CausalLM], tmp_path: Path
    ) -> None:
        expected = make().invoke("你好")
        folder = tiny_checkpoint(tmp_path)
        change(
            folder / "generation_config.json", do_sample=True, temperature=9.0, repetition_penalty=5.0, min_length=99
        )
        model = CausalLM.load(folder, name="m", device="cpu", precision="fp32", sampling=GREEDY)
        assert model.invoke("你好").content == expected.content

    def test_end_tokens_may_be_several(self, make: Callable[..., CausalLM], tmp_path: Path) -> None:
        folder = tiny_checkpoint(tmp_path)
        probe = make()
        (comma,) = probe.get_token_ids("，")
        change(folder / "generation_config.json", eos_token_id=[2, comma])
        model = CausalLM.load(folder, name="m", device="cpu", precision="fp32", sampling=GREEDY)
        model.network.generation_config.eos_token_id = 2  # for the script below
        dictate(model, "你好，世界")
        answer = model.invoke("说")
        assert answer.content == "你好"
        assert answer.response_metadata["finish_reason"] == "stop"


class TestAnswers:
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_stream_is_the_answer_in_pieces(self, make: Callable[..., CausalLM], kind: str) -> None:
        model = make(kind)
        whole, chunks = model.invoke(TALK), list(model.stream(TALK))
        assert "".join(str(chunk.content) for chunk in chunks) == whole.content
        assert len(chunks) > 3
        assert [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata] == [whole.usage_metadata]
        assert chunks[-1].usage_metadata
        assert chunks[-1].response_metadata == whole.response_metadata

    async def test_the_asynchronous_calls_say_the_same(self, make: Callable[..., CausalLM]) -> None:
        model = make()
        expected = model.invoke(TALK)
        assert (await model.ainvoke(TALK)).content == expected.content
        assert "".join([str(chunk.content) async for chunk in model.astream(TALK)]) == expected.content

    def test_pieces_are_whole_characters(self, make: Callable[..., CausalLM]) -> None:
        text = "熊猫🐼吃竹子，“好”的。"
        model = make(sampling=Sampling(answer_tokens=64))
        tokens = dictate(model, text)
        pieces = [str(chunk.content) for chunk in model.stream("说") if chunk.content]
        assert "".join(pieces) == text
        assert len(tokens) > len(text)  # most characters are several tokens
        assert max(len(piece) for piece in pieces) == 1

    def test_usage_counts_every_token_and_the_end(self, make: Callable[..., CausalLM]) -> None:
        model = make()
        tokens = dictate(model, "你好，世界")
        answer = model.invoke("说")
        assert answer.content == "你好，世界"
        asked = model.get_num_tokens_from_messages([HumanMessage("说")])
        written = len(tokens) + 1
        assert answer.usage_metadata == {
            "input_tokens": asked,
            "output_tokens": written,
            "total_tokens": asked + written,
        }
        assert answer.response_metadata["finish_reason"] == "stop"
        assert answer.response_metadata["model_name"] == "tiny-llama"

    def test_an_answer_cut_by_its_length_says_so(self, make: Callable[..., CausalLM]) -> None:
        model = make(sampling=Sampling(answer_tokens=5))
        dictate(model, "Hello world, how are you?", end=False)
        answer = model.invoke("说")
        assert answer.response_metadata["finish_reason"] == "length"
        assert answer.usage_metadata is not None
        assert answer.usage_metadata["output_tokens"] == 5

    @pytest.mark.parametrize("stop", ["世界", "好，世", "orl"], ids=["a_word", "across_words", "in_a_token"])
    def test_a_stop_ends_the_answer_before_it(self, make: Callable[..., CausalLM], stop: str) -> None:
        text = "Hello world 你好，世界。今天"
        model = make(sampling=Sampling(answer_tokens=200))
        dictate(model, text, end=False)
        answer = model.invoke("说", stop=["没有", stop])
        assert answer.content == text.partition(stop)[0]
        assert answer.response_metadata["finish_reason"] == "stop"
        assert "".join(str(chunk.content) for chunk in model.stream("说", stop=[stop], seed=1)).endswith(
            text.partition(stop)[0]
        )

    def test_the_model_writes_no_token_after_a_stop(self, make: Callable[..., CausalLM]) -> None:
        model = make(sampling=Sampling(answer_tokens=200))
        dictate(model, "你好，世界。今天", end=False)
        steps = count_steps(model)
        model.invoke("说", stop=["世界"])
        assert len(steps) == len(model.get_token_ids("你好，世界"))

    def test_a_style_has_stops_of_its_own(self, make: Callable[..., CausalLM]) -> None:
        model = make(sampling=Sampling(answer_tokens=200), chat_style="plain")
        dictate(model, "很好。\n问：再问", end=False)
        assert model.invoke("说").content == "很好。"

    def test_handlers_hear_every_piece(self, make: Callable[..., CausalLM]) -> None:
        class Ear(BaseCallbackHandler):
            def __init__(self) -> None:
                self.heard: list[str] = []

            def on_llm_new_token(self, token: str, **_: Any) -> None:
                self.heard.append(token)

        model, ears = make(), (Ear(), Ear())
        answer = model.invoke(TALK, config={"callbacks": [ears[0]]})
        list(model.stream(TALK, config={"callbacks": [ears[1]]}))
        assert "".join(ears[0].heard) == answer.content
        assert ears[0].heard == ears[1].heard
        assert len(ears[0].heard) > 3


class TestStopping:
    LONG = Sampling(answer_tokens=400)

    def test_closing_a_stream_stops_the_model(self, make: Callable[..., CausalLM]) -> None:
        model = make(sampling=self.LONG)
        dictate(model, "Hello world", end=False)
        steps = count_steps(model, seconds=0.02)
        stream = model.stream("说")
        next(stream)
        stream.close()
        seen = len(steps)
        wait_for_turn(model)
        assert len(steps) <= seen + 2  # the token in the making, and the one of the wait
        assert seen < 10

    async def test_cancelling_an_asynchronous_answer_stops_the_model(self, make: Callable[..., CausalLM]) -> None:
        model = make(sampling=self.LONG)
        dictate(model, "Hello world", end=False)
        steps = count_steps(model, seconds=0.02)
        task = asyncio.create_task(model.ainvoke("说"))
        while len(steps) < 3:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        seen = len(steps)
        await asyncio.to_thread(wait_for_turn, model)
        assert len(steps) <= seen + 2

    async def test_leaving_an_asynchronous_stream_stops_the_model(self, make: Callable[..., CausalLM]) -> None:
        model = make(sampling=self.LONG)
        dictate(model, "Hello world", end=False)
        steps = count_steps(model, seconds=0.02)
        stream = model.astream("说")
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        await asyncio.to_thread(wait_for_turn, model)
        assert len(steps) < 10

    def test_an_answer_nobody_waits_for_any_more_is_not_begun(self, make: Callable[..., CausalLM]) -> None:
        model = make(sampling=self.LONG)
        dictate(model, "Hello world", end=False)
        steps = count_steps(model, seconds=0.02)
        running = model.stream("一")
        next(running)
        model._ask([HumanMessage("二")], None, {}).cancel()
        running.close()
        seen = len(steps)
        wait_for_turn(model)
        assert len(steps) <= seen + 2

    def test_answers_wait_their_turn(self, make: Callable[..., CausalLM]) -> None:
        model = make()
        questions = ["你好", "Hello", "世界", "how"]
        alone = [model.invoke(question).content for question in questions]
        inside: list[int] = []
        now = itertools.count()
        model.network.register_forward_pre_hook(lambda *_: inside.append(next(now)) or time.sleep(0.001))
        model.network.register_forward_hook(lambda *_: inside.append(-1))
        together = [answer.content for answer in model.batch(list(questions))]
        assert together == alone
        assert all(mark == -1 for mark in inside[1::2])  # no step begins before the one before it ends

    def test_an_error_in_the_network_reaches_the_caller(self, make: Callable[..., CausalLM]) -> None:
        model = make()
        expected = model.invoke("你好").content
        steps = count_steps(model)

        def fail(*_: Any) -> None:
            if len(steps) == 3:
                raise RuntimeError("out of memory")

        hook = model.network.register_forward_hook(fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            model.invoke("你好")
        steps.clear()
        with pytest.raises(RuntimeError, match="out of memory"):
            list(model.stream("你好"))
        hook.remove()
        assert model.invoke("你好").content == expected

    def test_a_freed_model_is_gone(self, make: Callable[..., CausalLM]) -> None:
        model = make()
        network = weakref.ref(model.network)
        model.free()
        gc.collect()
        assert network() is None
        with pytest.raises(AnswerFailed) as caught:
            model.invoke("你好")
        assert "移除" in caught.value.text("zh")
        model.free()


class TestTokens:
    @pytest.fixture(autouse=True)
    def _no_default_tokenizer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any) -> None:
            raise AssertionError("LangChain's default would download GPT-2's tokenizer")

        monkeypatch.setattr("langchain_core.language_models.base._get_token_ids_default_method", refuse)

    @pytest.mark.parametrize("kind", KINDS)
    def test_counts_are_those_of_the_models_own_tokenizer(self, make: Callable[..., CausalLM], kind: str) -> None:
        model = make(kind, sampling=Sampling(answer_tokens=1))
        own = model.tokenizer._tokenizer
        assert model.get_num_tokens("你好，world 🐼") == len(own.encode("你好，world 🐼", add_special_tokens=False))
        answer = model.invoke(TALK)
        assert answer.usage_metadata is not None
        assert model.get_num_tokens_from_messages(TALK) == answer.usage_metadata["input_tokens"]

    def test_the_limit_leaves_room_for_the_answer(self, make: Callable[..., CausalLM]) -> None:
        assert make().prompt_limit == CONTEXT_TOKENS - 16
        assert make(context_tokens=100).prompt_limit == 84
        assert make("rwkv").prompt_limit == CONTEXT_TOKENS - 16
        assert make(context_tokens=10).prompt_limit == 0

    def test_a_prompt_of_the_limit_fits_and_one_more_token_does_not(self, make: Callable[..., CausalLM]) -> None:
        question = [HumanMessage("你好")]
        tokens = make().get_num_tokens_from_messages(question)
        make(context_tokens=tokens + 16).invoke(question)
        model = make(context_tokens=tokens + 15)
        for ask in (model.invoke, lambda asked: list(model.stream(asked))):
            with pytest.raises(PromptTooLong) as caught:
                ask(question)
            assert caught.value.values == {"tokens": tokens, "limit": tokens - 1}

    def test_what_is_no_conversation_is_refused_before_the_model_runs(self, make: Callable[..., CausalLM]) -> None:
        model = make()
        steps = count_steps(model)
        with pytest.raises(ValueError, match="reads text only"):
            model.invoke([HumanMessage([{"type": "image", "url": "https://example.com/a.png"}])])
        assert steps == []


class TestLoading:
    """What is in force, and what is refused."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tiny_checkpoint(tmp_path / "model")

    def load(self, folder: Path, **options: Any) -> CausalLM:
        return CausalLM.load(folder, name="小模型", **{"device": "cpu", "sampling": GREEDY, **options})

    def failure(self, folder: Path, kind: type[ModelError] = ModelFailed, **options: Any) -> ModelError:
        with pytest.raises(kind) as caught:
            self.load(folder, **options)
        assert type(caught.value) is kind
        assert str(folder) in caught.value.text("zh") or kind is ModelTooLarge
        return caught.value

    @pytest.mark.parametrize(
        ("precision", "native", "loaded"),
        [
            ("auto", True, "(bf16) on cpu"),
            ("auto", False, "(fp32) on cpu"),
            ("fp16", True, "(bf16) on cpu"),
            ("fp16", False, "(fp32) on cpu"),
            ("bf16", False, "(bf16) on cpu"),
            ("fp32", True, "(fp32) on cpu"),
        ],
    )
    def test_precision(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, precision: str, native: bool, loaded: str
    ) -> None:
        pretend(monkeypatch, bf16=native)
        model = self.load(folder, precision=precision)
        assert model.loaded.endswith(loaded)
        assert {weight.dtype for weight in model.network.parameters()} == {
            torch.bfloat16 if "bf16" in loaded else torch.float32
        }
        assert model.invoke("你好").content

    @pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16], ids=["fp16", "bf16"])
    def test_a_graphics_card_takes_the_precision_of_the_files(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, stored: torch.dtype
    ) -> None:
        AutoModelForCausalLM.from_pretrained(folder, dtype=stored).save_pretrained(folder)
        pretend(monkeypatch, name="meta")
        assert self.load(folder).loaded.endswith("(fp16) on meta" if stored == torch.float16 else "(bf16) on meta")
        assert self.load(folder, precision="fp32").loaded.endswith("(fp32) on meta")

    @pytest.mark.parametrize("precision", ["int8", "int4"])
    def test_quantised_precisions_are_not_offered(self, folder: Path, precision: str) -> None:
        assert "int8" in self.failure(folder, ModelUnsupported, precision=precision).text("zh")

    def test_weights_that_do_not_fit(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        size_gb = (folder / "model.safetensors").stat().st_size / 1e9
        pretend(monkeypatch, free_gb=1.15 * size_gb)
        assert self.load(folder, precision="fp32").loaded.endswith("(fp32) on cpu")
        pretend(monkeypatch, free_gb=1.05 * size_gb)
        assert "KNOWGLM_PRECISION=bf16" in self.failure(folder, ModelTooLarge, precision="fp32").text("zh")
        assert self.load(folder, precision="bf16").loaded.endswith("(bf16) on cpu")
        pretend(monkeypatch, free_gb=0.5 * size_gb)
        error = self.failure(folder, ModelTooLarge, precision="bf16")
        assert "smaller model" in error.text("en")
        assert (error.values["name"], error.values["precision"]) == ("小模型", "bf16")

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"model_type": "chatglm", "auto_map": {"AutoConfig": "x.X"}}, "从不执行"),
            ({"model_type": "nothing-like-it"}, "nothing-like-it"),
            ({"model_type": "vit"}, "vit"),
            ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "int4"),
            ({"model_type": "moss", "wbits": 4}, "int4"),
        ],
        ids=["own_code", "unknown", "images", "gptq", "moss_int4"],
    )
    def test_kinds_of_model_that_are_not_supported(self, folder: Path, changes: dict[str, Any], words: str) -> None:
        change(folder / "config.json", **changes)
        assert words in self.failure(folder, ModelUnsupported).text("zh")

    def test_an_adapter_is_no_model(self, folder: Path) -> None:
        change(folder / "adapter_config.json", base_model_name_or_path="/elsewhere", peft_type="LORA")
        assert "微调" in self.failure(folder, ModelUnsupported).text("zh")

    @pytest.mark.parametrize("kind", ["llama", "qwen2", "rwkv", "moss"])
    def test_weights_that_lack_a_layer_are_not_filled_up_at_random(self, tmp_path: Path, kind: str) -> None:
        folder = tiny_moss(tmp_path) if kind == "moss" else tiny_checkpoint(tmp_path, kind)
        weights = load_file(folder / "model.safetensors")
        del weights[next(name for name in sorted(weights) if ".1." in name)]
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        assert "weights are missing" in self.failure(folder).text("en")

    def test_weights_of_another_shape(self, folder: Path) -> None:
        change(folder / "config.json", intermediate_size=48)
        self.failure(folder)

    @pytest.mark.parametrize(
        "content",
        [b"", b"version https://git-lfs.github.com/spec/v1\n", b"\x08" + b"\x00" * 7 + b"garbage!", None],
        ids=["empty", "lfs_pointer", "garbage", "cut_short"],
    )
    def test_weights_that_are_none(self, folder: Path, content: bytes | None) -> None:
        file = folder / "model.safetensors"
        file.write_bytes(file.read_bytes()[:5000] if content is None else content)
        self.failure(folder)

    @pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
    def test_files_that_are_missing(self, folder: Path, name: str) -> None:
        (folder / name).unlink()
        self.failure(folder)

    @pytest.mark.parametrize("kind", KINDS)
    def test_no_tokenizer(self, tmp_path: Path, kind: str) -> None:
        """For some kinds transformers makes one up that turns every text into nothing."""
        folder = tiny_moss(tmp_path) if kind == "moss" else tiny_checkpoint(tmp_path, kind)
        for file in folder.iterdir():
            if file.name not in {"config.json", "generation_config.json", "model.safetensors"}:
                file.unlink()
        self.failure(folder)

    def test_no_folder(self, tmp_path: Path) -> None:
        self.failure(tmp_path / "missing")

    @pytest.mark.parametrize(
        "content", ["", "[]", "{", '{"model_type": []}', '{"model_type": "llama", "vocab_size": "x"}']
    )
    def test_a_configuration_that_is_none(self, folder: Path, content: str) -> None:
        (folder / "config.json").write_text(content)
        self.failure(folder)

    def test_a_chat_style_that_there_is_not(self, folder: Path) -> None:
        self.failure(folder, chat_style="alpaca")

    @pytest.mark.parametrize("device", ["cuda:99", "x"])
    def test_a_device_that_there_is_not(self, folder: Path, device: str) -> None:
        with pytest.raises(DeviceNotFound, match="KNOWGLM_DEVICE"):
            self.load(folder, device=device)

    def test_older_weights(self, folder: Path) -> None:
        expected = self.load(folder).invoke("你好").content
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
        assert self.load(folder).invoke("你好").content == expected


class TestCodeInTheFolder:
    """Nothing that comes with a checkpoint is run, and nobody is asked at the terminal whether it may."""

    CODE = (
        "from pathlib import Path\nPath({marker!r}).write_text('executed')\nfrom transformers import LlamaConfig as X\n"
    )

    @pytest.fixture
    def marker(self, tmp_path: Path) -> Path:
        return tmp_path / "executed"

    @pytest.fixture
    def folder(self, tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked at the terminal"))
        folder = tiny_checkpoint(tmp_path / "model")
        (folder / "custom_generate").mkdir()
        for name in ("modeling_x.py", "custom_generate/generate.py"):
            (folder / name).write_text(self.CODE.format(marker=str(marker)))
        return folder

    @pytest.mark.parametrize("known", [True, False], ids=["known_type", "unknown_type"])
    def test_code_named_in_the_configuration(self, folder: Path, marker: Path, known: bool) -> None:
        names = {"AutoConfig": "modeling_x.X", "AutoModelForCausalLM": "modeling_x.X"}
        change(folder / "config.json", auto_map=names, **({} if known else {"model_type": "x"}))
        if known:
            assert CausalLM.load(folder, name="m", device="cpu", sampling=GREEDY).invoke("你好").content
        else:
            with pytest.raises(ModelUnsupported):
                CausalLM.load(folder, name="m", device="cpu")
        assert not marker.exists()

    def test_code_named_in_the_tokenizer(self, folder: Path, marker: Path) -> None:
        names = {"AutoTokenizer": ["modeling_x.X", "modeling_x.X"]}
        change(folder / "tokenizer_config.json", tokenizer_class="X", auto_map=names)
        with suppress(ModelFailed):
            CausalLM.load(folder, name="m", device="cpu")
        assert not marker.exists()

    def test_a_kernel_from_the_hub(self, folder: Path) -> None:
        change(folder / "config.json", attn_implementation="kernels-community/flash-attn")
        model = CausalLM.load(folder, name="m", device="cpu", sampling=GREEDY)
        assert model.network.config._attn_implementation == "sdpa"
        assert model.invoke("你好").content

    def test_a_pickle_in_the_weights(self, folder: Path, marker: Path) -> None:
        class Poison:
            def __reduce__(self) -> tuple[Any, ...]:
                return Path.write_text, (marker, "executed")

        (folder / "model.safetensors").unlink()
        torch.save({"lm_head.weight": Poison()}, folder / "pytorch_model.bin")
        with pytest.raises(ModelFailed):
            CausalLM.load(folder, name="m", device="cpu")
        assert not marker.exists()

    def test_a_template_that_reaches_for_python(self, folder: Path) -> None:
        (folder / "chat_template.jinja").write_text("{{ ''.__class__.__mro__[1].__subclasses__() }}")
        with pytest.raises(ModelFailed, match="unsafe"):
            CausalLM.load(folder, name="m", device="cpu")


def pretend(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Make the machine look as if its device were another."""
    device = replace(Device("cpu", "CPU", free_gb=10.0, total_gb=10.0, bf16=False), **changes)
    monkeypatch.setattr("models.causal_lm.find_devices", lambda _: [device])
