"""Does the answer say what the passages say? A verdict on every sentence, without a language model.

A sentence is compared with the one or two sentences of a passage that share most of its terms. Numbers, dates and
names must be there in comparable form, nothing may be denied that the passage affirms, and words at whose place the
passage has others count against it. What stands in a passage word for word is supported.

The factors and lines below were chosen on one half of CMRC 2018 and are reported on the other
(`bench/grounding.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chains.grounding.evidence import Evidence, Support, best_supports, evidence_of, term_weights
from chains.grounding.facts import Fact, facts_in
from chains.grounding.figures import Figures
from chains.grounding.negation import flipped
from chains.grounding.quotation import compacted, printed, printed_rows
from chains.grounding.statements import Statement, statements_of
from chains.grounding.wording import Gap, gaps
from core.answers import Passage
from core.grounding import Grounding, Verdict, VerdictLevel
from core.messages import Message

_SUPPORTED, _PARTLY = 0.7, 0.35  # lowest scores of these levels
_SHARES: dict[VerdictLevel, float] = {"supported": 1.0, "partly": 0.5, "unsupported": 0.0}

_OTHER_FACT, _FAR_FACT, _DENIES = 0.5, 0.9, 0.5  # factors on the score for each thing that differs
_OTHER_WORDS = {1: 0.9, 2: 0.75}  # by the characters of a gap that are new; more of them:
_MANY_OTHER_WORDS = 0.6
_GAPS = 2  # the largest ones count
_CITED_BONUS = 0.1  # on the coverage of a passage that a sentence cites
_TRIED_SUPPORTS = 3  # passages that are looked at closely, until one supports the sentence

_MISSING = Message("出处里没有“{value}”。", "The source does not have “{value}”.")
_INSTEAD = Message("回答说“{value}”，出处此处是“{other}”。", "The answer says “{value}”, its source “{other}”.")
_DENIED = Message("“{word}”，一处肯定，一处否定。", "“{word}” is denied in one place and affirmed in the other.")
_CITES_OTHER = Message("标的是 {cited}，依据在 [{found}]。", "It cites {cited}; the support is in [{found}].")


def check_answer(text: str, passages: Sequence[Passage], *, marks_name_passages: bool = True) -> Grounding:
    """Compare every sentence of an answer with the passages that it was to rest on.

    Sentences that state nothing get no verdict. An answer that states nothing scores 1: nothing in it lacks support.

    Args:
        text: with its citation marks.
        marks_name_passages: `[n]` is the n-th passage, as a language model is told. The embedded reader numbers its
            quotes, so that its marks say nothing about passages.
    """
    check, statements = _Check(passages), statements_of(text)
    if not marks_name_passages:
        statements = [replace(statement, cited=frozenset()) for statement in statements]
    verdicts = tuple(check.verdict(statement) for statement in statements)
    length = sum(verdict.end - verdict.start for verdict in verdicts)
    supported = sum(_SHARES[verdict.level] * (verdict.end - verdict.start) for verdict in verdicts)
    return Grounding(verdicts, supported / length if length else 1.0)


@dataclass(frozen=True, slots=True)
class _Finding:
    """Something in which a sentence differs from its support; it multiplies the score by `factor`."""

    factor: float
    problem: Message | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """A range of a passage, in characters of its document."""

    passage: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A sentence compared with one support of it."""

    score: float
    place: _Place | None
    problems: list[Message]


