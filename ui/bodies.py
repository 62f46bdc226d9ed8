"""Bodies of requests that are read into the memory."""

from starlette.requests import ClientDisconnect, Request

from ui.gate_errors import RequestTooLarge, UnusableRequest

_KB = 1024


async def small_body(request: Request, limit_bytes: int) -> bytes:
    """Return the body of a request.

    Raises:
        RequestTooLarge: there is more of it, whatever its headers say.
        UnusableRequest: the browser has gone before its end.
    """
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > limit_bytes:
                raise RequestTooLarge(limit_kb=limit_bytes // _KB)
    except ClientDisconnect as error:
        raise UnusableRequest from error
    return bytes(body)
