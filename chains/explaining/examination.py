"""The second half of an explanation: what one retrieval did to the chunks that would do.

Whatever retrieval decides, `retrieve` is asked: with the settings in force, with others, and over narrowed stores.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from chains.explaining.documents import EVERY_CANDIDATE, Wanted
from chains.explaining.store_views import Among, DenseAlone
from chains.retrieve import DenseLeg, retrieve
from core.answers import Hit, Retrieval, RetrievalSettings
from core.plugs import BrowsableStore


@dataclass(frozen=True, slots=True)
class Held:
    """The passage of an answer, by its number from 1, that holds what is wanted."""

    number: int
    wanted: Wanted


@dataclass(frozen=True)
class Case:
    """A question, and what should be found.

    Attributes:
        wanted: any one of them will do; never empty.
        is_text: a text is expected, rather than some chunk of a file or page.
    """

    question: str
    wanted: tuple[Wanted, ...]
    store: BrowsableStore
    dense: DenseLeg | None
    is_text: bool

    def retrieve(self, settings: RetrievalSettings) -> Retrieval:
        """Return what the question finds."""
        return retrieve(self.question, self.store, settings, self.dense)

    def among(self, ids: set[int], settings: RetrievalSettings) -> Retrieval:
        """Return what the question would find if only these chunks were candidates."""
        return retrieve(self.question, Among(self.store, ids), settings, self.dense)

    def held(self, retrieval: Retrieval) -> Held | None:
        """Return the first passage that holds what is wanted, rather as a hit of its own than as a neighbour of one."""
        kept = {hit.chunk.id for hit in retrieval.hits if hit.kept}
        all_held = [
            Held(number, one)
            for number, passage in enumerate(retrieval.passages, start=1)
            for one in self.wanted
            if one.document_id == passage.chunk.document_id and passage.start <= one.start and one.end <= passage.end
        ]
        return min(all_held, key=lambda held: kept.isdisjoint(chunk.id for chunk in held.wanted.chunks), default=None)

    @cached_property
    def lexical_leg(self) -> Mapping[int, Hit]:
        """The candidates of the lexical leg alone, by chunk id, best first."""
        return _by_chunk(retrieve(self.question, self.store, EVERY_CANDIDATE))

    @cached_property
    def dense_leg(self) -> Mapping[int, Hit]:
        """The candidates of the dense leg alone, by chunk id, best first; empty where there is no such leg."""
        if self.dense is None:
            return {}
        return _by_chunk(retrieve(self.question, DenseAlone(self.store), EVERY_CANDIDATE, self.dense))


@dataclass(frozen=True)
class Examination:
    """What one retrieval did to the chunks that would do."""

    case: Case
    settings: RetrievalSettings

    @cached_property
    def retrieval(self) -> Retrieval:
        """What the question finds with the settings."""
        return self.case.retrieve(self.settings)

    @cached_property
    def without_top_k(self) -> Retrieval:
        """What it would find without a limit to their number."""
        return self.case.retrieve(replace(self.settings, top_k=max(len(self.retrieval.hits), 1)))

    @cached_property
    def held(self) -> Held | None:
        """The answer's passage that holds what is wanted."""
        return self.case.held(self.retrieval)

    @cached_property
    def targets(self) -> Mapping[int, Wanted]:
        """The chunks that would do, by id: those that hold what is wanted, or else grow to a passage that does.

        Empty where the splitter cut it and nothing joins it again.
        """
        wanted = (self.held.wanted,) if self.held else self.case.wanted
        whole = {chunk.id: one for one in wanted for chunk in one.holders}
        if whole or not self.case.is_text:
            return whole
        cut = {chunk.id: one for one in wanted for chunk in one.chunks}
        mended = {id: one for id, one in cut.items() if self._grows_over(id, one)}
        return mended or (cut if self.held else {})

    @cached_property
    def hit(self) -> Hit | None:
        """The best target's place in the retrieval; None where no target is a candidate."""
        hits = [hit for hit in self.retrieval.hits if hit.chunk.id in self.targets]
        return min(hits, key=lambda hit: (not hit.kept, hit.rank), default=None)

    @cached_property
    def alone(self) -> Hit:
        """The best target with the scores that it has, candidate or not; there must be a target."""
        ids = {self.hit.chunk.id} if self.hit else set(self.targets)
        settings = replace(EVERY_CANDIDATE, dense_weight=self.settings.dense_weight)
        return self.case.among(ids, settings).hits[0]

    @property
    def place(self) -> int:
        """How many chunks, down to the hit, are above the threshold and repeat no text; there must be a hit."""
        above = self.without_top_k.hits[: self.hit.rank if self.hit else 0]
        return sum(one.dropped_by not in ("threshold", "duplicate") for one in above)

    @property
    def elder(self) -> Hit | None:
        """The candidate of the same text that stands for the hit, which top-k need not reach; None where it is new."""
        if self.hit is None or self.without_top_k.hits[self.hit.rank - 1].dropped_by != "duplicate":
            return None
        return next(one for one in self.retrieval.hits if one.chunk.text == self.hit.chunk.text)

    @cached_property
    def pushed_down_by(self) -> Literal["lexical", "dense"] | None:
        """The leg without which the other one would have brought it to the answer, or among the candidates."""
        if self.hit is None:
            return "dense" if self.alone.chunk.id in self.case.lexical_leg else "lexical"
        if self.case.dense is None or self.held or self.hit.dropped_by not in ("threshold", "top_k"):
            return None
        if self.is_found_with(dense_weight=0.0):
            return "dense"
        return "lexical" if self.is_found_with(dense_weight=1.0) else None

    def is_found_with(self, **changes: float) -> bool:
        """Tell whether the answer's passages would hold it with other settings."""
        return self.case.held(self.case.retrieve(changed(self.settings, changes))) is not None

    def _grows_over(self, id: int, wanted: Wanted) -> bool:
        """Tell whether the passage that a chunk grows to holds all of a text that was cut."""
        passages = self.case.among({id}, replace(self.settings, threshold=0.0)).passages
        return any(one.start <= wanted.start and wanted.end <= one.end for one in passages)


def changed(settings: RetrievalSettings, changes: Mapping[str, float]) -> RetrievalSettings:
    """Return the settings with some of them changed, by name."""
    return replace(settings, **changes)  # type: ignore[arg-type]  # counts are ints


def _by_chunk(retrieval: Retrieval) -> dict[int, Hit]:
    return {hit.chunk.id: hit for hit in retrieval.hits}
