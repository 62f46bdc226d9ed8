"""Serving until a signal comes, and ending soon and in order then."""

import asyncio
import socket

import uvicorn
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_GRACE_S = 3  # for what is being answered when the end comes


class EndingStreams:
    """ASGI middleware that lets answers which go on for ever end with the server.

    Args:
        ending: from when it is set, browsers count as gone.
    """

    def __init__(self, app: ASGIApp, ending: asyncio.Event) -> None:
        self._app, self._ending = app, ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_open_end = False

        async def receive_or_end() -> Message:
            return await self._received(receive)

        async def send_and_note(message: Message) -> None:
            nonlocal is_open_end
            if message["type"] == "http.response.start":
                is_open_end = "content-length" not in Headers(raw=message["headers"])
            elif not message.get("more_body"):
                is_open_end = False
            await send(message)

        await self._app(scope, receive_or_end, send_and_note)
        if is_open_end and self._ending.is_set():
            await send({"type": "http.response.body", "body": b""})

    async def _received(self, receive: Receive) -> Message:
        received = asyncio.ensure_future(receive())
        ended = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait((received, ended), return_when=asyncio.FIRST_COMPLETED)
            return received.result() if received.done() else {"type": "http.disconnect"}
        finally:
            received.cancel()
            ended.cancel()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ending: asyncio.Event) -> None:
        super().__init__(config)
        self._ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending.set()
        await super().shutdown(sockets)


def serve_until_ended(server: FastAPI, listener: socket.socket, *, is_proxied: bool) -> None:
    """Serve until a signal comes; it is passed on once every connection is closed.

    Args:
        is_proxied: believe what programs on this machine say of whom they speak for.
    """
    ending = asyncio.Event()
    config = uvicorn.Config(
        EndingStreams(server, ending),
        log_level="warning",
        server_header=False,
        proxy_headers=is_proxied,
        forwarded_allow_ips=["127.0.0.1", "::1"],
        timeout_graceful_shutdown=_GRACE_S,
    )
    _Server(config, ending).run(sockets=[listener])
