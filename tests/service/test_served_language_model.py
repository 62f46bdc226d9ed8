"""A language model on a server: settings that reach it, settings it refuses, errors that keep their advice."""

import json
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai_server import PIECES, running

from core.answers import Delta, Finished, Retrieved
from core.errors import ConfigError
from core.messages import Message
from core.model_errors import AnswerFailed, ModelError, PromptTooLong, ServerRefused, ServerUnreachable

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

App = Any
KEY = "sk-very-secret"
LEAVE = "云杉公司假期规定\n员工入职满一年后有五天年假。\n"
QUESTION = "年假有几天"
ANSWER = "".join(PIECES)
labels = count()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running() as found:
        yield found


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.server_connection._PAUSES_S", (0.01, 0.02))


class Server:
    """A server of some behaviour, and what it has been asked."""

    def __init__(self, address: str, behaviour: str = "good") -> None:
        self._address, self._label = address, f"llm-{next(labels)}"
        self.url = f"{address}/{behaviour}/{self._label}/v1"

    @property
    def seen(self) -> list[dict[str, Any]]:
        with httpx.Client(trust_env=False) as client:
            found: list[dict[str, Any]] = client.get(f"{self._address}/seen/{self._label}").json()
        return found

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = self.seen[-1]["body"]
        return body


@pytest.fixture
def serve(address: str) -> Callable[..., Server]:
    return lambda behaviour="good": Server(address, behaviour)


@pytest.fixture
def hr(make_app: Callable[..., App], write: Callable[..., list[Path]]) -> Callable[..., App]:
    """Build an application with one document: `hr(server, temperature=1)`."""

    def build(server: Server, **flags: Any) -> App:
        own = {"llm": "tiny", "llm_url": server.url, "embedding": "lexical", "threshold": 0.2, "server_timeout_s": 10}
        app = make_app(**{**own, **flags})
        app.create("人事")
        app.add("人事", write(**{"假期.txt": LEAVE}))
        return app

    return build


def said(notices: list[Message]) -> str:
    return "\n".join(notice.text(language) for notice in notices for language in ("zh", "en"))


def failure(app: App) -> Any:
    with pytest.raises(ModelError) as caught:
        list(app.ask(QUESTION, "人事"))
    return caught.value


def test_it_answers_in_the_place_of_a_local_model(hr: Any, serve: Any, answered: Callable[..., Any]) -> None:
    server = serve()
    app = hr(server)
    assert (app.model_in_force, app.notices("人事"), server.seen) == ("tiny", [], [])
    assert app.load_model() == f"tiny at {server.url}"
    assert server.seen == []
    assert answered(app, "火星上有没有水", "人事").refused
    assert server.seen == []
    answer = answered(app, QUESTION, "人事")
    assert (answer.text, answer.mode) == (ANSWER, "llm")
    assert server.body["messages"][-1]["content"] in answer.prompt
    assert server.body["model"] == "tiny"


