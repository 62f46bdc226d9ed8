"""What of Gradio's own addresses is offered: those that its pages need, and to each visitor apart."""

import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from ui.bodies import small_body
from ui.gate_errors import NotOffered, UnusableRequest
from ui.languages import LANGUAGES

_PAGE = rf"/(?:{'|'.join(LANGUAGES)})"
_OF_GRADIO = re.compile(rf"{_PAGE}(?:/.*)?", re.DOTALL)
_ASSET = re.compile(rf"{_PAGE}/(?:assets|static)/.+")
_PAGES = re.compile(rf"{_PAGE}(?:/?|/theme\.css|/gradio_api/app_id)")
_EVENTS = re.compile(rf"{_PAGE}/gradio_api/(?:queue/join|queue/data|cancel|reset|heartbeat/[^/]+)")
_BODY_BYTES = 4 * 1024 * 1024
_SESSION = "session_hash"


def is_of_gradio(path: str) -> bool:
    """Tell whether Gradio answers to a path."""
    return _OF_GRADIO.fullmatch(path) is not None


def is_asset(path: str) -> bool:
    """Tell whether a path leads to a file that comes with Gradio."""
    return _ASSET.fullmatch(path) is not None


async def through_the_door(scope: Scope, receive: Receive, owner: str) -> tuple[Scope, Receive]:
    """Return a request as Gradio gets it.

    Gradio believes whoever names the session of an event, and sends its messages to them. Here each visitor's sessions
    have names that no request of another visitor can have.

    Raises:
        NotOffered: no page needs this address. Among them are those that read, receive and fetch files.
        UnusableRequest: no page sends this.
        RequestTooLarge: no page sends as much.
    """
    path = scope["path"]
    if is_asset(path) or _PAGES.fullmatch(path):
        return scope, receive
    if not _EVENTS.fullmatch(path):
        raise NotOffered
    if scope["method"] == "POST":
        return scope, await _own_body(scope, receive, owner)
    parent, slash, last = path.rpartition("/")
    own_path = path if last == "data" else parent + slash + _own_session(owner, last)
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    query = urlencode([(name, _own_session(owner, value) if name == _SESSION else value) for name, value in pairs])
    return {**scope, "path": own_path, "raw_path": own_path.encode(), "query_string": query.encode()}, receive


def _own_session(owner: str, session: str) -> str:
    return f"{hashlib.sha256(owner.encode()).hexdigest()[:16]}-{session}"


async def _own_body(scope: Scope, receive: Receive, owner: str) -> Receive:
    """Return what gives the body with the visitor's own session, and then whatever else there is to receive."""
    content = _content(await small_body(Request(scope, receive), _BODY_BYTES))
    if isinstance(session := content.get(_SESSION), str):
        content[_SESSION] = _own_session(owner, session)
    messages: list[Message] = [{"type": "http.request", "body": json.dumps(content).encode(), "more_body": False}]

    async def receive_own() -> Message:
        return messages.pop() if messages else await receive()

    return receive_own


def _content(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body, object_hook=_without_files)
    except (ValueError, RecursionError) as error:
        raise UnusableRequest from error
    if not isinstance(content, dict):
        raise UnusableRequest
    return content


def _without_files(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what Gradio takes for a file, which it would fetch from the disk or the internet."""
    if "path" in value and "meta" in value:
        raise UnusableRequest
    return value
