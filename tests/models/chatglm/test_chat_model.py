"""ChatGLM-6B as a chat model: recorded conversations, prompts, how answers come and end, what is in force."""

import gc
import json
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from golden_cases import TINY
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from sentencepiece import SentencePieceProcessor
from torch import Tensor

from core.answers import Progress
from core.model_errors import AnswerFailed, DeviceNotFound, ModelUnsupported, PromptTooLong
from core.sampling import Sampling
from models.answer_stream import AnswerStream
from models.chatglm import chat_model
from models.chatglm.chat_model import ChatGLM
from models.chatglm.route_probe import choose_routes
from models.chatglm.sampling import Sampler
from models.devices import Device

TINY = TINY / "v1_chat_tiny"
GMASK, SOP, EOS = 181, 184, 185
PIECES = SentencePieceProcessor(model_file=str(TINY / "ice_text.model"))
GREEDY = Sampling(answer_tokens=16)
WILD = Sampling(answer_tokens=40, temperature=3.0, top_k=0, top_p=1.0, seed=0)
Load = Callable[..., ChatGLM]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def load() -> Iterator[Load]:
    """Load a checkpoint, by default the tiny one in exact fp32: `load(precision="int8")`."""
    loaded: list[ChatGLM] = []

    def model(folder: Path = TINY, **options: Any) -> ChatGLM:
        options = {"device": "cpu", "precision": "fp32", "fast": False, "sampling": GREEDY, **options}
        loaded.append(ChatGLM.load(folder, **options))
        return loaded[-1]

    yield model
    for each in loaded:
        each.free()


