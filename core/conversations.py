"""Nouns of conversations: what a user asked, what was answered, and what the list of them shows."""

from dataclasses import dataclass
from typing import Literal

from core.answers import Answer, AskMode

ExchangeState = Literal["writing", "done", "stopped", "failed"]
Rating = Literal[-1, 0, 1]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and what became of it.

    Attributes:
        answer: None unless it is done. Of its candidates, those that were used and the three nearest misses are kept.
        state: "stopped" by the user, or with the process that was writing the answer.
        text: the answer's; or as much of it as there was when it was stopped; or why it failed.
        rating: thumbs down, none, up.
        created: seconds since the epoch.
    """

    id: int
    question: str
    answer: Answer | None
    state: ExchangeState
    text: str
    rating: Rating
    created: float


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation with all that was asked in it, oldest first.

    Attributes:
        title: what the user called it, else the beginning of its first question; empty where there is neither.
        kbs: names of the knowledge bases that the next question is asked of.
        mode: how the next question is answered.
        created, updated: seconds since the epoch; `updated` when something was last asked or answered.
    """

    id: str
    title: str
    kbs: tuple[str, ...]
    mode: AskMode
    created: float
    updated: float
    exchanges: tuple[Exchange, ...]


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """One line of the list of conversations; see `Conversation`. `exchanges` is how many there are."""

    id: str
    title: str
    kbs: tuple[str, ...]
    updated: float
    exchanges: int
