"""The embedding model behind a server, against a server process that behaves well and badly."""

import json
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests
from openai_server import running, vector

from core.errors import ConfigError
from core.model_errors import ModelError, ServerRefused, ServerUnreachable
from models.server_embeddings import ServerEmbeddings

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

KEY = "sk-very-secret"
TEXTS = ["请假制度", "差旅费", "食堂"]
labels = count()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running() as address:
        yield address


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.server_connection._PAUSES_S", (0.01, 0.02))


class Asked:
    """Embeddings from a server of the given behaviour, and what that server saw of it."""

    def __init__(self, address: str, behaviour: str, **options: Any) -> None:
        self._address, self._label = address, f"embeddings-{next(labels)}"
        given = {"model": "tiny-embedding", "api_key": KEY, "timeout_s": 10.0}
        self.model = ServerEmbeddings(**{"url": f"{address}/{behaviour}/{self._label}/v1", **given, **options})

    def failure(self) -> Any:
        with pytest.raises(ModelError) as caught:
            self.model.embed_documents(TEXTS)
        return caught.value

    def seen(self) -> list[dict[str, Any]]:
        with httpx.Client(trust_env=False) as client:
            found: list[dict[str, Any]] = client.get(f"{self._address}/seen/{self._label}").json()
        return found

    @property
    def inputs(self) -> list[list[str]]:
        return [item["body"]["input"] for item in self.seen() if "body" in item]


@pytest.fixture
def ask(server: str) -> Iterator[Callable[..., Asked]]:
    made: list[Asked] = []

    def build(behaviour: str = "good", **options: Any) -> Asked:
        made.append(Asked(server, behaviour, **options))
        return made[-1]

    yield build
    for asked in made:
        asked.model.free()


def unit(text: str) -> Any:
    return pytest.approx(np.array(vector(text)) / 3, abs=1e-6)


class TestVectors:
    @pytest.mark.parametrize("behaviour", ["good", "without-index", "busy"])
    def test_they_have_unit_length_and_the_order_of_the_texts(self, ask: Callable[..., Asked], behaviour: str) -> None:
        """The server sends vectors of length 3, the last text's first."""
        vectors = ask(behaviour).model.embed_documents(TEXTS)
        for row, text in zip(vectors, TEXTS, strict=True):
            assert np.array(row) == unit(text)
            assert row == np.float32(row).tolist()

    def test_a_question_has_its_instruction(self, ask: Callable[..., Asked]) -> None:
        asked = ask(query_instruction="检索：")
        assert np.array(asked.model.embed_query("年假")) == unit("检索：年假")
        assert np.array(asked.model.embed_documents(["年假"])[0]) == unit("年假")

    def test_plain_strings_are_sent_and_nothing_else(self, ask: Callable[..., Asked]) -> None:
        asked = ask()
        asked.model.embed_documents(["请假", "", "half \ud83d"])
        (request,) = asked.seen()
        assert request["body"] == {"model": "tiny-embedding", "input": ["请假", " ", "half ?"]}
        assert request["headers"]["authorization"] == f"Bearer {KEY}"

    def test_no_text_needs_no_server(self, ask: Callable[..., Asked]) -> None:
        asked = ask("silent")
        assert asked.model.embed_documents([]) == []
        assert asked.seen() == []

    def test_many_texts_make_several_requests(self, ask: Callable[..., Asked]) -> None:
        asked = ask()
        texts = [f"第{n}条" for n in range(150)]
        vectors = asked.model.embed_documents(texts)
        assert [len(sent) for sent in asked.inputs] == [64, 64, 22]
        assert all(np.array(row) == unit(text) for row, text in zip(vectors, texts, strict=True))

    def test_long_texts_make_several_requests(self, ask: Callable[..., Asked]) -> None:
        asked = ask()
        assert len(asked.model.embed_documents(["长" * 40_000, "文" * 30_000, "短", "超" * 90_000])) == 4
        assert [[len(text) for text in sent] for sent in asked.inputs] == [[40_000], [30_000, 1], [90_000]]

    def test_a_server_that_takes_fewer_texts_is_asked_with_fewer(self, ask: Callable[..., Asked]) -> None:
        asked = ask("few-at-a-time")
        texts = [f"第{n}条" for n in range(100)]
        vectors = asked.model.embed_documents(texts)
        assert all(np.array(row) == unit(text) for row, text in zip(vectors, texts, strict=True))
        sizes = [len(sent) for sent in asked.inputs]
        assert sizes[:4] == [64, 32, 16, 8]
        assert sum(size > 10 for size in sizes) == 7, "the second batch is as small as the server wants it"
        assert set(sizes[15:]) <= {8, 4}


