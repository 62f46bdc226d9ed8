"""Words of a sentence that its support does not have, and what the support says in their place."""

from collections.abc import Iterator
from dataclasses import dataclass

from analysis.terms import TermKind, index_form, kind_of
from chains.grounding.evidence import Evidence, essence, is_function_char

_INSTEAD_CHARS = 16  # what is longer stands there for other reasons


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of characters that the support does not have.

    Attributes:
        text: folded.
        novel: how many of them occur nowhere in the support, function characters left out.
        instead: what stands in the support between the same neighbours; empty where that cannot be told.
    """

    text: str
    novel: int
    instead: str


def gaps(sentence: str, evidence: Evidence) -> list[Gap]:
    """Return the runs of Chinese characters of a sentence of which no two in a row are found in the evidence."""
    support = index_form(evidence.text).runs
    found = []
    for run in index_form(essence(sentence)).runs.split():
        if kind_of(run[0]) is TermKind.WORD:
            continue
        for start, end in _gaps(run, evidence.terms):
            text = run[start:end]
            novel = sum(char not in evidence.terms and not is_function_char(char) for char in text)
            if novel:
                found.append(Gap(text, novel, _between(run[max(0, start - 2) : start], run[end : end + 2], support)))
    return found


def _gaps(run: str, terms: frozenset[str]) -> Iterator[tuple[int, int]]:
    held = [len(run) == 1 and run in terms] * len(run)
    for start in range(len(run) - 1):
        if run[start : start + 2] in terms:
            held[start] = held[start + 1] = True
    start = 0
    while start < len(run):
        end = start
        while end < len(run) and held[end] == held[start]:
            end += 1
        if not held[start]:
            yield start, end
        start = end


def _between(before: str, after: str, support: str) -> str:
    """Return the few characters of the support between the neighbours of a gap; empty where they are not found."""
    if not before or not after:
        return ""
    start = support.find(before)
    end = support.find(after, start + len(before)) if start >= 0 else -1
    text = support[start + len(before) : end] if end >= 0 else ""
    return text if len(text) <= _INSTEAD_CHARS else ""
