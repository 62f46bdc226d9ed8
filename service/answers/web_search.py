"""Web search by the engine that the settings name; without such a setting nothing is contacted.

SearXNG's interface: https://docs.searxng.org/dev/search_api.html. `ddgs` is an optional package.
"""

import html
import json
import math
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from core.messages import Message, well_formed
from core.web_errors import WebSearchFailed, WebSearchOff

if TYPE_CHECKING:
    import httpx

Engine = Literal["searxng", "ddgs"]

_QUERY_CHARS = 300  # engines read no more
_TITLE_CHARS, _SNIPPET_CHARS = 200, 4_000
_REPLY_BYTES = 8_000_000
_DIRECT = {f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")}  # past a proxy of the environment
_NOTHING_FOUND = "No results found."  # how ddgs says it

_CHINESE = re.compile(r"^[^\u3040-\u30ff]*[\u3400-\u9fff][^\u3040-\u30ff]*$")  # ideographs, and no kana
_WEB_PAGE = re.compile(r"https?://[^\s/]", re.IGNORECASE)
_TEXT_FRAGMENT = re.compile(r"#:~:.*")  # tells a browser what to highlight; the page is the same
_HIDDEN = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|$)|<!--.*?(?:-->|$)", re.IGNORECASE | re.DOTALL)
_INLINE_TAG = re.compile(r"</?(?:a|b|code|em|font|i|mark|small|span|strong|sub|sup|u|wbr)\b[^<>]*>", re.IGNORECASE)
_OTHER_TAG = re.compile(r"</?(?:br|dd|div|dl|dt|h[1-6]|hr|img|li|ol|p|table|td|th|tr|ul)\b[^<>]*>", re.IGNORECASE)
_INVISIBLE = re.compile(r"[\u00ad\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_SILENT = Message("{url} 在 {seconds:g} 秒内没有答复", "{url} did not answer within {seconds:g} s")
_UNREACHABLE = Message("连不上 {url}：{detail}", "{url} cannot be reached: {detail}")
_REFUSED = Message("{url} 拒绝了请求（{status}）：{detail}", "{url} refused ({status}): {detail}")
_NOT_SEARXNG = Message("{url} 的答复不是 SearXNG 的：{detail}", "what {url} answers is not of SearXNG: {detail}")
_ENGINES_FAILED = Message(
    "没有结果，而且这些搜索引擎没有答复：{engines}", "no results, and these engines did not answer: {engines}"
)
_NO_PACKAGE = Message("用不了 Python 包 ddgs：{detail}", "the Python package ddgs is not usable: {detail}")
_DDGS_FAILED = Message("ddgs 没有得到结果：{detail}", "ddgs got no results: {detail}")

_START = Message(
    "确认 SearXNG 已经启动，KNOWGLM_WEB_SEARCH_URL 是它的地址。",
    "Make sure that SearXNG runs and that KNOWGLM_WEB_SEARCH_URL is its address.",
)
_ADDRESS = Message(
    "检查 KNOWGLM_WEB_SEARCH_URL：应是 SearXNG 首页的地址，如 http://127.0.0.1:8080。",
    "Check KNOWGLM_WEB_SEARCH_URL: it is the address of SearXNG's first page, such as http://127.0.0.1:8080.",
)
_ALLOW_JSON = Message(
    "在 SearXNG 的 settings.yml 里给 search.formats 加上 json，然后重启它；公共实例大多不开放，请自己运行一个。",
    "Add json to search.formats in SearXNG's settings.yml and restart it; most public instances do not allow it, so "
    "run one of your own.",
)
_LIMITER = Message(
    "稍后再试；自己的实例可在 settings.yml 里设 server.limiter: false。",
    "Try again later; with an instance of your own, set server.limiter: false in its settings.yml.",
)
_LOG = Message("查看 SearXNG 的日志，稍后再试。", "Look into SearXNG's log, then try again.")
_LATER = Message("稍后再试，或改用 SearXNG。", "Try again later, or use SearXNG.")
_INSTALL = Message("运行 `pip install ddgs`，或改用 SearXNG。", "Run `pip install ddgs`, or use SearXNG.")
_REMEDIES = {403: _ALLOW_JSON, 429: _LIMITER}


@dataclass(frozen=True, slots=True)
class WebResult:
    """One page that a search found: plain text, without markup.

    Attributes:
        title: one line; the address where the page has none.
        url: http or https.
        snippet: what the engine quotes of the page; may be empty.
    """

    title: str
    url: str
    snippet: str


def build_web_search(engine: Engine | Literal["off"], url: str, results: int, timeout_s: float) -> "WebSearch":
    """Return the search that the settings name.

    Raises:
        WebSearchOff: they name none, or SearXNG without its address.
    """
    if engine == "off" or (engine == "searxng" and not url):
        raise WebSearchOff
    return WebSearch(engine, url, results, timeout_s)


@dataclass(frozen=True, slots=True)
class WebSearch:
    """A search engine. It is sent the question (its first 300 characters), and nothing is contacted but it.

    Attributes:
        url: of a SearXNG instance; unused with ddgs.
        results: most results to return.
        timeout_s: longest wait for SearXNG's whole reply, in seconds; ddgs applies it to each engine that it asks.
    """

    engine: Engine
    url: str
    results: int
    timeout_s: float

    def find(self, question: str) -> list[WebResult]:
        """Return pages about a question, the best first and each address once; empty where there are none.

        Raises:
            WebSearchFailed: the engine cannot be reached, is silent, refuses, or does not speak its protocol.
        """
        query = " ".join(well_formed(question).split())[:_QUERY_CHARS]
        if not query:
            return []
        found = self._ask_searxng(query) if self.engine == "searxng" else self._ask_ddgs(query)
        pages: dict[str, WebResult] = {}
        for title, url, snippet in found:
            address = _TEXT_FRAGMENT.sub("", _CONTROL.sub("", str(url or "")).strip())
            if _WEB_PAGE.match(address):
                name = _plain(title)[:_TITLE_CHARS] or address
                pages.setdefault(address.rstrip("/"), WebResult(name, address, _plain(snippet)))
        return list(pages.values())[: self.results]

    # --- SearXNG -----------------------------------------------------------------------------------------------------

    def _ask_searxng(self, query: str) -> list[tuple[Any, Any, Any]]:
        """Return title, address and snippet of each result; an encyclopedia's summary comes as an infobox."""
        reply = self._reply(query)
        boxes = [(box.get("infobox"), box.get("id"), box.get("content")) for box in _records(reply, "infoboxes")]
        pages = [(page.get("title"), page.get("url"), page.get("content")) for page in _records(reply, "results")]
        silent = reply.get("unresponsive_engines")  # [["google", "CAPTCHA"], …]
        if silent and not boxes + pages:
            raise WebSearchFailed(why=_ENGINES_FAILED.filled(engines=_listed(silent)), remedy=_LOG)
        return boxes + pages

    def _reply(self, query: str) -> dict[str, Any]:
        import httpx

        from models.server_errors import shown

        deadline = time.monotonic() + self.timeout_s
        address = self.url.rstrip("/").removesuffix("/search") + "/search"
        parameters = {"q": query, "format": "json", "language": "zh" if _CHINESE.match(query) else "all"}
        try:
            with (
                httpx.Client(timeout=self.timeout_s, mounts=_DIRECT, headers={"User-Agent": "KnowGLM"}) as client,
                client.stream("GET", address, params=parameters) as response,
            ):
                body = _body(response, deadline)
        except httpx.TimeoutException as error:
            raise self._failed(_SILENT, _START, seconds=self.timeout_s) from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, ImportError) as error:  # the last two of a bad proxy
            raise self._failed(_UNREACHABLE, _START, detail=str(error) or type(error).__name__) from error
        said = shown(body.decode(errors="replace")) or "–"
        if not response.is_success:
            remedy = _LOG if response.is_server_error else _REMEDIES.get(response.status_code, _ADDRESS)
            said = f"→ {response.headers['Location']}" if response.has_redirect_location else said
            raise self._failed(_REFUSED, remedy, status=response.status_code, detail=said)
        try:
            reply = json.loads(body)
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict) or not isinstance(reply.get("results"), list):
            raise self._failed(_NOT_SEARXNG, _ADDRESS, detail=said)
        return reply

    def _failed(self, why: Message, remedy: Message, **values: Any) -> WebSearchFailed:
        shown_url = re.sub(r"//[^/]*@", "//", self.url)  # a password may be inside
        return WebSearchFailed(why=why.filled(url=shown_url, **values), remedy=remedy)

    # --- ddgs --------------------------------------------------------------------------------------------------------

    def _ask_ddgs(self, query: str) -> list[tuple[Any, Any, Any]]:
        try:
            from ddgs import DDGS
            from ddgs.exceptions import DDGSException

            engines = DDGS(timeout=math.ceil(self.timeout_s))  # which loads the rest of the package
        except ImportError as error:
            raise WebSearchFailed(why=_NO_PACKAGE.filled(detail=error), remedy=_INSTALL) from error
        region = "cn-zh" if _CHINESE.match(query) else "us-en"
        try:
            pages = engines.text(query, region=region, max_results=self.results)
        except DDGSException as error:
            if str(error) == _NOTHING_FOUND:
                return []
            raise WebSearchFailed(why=_DDGS_FAILED.filled(detail=error), remedy=_LATER) from error
        return [(page.get("title"), page.get("href"), page.get("body")) for page in pages]


def _body(response: "httpx.Response", deadline: float) -> bytes:
    """Read a reply to its end, or to a length that no reply of SearXNG has; one that only trickles in is silence."""
    import httpx

    body = b""
    for block in response.iter_bytes():
        body += block
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the reply trickles in")
        if len(body) > _REPLY_BYTES:
            break
    return body


def _records(reply: dict[str, Any], name: str) -> list[dict[str, Any]]:
    items = reply.get(name)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _listed(engines: Any) -> str:
    pairs = engines if isinstance(engines, list) else [engines]
    return "、".join(" – ".join(map(str, pair)) if isinstance(pair, list) else str(pair) for pair in pairs)


def _plain(value: Any) -> str:
    """Return a text on one line: without tags, entities, control and invisible characters."""
    text = _HIDDEN.sub(" ", str(value or "")[:_SNIPPET_CHARS])
    text = html.unescape(_OTHER_TAG.sub(" ", _INLINE_TAG.sub("", text)))
    return " ".join(_CONTROL.sub(" ", _INVISIBLE.sub("", well_formed(text))).split())
