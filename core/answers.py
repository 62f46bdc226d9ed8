"""Nouns of the question's side: candidates, passages, answers, and the events in which they arrive."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from core.documents import Chunk
from core.grounding import Grounding
from core.messages import Language

DroppedBy = Literal["threshold", "duplicate", "top_k", "budget"]
AnswerMode = Literal["extractive", "llm", "small_talk", "none"]
AskMode = Literal["kb", "chat", "retrieval", "web", "kb+web"]


@dataclass(frozen=True, slots=True)
class Hit:
    """One candidate of a retrieval.

    Attributes:
        rank: from 1, by relevance.
        relevance: 0–1, higher is better.
        lexical: relevance by shared terms, 0–1.
        dense: relevance by embedding, 0–1; None where there is no dense leg.
        dropped_by: the stage that dropped it; None if it is used.
    """

    chunk: Chunk
    rank: int
    relevance: float
    lexical: float
    dense: float | None
    dropped_by: DroppedBy | None

    @property
    def kept(self) -> bool:
        """Whether the answer may rest on it."""
        return self.dropped_by is None


@dataclass(frozen=True, slots=True)
class Passage:
    """A hit with its neighbouring text; hits that touch share one passage.

    Attributes:
        start, end: range in the document's extracted text, in characters.
        relevance: that of its best hit.
        chunk: its best hit's chunk.
    """

    chunk: Chunk
    start: int
    end: int
    text: str
    relevance: float


@dataclass(frozen=True, slots=True)
class RetrievalSettings:
    """The settings in force for one retrieval; see `configs/model_config.py` for each."""

    top_k: int
    threshold: float
    dense_weight: float
    passage_chars: int
    context_chars: int


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The whole of one retrieval: every candidate with its scores and fate, and the passages that came of it.

    Attributes:
        hits: every candidate, by falling relevance.
        passages: what the answer may rest on, by falling relevance.
        seconds: time taken.
    """

    question: str
    hits: tuple[Hit, ...]
    passages: tuple[Passage, ...]
    settings: RetrievalSettings
    seconds: float

    @property
    def nearest_misses(self) -> tuple[Hit, ...]:
        """The three best candidates below the threshold."""
        return tuple(hit for hit in self.hits if hit.dropped_by == "threshold")[:3]


@dataclass(frozen=True, slots=True)
class Citation:
    """The source of a statement, `[n]` in the answer's text.

    Attributes:
        start, end: range of the quote in the document's extracted text, in characters.
        relevance: of the passage that holds the quote, 0–1.
    """

    n: int
    chunk: Chunk
    start: int
    end: int
    relevance: float
    quote: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many turns of the history and passages of the retrieval did not fit the model's limit."""

    turns: int = 0
    passages: int = 0


@dataclass(frozen=True, slots=True)
class AskOptions:
    """How one question is to be answered.

    Attributes:
        mode: from the knowledge base; by the language model alone ("chat"); passages without an answer
            ("retrieval"); from a web search, or from both.
        rewrite: rewrite a follow-up question to stand alone before searching.
        overrides: settings of the retrieval for this question alone, by their names in `RetrievalSettings`.
        language: of the texts that no model writes, such as a refusal; None for the application's.
    """

    mode: AskMode = "kb"
    rewrite: bool = True
    overrides: Mapping[str, float] = field(default_factory=dict)
    language: Language | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer.

    Attributes:
        refused: nothing in the knowledge base was relevant enough; `text` says so.
        mode: who wrote it; "none" where only passages were wanted.
        prompt: what the language model was sent; empty where none was asked.
        seconds: time from the question to the last character.
        rewritten: the question that was searched with, where it was rewritten to stand alone.
        grounding: the check of the text against the passages; None where there was nothing to check.
        removed_citations: numbers that the language model made up; their marks were taken out of the text.
        left_out: what the language model was not given, for want of room.
        model: what wrote the answer, with precision and device.
        trace_id: where the whole of it can be looked up; empty where traces are off.
    """

    question: str
    text: str
    refused: bool
    mode: AnswerMode
    citations: tuple[Citation, ...]
    retrieval: Retrieval
    prompt: str
    seconds: float
    rewritten: str = ""
    grounding: Grounding | None = None
    removed_citations: tuple[int, ...] = ()
    left_out: LeftOut = LeftOut()
    model: str = ""
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One finished exchange of a conversation: a real question and a plain answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Event: retrieval is done; the first event of every answer."""

    retrieval: Retrieval


@dataclass(frozen=True, slots=True)
class Delta:
    """Event: the next piece of the answer's text, not the text so far."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Event: the answer is complete; the last event of every answer."""

    answer: Answer


AnswerEvent = Retrieved | Delta | Finished


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long piece of work is: `done` of `total` steps, and what is being worked on."""

    done: int
    total: int
    label: str


ProgressCallback = Callable[[Progress], None]


def ignore_progress(_: Progress) -> None:
    """The progress callback of a caller that shows none."""
