"""Folding: the one form in which questions and passages are compared."""

import unicodedata
from functools import cache
from typing import Protocol


class _Converter(Protocol):
    def convert(self, text: str) -> str: ...


@cache
def _traditional_to_simplified() -> _Converter:
    from opencc import OpenCC

    converter: _Converter = OpenCC("t2s")
    return converter


def fold(text: str) -> str:
    """Return `text` in NFKC, lower case and simplified characters. The length may change."""
    folded = unicodedata.normalize("NFKC", text).lower()
    return folded if folded.isascii() else _traditional_to_simplified().convert(folded)
