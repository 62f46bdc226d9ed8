"""Which language a browser is spoken to in."""

import re
from typing import Literal

from starlette.requests import HTTPConnection

from core.messages import Language

LANGUAGES: tuple[Language, ...] = ("zh", "en")
FixedLanguage = Literal["auto", "zh", "en"]
"""What the settings say of the language; "auto" leaves it to the browser."""

_ADDRESS = re.compile(r"[a-z]+://[^/]*(/[^?#]*)", re.IGNORECASE)
_RANGE = re.compile(r"\s*([A-Za-z]+|\*)(?:-[A-Za-z0-9]+)*\s*(?:;\s*q=([0-9.]+))?\s*")


def language_of(connection: HTTPConnection, fixed: FixedLanguage) -> Language:
    """Return the language that was set, else that of the page that is asked for or asks, else the browser's."""
    if fixed != "auto":
        return fixed
    came_from = _ADDRESS.match(connection.headers.get("referer", ""))
    page = language_in(connection.scope["path"]) or (language_in(came_from[1]) if came_from else None)
    return page or preferred_language(connection.headers.get("accept-language", ""))


def preferred_language(accept_language: str) -> Language:
    """Return the language that a browser ranks higher (RFC 9110 §12.5.4); Chinese where it names neither."""
    ranked: dict[str, float] = {}
    for part in accept_language.split(","):
        if (match := _RANGE.fullmatch(part)) is not None:
            tag, quality = match[1].lower(), _quality(match[2])
            ranked[tag] = max(quality, ranked.get(tag, 0.0))
    others = ranked.get("*", 0.0)
    return "en" if ranked.get("en", others) > ranked.get("zh", others) else "zh"


def language_in(path: str) -> Language | None:
    """Return the language of the page that a path belongs to."""
    first = path.strip("/").partition("/")[0]
    return first if first in LANGUAGES else None


def _quality(written: str | None) -> float:
    try:
        return 1.0 if written is None else float(written)
    except ValueError:
        return 0.0


def other_language(language: Language) -> Language:
    """Return the language that is not `language`."""
    return "en" if language == "zh" else "zh"
