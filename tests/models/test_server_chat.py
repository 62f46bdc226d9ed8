"""The language model behind a server, against server processes that behave well and badly."""

import json
import os
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from openai_server import PIECES, running
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from core.errors import ConfigError
from core.model_errors import ModelError, ServerRefused, ServerUnreachable
from core.sampling import Sampling
from models.server_chat import ServerChat, build_server_chat

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

ANSWER = "".join(PIECES)
KEY = "sk-very-secret"
NOBODY = "http://127.0.0.1:9"  # the port of the discard protocol, where nothing listens
labels = count()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running() as address:
        yield address


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.server_connection._PAUSES_S", (0.01, 0.02))


class Asked:
    """A model behind a server of the given behaviour, and what that server saw of it."""

    def __init__(self, address: str, behaviour: str, **options: Any) -> None:
        self._address, self._label = address, f"chat-{next(labels)}"
        self.url = f"{address}/{behaviour}/{self._label}/v1"
        given = {"url": self.url, "model": "tiny", "api_key": KEY, "timeout_s": 10.0, "sampling": Sampling()}
        self.model = build_server_chat(**{**given, **options})

    def text(self) -> str:
        return "".join(chunk.text for chunk in self.model.stream("怎么请假？"))

    def failure(self) -> Any:
        with pytest.raises(ModelError) as caught:
            self.text()
        return caught.value

    def seen(self) -> list[dict[str, Any]]:
        with httpx.Client(trust_env=False) as client:
            found: list[dict[str, Any]] = client.get(f"{self._address}/seen/{self._label}").json()
        return found

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [item["body"] for item in self.seen() if "body" in item]


@pytest.fixture
def ask(server: str) -> Iterator[Callable[..., Asked]]:
    made: list[Asked] = []

    def build(behaviour: str = "good", **options: Any) -> Asked:
        made.append(Asked(server, behaviour, **options))
        return made[-1]

    yield build
    for asked in made:
        asked.model.free()


class TestAnswer:
    def test_it_arrives_in_pieces_with_the_use_of_tokens(self, ask: Callable[..., Asked]) -> None:
        chunks = list(ask().model.stream("怎么请假？"))
        assert "".join(chunk.text for chunk in chunks) == ANSWER
        assert sum(bool(chunk.text) for chunk in chunks) > 3
        (usage,) = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
        assert (usage["input_tokens"], usage["output_tokens"]) == (11, 4)

    def test_as_a_whole_it_is_streamed_too(self, ask: Callable[..., Asked]) -> None:
        asked = ask()
        message = asked.model.invoke("怎么请假？")
        assert message.text == ANSWER
        assert message.response_metadata["finish_reason"] == "stop"
        assert message.usage_metadata["total_tokens"] == 15
        assert asked.bodies[0]["stream"] is True

    async def test_asynchronously(self, ask: Callable[..., Asked]) -> None:
        model = ask().model
        assert (await model.ainvoke("怎么请假？")).text == ANSWER
        assert "".join([chunk.text async for chunk in model.astream("怎么请假？")]) == ANSWER

    def test_a_conversation_is_sent_as_one(self, ask: Callable[..., Asked]) -> None:
        asked = ask()
        asked.model.invoke([SystemMessage("简短"), HumanMessage("你好"), AIMessage("您好"), HumanMessage("请假？")])
        roles = [(message["role"], message["content"]) for message in asked.bodies[0]["messages"]]
        assert roles == [("system", "简短"), ("user", "你好"), ("assistant", "您好"), ("user", "请假？")]

    def test_a_long_answer_that_keeps_coming_is_not_cut(self, ask: Callable[..., Asked]) -> None:
        started = time.perf_counter()
        assert ask("slow", timeout_s=1.0).text() == ANSWER
        assert time.perf_counter() - started > 1.0

    def test_closing_the_stream_closes_the_connection(self, ask: Callable[..., Asked]) -> None:
        asked = ask("endless")
        stream = asked.model.stream("怎么请假？")
        assert next(stream).text == "字"
        assert {"gone": True} not in asked.seen()
        stream.close()
        deadline = time.monotonic() + 10
        while {"gone": True} not in asked.seen():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def test_after_free_it_cannot_be_asked(self, ask: Callable[..., Asked]) -> None:
        asked = ask()
        asked.text()
        asked.model.free()
        assert "closed" in asked.failure().text("en")
        assert len(asked.bodies) == 1


