"""Rows of RGB (Chen et al., 2023, arXiv:2309.01431): questions with passages that answer them, do not, or falsely."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.folding import fold

Wanted = tuple[tuple[str, ...], ...]  # each of these must be said, in one of its wordings


@dataclass(frozen=True, slots=True)
class RgbRow:
    """One question.

    Attributes:
        answers: what a right answer says.
        positive: passages that hold the answer.
        negative: passages on the topic that do not.
        falsified: passages whose fact was replaced by a false one; empty in the sets without.
        false_answers: what they say.
    """

    question: str
    answers: Wanted
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    falsified: tuple[str, ...]
    false_answers: Wanted


def read_rgb(path: Path) -> list[RgbRow]:
    """Read a set, one JSON object a line.

    Args:
        path: `.json` or `.json.gz`.
    """
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    return [
        RgbRow(
            row["query"],
            _wanted(row["answer"]),
            tuple(row["positive"]),
            tuple(row["negative"]),
            tuple(row.get("positive_wrong", ())),
            _wanted(row.get("fakeanswer", ())),
        )
        for row in rows
    ]


def says(text: str, wanted: Wanted) -> bool:
    """Tell whether a text says all that is wanted."""
    folded = fold(text)
    return bool(wanted) and all(any(fold(wording) in folded for wording in wordings) for wordings in wanted)


def _wanted(answer: str | Sequence[str | Sequence[str]]) -> Wanted:
    parts = [answer] if isinstance(answer, str) else answer
    return tuple((part,) if isinstance(part, str) else tuple(part) for part in parts)