class _Check:
    """The passages, prepared once for all the sentences of an answer."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._sentences = evidence_of(passages)
        self._printed = [printed(passage.text, passage.start) for passage in passages]
        self._rows = [row for sentences in self._sentences for row in printed_rows(sentences)]
        self._figures: dict[int, Figures] = {}

    def verdict(self, statement: Statement) -> Verdict:
        """Return the verdict on one statement."""
        place = self._quoted(statement)
        if place is not None:
            return _verdict(statement, 1.0, place, [])
        best = _Outcome(0.0, None, [])
        for support in self._likely_supports(statement):
            outcome = self._outcome(statement.stated, support)
            if outcome.score > best.score:
                best = outcome
            if best.score >= _SUPPORTED:
                break
        return _verdict(statement, best.score, best.place, best.problems)

    def _likely_supports(self, statement: Statement) -> list[Support]:
        """Return what shares most terms with a statement, most first, and others that could support it as a whole.

        Passages that it cites are preferred.
        """
        supports = best_supports(term_weights(statement.stated), self._sentences)
        bonus = dict.fromkeys(statement.cited, _CITED_BONUS)
        supports.sort(key=lambda support: -support.coverage - bonus.get(support.evidence.passage, 0.0))
        return [*supports[:1], *(other for other in supports[1:_TRIED_SUPPORTS] if other.coverage >= _SUPPORTED)]

    def _outcome(self, sentence: str, support: Support) -> _Outcome:
        evidence, score = support.evidence, support.coverage
        findings = list(self._findings(sentence, evidence))
        for finding in findings:
            score *= finding.factor
        problems = [finding.problem for finding in findings if finding.problem is not None]
        return _Outcome(score, _Place(evidence.passage, evidence.start, evidence.end), problems)

    def _quoted(self, statement: Statement) -> _Place | None:
        """Return where the statement stands word for word, in a passage that it cites if possible."""
        compact = compacted(statement.text)
        numbers = range(1, len(self._passages) + 1)
        for number in sorted(numbers, key=lambda number: number not in statement.cited):
            span = self._printed[number - 1].find(compact)
            if span is not None:
                return _Place(number, span.start, span.end)
        rows = (evidence for row, evidence in self._rows if row.find(compact))
        return next((_Place(row.passage, row.start, row.end) for row in rows), None)

    def _findings(self, sentence: str, evidence: Evidence) -> Iterator[_Finding]:
        near = Figures(evidence.text)
        for fact in facts_in(sentence):
            other = near.in_place_of(fact, sentence)
            if other is not None:
                yield _Finding(_OTHER_FACT, _INSTEAD.filled(value=fact.written, other=other.written))
            elif not near.hold(fact):
                yield self._missing(fact, evidence.passage)
        for gap in sorted(gaps(sentence, evidence), key=lambda gap: -gap.novel)[:_GAPS]:
            yield _other_words(gap)
        word = flipped(sentence, evidence.text)
        if word is not None:
            yield _Finding(_DENIES, _DENIED.filled(word=word))

    def _missing(self, fact: Fact, passage: int) -> _Finding:
        """Return what it means that a fact is not in the support itself; elsewhere in its passage, it may be right."""
        if passage not in self._figures:
            self._figures[passage] = Figures(self._passages[passage - 1].text)
        if self._figures[passage].hold(fact):
            return _Finding(_FAR_FACT)
        return _Finding(_OTHER_FACT, _MISSING.filled(value=fact.written))


def _other_words(gap: Gap) -> _Finding:
    factor = _OTHER_WORDS.get(gap.novel, _MANY_OTHER_WORDS)
    if gap.novel == 1:
        return _Finding(factor)
    message = _INSTEAD.filled(value=gap.text, other=gap.instead) if gap.instead else _MISSING.filled(value=gap.text)
    return _Finding(factor, message)


def _verdict(statement: Statement, score: float, place: _Place | None, problems: list[Message]) -> Verdict:
    level: VerdictLevel = "supported" if score >= _SUPPORTED else "partly" if score >= _PARTLY else "unsupported"
    span = statement.span
    if place is None or level == "unsupported":
        return Verdict(span.start, span.end, level, score, None, 0, 0, tuple(problems))
    if statement.cited and place.passage not in statement.cited:
        marks = "".join(f"[{number}]" for number in sorted(statement.cited))
        problems = [*problems, _CITES_OTHER.filled(cited=marks, found=place.passage)]
    return Verdict(span.start, span.end, level, score, place.passage, place.start, place.end, tuple(problems))