class TestWhatIsSent:
    @pytest.mark.parametrize(
        ("sampling", "fields"),
        [
            (Sampling(), {"temperature": 0.0, "max_tokens": 512}),
            (Sampling(seed=1, top_p=0.5, answer_tokens=9), {"temperature": 0.0, "max_tokens": 9}),
            (
                Sampling(temperature=0.8, top_p=0.7, top_k=50, repetition_penalty=1.1, seed=7),
                {
                    "temperature": 0.8,
                    "max_tokens": 512,
                    "top_p": 0.7,
                    "top_k": 50,
                    "repetition_penalty": 1.1,
                    "seed": 7,
                },
            ),
            (Sampling(temperature=0.8, top_p=1.0, top_k=0), {"temperature": 0.8, "max_tokens": 512}),
        ],
        ids=["default", "greedy_needs_no_more", "everything", "what_is_off_is_not_sent"],
    )
    @pytest.mark.parametrize("model", ["tiny", "gpt-5-codex", "o1-mini"])
    def test_the_sampling(
        self, ask: Callable[..., Asked], sampling: Sampling, fields: dict[str, Any], model: str
    ) -> None:
        """Whatever the model is called: LangChain has rules of its own for the names of OpenAI's models."""
        asked = ask("failing", sampling=sampling, model=model)
        asked.failure()
        body = asked.bodies[0]
        messages = body.pop("messages")
        assert [message["content"] for message in messages] == ["怎么请假？"]
        assert body == {"model": model, "stream": True, "stream_options": {"include_usage": True}, **fields}
        assert asked.model.ignored_settings() == ()

    def test_a_call_may_change_it(self, ask: Callable[..., Asked]) -> None:
        asked = ask()
        assert asked.model.invoke("请假？", stop=["主管"], temperature=0.5).text == "请假需要"
        assert asked.bodies[0]["temperature"] == 0.5

    @pytest.mark.parametrize("behaviour", ["strict", "curt"])
    def test_a_server_that_knows_fewer_fields_is_asked_with_fewer(
        self, ask: Callable[..., Asked], behaviour: str
    ) -> None:
        asked = ask(behaviour, sampling=Sampling(temperature=0.8, seed=7))
        assert asked.model.ignored_settings() == ()
        assert [asked.text(), asked.text()] == [ANSWER, ANSWER]
        first, second, third = asked.bodies
        assert first.keys() - second.keys() == {"stream_options", "seed", "top_k"}
        assert third == second
        assert second.items() >= {"temperature": 0.8, "top_p": 0.7, "max_tokens": 512}.items()
        assert asked.model.ignored_settings() == ("seed", "top_k")

    def test_a_refused_common_field_is_left_out_and_told(self, ask: Callable[..., Asked]) -> None:
        asked = ask("modern")
        assert asked.text() == ANSWER
        assert asked.model.ignored_settings() == ("answer_tokens",)
        assert "stream_options" in asked.bodies[-1]

    def test_a_refusal_for_another_reason_changes_nothing(self, ask: Callable[..., Asked]) -> None:
        asked = ask("bad-request", sampling=Sampling(temperature=0.8))
        assert [asked.failure().values["status"] for _ in range(2)] == [400, 400]
        assert "top_k" in asked.bodies[2]
        assert asked.model.ignored_settings() == ()


