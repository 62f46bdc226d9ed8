"""Nouns of "why was it not found?": the stages that a passage goes through, and what was seen at each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from core.answers import Hit, Retrieval
from core.documents import Chunk
from core.evaluation import Expected
from core.messages import Message

Stage = Literal[
    "file",
    "loading",
    "copy",
    "page",
    "text",
    "splitter",
    "lexical",
    "dense",
    "fusion",
    "threshold",
    "duplicate",
    "top_k",
    "budget",
]
STAGES: tuple[Stage, ...] = get_args(Stage)  # in the order in which a passage goes through them
StepOutcome = Literal["passed", "missed", "lost"]


@dataclass(frozen=True, slots=True)
class Step:
    """One stage, and what was seen there.

    Attributes:
        outcome: "missed" is a failure that another stage made good, such as a leg that did not bring the passage where
            the other one did.
        advice: what would change it; only where it was lost.
    """

    stage: Stage
    outcome: StepOutcome
    seen: Message
    advice: Message | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The way of an expected passage to the answer, up to the stage that lost it.

    Attributes:
        steps: in the order of `STAGES`; only the last one can be "lost".
        changes: settings, by name, with which the passage gets past the stage that lost it; tried out. Empty where no
            setting does it, and where it was found.
        chunk: the passage looked for, or the best of those that would do; None where there is none.
        hit: its place in the retrieval; None where it is no candidate.
        passage: number of the answer's passage that holds it, from 1; None where none does.
        retrieval: what the question finds with the settings in force; None where there is nothing to look for.
    """

    question: str
    expected: Expected
    steps: tuple[Step, ...]
    changes: Mapping[str, float] = field(default_factory=dict)
    chunk: Chunk | None = None
    hit: Hit | None = None
    passage: int | None = None
    retrieval: Retrieval | None = None

    @property
    def lost(self) -> Step | None:
        """The stage that lost the passage; None where the answer's passages hold it."""
        return next((step for step in self.steps if step.outcome == "lost"), None)

    @property
    def found(self) -> bool:
        """Whether the answer's passages hold it."""
        return self.lost is None
