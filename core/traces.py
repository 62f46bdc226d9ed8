"""Nouns of what is kept of an answer: how it came about, and what the same retrieval gives today."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from core.answers import Answer, AnswerMode, Hit, Passage, Retrieval, Turn
from core.messages import Language

ChangeKind = Literal["came", "went", "moved", "rescored", "refated", "relocated"]
_SAME_SCORE = 1e-6  # floating-point sums in another order differ by less


@dataclass(frozen=True, slots=True)
class Trace:
    """One answer with everything that led to it; the answer and its retrieval hold every stage.

    Attributes:
        kbs: names of the knowledge bases that were searched; empty for an answer that came of none.
        kb_version: changes whenever the content of one of them does; empty where unknown.
        history: the conversation before the question, oldest turn first.
        settings: what else was in force, by name; JSON, and no secrets.
        created: seconds since the epoch.
        id: given by the store; empty until then.
    """

    answer: Answer
    kbs: tuple[str, ...]
    kb_version: str = ""
    history: tuple[Turn, ...] = ()
    language: Language = "zh"
    settings: Mapping[str, Any] = field(default_factory=dict)
    created: float = field(default_factory=time.time)
    id: str = ""

    @property
    def summary(self) -> "TraceSummary":
        """What a list shows of it."""
        answer = self.answer
        return TraceSummary(
            self.id, self.created, self.kbs, answer.question, answer.mode, answer.refused, answer.seconds
        )


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """One line of the list of traces; see `Trace` and `Answer` for the attributes."""

    id: str
    created: float
    kbs: tuple[str, ...]
    question: str
    mode: AnswerMode
    refused: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class HitChange:
    """A candidate that is not what it was; None before where it came, None after where it went."""

    before: Hit | None
    after: Hit | None

    @property
    def kinds(self) -> tuple[ChangeKind, ...]:
        """What is different; nothing for a candidate that is the same."""
        before, after = self.before, self.after
        if before is None or after is None:
            return ("came",) if before is None else ("went",)
        differences: dict[ChangeKind, bool] = {
            "moved": before.rank != after.rank,
            "rescored": not _same_scores(before, after),
            "refated": before.dropped_by != after.dropped_by,
            "relocated": _place(before) != _place(after),
        }
        return tuple(kind for kind, differs in differences.items() if differs)


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A setting that is no longer what it was when the question was asked."""

    name: str
    then: float
    now: float


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """A retrieval run again with the settings of its trace, compared with what it gave then.

    Attributes:
        retrieval: what it gives today.
        changes: every candidate that is different, by its rank then or now, whichever is better.
        kb_changed: whether the content of a knowledge base has changed since; None where that is unknown.
        settings_changed: settings that a question asked today would meet; the replay itself ran with the old ones.
    """

    trace: Trace
    retrieval: Retrieval
    changes: tuple[HitChange, ...]
    kb_changed: bool | None
    settings_changed: tuple[SettingChange, ...]

    @property
    def same_passages(self) -> bool:
        """Whether the answer would rest on the same texts, in the same order."""
        then, now = self.trace.answer.retrieval.passages, self.retrieval.passages
        return [_text_range(passage) for passage in then] == [_text_range(passage) for passage in now]

    @property
    def identical(self) -> bool:
        """Whether the retrieval gives what it gave: the same candidates, scores and fates, and the same passages."""
        return not self.changes and self.same_passages


def _same_scores(one: Hit, other: Hit) -> bool:
    if (one.dense is None) != (other.dense is None):
        return False
    pairs = ((one.relevance, other.relevance), (one.lexical, other.lexical), (one.dense or 0.0, other.dense or 0.0))
    return all(abs(then - now) <= _SAME_SCORE for then, now in pairs)


def _place(hit: Hit) -> tuple[object, ...]:
    chunk = hit.chunk
    return chunk.start, chunk.end, chunk.heading, chunk.page, chunk.slide, chunk.sheet, chunk.row


def _text_range(passage: Passage) -> tuple[object, ...]:
    return passage.chunk.source, passage.start, passage.end, passage.text
