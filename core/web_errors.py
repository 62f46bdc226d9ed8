"""What can be wrong with a web search: the branch `WebSearchError` of the tree in `core/errors.py`.

WebSearchError    WebSearchOff · WebSearchFailed
"""

from core.errors import KnowGLMError
from core.messages import Message


class WebSearchError(KnowGLMError):
    """Something about searching the web."""


class WebSearchOff(WebSearchError):
    """A web search was asked for that no setting allows: nothing was contacted."""

    code, http_status = "web_search_off", 409
    what = Message("联网检索没有开启，没有连接任何网站。", "Web search is off; nothing was contacted.")
    cure = Message(
        "有 SearXNG 实例就设 KNOWGLM_WEB_SEARCH=searxng 和 KNOWGLM_WEB_SEARCH_URL=它的地址；"
        "或 `pip install ddgs` 后设 KNOWGLM_WEB_SEARCH=ddgs。问题会发给它们。",
        "Set KNOWGLM_WEB_SEARCH=searxng and KNOWGLM_WEB_SEARCH_URL to the address of a SearXNG instance, or "
        "`pip install ddgs` and set KNOWGLM_WEB_SEARCH=ddgs. Questions are then sent there.",
    )


class WebSearchFailed(WebSearchError):
    """The search engine did not answer, or not with results; `why` and `remedy` are messages."""

    code, http_status = "web_search_failed", 502
    what = Message("联网检索没有成功：{why}", "The web search failed: {why}")
    cure = Message("{remedy}", "{remedy}")
