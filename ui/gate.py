"""The gate before every page: by which names and from which sites it may be called, and who is speaking."""

import re
import secrets
from collections.abc import Container
from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import Any, NamedTuple
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.accounts import LOCAL_ADMIN
from core.errors import KnowGLMError
from ui.gate_errors import ForeignPage, NotLoggedIn, UnknownHost
from ui.gradio_door import is_asset, is_of_gradio, through_the_door
from ui.languages import FixedLanguage
from ui.login import Login
from ui.origins import host_name, is_foreign
from ui.refusals import refusal, wants_page
from ui.visitors import Visitor

SESSION_COOKIE, VISITOR_COOKIE = "knowglm_session", "knowglm_visitor"
COOKIE_LIFE_S = 30 * 86_400
_ASSETS, _OPEN = "/assets/", frozenset({"/login", "/favicon.ico"})
_VISITOR_ID = re.compile(r"[A-Za-z0-9_-]{22}")  # 16 random bytes
_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",  # Gradio evaluates the templates of its components
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer that does not say otherwise."""


class _Known(NamedTuple):
    """Who is speaking, and the cookie that says so."""

    visitor: Visitor
    cookie: tuple[str, str]
    is_new: bool = False


class Gate:
    """ASGI middleware that lets in requests of known visitors.

    Args:
        hosts: names by which the page may be called, in lower case without port; None for any. Where nobody logs in,
            this keeps out pages of other sites whose name resolves to this machine (DNS rebinding).
        login: None where nobody has to log in.
        language: of what it says; "auto" for that of the page or the browser.
    """

    def __init__(
        self, app: ASGIApp, hosts: Container[str] | None, login: Login | None, language: FixedLanguage
    ) -> None:
        self._app, self._hosts, self._login, self._language = app, hosts, login, language

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or say why not."""
        if scope["type"] != "http":
            await (_refused_socket(send) if scope["type"] == "websocket" else self._app(scope, receive, send))
            return
        connection = HTTPConnection(scope)
        app, cookies = self._app, list[str]()
        try:
            self._require_own_page(connection)
            known = await run_in_threadpool(self._known, connection.cookies)
            if known is not None:
                connection.state.visitor = known.visitor
                cookies = _introduction(known, connection)
            elif not _is_open(scope["path"]):
                raise NotLoggedIn
            if known is not None and is_of_gradio(scope["path"]):
                scope, receive = await through_the_door(scope, receive, known.visitor.owner)
        except KnowGLMError as error:
            app = self._refused(error, connection)
        await app(scope, receive, _with_headers(send, scope["path"], cookies))

    def _require_own_page(self, connection: HTTPConnection) -> None:
        host = host_name(connection.headers.get("host", ""))
        if not host or (self._hosts is not None and host not in self._hosts):
            raise UnknownHost
        if is_foreign(connection.scope["method"], connection.headers):
            raise ForeignPage

    def _known(self, cookies: dict[str, str]) -> _Known | None:
        """Return who is speaking; None for somebody who has to log in."""
        if self._login is not None:
            token = cookies.get(SESSION_COOKIE, "")
            user = self._login.sessions.user_of(token) if token else None
            if user is None:
                return None
            return _Known(Visitor(f"user:{user.name}", user, self._login.accounts), (SESSION_COOKIE, token))
        id = cookies.get(VISITOR_COOKIE, "")
        is_new = not _VISITOR_ID.fullmatch(id)
        id = secrets.token_urlsafe(16) if is_new else id
        return _Known(Visitor(id, LOCAL_ADMIN, None), (VISITOR_COOKIE, id), is_new)

    def _refused(self, error: KnowGLMError, connection: HTTPConnection) -> Response:
        if isinstance(error, NotLoggedIn) and connection.scope["method"] == "GET" and wants_page(connection.headers):
            path, query = connection.scope["path"], connection.scope["query_string"].decode("latin-1")
            target = quote(f"{path}?{query}" if query else path, safe="")
            return RedirectResponse(f"/login?next={target}", HTTPStatus.SEE_OTHER)
        return refusal(error, connection, self._language)


def _is_open(path: str) -> bool:
    """Tell whether a browser needs a path before anybody has logged in."""
    return path in _OPEN or path.startswith(_ASSETS)


async def _refused_socket(send: Send) -> None:
    await send({"type": "websocket.close", "code": 1008})  # nothing here speaks it


def _introduction(known: _Known, connection: HTTPConnection) -> list[str]:
    """Return the cookie for a new visitor, and for every one who opens a page, so that it lasts while it is used."""
    is_page = connection.scope["method"] == "GET" and wants_page(connection.headers)
    is_secure = connection.scope["scheme"] == "https"
    return [cookie(*known.cookie, COOKIE_LIFE_S, is_secure=is_secure)] if known.is_new or is_page else []


def _with_headers(send: Send, path: str, cookies: list[str]) -> Send:
    """Add the headers of every answer."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if message["status"] < HTTPStatus.BAD_REQUEST and (caching := _caching(path)):
                headers["Cache-Control"] = caching
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            for one in cookies:
                headers.append("set-cookie", one)
        await send(message)

    return send_with_headers


def _caching(path: str) -> str:
    """Return how a browser may keep what is the same for everybody; empty for what it may not keep."""
    if path.startswith(_ASSETS):
        return "no-cache"  # kept, and asked for again, so that an update is seen
    return "private, max-age=86400" if is_asset(path) else ""  # Gradio's have new names in each version


def cookie(name: str, value: str, life_s: int, *, is_secure: bool) -> str:
    """Return a Set-Cookie header that scripts cannot read and other sites do not send."""
    jar: SimpleCookie = SimpleCookie({name: value})
    attributes: dict[str, Any] = {"path": "/", "max-age": life_s, "httponly": True, "samesite": "Lax"}
    jar[name].update(attributes | ({"secure": True} if is_secure else {}))
    return jar[name].OutputString()
