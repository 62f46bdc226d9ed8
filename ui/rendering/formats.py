"""How numbers, times and places are written, and how text of unknown origin is made fit to be shown."""

import math
import re
from datetime import datetime
from urllib.parse import urlencode

from core.documents import Chunk
from core.messages import Language
from ui.texts import rendering as texts

UNKNOWN = "–"
_KB = 1024
_EXCERPT_CHARS = 160
_UNSHOWN = re.compile(  # control characters, and those that turn the direction of the text after them
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Return a text without characters that hide or reorder others; every character keeps its position."""
    return _UNSHOWN.sub("\ufffd", text.replace("\r\n", " \n").replace("\r", "\n"))


def excerpt(text: str) -> str:
    """Return the beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT_CHARS else line[:_EXCERPT_CHARS] + "…"


def percent(share: float | None) -> str:
    """Return a share (0–1) as whole percent."""
    return UNKNOWN if share is None else f"{share:.0%}"


def fine_percent(share: float) -> str:
    """Return a share (0–1) as percent with one decimal at most, as fine as settings are chosen."""
    return f"{share:.1%}".replace(".0%", "%")


def size(count: int) -> str:
    """Return a number of bytes in KB, rounded up, or in MB; 1024 of the smaller unit each."""
    return f"{math.ceil(count / _KB)} KB" if count < _KB * _KB else f"{count / _KB / _KB:.1f} MB"


def local_time(seconds: float) -> str:
    """Return a time, given in seconds since the epoch, as this machine's clocks show it."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


def place(chunk: Chunk, language: Language) -> str:
    """Return where in its document a chunk stands: sheet, page, slide, row; empty where none is known."""
    counted = ((texts.PAGE, chunk.page), (texts.SLIDE, chunk.slide), (texts.ROW, chunk.row))
    numbers = (message.text(language, n=number) for message, number in counted if number is not None)
    return " · ".join(part for part in (chunk.sheet or "", *numbers) if part)


def original_address(kb: str, document: str) -> str:
    """Return the address to download a document from, as it was added."""
    return f"/originals?{urlencode({'kb': kb, 'document': document})}"