class TestEnvironment:
    def test_nothing_of_it_reaches_the_server(
        self, ask: Callable[..., Asked], server: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_PROXY"):
            monkeypatch.setenv(name, NOBODY)
        for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "ORGANIZATION", "PROJECT_ID", "WEBHOOK_SECRET"):
            monkeypatch.setenv(f"OPENAI_{name}", "leaked")
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Leak: leaked\nAuthorization: Bearer leaked")
        monkeypatch.setenv("LANGSMITH_GATEWAY", "true")
        monkeypatch.setenv("LANGSMITH_GATEWAY_API_KEY", "leaked")
        monkeypatch.setenv("LC_OUTPUT_VERSION", "v1")
        for key, sent in ((KEY, KEY), ("", "EMPTY"), (f" {KEY}\n", KEY)):
            asked = ask(api_key=key)
            assert asked.model.invoke("怎么请假？").content == ANSWER
            (request,) = asked.seen()
            assert "leaked" not in json.dumps(request)
            assert request["headers"]["authorization"] == f"Bearer {sent}"
            assert set(request["headers"]) == {
                *("host", "authorization", "user-agent", "accept", "accept-encoding", "connection"),
                *("content-type", "content-length"),
            }

    @pytest.mark.parametrize("proxy", [NOBODY, "socks5://127.0.0.1:9", "nonsense://"], ids=["http", "socks", "wrong"])
    def test_no_proxy_stands_before_this_machine(
        self, ask: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch, proxy: str
    ) -> None:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
            monkeypatch.setenv(name.lower(), proxy)
        assert ask().text() == ANSWER

    def test_a_proxy_stands_before_others(
        self, ask: Callable[..., Asked], server: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", server)
        monkeypatch.setenv("http_proxy", server)
        asked = ask(url="http://192.0.2.1/good/proxied/v1")
        assert asked.text() == ANSWER

    def test_a_proxy_that_cannot_be_used_is_named(
        self, ask: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("all_proxy", "nonsense://127.0.0.1:9")
        with pytest.raises(ServerUnreachable, match="nonsense"):
            ask(url="http://192.0.2.1/v1")


class TestUnreachable:
    def test_refused_connection(self, ask: Callable[..., Asked]) -> None:
        with socket.socket() as taken:  # bound but not listening
            taken.bind(("127.0.0.1", 0))
            error = ask(url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1").failure()
        assert isinstance(error, ServerUnreachable)
        assert "refused" in error.text("zh")

    def test_unknown_name(self, ask: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(*_: Any, **__: Any) -> None:
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        error = ask(url="http://models.invalid/v1").failure()
        assert isinstance(error, ServerUnreachable)
        assert "not known" in error.text("en")

    def test_tls_where_there_is_none(self, ask: Callable[..., Asked], server: str) -> None:
        error = ask(url=f"{server}/v1".replace("http:", "https:")).failure()
        assert isinstance(error, ServerUnreachable)
        assert "SSL" in error.text("en")

    @pytest.mark.parametrize("url", ["http://[::1/v1", "http://127.0.0.1:port/v1", "", "127.0.0.1:9/v1"])
    def test_an_address_that_is_none(self, ask: Callable[..., Asked], url: str) -> None:
        with pytest.raises(ServerUnreachable):
            ask(url=url).text()

    @pytest.mark.parametrize("behaviour", ["silent", "mute"])
    def test_silence(self, ask: Callable[..., Asked], behaviour: str) -> None:
        asked = ask(behaviour, timeout_s=0.5)
        started = time.perf_counter()
        error = asked.failure()
        assert isinstance(error, ServerUnreachable)
        assert "0.5 秒内没有任何回应" in error.text("zh")
        assert "not a sign for 0.5 s" in error.text("en")
        assert time.perf_counter() - started < 5
        assert len(asked.bodies) == 1

    @pytest.mark.parametrize("behaviour", ["broken", "cut"])
    def test_a_broken_answer_is_not_taken_for_a_whole_one_nor_asked_for_again(
        self, ask: Callable[..., Asked], behaviour: str
    ) -> None:
        asked = ask(behaviour)
        pieces = []
        with pytest.raises(ServerUnreachable):
            pieces += [chunk.text for chunk in asked.model.stream("怎么请假？")]
        assert isinstance(asked.failure(), ServerUnreachable)
        assert len(asked.bodies) == 2

    def test_a_server_that_hangs_up_is_asked_three_times(self, ask: Callable[..., Asked]) -> None:
        asked = ask("hang-up")
        assert isinstance(asked.failure(), ServerUnreachable)
        assert len(asked.bodies) == 3


class TestRefused:
    @pytest.mark.parametrize(
        ("behaviour", "status", "said", "advice", "requests"),
        [
            ("always-busy", 429, "Too many", "额度", 3),
            ("failing", 500, "the engine has died", "日志", 3),
            ("wrong-key", 401, "Incorrect key: Bearer ***", "KNOWGLM_LLM_API_KEY", 1),
            ("forbidden", 403, "forbidden", "KNOWGLM_LLM_API_KEY", 1),
            ("elsewhere", 404, "Not Found", "以 /v1 结尾", 1),
            ("moved", 308, "https://elsewhere.example/v1", "KNOWGLM_LLM_URL", 1),
            ("overflow", 400, "maximum context length", "KNOWGLM_CONTEXT_CHARS", 1),
            ("page", 200, "Welcome Open WebUI", "以 /v1 结尾", 1),
            ("whole", 200, "choices", "KNOWGLM_LLM_URL", 1),
            ("empty", 200, "回应是空的", "KNOWGLM_LLM_URL", 1),
            ("malformed", 200, "{not json", "KNOWGLM_LLM_URL", 1),
            ("not-utf8", 200, "0xff", "KNOWGLM_LLM_URL", 1),
            ("other-shape", 200, "hello", "KNOWGLM_LLM_URL", 1),
            ("error-event", 500, "CUDA error", "日志", 1),
            ("error-text", 200, "the worker died", "日志", 1),
            ("fastchat-error", 50001, "NETWORK ERROR", "日志", 1),
        ],
    )
    def test_it_says_what_and_what_to_do(
        self, ask: Callable[..., Asked], behaviour: str, status: int, said: str, advice: str, requests: int
    ) -> None:
        asked = ask(behaviour)
        error = asked.failure()
        assert isinstance(error, ServerRefused)
        assert error.values["status"] == status
        assert said in error.reason("zh")
        assert advice in error.advice("zh")
        assert len(asked.bodies) == requests
        for text in (
            repr(asked.model),
            str(asked.model),
            error.text("zh"),
            error.text("en"),
            *traceback.format_exception(error),
        ):
            assert KEY not in text

    def test_after_a_while_the_busy_server_answers(self, ask: Callable[..., Asked]) -> None:
        asked = ask("busy")
        assert asked.text() == ANSWER
        assert len(asked.bodies) == 3

    def test_an_unknown_model_is_answered_with_the_known_ones(self, ask: Callable[..., Asked]) -> None:
        error = ask(model="qwen2.5:7b").failure()
        assert error.values["status"] == 404
        assert "not found" in error.reason("en")
        assert error.advice("en") == "Set KNOWGLM_LLM to a model that the server has: tiny、small."

    @pytest.mark.parametrize("key", ["密钥", "sk-very\nsecret"])
    def test_a_key_that_no_header_can_hold(self, ask: Callable[..., Asked], key: str) -> None:
        with pytest.raises(ConfigError, match="KNOWGLM_LLM_API_KEY") as caught:
            ask(api_key=key)
        assert key not in "".join(traceback.format_exception(caught.value))

    def test_a_password_in_the_address_is_not_shown(self, ask: Callable[..., Asked], server: str) -> None:
        asked = ask(url=server.replace("//", "//me:p@ss@") + "/failing/password/v1?token=hidden")
        text = asked.failure().text("en") + asked.model.loaded
        assert not any(secret in text for secret in ("p@ss", "ss@", "hidden"))
        assert "127.0.0.1" in text


class TestTokens:
    def model(self, **options: Any) -> ServerChat:
        given = {"url": NOBODY, "model": "tiny", "api_key": "", "timeout_s": 1.0, "sampling": Sampling()}
        return build_server_chat(**{**given, **options})

    @pytest.mark.parametrize(
        ("text", "tokens"),
        [("", 0), ("请假制度，三天。", 8), ("leave", 2), ("请假 leave!", 4), ("ＡＢ", 2), ("カナ한글", 4), ("😀𠮷", 2)],
    )
    def test_they_are_estimated_without_a_vocabulary(
        self, text: str, tokens: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr("tiktoken.get_encoding")
        monkeypatch.delattr("tiktoken.encoding_for_model")
        model = self.model()
        assert model.get_num_tokens(text) == tokens
        assert model.get_num_tokens_from_messages([SystemMessage(text), HumanMessage("好")]) == tokens + 4 + 1 + 4
        with pytest.raises(NotImplementedError):
            model.get_token_ids(text)

    def test_the_limit_leaves_room_for_the_answer(self) -> None:
        assert self.model(context_tokens=2048).prompt_limit == 2048 - 512
        assert self.model().prompt_limit == 2**31 - 1
        assert self.model().loaded == f"tiny at {NOBODY}"


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of random weights whose tokens are bytes."""
    folder = tmp_path_factory.mktemp("models") / "llama"
    vocabulary = {token: n for n, token in enumerate(["<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "
    fast.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=0,
        eos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def transformers_server(llama: Path) -> Iterator[str]:
    """The server that transformers brings, on this model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("transformers"), "serve", llama, "--device", "cpu"]
    environ = os.environ | {"HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)], env=environ, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 120
        with httpx.Client(trust_env=False) as client:
            while True:
                try:
                    client.get(f"http://127.0.0.1:{port}/health").raise_for_status()
                    break
                except httpx.HTTPError:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
        process.terminate()


class TestTransformersServe:
    """A server that others wrote, which takes no `top_k` and says so with status 422."""

    @pytest.fixture
    def model(self, transformers_server: str, llama: Path) -> Iterator[ServerChat]:
        sampling = Sampling(answer_tokens=24, temperature=0.8, top_k=20, seed=3)
        model = build_server_chat(
            url=transformers_server, model=str(llama), api_key="", timeout_s=60, sampling=sampling
        )
        yield model
        model.free()

    def test_it_answers(self, model: ServerChat) -> None:
        chunks = list(model.stream("怎么请假？"))
        assert sum(bool(chunk.text) for chunk in chunks) > 1
        (usage,) = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
        assert usage["output_tokens"] == 24
        assert chunks[-1].chunk_position == "last"
        assert model.ignored_settings() == ("top_k",)

    def test_the_likeliest_answer_is_always_the_same(self, model: ServerChat) -> None:
        first, second = (model.invoke("请假", temperature=0).text for _ in range(2))
        assert first == second != ""

    def test_it_can_be_left_and_asked_again(self, model: ServerChat) -> None:
        stream = model.stream("怎么请假？")
        next(stream)
        stream.close()
        assert model.invoke("怎么请假？").text

    def test_another_model_is_refused(self, transformers_server: str) -> None:
        model = build_server_chat(url=transformers_server, model="other", api_key="", timeout_s=60, sampling=Sampling())
        with pytest.raises(ServerRefused, match="pinned to"):
            model.invoke("请假")
        model.free()
