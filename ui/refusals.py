"""How a browser is told what went wrong."""

from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from core.account_errors import TooManyAttempts
from core.errors import KnowGLMError
from ui.gate_errors import UnusableRequest
from ui.languages import FixedLanguage, language_of

Endpoint = Callable[[Request], Awaitable[Response]]


def refusing(endpoint: Endpoint, fixed: FixedLanguage) -> Endpoint:
    """Return an endpoint that tells the browser what goes wrong."""

    async def told(request: Request) -> Response:
        try:
            return await endpoint(request)
        except KnowGLMError as error:
            return refusal(error, request, fixed)
        except ClientDisconnect:  # nobody is there to read it
            return refusal(UnusableRequest(), request, fixed)

    return told


def refusal(error: KnowGLMError, connection: HTTPConnection, fixed: FixedLanguage) -> Response:
    """Return the answer to a request that fails: text to be shown, or JSON with the parts of it.

    Scripts of ours read `reason` and `advice`, that of Gradio's pages `detail`.
    """
    language, status = language_of(connection, fixed), error.http_status
    text = error.text(language)
    if wants_page(connection.headers):
        return PlainTextResponse(text, status, waiting(error))
    told = {"error": error.code, "reason": error.reason(language), "advice": error.advice(language), "detail": text}
    return JSONResponse(told, status, waiting(error))


def wants_page(headers: Headers) -> bool:
    """Tell whether the answer will be shown as it is, as that to a link is, and not be read by a script."""
    return "text/html" in headers.get("accept", "")


def waiting(error: KnowGLMError) -> dict[str, str]:
    """Return the header that says how many seconds to wait, where waiting helps."""
    return {"Retry-After": str(error.wait_s)} if isinstance(error, TooManyAttempts) else {}
