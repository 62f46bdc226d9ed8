"""Browsers of a web server that runs in this process."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from service.knowledge_qa import KnowledgeQA
from ui.login import Login
from ui.server import build_server

ADDRESS = "http://127.0.0.1:7860"
PAGE = {"Accept": "text/html"}


@dataclass
class Site:
    """A running server."""

    server: FastAPI
    client: TestClient  # runs the server's event loop

    def browser(self, **headers: str) -> TestClient:
        """Return a browser without any cookies."""
        fresh = TestClient(self.server, ADDRESS, headers=headers, raise_server_exceptions=False)
        fresh.portal = self.client.portal
        return fresh

    def handler(self, name: str, language: str = "zh") -> int:
        """Return the number by which Gradio knows the first handler whose qualified name this is."""
        blocks = self._gradio(language).get_blocks()
        return next(id for id, fn in blocks.fns.items() if fn.fn.__qualname__ == name)

    def inputs(self, handler: int, language: str = "zh") -> int:
        return len(self._gradio(language).get_blocks().fns[handler].inputs)

    def _gradio(self, language: str) -> Any:
        return next(one for one in self.server.routes if getattr(one, "path", "") == f"/{language}").app


@contextmanager
def started(qa: KnowledgeQA, login: Login | None, **options: Any) -> Iterator[Site]:
    """Run a server until the block ends."""

    async def build() -> FastAPI:  # Gradio opens an event loop for good where none runs
        return build_server(qa, login=login, **options)

    server = asyncio.run(build())
    with TestClient(server, ADDRESS) as client:
        yield Site(server, client)


def fired(browser: TestClient, handler: int, data: list[Any], *, event: Any = None, session: str = "abc") -> Any:
    """Fire an event as Gradio's script does, and return what its handler said last."""
    body = {"fn_index": handler, "data": data, "event_data": event, "session_hash": session, "trigger_id": None}
    joined = browser.post("/zh/gradio_api/queue/join", json=body)
    assert joined.status_code == 200, joined.text
    messages = heard(browser, session)
    return next(one for one in reversed(messages) if one["msg"] == "process_completed")


def heard(browser: TestClient, session: str) -> list[Any]:
    """Return the messages that a session of Gradio's is sent until it ends."""
    answer = browser.get("/zh/gradio_api/queue/data", params={"session_hash": session})
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
