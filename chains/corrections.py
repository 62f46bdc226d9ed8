"""What users changed of a document, applied again to a text that was read anew."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import accumulate

from langchain_core.documents import Document

from analysis.sentences import Span, trimmed
from analysis.terms import is_searchable
from core.curation import Correction


@dataclass(frozen=True, slots=True)
class CorrectedParts:
    """A document's parts with the edits in their places.

    Attributes:
        corrections: all that were given, with the places where they were found, or that they do not apply.
    """

    parts: list[Document]
    corrections: tuple[Correction, ...]

    @property
    def text(self) -> str:
        """The document's text."""
        return "".join(part.page_content for part in self.parts)

    def without_disabled(self, chunks: Sequence[Document]) -> list[Document]:
        """Return the chunks of this text with each disabled passage as one by itself, marked `enabled: False`."""
        text = self.text
        cut = list(chunks)
        for one in self.corrections:
            if one.applies and one.after is None:
                cut = _set_apart(cut, Span(one.start, one.end), text) or self._inserted(cut, one)
        return cut

    def _inserted(self, chunks: Sequence[Document], disabled: Correction) -> list[Document]:
        """Add a disabled passage that no chunk meets, such as a repetition, which splitting leaves out."""
        ends = accumulate(len(part.page_content) for part in self.parts)
        part = next(part for part, end in zip(self.parts, ends, strict=True) if disabled.start < end)
        passage = _chunk(part, Span(disabled.start, disabled.end), self.text, enabled=False)
        return sorted([*chunks, passage], key=lambda one: _span(one).start)


def corrected(parts: Sequence[Document], corrections: Sequence[Correction]) -> CorrectedParts:
    """Apply the corrections whose text is there: the edits to the text, then the disabled passages to the outcome."""
    edits = sorted((one for one in corrections if one.after is not None), key=lambda one: one.start)
    growth = accumulate((one.growth if one.applies else 0 for one in edits[:-1]), initial=0)
    hints = [one.start - grown for one, grown in zip(edits, growth, strict=True)] if edits else []
    found = sorted(_found("".join(part.page_content for part in parts), edits, hints), key=lambda one: one.start)
    applying = [one for one in found if one.applies]
    placed = [one for one in found if not one.applies]
    edited, grown = list(parts), 0
    for one in applying:
        here = replace(one, start=one.start + grown)
        edited = _replaced(edited, here)
        grown += here.growth
        placed.append(here)
    outcome = CorrectedParts(edited, tuple(placed))
    disabled = [one for one in corrections if one.after is None]
    found = _found(outcome.text, disabled, [one.start for one in disabled])
    return replace(outcome, corrections=(*placed, *found))


def _found(text: str, corrections: Sequence[Correction], hints: Sequence[int]) -> list[Correction]:
    """Return the corrections with where their texts begin, which are looked for about `hints` and do not overlap."""
    found: list[Correction] = []
    taken: list[Span] = []
    for one, hint in zip(corrections, hints, strict=True):
        spans = (Span(start, start + len(one.before)) for start in _occurrences(text, one, max(0, hint)))
        free = (span for span in spans if not any(span.start < other.end and other.start < span.end for other in taken))
        span = next(free, None)
        if span is None:
            found.append(replace(one, applies=False))
        else:
            taken.append(span)
            found.append(replace(one, applies=True, start=span.start))
    return found


def _occurrences(text: str, correction: Correction, hint: int) -> Iterator[int]:
    """Yield where a correction's text begins, the likeliest place first."""
    if correction.before not in text:
        return
    if text.startswith(correction.before, hint):
        yield hint
    in_context = text.find(correction.lead + correction.before + correction.trail)
    if in_context >= 0:
        yield in_context + len(correction.lead)
    starts = [match.start() for match in re.finditer(f"(?={re.escape(correction.before)})", text)]
    yield from sorted(starts, key=lambda start: abs(start - hint))


def _replaced(parts: Sequence[Document], edit: Correction) -> list[Document]:
    """Make an edit line by line, so that lines that are unchanged stay in their own parts."""
    old, new = edit.before.splitlines(keepends=True), (edit.after or "").splitlines(keepends=True)
    edited = list(parts)
    for kind, i, j, k, m in reversed(SequenceMatcher(None, old, new, autojunk=False).get_opcodes()):
        if kind != "equal":
            span = Span(edit.start + len("".join(old[:i])), edit.start + len("".join(old[:j])))
            # What is only inserted belongs to the line above it, if that is the passage's.
            holder = span.start - 1 if kind == "insert" and i else span.start
            edited = _with_text(edited, span, "".join(new[k:m]), holder)
    return edited


def _with_text(parts: Sequence[Document], span: Span, text: str, holder: int) -> list[Document]:
    """Put `text` in the place of a range, into the part that holds the position `holder`."""
    edited, start = [], 0
    for part in parts:
        content = part.page_content
        added = text if start <= holder < start + len(content) else ""
        left, right = content[: max(0, span.start - start)], content[max(0, span.end - start) :]
        changed = left + added + right
        edited.append(part if changed == content else Document(page_content=changed, metadata=part.metadata))
        start += len(content)
    return edited


def _set_apart(chunks: Sequence[Document], passage: Span, text: str) -> list[Document]:
    """Cut the chunks that a passage meets down to what is outside it, and put in one that is the passage, disabled.

    Empty where it meets none.
    """
    met = [at for at, one in enumerate(chunks) if _span(one).start < passage.end and passage.start < _span(one).end]
    if not met:
        return []
    # Where chunks overlap, the first one met reaches farthest before the passage and the last one farthest after it.
    first, last = chunks[met[0]], chunks[met[-1]]
    before, after = chunks[: met[0]], chunks[met[-1] + 1 :]
    left = _rest(first, Span(_span(first).start, passage.start), text, before[-1:])
    right = _rest(last, Span(passage.end, _span(last).end), text, after[:1])
    return [*before, *left, _chunk(first, passage, text, enabled=False), *right, *after]


def _rest(whole: Document, span: Span, text: str, beside: Sequence[Document]) -> list[Document]:
    """Return what is left of a chunk; nothing where there is nothing to search for, or its neighbour holds it all."""
    span = trimmed(text, span.start, span.end)
    held = any(_span(one).start <= span.start and span.end <= _span(one).end for one in beside)
    return [] if held or not is_searchable(span.of(text)) else [_chunk(whole, span, text)]


def _span(chunk: Document) -> Span:
    return Span(chunk.metadata["start"], chunk.metadata["end"])


def _chunk(whole: Document, span: Span, text: str, **known: object) -> Document:
    place = {"start": span.start, "end": span.end}
    return Document(page_content=span.of(text), metadata={**whole.metadata, **place, **known})
