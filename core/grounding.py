"""Nouns of the check of an answer against its passages."""

from dataclasses import dataclass
from typing import Literal

from core.messages import Message

VerdictLevel = Literal["supported", "partly", "unsupported"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the passages say about one sentence of an answer.

    Attributes:
        start, end: range of the sentence in the answer's text, in characters.
        level: supported, partly, or unsupported.
        score: how much of the sentence the passages support, 0–1.
        passage: number of the supporting passage, from 1; None where none supports it.
        support_start, support_end: range of the supporting text in that passage's document, in characters.
        problems: what contradicts or is missing, such as a number that no passage has.
    """

    start: int
    end: int
    level: VerdictLevel
    score: float
    passage: int | None
    support_start: int
    support_end: int
    problems: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Grounding:
    """The check of a whole answer.

    Attributes:
        verdicts: one for each sentence that states something, in order.
        score: share of the answer that is supported, 0–1, by length.
    """

    verdicts: tuple[Verdict, ...]
    score: float