@pytest.mark.parametrize(
    ("flags", "field", "value"),
    [
        ({"llm": "small"}, "model", "small"),
        ({"answer_tokens": 77}, "max_tokens", 77),
        ({"temperature": 0.5}, "temperature", 0.5),
        ({"temperature": 0.5, "top_p": 0.3}, "top_p", 0.3),
        ({"temperature": 0.5, "sample_top_k": 4}, "top_k", 4),
        ({"temperature": 0.5, "seed": 6}, "seed", 6),
        ({"repetition_penalty": 1.3}, "repetition_penalty", 1.3),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_setting_reaches_the_server(hr: Any, serve: Any, flags: dict[str, Any], field: str, value: object) -> None:
    server = serve()
    app = hr(server, **({"temperature": 0.5} if len(flags) > 1 else {}))
    list(app.ask(QUESTION, "人事"))
    app.use_model(**flags)
    list(app.ask(QUESTION, "人事"))
    before, after = (item["body"].get(field) for item in server.seen)
    assert after == value != before


@pytest.mark.parametrize(("key", "sent"), [("", "Bearer EMPTY"), (KEY, f"Bearer {KEY}")], ids=["none", "given"])
def test_the_key_reaches_the_server(hr: Any, serve: Any, key: str, sent: str) -> None:
    server = serve()
    list(hr(server, llm_api_key=key).ask(QUESTION, "人事"))
    assert server.seen[-1]["headers"]["authorization"] == sent


def test_the_timeout_is_the_longest_silence(hr: Any, serve: Any) -> None:
    started = time.perf_counter()
    error = failure(hr(serve("silent"), server_timeout_s=1))
    assert isinstance(error, ServerUnreachable)
    assert "1 秒" in error.reason("zh")
    assert 0.9 < time.perf_counter() - started < 5


def test_settings_that_the_server_refuses_are_noticed_after_an_answer(
    hr: Any, serve: Any, answered: Callable[..., Any]
) -> None:
    server = serve("strict")
    app = hr(server, temperature=1, seed=3, repetition_penalty=1.5)
    assert app.notices("人事") == []
    assert answered(app, QUESTION, "人事").text == ANSWER
    (notice,) = app.notices("人事")
    assert notice.text("en").endswith(": repetition_penalty, seed, top_k.")
    assert server.url in notice.text("zh")
    app.use_model(temperature=0, repetition_penalty=1)
    answered(app, QUESTION, "人事")
    (notice,) = app.notices("人事")
    assert notice.text("en").endswith(": seed.")  # draws nothing at temperature 0


@pytest.mark.parametrize("setting", [{"device": "cpu"}, {"precision": "int4"}, {"arithmetic": "exact"}], ids=str)
def test_settings_of_a_local_model_are_noticed_before(hr: Any, serve: Any, setting: dict[str, str]) -> None:
    (notice,) = hr(serve(), **setting).notices("人事")
    (name,) = setting
    assert name in notice.text("zh")
    assert name in notice.text("en")


def test_what_is_left_to_the_program_is_not_noticed(hr: Any, serve: Any) -> None:
    app = hr(serve())
    app.use_model(llm="small", precision="auto")
    assert app.notices("人事") == []


@pytest.mark.parametrize(
    ("behaviour", "flags", "error", "advice"),
    [
        ("good", {"llm": "nonsense"}, ServerRefused, "KNOWGLM_LLM "),
        ("wrong-key", {"llm_api_key": KEY}, ServerRefused, "KNOWGLM_LLM_API_KEY"),
        ("overflow", {}, ServerRefused, "KNOWGLM_CONTEXT_CHARS"),
        ("elsewhere", {}, ServerRefused, "KNOWGLM_LLM_URL"),
        ("error-event", {}, ServerRefused, ""),
        ("broken", {}, ServerUnreachable, "/v1"),
        ("cut", {}, ServerUnreachable, "/v1"),
        ("hang-up", {}, ServerUnreachable, "/v1"),
    ],
    ids=lambda value: value if isinstance(value, str) and "KNOW" not in value else None,
)
def test_an_error_keeps_its_name_and_advice_and_no_key(
    hr: Any, serve: Any, behaviour: str, flags: dict[str, Any], error: type[ModelError], advice: str
) -> None:
    server = serve(behaviour)
    app = hr(server, **flags)
    caught = failure(app)
    assert type(caught) is error
    for language in ("zh", "en"):
        assert server.url in caught.reason(language)
        assert advice in caught.advice(language)
        assert KEY not in caught.text(language)
    assert KEY not in repr(caught)
    assert KEY not in said(app.notices("人事")) + app.model_in_force
    assert KEY not in repr(app.settings)


def test_a_key_that_no_header_can_hold_is_an_error_without_it(hr: Any, serve: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        hr(serve(), llm_api_key="密钥一二三").load_model()
    assert "KNOWGLM_LLM_API_KEY" in caught.value.text("zh")
    assert "密钥一二三" not in caught.value.text("zh")


def test_a_password_in_the_address_is_shown_nowhere(hr: Any, serve: Any) -> None:
    server = serve("strict")
    server.url = server.url.replace("//", "//user:pass-word@")
    app = hr(server, device="cpu", temperature=1)
    list(app.ask(QUESTION, "人事"))
    assert "pass-word" not in app.model_in_force
    assert "pass-word" not in said(app.notices("人事"))


def test_what_came_before_an_error_was_delivered(hr: Any, serve: Any) -> None:
    events = hr(serve("error-event")).ask(QUESTION, "人事")
    assert isinstance(next(events), Retrieved)
    assert next(events) == Delta("请")
    with pytest.raises(ServerRefused):
        next(events)


@pytest.mark.parametrize(
    ("llm", "answer_tokens", "whole"), [("tiny", 8192, True), ("chatglm2-6b", 512, True), ("chatglm-6b", 1900, False)]
)
def test_the_prompt_is_kept_within_the_context_where_that_is_known(
    hr: Any, serve: Any, write: Any, llm: str, answer_tokens: int, whole: bool
) -> None:
    server = serve("bad-request")
    app = hr(server, llm=llm, answer_tokens=answer_tokens, threshold=0)
    app.add("人事", write(**{f"{n}.txt": f"第{n}组的年假规定。" + "年假另议。" * 40 for n in range(4)}))
    failure(app)
    sent = server.body["messages"][-1]["content"]
    passages = app.search(QUESTION, "人事").passages
    assert len(passages) > 3
    assert all(passage.text in sent for passage in passages) is whole
    assert len(sent) < 300 or whole


def test_a_context_without_room_for_a_prompt_is_an_error(hr: Any, serve: Any) -> None:
    server = serve("bad-request")
    error = failure(hr(server, llm="chatglm2-6b", answer_tokens=8192))
    assert isinstance(error, PromptTooLong)
    assert server.seen == []


class TestSwitching:
    def test_from_one_server_to_another(self, hr: Any, serve: Any, answered: Callable[..., Any]) -> None:
        old, new = serve(), serve()
        app = hr(old, llm_api_key=KEY)
        answered(app, QUESTION, "人事")
        connection = app._model._model._connection
        assert app.use_model(llm="small", llm_url=new.url) == f"small at {new.url}"
        assert connection.is_closed
        answered(app, QUESTION, "人事")
        assert (len(old.seen), len(new.seen)) == (1, 1)
        assert new.seen[0]["headers"]["authorization"] == f"Bearer {KEY}", "what was set before stays set"

    def test_back_to_quoting(self, hr: Any, serve: Any, answered: Callable[..., Any]) -> None:
        app = hr(serve())
        assert app.use_model(llm="extractive", llm_url="") == "extractive"
        assert answered(app, QUESTION, "人事").mode == "extractive"

    def test_back_to_quoting_by_name_alone(self, hr: Any, serve: Any, answered: Callable[..., Any]) -> None:
        """As the chat's `/model extractive` does."""
        app = hr(serve())
        assert app.use_model(llm="extractive") == "extractive"
        assert answered(app, QUESTION, "人事").mode == "extractive"

    def test_an_answer_that_is_being_written_ends_like_a_local_one(self, hr: Any, serve: Any) -> None:
        app = hr(serve("endless"))
        events = app.ask(QUESTION, "人事")
        next(events), next(events)
        app.use_model(llm="extractive", llm_url="")
        with pytest.raises(AnswerFailed):
            list(events)

    def test_an_answer_that_is_being_written_ends(self, hr: Any, serve: Any) -> None:
        server = serve("endless")
        app = hr(server)
        events = app.ask(QUESTION, "人事")
        next(events), next(events)
        app.use_model(llm="extractive", llm_url="")
        with pytest.raises(ModelError):
            list(events)
        deadline = time.monotonic() + 10
        while {"gone": True} not in server.seen:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def test_after_closing_it_answers_again(self, hr: Any, serve: Any) -> None:
        app = hr(serve())
        list(app.ask(QUESTION, "人事"))
        app.close()
        assert isinstance([*app.ask(QUESTION, "人事")][-1], Finished)


def test_a_stream_that_is_closed_stops_the_server(hr: Any, serve: Any) -> None:
    server = serve("endless")
    events = hr(server).ask(QUESTION, "人事")
    next(events), next(events)
    events.close()
    deadline = time.monotonic() + 10
    while {"gone": True} not in server.seen:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_nothing_of_a_document_or_key_but_the_prompt_is_sent(hr: Any, serve: Any) -> None:
    server = serve()
    list(hr(server, llm_api_key=KEY).ask(QUESTION, "人事"))
    (request,) = server.seen
    assert set(request["body"]) == {"model", "messages", "stream", "temperature", "max_tokens", "stream_options"}
    assert KEY not in json.dumps(request["body"])
