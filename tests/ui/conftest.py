"""The whole web server in this process, without sockets: one that anybody may use, and one with a login."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cheap_accounts import GOOD, cheap_passwords
from page_visits import Site, started
from starlette.testclient import TestClient

from configs.environment import load_settings
from service.factory import build_app
from service.knowledge_qa import KnowledgeQA
from service.people.accounts import Accounts
from service.people.sessions import Sessions
from ui.login import Login


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeQA]:
    """An application with two knowledge bases, 人事 and 财务, of one document each."""
    folder = tmp_path_factory.mktemp("served")
    settings = load_settings({"data_dir": folder / "data", "llm": "extractive", "max_file_mb": 1}, environ={})
    qa = build_app(settings)
    for kb in ("人事", "财务"):
        (folder / f"{kb}.txt").write_text(f"{kb}制度：员工入职满一年后有五天年假。", "utf-8")
        qa.create(kb)
        qa.add(kb, [folder / f"{kb}.txt"])
    yield qa
    qa.close()


@pytest.fixture(scope="session")
def open_site(served: KnowledgeQA) -> Iterator[Site]:
    """Nobody has to log in."""
    with started(served, None) as site:
        yield site


@pytest.fixture(scope="session")
def login(tmp_path_factory: pytest.TempPathFactory) -> Login:
    """Accounts 读者, 编辑 and 管理员 for everything, and 小明, a reader of 人事 alone."""
    folder: Path = tmp_path_factory.mktemp("accounts")
    accounts = Accounts(folder / "users.json", passwords=cheap_passwords())
    for name, role in (("读者", "reader"), ("编辑", "editor"), ("管理员", "admin")):
        accounts.add(name, GOOD, role)
    accounts.add("小明", GOOD, roles={"人事": "reader"})
    return Login(accounts, Sessions(folder / "sessions.sqlite", accounts))


@pytest.fixture(scope="session")
def closed_site(served: KnowledgeQA, login: Login) -> Iterator[Site]:
    """Everybody has to log in."""
    with started(served, login) as site:
        yield site


@pytest.fixture
def enter(closed_site: Site) -> Callable[[str], TestClient]:
    """Log somebody in, in a browser of their own."""

    def log_in(name: str) -> TestClient:
        browser = closed_site.browser()
        answer = browser.post("/login", data={"user": name, "password": GOOD}, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return browser

    return log_in
