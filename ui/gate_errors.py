"""Why the gate lets a request not in."""

from core.errors import KnowGLMError
from core.messages import Message


class UnknownHost(KnowGLMError):
    """The page was called by a name that is not its own: perhaps a foreign site whose name leads to this machine."""

    code, http_status = "unknown_host", 421
    what = Message("这里没有叫这个名字的网页。", "There is no page of this name here.")
    cure = Message(
        "用启动时显示的地址打开；要用别的名字访问（例如经反向代理），启动时加 --public-name 名字。",
        "Open the address that was shown at the start; to use another name, as with a reverse proxy, start with "
        "--public-name NAME.",
    )


class ForeignPage(KnowGLMError):
    """A page of another site sent the request, on behalf of whoever has it open."""

    code, http_status = "foreign_page", 403
    what = Message("请求来自别的网站的页面，没有执行。", "A page of another site sent this request; it was refused.")
    cure = Message(
        "直接打开 KnowGLM 的页面再操作；经反向代理访问时，代理须原样传递 Host。",
        "Open the page of KnowGLM itself; a reverse proxy must pass the Host header on as it is.",
    )


class NotOffered(KnowGLMError):
    """An address of Gradio's that its pages do not need here."""

    code, http_status = "not_offered", 404
    what = Message("没有这个地址。", "There is no such address.")
    cure = Message("从首页进入。", "Begin at the first page.")


class UnusableRequest(KnowGLMError):
    """A request that no page of this site sends."""

    code, http_status = "unusable_request", 400
    what = Message("请求的内容不能用。", "The content of the request cannot be used.")
    cure = Message("刷新页面再试。", "Reload the page and try again.")


class RequestTooLarge(KnowGLMError):
    """More text than a page ever sends."""

    code, http_status = "request_too_large", 413
    what = Message("一次提交的内容太多（上限 {limit_kb} KB）。", "Too much was sent at once (limit {limit_kb} KB).")
    cure = Message("分几次提交。", "Send it in several parts.")


class NotLoggedIn(KnowGLMError):
    """Nobody is logged in, or no longer."""

    code, http_status = "not_logged_in", 401
    what = Message("没有登录，或登录已经过期。", "You are not logged in, or no longer.")
    cure = Message("刷新页面并登录。", "Reload the page and log in.")
