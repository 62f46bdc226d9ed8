"""Whether a request comes from a page of this site, or from another one that is open in the same browser."""

import re

from starlette.datastructures import Headers

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s:/?#@\[\]\\]+))(?::[0-9]{1,5})?", re.IGNORECASE)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_READING = frozenset({"GET", "HEAD"})


def host_name(host: str) -> str:
    """Return the name in a `Host` header in lower case, without port and brackets; empty where it holds none."""
    match = _HOST.fullmatch(host)
    return (match[1] or match[2]).lower() if match else ""


def is_foreign(method: str, headers: Headers) -> bool:
    """Tell whether a page of another site sends a request; following a link from there is none.

    Another port of the same machine is another site. Browsers say where a request comes from, in `Origin`,
    `Sec-Fetch-Site` or both; a program that says nothing has nobody's cookies with it and is not led by a page.
    """
    origin = headers.get("origin")
    if origin is not None and not _is_same(origin.lower(), headers.get("host", "").lower()):
        return True
    is_link = method in _READING and headers.get("sec-fetch-mode") == "navigate"
    return headers.get("sec-fetch-site") in ("cross-site", "same-site") and not is_link


def _is_same(origin: str, host: str) -> bool:
    """Compare names and ports; whether it came encrypted is known to a proxy in between, and not here."""
    scheme, _, site = origin.partition("://")
    return bool(site) and site == host.removesuffix(_DEFAULT_PORTS.get(scheme, ""))
