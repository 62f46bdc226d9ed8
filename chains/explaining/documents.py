"""The first half of an explanation: is what is expected in the knowledge base at all, and in which chunks?"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from chains.explaining import texts
from chains.explaining.expected import spans_of
from chains.explaining.store_views import Among
from chains.retrieve import retrieve
from core.answers import RetrievalSettings
from core.documents import Chunk, DocumentRecord
from core.evaluation import Expected
from core.explanations import Stage, Step
from core.messages import Message, literal
from core.plugs import BrowsableStore

EVERY_CANDIDATE = RetrievalSettings(top_k=1, threshold=0.0, dense_weight=1.0, passage_chars=0, context_chars=1)
_NAMES_SHOWN = 3
_PAGES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """A range of a document's text that would do.

    Attributes:
        chunks: those it lies in, in document order.
    """

    document_id: int
    start: int
    end: int
    chunks: tuple[Chunk, ...]

    @property
    def holders(self) -> tuple[Chunk, ...]:
        """The chunks that hold all of it."""
        return tuple(chunk for chunk in self.chunks if chunk.start <= self.start and self.end <= chunk.end)


@dataclass(frozen=True, slots=True)
class Located:
    """Where what is expected stands; nowhere if the last step lost it."""

    steps: tuple[Step, ...]
    wanted: tuple[Wanted, ...]


def locate(expected: Expected, store: BrowsableStore) -> Located:
    """Follow what is expected from the file to the chunks."""
    steps: list[Step] = []
    records = [record for record in store.documents() if record.state == "indexed"]
    if expected.file:
        record = store.document(expected.file)
        steps += _file_steps(expected.file, record, store)
        records = [record] if record and steps[-1].outcome == "passed" else []
    if records and expected.file and expected.page is not None:
        steps.append(_page_step(records[0], expected.page, store))
    if any(step.outcome == "lost" for step in steps):
        return Located(tuple(steps), ())
    wanted = tuple(one for record in records for one in _wanted(record, expected, store))
    if expected.text:
        steps.append(_text_step(expected, wanted, store))
    return Located(tuple(steps), wanted)


def lost(stage: Stage, seen: Message, advice: Message) -> Step:
    """Return the step that ends an explanation."""
    return Step(stage, "lost", seen, advice)


def passed(stage: Stage, message: Message, **values: object) -> Step:
    """Return a step that the passage went through."""
    return Step(stage, "passed", texts.said(message, **values))


def _file_steps(name: str, record: DocumentRecord | None, store: BrowsableStore) -> Iterator[Step]:
    if record is None:
        seen = texts.said(texts.FILE_MISSING, name=name, near=_near(name, store) or texts.NOWHERE)
        yield lost("file", seen, texts.ADD_FILE)
        return
    yield passed("file", texts.FILE_THERE, name=name)
    if record.state == "failed" or (record.state == "indexed" and not record.chunks):
        reason = record.reason or texts.NOTHING_SEARCHABLE
        yield lost("loading", texts.said(texts.NOT_LOADED, reason=reason), texts.LOAD_AGAIN)
        return
    yield passed("loading", texts.LOADED, chars=record.chars, chunks=record.chunks)
    twin = store.indexed_twin(record.sha256, name) if record.state == "duplicate" else None
    if twin is None:
        yield passed("copy", texts.NO_COPY)
    else:
        yield lost("copy", texts.COPY.filled(twin=twin.name), texts.EXPECT_TWIN.filled(twin=twin.name))


def _near(name: str, store: BrowsableStore) -> str:
    folded = {record.name.casefold(): record.name for record in store.documents()}
    return ", ".join(folded[one] for one in get_close_matches(name.casefold(), folded, n=_NAMES_SHOWN, cutoff=0.4))


def _page_step(record: DocumentRecord, page: int, store: BrowsableStore) -> Step:
    numbers = [number for chunk in store.document_chunks(record.name) if (number := _page(chunk)) is not None]
    if page in numbers:
        return passed("page", texts.PAGE_THERE, page=page, count=numbers.count(page))
    if not numbers:
        return lost("page", texts.NO_PAGES, texts.FILE_ALONE)
    nearest = sorted(sorted(set(numbers), key=lambda number: abs(number - page))[:_PAGES_SHOWN])
    pages = ", ".join(map(str, nearest))
    if page < 1 or (record.pages is not None and page > record.pages):
        seen = texts.PAGE_BEYOND.filled(page=page, pages=record.pages or max(numbers))
        return lost("page", seen, texts.OTHER_PAGE.filled(pages=pages))
    return lost("page", texts.PAGE_EMPTY.filled(page=page), texts.RECOGNISE_PAGE.filled(pages=pages))


def _page(chunk: Chunk) -> int | None:
    return chunk.page if chunk.page is not None else chunk.slide


def _wanted(record: DocumentRecord, expected: Expected, store: BrowsableStore) -> list[Wanted]:
    """Return the places of a document that would do: those that say the text, or else each chunk."""
    if not expected.text:
        chunks = store.document_chunks(record.name)
        found = [Wanted(record.id, chunk.start, chunk.end, (chunk,)) for chunk in chunks]
    else:
        spans = spans_of(expected.text, store.text(record.id, 0, record.chars))
        chunks = store.document_chunks(record.name) if spans else []
        starts, ends = [chunk.start for chunk in chunks], [chunk.end for chunk in chunks]
        found = [
            Wanted(record.id, span.start, span.end, tuple(chunks[bisect_right(ends, span.start) : until]))
            for span in spans
            for until in [bisect_left(starts, span.end)]
        ]
    if expected.page is None:
        return found
    return [one for one in found if any(_page(chunk) == expected.page for chunk in one.chunks)]


def _text_step(expected: Expected, wanted: Sequence[Wanted], store: BrowsableStore) -> Step:
    if wanted:
        names = list(dict.fromkeys(chunk.source for one in wanted for chunk in one.chunks))
        shown = ", ".join(names[:_NAMES_SHOWN]) + (" …" if len(names) > _NAMES_SHOWN else "")
        return passed("text", texts.TEXT_THERE, count=len(wanted), names=shown)
    nearest = _nearest(expected, store)
    known = {"place": texts.place(nearest), "excerpt": texts.excerpt(nearest.text)} if nearest else {}
    tail = texts.said(texts.NEAREST, **known) if known else literal("", "")
    return lost("text", texts.said(texts.TEXT_MISSING, nearest=tail), texts.COPY_TEXT)


def _nearest(expected: Expected, store: BrowsableStore) -> Chunk | None:
    """Return the chunk, of the expected file where one is, that shares the most terms with the expected text."""
    ids = [chunk.id for chunk in store.document_chunks(expected.file)] if expected.file else None
    within = store if ids is None else Among(store, ids)
    hits = retrieve(expected.text, within, EVERY_CANDIDATE).hits
    return hits[0].chunk if hits else None
