"""Files to add, and short questions about what became of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.answers import Answer, Finished


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., list[Path]]:
    """Write files into a folder beside the data directory: `write(**{"a.txt": "…"})`."""
    folder = tmp_path / "files"

    def put(**files: str | bytes) -> list[Path]:
        paths = []
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            paths.append(path)
        return paths

    return put


@pytest.fixture
def answered() -> Callable[..., Answer]:
    """Ask to the end."""

    def ask(app: Any, *arguments: Any, **options: Any) -> Answer:
        *_, last = app.ask(*arguments, **options)
        assert isinstance(last, Finished)
        return last.answer

    return ask


@pytest.fixture
def found() -> Callable[..., set[str]]:
    """Names of the documents that a question finds."""

    def search(app: Any, question: str, kb: str) -> set[str]:
        return {hit.chunk.source for hit in app.search(question, kb).hits if hit.kept}

    return search
