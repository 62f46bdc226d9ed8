"""Finding conversations by what stands in them: any part of a word, in Chinese a single character."""

import unicodedata

from analysis.folding import fold
from core.messages import well_formed

_QUERY_WORDS = 32
_HAS_WORD = """ AND (instr(c.searched, :exact_{n}) OR instr(c.searched, :folded_{n}) OR EXISTS (
    SELECT 1 FROM exchanges WHERE conversation_id = c.id
    AND (instr(searched, :exact_{n}) OR instr(searched, :folded_{n}))))"""


def searchable(*texts: str) -> str:
    """Return what is searched of texts: as they are, but for case and width, and in simplified characters.

    Simplified characters alone would not do: what a character becomes depends on the word it is in, and a query may be
    any part of that.
    """
    return "\n".join(dict.fromkeys(form for text in texts for form in (_exact(text), fold(text)) if form))


def conditions(query: str) -> tuple[str, dict[str, str]]:
    """Return SQL that holds for each conversation `c` in which every word of a query stands, and its parameters."""
    words = _exact(well_formed(query)).split()[:_QUERY_WORDS]
    sql, values = "", dict[str, str]()
    for n, word in enumerate(words):
        sql += _HAS_WORD.format(n=n)
        values |= {f"exact_{n}": word, f"folded_{n}": fold(word)}
    return sql, values


def _exact(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()
