"""The embedding of an application: on a server or in a folder, and what tells its vectors from another one's."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fakes import HashedEmbeddings
from openai_server import running, vector
from transformers import BertConfig, BertModel, BertTokenizer

from configs.catalogue import EMBEDDINGS
from configs.environment import load_settings
from core.errors import ConfigError, EmbedderMismatch
from core.model_errors import ModelError, ModelFailed, ServerRefused, ServerUnreachable
from service.models.embedding_model import EmbeddingModel

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

App = Any
KEY = "sk-very-secret"
LEAVE = "云杉公司假期规定\n员工入职满一年后有五天年假。\n"
TRAVEL = "云杉公司差旅规定\n出差补贴每天一百元。\n"
QUESTION = "年假有几天"
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
        self._address, self._label = address, f"embedding-{next(labels)}"
        self.url = f"{address}/{behaviour}/{self._label}/v1"

    @property
    def seen(self) -> list[dict[str, Any]]:
        with httpx.Client(trust_env=False) as client:
            found: list[dict[str, Any]] = client.get(f"{self._address}/seen/{self._label}").json()
        return found

    @property
    def inputs(self) -> list[str]:
        return [text for item in self.seen if "body" in item for text in item["body"]["input"]]


@pytest.fixture
def serve(address: str) -> Callable[..., Server]:
    return lambda behaviour="good": Server(address, behaviour)


@pytest.fixture
def app_with(make_app: Callable[..., App]) -> Callable[..., App]:
    """Build an application whose embedding is on a server: `app_with(server, embedding="bge-m3")`."""

    def build(server: Server, **flags: Any) -> App:
        own = {"embedding": "some-embedding", "embedding_url": server.url, "server_timeout_s": 10}
        return make_app(**{"llm": "extractive", "threshold": 0, **own, **flags})

    return build


@pytest.fixture
def hr(app_with: Callable[..., App], write: Callable[..., list[Path]]) -> Callable[..., App]:
    """The same, with the knowledge base 人事 of two files."""

    def build(server: Server, **flags: Any) -> App:
        app = app_with(server, **flags)
        app.create("人事")
        app.add("人事", write(**{"假期.txt": LEAVE, "差旅.txt": TRAVEL}))
        return app

    return build


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder of two layers, in a folder of models under the name of a large one."""
    folder = tmp_path_factory.mktemp("weights") / "m3e-base"
    folder.mkdir()
    signs = sorted(set(LEAVE + TRAVEL + QUESTION) - {"\n"})
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *signs]), "utf-8")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(signs) + 5, max_position_embeddings=128, **sizes)).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def embedding(**flags: Any) -> EmbeddingModel:
    return EmbeddingModel(load_settings(flags, environ={}))


def said(app: App) -> str:
    return "\n".join(notice.text(language) for notice in app.notices("人事") for language in ("zh", "en"))