@pytest.fixture
def dictate(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Make every model write the given ids, over and over; return a list of the places of those written so far."""

    def script(ids: list[int], before: Callable[[int], Any] = lambda _: None) -> list[int]:
        places: list[int] = []

        def choose(_: Sampler, __: Tensor, written: Tensor) -> Tensor:
            place = written.shape[1]
            before(place)
            places.append(place)
            return torch.tensor([ids[place % len(ids)]])

        monkeypatch.setattr(Sampler, "choose", choose)
        return places

    return script


def spelled(text: str) -> list[int]:
    """Return the ids of a text without tabs or runs of spaces."""
    return PIECES.encode(text.replace("\n", "<n>"))


def transcripts() -> list[Any]:
    return [
        pytest.param(path.parent, case, id=f"{path.parent.name}-{number}")
        for path in sorted(TINY.rglob("chat.json"))
        for number, case in enumerate(json.loads(path.read_text("utf-8")))
    ]


def conversation(case: dict[str, Any]) -> list[BaseMessage]:
    turns = [message for asked, said in case["history"] for message in (HumanMessage(asked), AIMessage(said))]
    return [*turns, HumanMessage(case["query"])]


class TestRecorded:
    @pytest.mark.parametrize(("folder", "case"), transcripts())
    def test_conversations(self, load: Load, folder: Path, case: dict[str, Any]) -> None:
        model = load(folder, sampling=Sampling(answer_tokens=len(case["output_ids"])))
        messages = conversation(case)
        assert model.prompt_ids(messages) == case["input_ids"]
        answer = model.invoke(messages)
        assert answer.content == case["response_no_cleanup"]
        read, written = len(case["input_ids"]), len(case["output_ids"])
        usage = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
        assert answer.usage_metadata == usage
        chunks = list(model.stream(messages))
        assert "".join(str(chunk.content) for chunk in chunks) == answer.content
        assert len(chunks) > written // 2

    def test_there_are_some(self) -> None:
        assert transcripts()


class TestPrompts:
    @pytest.mark.parametrize(
        ("messages", "text"),
        [
            ([HumanMessage("你好")], "你好"),
            ([SystemMessage("简洁"), HumanMessage("你好")], "简洁\n你好"),
            (
                [HumanMessage("你好"), AIMessage("好"), HumanMessage("天气")],
                "[Round 0]\n问：你好\n答：好\n[Round 1]\n问：天气\n答：",
            ),
            (
                [HumanMessage("你好"), AIMessage("好"), SystemMessage("简洁"), HumanMessage("天"), HumanMessage("气")],
                "[Round 0]\n问：简洁\n你好\n答：好\n[Round 1]\n问：天\n气\n答：",
            ),
            ([HumanMessage("")], ""),
        ],
        ids=["question", "system", "history", "system_later", "nothing"],
    )
    def test_messages_become_rounds(self, load: Load, messages: list[BaseMessage], text: str) -> None:
        model = load()
        assert model.prompt_ids(messages) == [*spelled(text), GMASK, SOP]
        assert model.get_num_tokens_from_messages(messages) == len(spelled(text)) + 2
        assert model.invoke(messages, answer_tokens=1).usage_metadata

    @pytest.mark.parametrize("word", ["<sop>", "[gMASK]", "[MASK]", "</s>", "<eop>", "<pad>", "<unk>"])
    def test_special_words_stay_text(self, load: Load, word: str) -> None:
        model = load()
        asked = [SystemMessage(word), HumanMessage(f"{word}你好{word}"), AIMessage(word), HumanMessage(word)]
        prompt = model.prompt_ids(asked)
        assert prompt[-2:] == [GMASK, SOP]
        assert not {0, 1, 2, 3, *range(180, 188)} & set(prompt[:-2])
        assert PIECES.decode(prompt).replace(" ", "").count(word) == 5
        assert model.invoke(asked).usage_metadata

    @pytest.mark.parametrize(
        "messages",
        [[], [AIMessage("好")], [HumanMessage([{"type": "image_url", "image_url": {"url": "http://x/a.png"}}])]],
        ids=["none", "answer", "image"],
    )
    def test_what_is_no_question_is_refused(self, load: Load, messages: list[BaseMessage]) -> None:
        model = load()
        for ask in (model.invoke, lambda asked: list(model.stream(asked)), model.get_num_tokens_from_messages):
            with pytest.raises(ValueError, match=r"."):
                ask(messages)

    def test_counting_needs_no_other_tokenizer(self, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any) -> None:
            raise AssertionError("LangChain's default would download GPT-2's tokenizer")

        monkeypatch.setattr("langchain_core.language_models.base._get_token_ids_default_method", refuse)
        model = load()
        assert model.get_num_tokens("你好 world") == len(PIECES.encode("你好 world"))
        assert model.get_token_ids("你好") == PIECES.encode("你好")
        assert model.get_num_tokens("") == 0


class TestAnswers:
    @pytest.mark.parametrize("seed", range(6))
    def test_a_stream_is_the_answer_in_pieces(self, load: Load, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
        """Random tokens, of bytes, blanks and marks: whatever they are, both ways give their text as a whole."""
        tokens: list[int] = []
        push = AnswerStream.push
        monkeypatch.setattr(AnswerStream, "push", lambda self, token: tokens.append(token) or push(self, token))
        model = load(sampling=replace(WILD, seed=seed))
        answer = model.invoke("你好")
        ids = [token for token in tokens if token != EOS]
        assert answer.content == model.chat_format.response(model.tokenizer.decode(ids))
        tokens.clear()
        assert "".join(str(chunk.content) for chunk in model.stream("你好")) == answer.content
        assert [token for token in tokens if token != EOS] == ids
        assert len(set(ids)) > 10

    def test_pieces_are_whole_characters(self, load: Load, dictate: Callable[..., list[int]]) -> None:
        text = "你好👋🏽,𠮷世界!"
        dictate([*spelled(text), EOS])
        pieces = [str(chunk.content) for chunk in load(sampling=WILD).stream("说")]
        assert "".join(pieces) == "你好👋🏽,𠮷世界！"
        assert not any("\ufffd" in piece for piece in pieces)
        assert len(spelled(text)) > len(text)

    @pytest.mark.parametrize("stop", ["世界", "好世", "orl", "d 你"], ids=["word", "across_words", "inside", "space"])
    def test_a_stop_word_ends_the_answer_before_it(
        self, load: Load, dictate: Callable[..., list[int]], stop: str
    ) -> None:
        text = "hello world 你好世界今天"
        written = dictate(spelled(text))
        model = load(sampling=WILD)
        answer = model.invoke("说", stop=["没有", stop])
        assert answer.content == text.partition(stop)[0]
        assert answer.response_metadata["finish_reason"] == "stop"
        assert answer.usage_metadata is not None
        assert answer.usage_metadata["output_tokens"] == len(written) <= len(spelled(text))
        pieces = [str(chunk.content) for chunk in model.bind(stop=[stop]).stream("说")]
        assert "".join(pieces) == answer.content

    def test_usage_counts_the_token_that_ends(self, load: Load, dictate: Callable[..., list[int]]) -> None:
        dictate([*spelled("你好"), EOS])
        answer = load(sampling=WILD).invoke("说")
        count = len(spelled("你好")) + 1
        assert answer.content == "你好"
        assert answer.usage_metadata is not None
        assert answer.usage_metadata["output_tokens"] == count
        assert answer.response_metadata["finish_reason"] == "stop"
        assert answer.response_metadata["model_name"] == "v1_chat_tiny"

    def test_an_answer_may_be_empty(self, load: Load, dictate: Callable[..., list[int]]) -> None:
        dictate([EOS])
        answer = load().invoke("说")
        assert (answer.content, answer.response_metadata["finish_reason"]) == ("", "stop")

    async def test_asynchronously(self, load: Load) -> None:
        model = load()
        expected = model.invoke("你好").content
        assert (await model.ainvoke("你好")).content == expected
        assert "".join([str(chunk.content) async for chunk in model.astream("你好")]) == expected


class TestSettings:
    def test_each_call_may_override_the_sampling(self, load: Load) -> None:
        model = load()
        greedy = model.invoke("你好").content
        wild = model.invoke("你好", temperature=3.0, top_k=0, top_p=1.0, seed=1).content
        assert wild != greedy
        assert model.invoke("你好", temperature=3.0, top_k=0, top_p=1.0, seed=1).content == wild
        assert model.bind(temperature=3.0, top_k=1).invoke("你好").content == greedy
        assert model.bind(temperature=3.0, top_p=1e-9).invoke("你好").content == greedy
        short = model.invoke("你好", answer_tokens=3)
        assert short.usage_metadata is not None
        assert short.usage_metadata["output_tokens"] == 3
        assert model.invoke("你好").content == greedy

    def test_the_context_is_shared_by_prompt_and_answer(self, load: Load) -> None:
        messages = [HumanMessage("你好世界")]
        count = load().get_num_tokens_from_messages(messages)
        model = load(context_tokens=count + 16)
        assert model.prompt_limit == count
        usage = model.invoke(messages).usage_metadata
        assert usage is not None
        assert usage["total_tokens"] == model.context_tokens
        for ask in (model.invoke, lambda asked: list(model.stream(asked))):
            with pytest.raises(PromptTooLong) as caught:
                ask([HumanMessage("你好世界你好")])
            assert caught.value.values["limit"] == count

    @pytest.mark.parametrize(("wanted", "context"), [(0, 2048), (100, 100), (9999, 2048)])
    def test_the_context_is_at_most_the_models(self, load: Load, wanted: int, context: int) -> None:
        assert load(context_tokens=wanted).context_tokens == context


class TestTogether:
    def test_two_threads_get_their_own_answers(self, load: Load) -> None:
        model = load()
        questions = ["你好", "请问 今天 天气", "hello world", "文档"] * 2
        alone = [model.invoke(question).content for question in questions]
        with ThreadPoolExecutor(4) as callers:
            assert [answer.content for answer in callers.map(model.invoke, questions)] == alone
        assert len(set(alone)) == 4

    def test_a_closed_stream_makes_room_for_the_next_question(self, load: Load) -> None:
        model, ran = load(sampling=Sampling(answer_tokens=1500)), list[int]()
        assert model.decoder is not None
        expected = model.invoke("世界", answer_tokens=4).content
        model.decoder.parts()[1][0].register_forward_hook(lambda *_: ran.append(1))
        stream = model.stream("你好")
        next(stream)
        stream.close()
        assert model.invoke("世界", answer_tokens=4).content == expected
        assert len(ran) < 400

    def test_freeing_while_an_answer_is_written(self, load: Load, dictate: Callable[..., list[int]]) -> None:
        model, go_on = load(sampling=WILD), threading.Semaphore(1)
        dictate(spelled("你好世界"), lambda _: go_on.acquire(timeout=5))
        assert model.decoder is not None
        weights = weakref.ref(model.decoder), weakref.ref(next(model.decoder.parameters()))
        stream = model.stream("说")
        assert next(stream).content == "你好"
        freeing = threading.Thread(target=model.free)
        freeing.start()
        assert model.writer._freed.wait(5)
        go_on.release(100)
        freeing.join()
        assert [weight() for weight in weights] == [None, None]
        with pytest.raises(AnswerFailed) as caught:
            list(stream)
        assert "removed from memory" in caught.value.text("en")
        with pytest.raises(AnswerFailed):
            model.invoke("你好")
        assert model.get_num_tokens("你好") == len(spelled("你好"))

    def test_an_error_that_is_kept_does_not_keep_the_weights(self, load: Load) -> None:
        model = load()
        assert model.decoder is not None
        with torch.no_grad():
            model.decoder.parts()[2].weight.fill_(torch.nan)
        weights = weakref.ref(model.decoder)
        with pytest.raises(AnswerFailed) as caught:
            model.invoke("你好")
        assert "NaN" in caught.value.text("en")
        model.free()
        gc.collect()
        assert weights() is None


def pretend(monkeypatch: pytest.MonkeyPatch, *, bf16: bool) -> None:
    """Make the processor one with or without bf16."""
    device = Device("cpu", "CPU", free_gb=10.0, total_gb=10.0, bf16=bf16)
    monkeypatch.setattr(chat_model, "find_devices", lambda _: [device])


@torch.inference_mode()
def first_scores(model: ChatGLM) -> Tensor:
    decoder, prompt = model.decoder, model.prompt_ids([HumanMessage("请问 今天 天气")])
    assert decoder is not None
    cache = decoder.new_cache(1, len(prompt))
    return [decoder(view, cache) for view in decoder.layout([prompt], decoder.config).prompt()][-1][0, -1]


class TestLoading:
    @pytest.mark.parametrize(
        ("precision", "fast", "bf16", "in_force"),
        [
            ("auto", True, True, "bf16"),
            ("auto", True, False, "fp32, exact"),
            ("auto", False, True, "fp32, exact"),
            ("fp16", True, True, "bf16"),
            ("bf16", True, True, "bf16"),
            ("bf16", True, False, "fp32, exact"),
            ("fp32", True, True, "fp32, exact"),
            ("fp32", False, False, "fp32, exact"),
            ("int8", True, True, "int8"),
            ("int8", False, True, "int8, exact"),
            ("int8", True, False, "int8, exact"),
            ("int4", True, True, "int4"),
            ("int4", False, True, "int4, exact"),
        ],
        ids=str,
    )
    def test_every_precision(
        self, load: Load, monkeypatch: pytest.MonkeyPatch, precision: str, fast: bool, bf16: bool, in_force: str
    ) -> None:
        exact = first_scores(load())
        pretend(monkeypatch, bf16=bf16)
        model = load(precision=precision, fast=fast)
        assert model.loaded == f"v1_chat_tiny ({in_force}) on cpu"
        routes = choose_routes(torch.device("cpu"), torch.float32, "exact" not in in_force)
        assert model.routes == routes.describe() == model._identifying_params["routes"]
        assert ("exact" in in_force) == (model.routes == "float: exact; int8: exact; int4: exact; head: exact")
        error = float((first_scores(model) - exact).norm() / exact.norm())
        allowed = {"fp32": 1e-6, "bf16": 0.03, "int8": 0.05, "int4": 0.6}[in_force[:4]]
        assert error < allowed
        assert error > 0 or in_force.startswith("fp32")
        assert "".join(str(chunk.content) for chunk in model.stream("你好")) == model.invoke("你好").content != ""

    def test_what_is_said_about_it(self, load: Load) -> None:
        steps: list[Progress] = []
        model = load(name="小模型", progress=steps.append)
        assert (model.model_name, model.loaded) == ("小模型", "小模型 (fp32, exact) on cpu")
        assert model._identifying_params["loaded"] == model.loaded
        assert [step.done for step in steps] == [*range(1, steps[0].total + 1)]
        assert model.sampling == GREEDY
        assert "tensor" not in repr(model)

    @pytest.mark.parametrize("device", ["cuda:99", "cuda:-1", "tpu", ""])
    def test_devices_that_there_are_not(self, load: Load, device: str) -> None:
        with pytest.raises(DeviceNotFound, match="no device"):
            load(device=device)

    @pytest.mark.parametrize("precision", ["int3", ""])
    def test_precisions_that_there_are_not(self, load: Load, precision: str) -> None:
        with pytest.raises(ModelUnsupported):
            load(precision=precision)
