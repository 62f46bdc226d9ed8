"""The way in and out of a site that asks its visitors to log in; without a script."""

from urllib.parse import parse_qsl, quote

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.status import HTTP_200_OK, HTTP_303_SEE_OTHER

from core.errors import KnowGLMError
from ui.bodies import small_body
from ui.gate import COOKIE_LIFE_S, SESSION_COOKIE, cookie
from ui.languages import FixedLanguage, language_of
from ui.login import Login
from ui.refusals import waiting
from ui.rendering.templates import rendered
from ui.texts import shell

_FORM_BYTES = 16 * 1024
_AT_ONCE = 4  # more wait, so that a storm of logins leaves threads to those who are in


class LoginRoutes:
    """The login page and what it leads to.

    Args:
        language: of the page; "auto" for that of the browser.
    """

    def __init__(self, login: Login, language: FixedLanguage) -> None:
        self._login, self._language = login, language
        self._limiter = CapacityLimiter(_AT_ONCE)

    def all(self) -> list[Route]:
        """Return every route."""
        return [
            Route("/login", self._page, methods=["GET"]),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        return self._form(request, {"next": request.query_params.get("next", "/")})

    async def _log_in(self, request: Request) -> Response:
        """Open a session in the place of the one that the browser may have."""
        filled: dict[str, str] = {}
        try:
            filled = _fields(await small_body(request, _FORM_BYTES))
            token = await to_thread.run_sync(self._opened, filled, request, limiter=self._limiter)
        except KnowGLMError as error:
            return self._form(request, filled, error)
        return _redirect(request, _local(filled.get("next", "/")), token, COOKIE_LIFE_S)

    def _opened(self, filled: dict[str, str], request: Request) -> str:
        client = request.client.host if request.client else ""
        user = self._login.accounts.verify(filled.get("user", ""), filled.get("password", ""), client)
        self._login.sessions.close(request.cookies.get(SESSION_COOKIE, ""))
        return self._login.sessions.open(user)

    async def _log_out(self, request: Request) -> Response:
        await run_in_threadpool(self._login.sessions.close, request.cookies.get(SESSION_COOKIE, ""))
        return _redirect(request, "/login", "", 0)

    def _form(self, request: Request, filled: dict[str, str], error: KnowGLMError | None = None) -> Response:
        language = language_of(request, self._language)
        page = rendered(
            "login.html",
            language,
            texts=shell,
            next=filled.get("next", "/"),
            user=filled.get("user", ""),
            problem=error.text(language) if error else "",
        )
        if error is None:
            return HTMLResponse(page, HTTP_200_OK)
        return HTMLResponse(page, error.http_status, waiting(error))


def _fields(body: bytes) -> dict[str, str]:
    return dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))


def _redirect(request: Request, target: str, token: str, life_s: int) -> Response:
    response = RedirectResponse(target, HTTP_303_SEE_OTHER)
    secure = request.scope["scheme"] == "https"
    response.headers.append("set-cookie", cookie(SESSION_COOKIE, token, life_s, is_secure=secure))
    return response


def _local(target: str) -> str:
    """Return a path of this site: a link to the login page does not lead elsewhere afterwards."""
    is_path = target.startswith("/") and not target.startswith(("//", "/\\", "/login"))
    return quote(target, safe="/?=&%") if is_path else "/"
