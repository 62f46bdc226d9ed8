"""What every test stands on: a clean environment, no network, a fresh application in a temporary folder."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from configs.environment import load_settings
from service.factory import build_app
from service.knowledge_qa import KnowledgeQA

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own settings and locale out of the tests."""
    for name in list(os.environ):
        if name.startswith("KNOWGLM_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[Callable[..., KnowledgeQA]]:
    """Build applications over one temporary data directory: `make_app(top_k=3, embeddings=…)`."""
    opened: list[KnowledgeQA] = []

    def build(*, embeddings: object = None, llm: object = None, **flags: object) -> KnowledgeQA:
        if isinstance(llm, str):  # the setting, not a model
            flags, llm = {**flags, "llm": llm}, None
        settings = load_settings(
            {"data_dir": tmp_path / "data", "model_dir": tmp_path / "weights", **flags}, environ={}
        )
        opened.append(build_app(settings, embeddings=embeddings, llm=llm))
        return opened[-1]

    yield build
    for app in opened:
        app.close()


@pytest.fixture
def app(make_app: Callable[..., KnowledgeQA]) -> KnowledgeQA:
    """An application without any weights."""
    return make_app()


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared_documents() -> Path:
    """Real documents that lie beside the project where it is developed."""
    folder = ROOT.parent / "shared" / "documents"
    if not folder.is_dir():
        pytest.skip("the real documents are not beside the project")
    return folder
