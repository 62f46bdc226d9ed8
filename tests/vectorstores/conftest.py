"""Stores in a temporary folder, and the questions one may put to their bookkeeping."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vectorstores.knowledge_store import KnowledgeStore


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[..., KnowledgeStore]]:
    """Open the store of the test's one knowledge base; called again, open it a second time."""
    opened: list[KnowledgeStore] = []

    def build(folder: str = "kb") -> KnowledgeStore:
        opened.append(KnowledgeStore(tmp_path / folder))
        return opened[-1]

    yield build
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., KnowledgeStore]) -> KnowledgeStore:
    return open_store()


@pytest.fixture
def sql(tmp_path: Path) -> Callable[..., list[tuple[Any, ...]]]:
    """Run one statement on the knowledge base's database, past the store."""

    def run(statement: str, *values: Any) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(tmp_path / "kb" / "kb.sqlite")
        try:
            with connection:
                return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    return run
