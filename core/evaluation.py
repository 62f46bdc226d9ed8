"""Nouns of evaluation: questions whose answers are known, what became of them, and the settings they speak for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from core.answers import RetrievalSettings
from core.messages import Message

Origin = Literal["user", "draft", "feedback"]
CalibratedSetting = Literal["threshold", "top_k", "dense_weight"]


@dataclass(frozen=True, slots=True)
class Expected:
    """Where the answer to a question stands. Empty fields do not matter.

    Attributes:
        file: name of the document.
        page: counted from 1.
        text: what the passage contains, such as the answer itself.
    """

    file: str = ""
    page: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class LabelledQuestion:
    """A question with what should be found; nothing expected means that the knowledge base has no answer.

    Attributes:
        expected: any one of them is right.
    """

    question: str
    expected: tuple[Expected, ...] = ()

    @property
    def answerable(self) -> bool:
        """Whether the knowledge base should have an answer."""
        return bool(self.expected)


@dataclass(frozen=True, slots=True)
class StoredQuestion:
    """A question of a knowledge base's own list.

    Attributes:
        origin: written by the user, drafted from the documents, or a thumbs-down in a conversation.
        created_at: seconds since the epoch.
    """

    id: int
    labelled: LabelledQuestion
    origin: Origin
    created_at: float

    @property
    def is_open(self) -> bool:
        """Whether nobody has said yet what should be found: a thumbs-down alone does not tell."""
        return self.origin == "feedback" and not self.labelled.expected


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one question.

    Attributes:
        rank: place of the first right candidate, from 1, equal texts counted once; None where none is right.
        relevance: of the best candidate, 0–1; 0 where there is none.
        source: name of the document that the best candidate stands in; empty where there is none.
        refused: the question was refused, with the settings in force.
        answer_found: the answer or what it quotes holds an expected text; None where no text is expected.
        seconds: from the question to the end of the answer.
    """

    labelled: LabelledQuestion
    rank: int | None
    relevance: float
    source: str
    refused: bool
    answer_found: bool | None
    seconds: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What one value of a setting would do to the list, the others staying as they are.

    Attributes:
        value: a threshold (0–1) or a top-k.
        precision: share of the answered questions whose answer may rest on a right chunk; None where none is answered.
        recall: share of the answerable questions whose answer may rest on a right chunk.
        refused: share of the unanswerable questions that are refused.
        wrongly_refused: share of the answerable questions that are refused.
        used: mean number of chunks that an answer rests on.
    """

    value: float
    precision: float | None
    recall: float | None
    refused: float | None
    wrongly_refused: float | None
    used: float


@dataclass(frozen=True, slots=True)
class WeightPoint:
    """What one dense weight reaches.

    Attributes:
        mrr: MRR@10; None where no question is answerable.
        score: by the objective that the weight is chosen by, 0–1.
    """

    weight: float
    mrr: float | None
    score: float


@dataclass(frozen=True, slots=True)
class Suggested:
    """A value for one setting.

    Attributes:
        low, high: 95 % of the bootstrap's choices lie within.
        score: what the value reaches by the objective, 0–1; the weight is chosen first, then the threshold, then top-k.
        score_in_force: what the one in force reaches: the threshold with its weight, top-k with the new threshold.
        objective: what was maximised.
        certainty: how sure the value is, in a sentence.
    """

    setting: CalibratedSetting
    value: float
    low: float
    high: float
    in_force: float
    score: float
    score_in_force: float
    objective: Message
    certainty: Message


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The settings that a list of questions speaks for; a setting that it says nothing of is missing.

    Attributes:
        embedding: fingerprint of the embedding whose relevance was measured; empty for the lexical leg alone.
        remarks: what the list is too short, or too one-sided, for.
    """

    settings: tuple[Suggested, ...]
    embedding: str = ""
    remarks: tuple[Message, ...] = ()

    def value(self, setting: CalibratedSetting) -> float | None:
        """Return what is suggested for a setting; None where nothing is."""
        return next((one.value for one in self.settings if one.setting == setting), None)

    @property
    def entries(self) -> dict[str, Any]:
        """What a knowledge base's manifest holds once the suggestion is applied."""
        values: dict[str, Any] = {"calibrated_for": self.embedding}
        for one in self.settings:
            values[one.setting] = int(one.value) if one.setting == "top_k" else one.value
        return values


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A knowledge base measured on a list of questions.

    Attributes:
        settings: those in force.
        figures: by name; shares (0–1) but for the two latencies in milliseconds. One that the list cannot tell, such as
            the recall of refusals where every question has an answer, is missing.
        thresholds, top_ks: curves, with the dense weight that is suggested.
        weights: curve over the dense weight; empty where there is no dense leg.
        remarks: what is wrong with the list, such as names of files that the knowledge base does not hold.
    """

    knowledge_base: str
    chunks: int
    settings: RetrievalSettings
    figures: Mapping[str, float]
    outcomes: tuple[Outcome, ...]
    thresholds: tuple[CurvePoint, ...]
    top_ks: tuple[CurvePoint, ...]
    weights: tuple[WeightPoint, ...]
    suggestion: Suggestion
    remarks: tuple[Message, ...] = ()
    version: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of two evaluations; None where an evaluation lacks it."""

    figure: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two evaluations side by side.

    Attributes:
        lost, won: questions asked in both that came out right only before, or only after.
        only_before, only_after: questions that the other evaluation did not ask, so that the figures compare badly.
        worse: figures of quality that fell by more than a point.
    """

    changes: tuple[Change, ...]
    lost: tuple[str, ...]
    won: tuple[str, ...]
    only_before: int
    only_after: int
    worse: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FailedGate:
    """A figure that must not be below a floor, and is; `measured` is None where the list cannot tell it."""

    figure: str
    floor: float
    measured: float | None