class TestIdentity:
    def test_it_waits_for_use(self, ask: Callable[..., Asked]) -> None:
        asked = ask("good")
        assert asked.seen() == []
        assert asked.model.dimensions == 8
        assert len(asked.model.fingerprint) == 64
        assert len(asked.seen()) == 1
        assert asked.model.loaded.startswith("tiny-embedding at http://127.0.0.1:")

    def test_the_address_and_the_jitter_of_arithmetic_do_not_matter(self, ask: Callable[..., Asked]) -> None:
        assert len({ask(behaviour).model.fingerprint for behaviour in ("good", "good", "jittering")}) == 1

    def test_another_model_is_noticed_behind_the_same_name_too(self, ask: Callable[..., Asked]) -> None:
        prints = [ask().model.fingerprint, ask("other-model").model.fingerprint, ask(model="m3e").model.fingerprint]
        assert len(set(prints)) == 3

    def test_dimensions_that_change_are_noticed(self, ask: Callable[..., Asked]) -> None:
        model = ask("growing").model
        assert model.dimensions == 9
        with pytest.raises(ServerRefused, match="9 dimensions before and have 10"):
            model.embed_query("请假")


class TestFailures:
    @pytest.mark.parametrize(
        ("behaviour", "said"),
        [
            ("too-few", "3 段文字得到 1 个向量"),
            ("zero", "向量为零"),
            ("not-a-number", "非数字"),
            ("null", "非数字"),
            ("ragged", "embedding"),
            ("texts", "embedding"),
            ("bare", "[[1.0, 2.0]]"),
            ("none", "data"),
            ("page", "Welcome Open WebUI"),
        ],
    )
    def test_what_cannot_be_a_vector_is_refused(self, ask: Callable[..., Asked], behaviour: str, said: str) -> None:
        error = ask(behaviour).failure()
        assert isinstance(error, ServerRefused)
        assert said in error.reason("zh")
        assert "KNOWGLM_EMBEDDING_URL" in error.advice("zh")

    @pytest.mark.parametrize(
        ("behaviour", "status", "advice", "requests"),
        [
            ("wrong-key", 401, "KNOWGLM_EMBEDDING_API_KEY", 1),
            ("always-busy", 429, "quota", 3),
            ("failing", 500, "log", 3),
            ("elsewhere", 404, "KNOWGLM_EMBEDDING_URL", 1),
            ("overflow", 400, "KNOWGLM_CHUNK_CHARS", 2),
        ],
    )
    def test_refusals(self, ask: Callable[..., Asked], behaviour: str, status: int, advice: str, requests: int) -> None:
        asked = ask(behaviour)
        error = asked.failure()
        assert error.values["status"] == status
        assert advice in error.advice("en")
        assert len(asked.inputs) == requests
        assert KEY not in "".join((repr(asked.model), error.text("zh"), *traceback.format_exception(error)))

    @pytest.mark.parametrize(("behaviour", "requests"), [("silent", 1), ("hang-up", 3)])
    def test_no_answer(self, ask: Callable[..., Asked], behaviour: str, requests: int) -> None:
        asked = ask(behaviour, timeout_s=0.3)
        assert isinstance(asked.failure(), ServerUnreachable)
        assert len(asked.inputs) == requests

    def test_a_key_that_no_header_can_hold(self, ask: Callable[..., Asked]) -> None:
        with pytest.raises(ConfigError, match="KNOWGLM_EMBEDDING_API_KEY"):
            ask(api_key="密钥")

    def test_the_environment_does_not_matter(self, ask: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID"):
            monkeypatch.setenv(name, "leaked")
        asked = ask(api_key="")
        asked.model.embed_query("请假")
        assert "leaked" not in json.dumps(asked.seen())
        assert asked.seen()[0]["headers"]["authorization"] == "Bearer EMPTY"


def test_it_needs_no_library_of_openai(root: Path) -> None:
    probe = "import sys, models.server_embeddings; print({'openai', 'langchain_openai', 'tiktoken'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], cwd=root, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "set()"


class _OnServer:
    @pytest.fixture(autouse=True)
    def _address(self, server: str) -> None:
        self._server = server

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return ServerEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        url = f"{self._server}/good/standard/v1"
        return {"url": url, "model": "tiny-embedding", "api_key": "", "timeout_s": 10.0}


class TestUnit(_OnServer, EmbeddingsUnitTests):
    pass


class TestIntegration(_OnServer, EmbeddingsIntegrationTests):
    pass