class TestOnServer:
    def test_documents_are_indexed_and_found_by_its_vectors(
        self, hr: Callable[..., App], serve: Any, found: Callable[..., set[str]]
    ) -> None:
        server = serve()
        app = hr(server, embedding_api_key=KEY, dense_weight=1)
        hits = app.search(QUESTION, "人事").hits
        assert {hit.chunk.source for hit in hits} == {"假期.txt", "差旅.txt"}
        own = np.array(vector(QUESTION)) / 3
        for hit in hits:  # the oracle: the cosine of what the server says of the two texts, through the logistic curve
            (indexed,) = [text for text in server.inputs if hit.chunk.text.splitlines()[-1] in text]
            cosine = float(own @ np.array(vector(indexed)) / 3)
            assert hit.dense == pytest.approx(1 / (1 + np.exp(-(cosine - 0.5) / 0.1)), abs=1e-3)
        assert {info.name: info.embedding for info in app.knowledge_bases()}["人事"] == "some-embedding"
        assert {item["headers"]["authorization"] for item in server.seen} == {f"Bearer {KEY}"}
        assert {item["body"]["model"] for item in server.seen} == {"some-embedding"}
        assert "some-embedding" not in said(app)

    def test_the_server_waits_for_the_first_document(self, app_with: Callable[..., App], serve: Any) -> None:
        server = serve()
        app = app_with(server)
        app.create("人事")
        app.notices("人事")
        app.search(QUESTION, "人事")
        assert server.seen == []

    def test_what_is_indexed_is_not_asked_for_again(
        self, hr: Callable[..., App], app_with: Callable[..., App], serve: Any, write: Callable[..., list[Path]]
    ) -> None:
        first, later = serve(), serve()
        hr(first)
        app = app_with(later)
        app.add("人事", write(**{"假期.txt": LEAVE}))
        app.search(QUESTION, "人事")
        assert not any("五天" in text or "一百元" in text for text in later.inputs)
        assert QUESTION in later.inputs

    def test_threads_share_one(self, serve: Any) -> None:
        model, together = embedding(embedding="some", embedding_url=serve().url), threading.Barrier(6)

        def get(_: int) -> Any:
            together.wait()
            return model.get()

        with ThreadPoolExecutor(6) as pool:
            assert len(set(map(id, pool.map(get, range(6))))) == 1

    def test_the_timeout_is_the_longest_silence(self, serve: Any) -> None:
        model, started = embedding(embedding="some", embedding_url=serve("silent").url, server_timeout_s=1), time.time()
        with pytest.raises(ServerUnreachable) as caught:
            model.identity()
        assert "1 秒" in caught.value.reason("zh")
        assert 0.9 < time.time() - started < 5

    @pytest.mark.parametrize("behaviour", ["wrong-key", "failing", "zero", "page", "hang-up"])
    def test_errors_reach_the_caller_without_the_key(
        self, app_with: Callable[..., App], serve: Any, write: Callable[..., list[Path]], behaviour: str
    ) -> None:
        server = serve(behaviour)
        app = app_with(server, embedding_api_key=KEY)
        app.create("人事")
        with pytest.raises(ModelError) as caught:
            app.add("人事", write(**{"假期.txt": LEAVE}))
        assert isinstance(caught.value, ServerRefused | ServerUnreachable)
        assert server.url in caught.value.reason("zh")
        assert KEY not in caught.value.text("zh") + caught.value.text("en") + repr(app.settings) + said(app)
        if behaviour == "wrong-key":
            assert "KNOWGLM_EMBEDDING_API_KEY" in caught.value.advice("zh")
        assert app.files("人事") == []

    def test_a_key_that_no_header_can_hold_is_an_error_without_it(self, serve: Any) -> None:
        with pytest.raises(ConfigError) as caught:
            embedding(embedding="some", embedding_url=serve().url, embedding_api_key="密钥一二三").get()
        assert "KNOWGLM_EMBEDDING_API_KEY" in caught.value.text("zh")
        assert "密钥一二三" not in caught.value.text("zh")

    def test_the_keys_of_the_two_servers_are_not_mixed_up(self, hr: Callable[..., App], serve: Any) -> None:
        texts, vectors = serve(), serve()
        keys = {"llm_api_key": "sk-one", "embedding_api_key": "sk-two"}
        list(hr(vectors, llm="tiny", llm_url=texts.url, **keys).ask(QUESTION, "人事"))
        assert {item["headers"]["authorization"] for item in texts.seen} == {"Bearer sk-one"}
        assert {item["headers"]["authorization"] for item in vectors.seen} == {"Bearer sk-two"}
        assert "sk-" not in json.dumps([item["body"] for item in (*texts.seen, *vectors.seen)])

    def test_a_known_name_brings_its_calibration(self, serve: Any) -> None:
        model, spec = embedding(embedding="m3e-base", embedding_url=serve().url), EMBEDDINGS["m3e-base"]
        assert (model.calibration, model.dense_weight) == (spec.calibration, spec.dense_weight)
        assert (model.name, model.notices(), model.require()) == ("m3e-base", [], None)

    def test_a_known_name_brings_its_query_instruction(self, hr: Callable[..., App], serve: Any) -> None:
        server = serve()
        hr(server, embedding="bge-base-zh-v1.5").search(QUESTION, "人事")
        assert server.inputs[-1] == EMBEDDINGS["bge-base-zh-v1.5"].query_instruction + QUESTION
        assert not any(text.startswith("为这个句子") for text in server.inputs[:-1])

    def test_closing_closes_its_connections(self, hr: Callable[..., App], serve: Any) -> None:
        app = hr(serve())
        model = app._embeddings.default.get()
        app.close()
        assert model._connection.is_closed
        assert app.search(QUESTION, "人事").hits, "a closed application opens again by itself"

    def test_lexical_means_none_beside_an_address_too(self, serve: Any) -> None:
        model = embedding(embedding="lexical", embedding_url=serve().url)
        assert (model.name, model.get()) == ("lexical", None)


