"""HTTP to one model server. Every failure leaves here as an error of `core.model_errors`."""

import ipaddress
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast

import httpx

from core.errors import ConfigError
from core.messages import Message
from core.model_errors import MODEL_FREED, AnswerFailed, ModelError, ServerRefused, ServerUnreachable
from models.server_errors import ServerSettings, check_address, detail_of, remedy, shown

_CONNECT_S, _LIST_S = 10.0, 5.0  # at most for a connection, and for the list of models
_PAUSES_S = (0.5, 1.5)  # before each further try
_NO_KEY = "EMPTY"  # what vLLM and FastChat suggest where there is none
_CARRIED = {"host", "connection", "accept", "accept-encoding", "content-type", "content-length"}
_NO_STREAM = ("text/html", "application/json")  # a web page, or a whole reply
_SILENT = Message("{seconds:g} 秒内没有任何回应", "not a sign for {seconds:g} s")
_NO_PROTOCOL = Message("回应不符合 OpenAI 协议：{said}", "the reply is not of the OpenAI protocol: {said}")
_EMPTY = Message("回应是空的", "the reply is empty")
_CLOSED = Message("连接已经关闭", "the connection has been closed")
_BAD_KEY = Message(
    "{api_key} 里有不能放进 HTTP 头的字符。", "{api_key} has characters that cannot stand in an HTTP header."
)


class ServerConnection(httpx.Client):
    """An HTTP client that speaks to one server and raises what users understand.

    Requests carry this server's key and none of the headers that libraries add from the environment; no proxy of the
    environment stands before a loopback address; redirects are not followed. A request that found no connection, or
    lost it before the reply began, or was answered by 429 or 5xx is sent twice more, after a pause.

    Args:
        url: of the interface, such as http://127.0.0.1:8000/v1.
        model: its name on the server.
        api_key: empty for none.
        timeout_s: longest silence, in seconds, before the reply and within it; not its whole duration.
        settings: where the user has set all this.

    Raises:
        ConfigError: the key cannot stand in a header.
        ServerUnreachable: the address or the environment's proxy makes no sense; from every request: no connection, a
            broken one, or silence.
        ServerRefused: from every request: a status other than 2xx, or not the protocol.
    """

    _freed = False

    def __init__(self, *, url: str, model: str, api_key: str, timeout_s: float, settings: ServerSettings) -> None:
        self.model = model
        self.url = re.sub(r"//[^/]*@", "//", url.partition("?")[0])  # fit to be shown: a password may be inside
        self.timeout_s = timeout_s
        self._key = api_key.strip()
        self._settings = settings
        if not (self._key.isascii() and self._key.isprintable()):
            raise ConfigError([_BAD_KEY.filled(api_key=settings.api_key)])
        try:
            super().__init__(
                base_url=url,
                headers={"Authorization": f"Bearer {self._key or _NO_KEY}", "User-Agent": "KnowGLM"},
                timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S)),
                trust_env=not _is_loopback(httpx.URL(url).host),
            )
        except (httpx.InvalidURL, ValueError, ImportError) as error:  # the last two of a proxy that httpx lacks
            raise self.unreachable(error) from error

    def close(self) -> None:
        """Close the connections; what still runs over them ends."""
        self._freed = True
        super().close()

    def __del__(self) -> None:
        with suppress(AttributeError):  # of one that was never complete
            self.close()

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request, again if that may help, and return the successful response."""
        kept = {name: value for name, value in request.headers.items() if name in _CARRIED}
        request.headers = httpx.Headers({**kept, **self.headers})
        for pause_s in _PAUSES_S:
            try:
                return self._send_once(request, **options)
            except ModelError as error:
                if not _may_pass(error):
                    raise
            time.sleep(pause_s)
        return self._send_once(request, **options)

    def _send_once(self, request: httpx.Request, **options: Any) -> httpx.Response:
        if self.is_closed:
            raise ServerUnreachable(url=self.url, detail=_CLOSED)
        try:
            response = super().send(request, **options)
            is_stream = response.is_success and not response.headers.get("Content-Type", "").startswith(_NO_STREAM)
            if not is_stream:
                response.read()
        except httpx.RequestError as error:
            raise self.unreachable(error) from error
        if not response.is_success:
            raise self.refused(response.status_code, detail_of(response))
        if options.get("stream"):
            if not is_stream:
                raise self.malformed(response.text)
            response.stream = _Guarded(cast("httpx.SyncByteStream", response.stream), self)
        return response

    def unreachable(self, error: Exception) -> ModelError:
        """Return the error of a connection that failed, broke or fell silent, or that this program has closed."""
        if self._freed:
            return AnswerFailed(detail=MODEL_FREED)
        if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
            return ServerUnreachable(url=self.url, detail=_SILENT.filled(seconds=self.timeout_s))
        return ServerUnreachable(url=self.url, detail=str(error) or type(error).__name__)

    def refused(self, status: int, detail: str) -> ServerRefused:
        """Return the error of a request that the server refused; a wrong model's name is told by the server's list."""
        missing = self._other_models() if status in (400, 404) else []
        advice = remedy(status, detail, self._settings, missing)
        return ServerRefused(url=self.url, status=status, detail=self._shown(detail), remedy=advice)

    def malformed(self, said: str) -> ServerRefused:
        """Return the error of a reply that is none of the protocol."""
        return self.unusable(_NO_PROTOCOL.filled(said=self._shown(said)) if said.strip() else _EMPTY)

    def unusable(self, detail: Message) -> ServerRefused:
        """Return the error of a reply that came as a success and cannot be used."""
        return ServerRefused(url=self.url, status=200, detail=detail, remedy=check_address(self._settings))

    def _shown(self, text: str) -> str:
        return shown(text.replace(self._key, "***") if self._key else text)

    def _other_models(self) -> list[str]:
        """Return the models that the server lists; none where the wanted one is there or there is no list."""
        try:
            response = super().send(self.build_request("GET", "models", timeout=min(self.timeout_s, _LIST_S)))
            names = [str(item["id"]) for item in response.json()["data"]]
        except (httpx.RequestError, ValueError, LookupError, TypeError):
            return []
        return [] if self.model in names else names


class _Guarded(httpx.SyncByteStream):
    """The body of a response; what goes wrong while it is read is raised as ServerUnreachable."""

    def __init__(self, body: httpx.SyncByteStream, connection: ServerConnection) -> None:
        self._body = body
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except httpx.RequestError as error:
            raise self._connection.unreachable(error) from error

    def close(self) -> None:
        self._body.close()


def _may_pass(error: ModelError) -> bool:
    """Tell whether the same request may succeed a little later. Silence has been waited out once already."""
    if isinstance(error, ServerRefused):
        return bool(error.values["status"] == 429 or error.values["status"] >= 500)
    return isinstance(error.__cause__, httpx.NetworkError | httpx.RemoteProtocolError)


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
