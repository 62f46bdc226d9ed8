"""Expectations: reading them as a user writes them, and finding an expected text in a document."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from analysis.folding import fold
from analysis.sentences import Span
from core.evaluation import Expected
from core.messages import well_formed

_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "「": "」", "『": "』"}
_PAGED = re.compile(r"(.+?)\s*[:：]\s*(\d{1,6})")
_LIKE_A_FILE = re.compile(r".*\w\.(?=[a-z0-9]*[a-z])[a-z0-9]{1,5}", re.IGNORECASE)


def parse_expected(text: str, names: Iterable[str]) -> Expected:
    """Read `FILE`, `FILE:page` or a text, in quotation marks where it could be taken for a file.

    Args:
        names: of the documents there are. The last part of a path is enough where only one document has it. What only
            looks like a file is one, too, so that it can be said to be missing.
    """
    written, known = unicodedata.normalize("NFC", well_formed(text)).strip(), list(names)
    quoted = written[1:-1]
    if quoted and _QUOTES.get(written[0]) == written[-1] and written[-1] not in quoted:
        return Expected(text=quoted.strip())
    if file := _file(written, known):
        return Expected(file=file)
    if (paged := _PAGED.fullmatch(written)) and (file := _file(paged[1], known) or _if_like_a_file(paged[1])):
        return Expected(file=file, page=int(paged[2]))
    return Expected(file=written) if _if_like_a_file(written) else Expected(text=written)


def spans_of(wanted: str, text: str) -> list[Span]:
    """Return where `text` says what is wanted, whatever the blanks, the width, the case or the kind of characters."""
    needle, haystack = wanted.translate(_FOLDED), text.translate(_FOLDED)
    if not needle or needle not in haystack:
        return []
    places = [place for place, character in enumerate(text) for _ in character.translate(_FOLDED)]
    matches = re.finditer(re.escape(needle), haystack)
    return [Span(places[match.start()], places[match.end() - 1] + 1) for match in matches]


def _file(written: str, names: list[str]) -> str:
    if written in names:
        return written
    folded = written.casefold()
    alike = [name for name in names if folded in (name.casefold(), PurePosixPath(name).name.casefold())]
    return alike[0] if len(alike) == 1 else ""


def _if_like_a_file(written: str) -> str:
    return written if _LIKE_A_FILE.fullmatch(written) else ""


class _FoldedCharacters(dict[int, str]):
    """A table for `str.translate`. Characters are folded one by one, so that each keeps its place.

    The blanks and rulings of layout vanish.
    """

    def __missing__(self, code: int) -> str:
        folded = "".join(fold(chr(code)).replace("|", "").split())
        self[code] = folded
        return folded


_FOLDED = _FoldedCharacters()