class TestIdentity:
    @pytest.mark.parametrize(
        "change", [{"embedding": "another"}, {"behaviour": "other-model"}], ids=["name", "behind_the_same_name"]
    )
    def test_another_model_is_noticed_and_a_rebuild_settles_it(
        self, hr: Callable[..., App], app_with: Callable[..., App], serve: Any, change: dict[str, str]
    ) -> None:
        hr(serve())
        other = app_with(serve(change.pop("behaviour", "good")), **change)
        for use in (other.search, other.ask):
            with pytest.raises(EmbedderMismatch) as caught:
                use(QUESTION, "人事")
            assert "kb rebuild 人事" in caught.value.advice("zh")
            assert "some-embedding" in caught.value.reason("zh")
        other.rebuild("人事")
        assert all(hit.dense is not None for hit in other.search(QUESTION, "人事").hits)

    @pytest.mark.parametrize("behaviour", ["good", "jittering"])
    def test_the_same_model_elsewhere_is_the_same(
        self, hr: Callable[..., App], app_with: Callable[..., App], serve: Any, behaviour: str
    ) -> None:
        before = hr(serve())._embeddings.default.identity()
        moved = app_with(serve(behaviour))
        assert moved._embeddings.default.identity() == before
        assert all(hit.dense is not None for hit in moved.search(QUESTION, "人事").hits)

    def test_from_a_folder_to_a_server_is_a_change(
        self, make_app: Callable[..., App], hr: Callable[..., App], bert: Path, serve: Any
    ) -> None:
        hr(serve(), embedding="m3e-base")
        with pytest.raises(EmbedderMismatch):
            make_app(model_dir=bert.parent, embedding="m3e-base", llm="extractive").search(QUESTION, "人事")

    def test_without_it_the_vectors_wait(
        self, hr: Callable[..., App], make_app: Callable[..., App], app_with: Callable[..., App], serve: Any
    ) -> None:
        hr(serve())
        lexical = make_app(embedding="lexical", llm="extractive", threshold=0)
        assert all(hit.dense is None for hit in lexical.search(QUESTION, "人事").hits)
        assert all(hit.dense is not None for hit in app_with(serve()).search(QUESTION, "人事").hits)


class TestInFolder:
    def test_a_known_name_and_its_folder_are_the_same_vectors(self, bert: Path) -> None:
        known = embedding(model_dir=bert.parent, embedding="m3e-base", embedding_device="cpu")
        own = embedding(embedding=f"{bert}/", embedding_device="cpu")
        assert (known.name, own.name) == ("m3e-base", "m3e-base")
        assert known.identity() == own.identity()
        assert known.calibration == EMBEDDINGS["m3e-base"].calibration != own.calibration

    def test_it_is_loaded_once_and_not_for_its_name(self, bert: Path) -> None:
        model = embedding(model_dir=bert.parent, embedding="m3e-base", embedding_device="cpu")
        assert (model.name, model.notices(), model.require(), model._loaded) == ("m3e-base", [], None, None)
        assert model.get() is model.get() is not None

    def test_its_device_is_the_one_of_the_settings(self, bert: Path) -> None:
        assert str(embedding(embedding=str(bert), embedding_device="cpu").get()._model.device) == "cpu"
        with pytest.raises(ModelFailed):
            embedding(embedding=str(bert), embedding_device="cuda:63").get()

    def test_an_embedding_that_a_program_brought_comes_first(self, serve: Any) -> None:
        given = HashedEmbeddings()
        model = EmbeddingModel(load_settings({"embedding": "x", "embedding_url": serve().url}, environ={}), given)
        assert (model.get(), model.name, model.notices()) == (given, "HashedEmbeddings", [])
        identity = model.identity()
        assert identity is not None
        assert identity.dimensions == 256

    @pytest.mark.parametrize(
        "flags", [{"embedding_api_key": KEY}, {"embedding_device": "cuda", "embedding_url": "http://127.0.0.1:9/v1"}]
    )
    def test_a_setting_that_does_nothing_is_named(self, flags: dict[str, str]) -> None:
        notices = embedding(**{"embedding": "some/folder" if len(flags) == 1 else "some", **flags}).notices()
        assert any(next(iter(flags)) in notice.text("en") for notice in notices)
