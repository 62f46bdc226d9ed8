"""Splitting: a document's parts become chunks that can be found, quoted and located."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.documents import Document
from langchain_text_splitters import TextSplitter

from analysis.sentences import Span
from analysis.terms import is_searchable
from splitters.packing import Packer
from splitters.ruler import Ruler

_HARD_LIMIT_FACTOR = 2
_SHORT_SHARE = 0.4
_PATH_SEPARATOR = " > "  # between the headings of a path
_PLACE = ("source", "page", "slide", "sheet", "row")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A chunk in the making: a range of the whole document's text, and what is known about it.

    `is_mixed` tells that it holds several sections, of which its heading is only the common ancestor.
    """

    span: Span
    metadata: dict[str, Any]
    is_mixed: bool = False

    @property
    def kind(self) -> str:
        return str(self.metadata.get("kind", "text"))

    @property
    def heading(self) -> list[str]:
        path = self.metadata.get("heading", "")
        return path.split(_PATH_SEPARATOR) if path else []


class ChineseTextSplitter(TextSplitter):
    """Splits at Chinese and English sentence ends and merges the sentences to a target length.

    Chunks never cross a part's page, sheet, row or slide; tables and rows stay whole up to the hard limit of twice the
    target; neighbouring sections too short to stand alone are joined under their common heading. Chunks without
    anything to search for and exact repetitions within a document are dropped.

    Args:
        chunk_chars: target length; a chunk made of sentences is not longer. Counted in ideographs: text in Latin
            letters may be up to four times as long.
        overlap_chars: longest run of whole sentences repeated at the start of the next chunk.
    """

    def __init__(self, chunk_chars: int = 250, overlap_chars: int = 0) -> None:
        super().__init__(chunk_size=chunk_chars, chunk_overlap=overlap_chars)
        self.chunk_chars = chunk_chars
        self.overlap_chars = overlap_chars
        self.max_chars = chunk_chars * _HARD_LIMIT_FACTOR

    def split_text(self, text: str) -> list[str]:
        """Return the chunks of one text."""
        return [chunk.page_content for chunk in self.split_documents([Document(page_content=text)])]

    def create_documents(self, texts: list[str], metadatas: list[dict[str, Any]] | None = None) -> list[Document]:
        """Split several unrelated texts; offsets count from the start of each."""
        metadatas = metadatas or [{}] * len(texts)
        return [
            chunk
            for text, metadata in zip(texts, metadatas, strict=True)
            for chunk in self.split_documents([Document(page_content=text, metadata=metadata)])
        ]

    def split_documents(self, documents: Iterable[Document]) -> list[Document]:
        """Split the parts of one document, given in order.

        The document's text is the concatenation of the parts. A chunk's metadata is that of its part plus `start` and
        `end`, counted in characters of the document's text, so that `text[start:end] == chunk.page_content`; chunks of
        a table cut between rows carry its head in `table_header`.
        """
        text, sections = _sections(documents)
        pieces = [piece for section in sections for piece in self._split_section(text, section)]
        return _as_documents(text, self._join_short(pieces, Ruler(text)))

    def _split_section(self, text: str, section: _Piece) -> list[_Piece]:
        overlap = 0 if section.kind == "row" else self.overlap_chars
        target = self.max_chars if section.kind == "row" else self.chunk_chars
        packer = Packer(section.span.of(text), target, self.max_chars, overlap)
        if section.kind != "table":
            return [_Piece(_shifted(span, section), section.metadata) for span in packer.sentences()]
        table = packer.table()
        return [
            _Piece(_shifted(rows, section), section.metadata | ({"table_header": table.header} if number else {}))
            for number, rows in enumerate(table.spans)
        ]

    def _join_short(self, pieces: Sequence[_Piece], ruler: Ruler) -> list[_Piece]:
        """Join a text piece that is too short to stand alone with its neighbour, under the headings they share."""
        short = self.chunk_chars * _SHORT_SHARE
        joined: list[_Piece] = []
        for piece in pieces:
            last = joined[-1] if joined else None
            if last and _may_join(last, piece) and _are_related(last, piece):
                span = Span(last.span.start, piece.span.end)
                shortest = min(ruler.length(one.span.start, one.span.end) for one in (last, piece))
                if shortest < short and ruler.length(span.start, span.end) <= self.chunk_chars:
                    joined[-1] = _union(last, piece, span)
                    continue
            joined.append(piece)
        return joined


def _sections(documents: Iterable[Document]) -> tuple[str, list[_Piece]]:
    """Return the document's text, and its parts as ranges of it; a bare heading goes with the part that follows it."""
    parts = list(documents)
    text = "".join(part.page_content for part in parts)
    sections: list[_Piece] = []
    start = 0
    for part in parts:
        section = _Piece(Span(start, start + len(part.page_content)), part.metadata)
        start = section.span.end
        last = sections[-1] if sections else None
        if last and _is_bare_heading(text, last) and _may_join(last, section):
            sections[-1] = _Piece(Span(last.span.start, section.span.end), section.metadata)
        else:
            sections.append(section)
    return text, sections


def _shifted(span: Span, section: _Piece) -> Span:
    return Span(span.start + section.span.start, span.end + section.span.start)


def _may_join(first: _Piece, second: _Piece) -> bool:
    same_place = all(first.metadata.get(key) == second.metadata.get(key) for key in _PLACE)
    return first.kind == second.kind == "text" and same_place


def _is_bare_heading(text: str, piece: _Piece) -> bool:
    """Tell whether a piece is nothing but the heading of its own section."""
    own = piece.span.of(text).strip("#= -\n")
    return piece.heading[-1:] == [" ".join(own.split())]


def _union(first: _Piece, second: _Piece, span: Span) -> _Piece:
    """Join two pieces under the subsection's heading if one leads into the other, else under their common ancestor."""
    path = _shared_path(first, second)
    leads_in = path == first.heading and not first.is_mixed
    if leads_in:
        path = second.heading
    metadata = {key: value for key, value in first.metadata.items() if key != "heading"}
    heading = {"heading": _PATH_SEPARATOR.join(path)} if path else {}
    return _Piece(span, metadata | heading, is_mixed=not leads_in)


def _are_related(first: _Piece, second: _Piece) -> bool:
    """Tell whether one section holds the other, or one holds both: chapters are never joined by their ends."""
    nearest = len(first.heading) if first.is_mixed else min(len(first.heading), len(second.heading)) - 1
    return len(_shared_path(first, second)) >= nearest


def _shared_path(first: _Piece, second: _Piece) -> list[str]:
    shared: list[str] = []
    for one, other in zip(first.heading, second.heading, strict=False):
        if one != other:
            break
        shared.append(one)
    return shared


def _as_documents(text: str, pieces: Sequence[_Piece]) -> list[Document]:
    chunks, seen = [], set()
    for piece in pieces:
        content = piece.span.of(text)
        if content in seen or not is_searchable(content):
            continue
        seen.add(content)
        offsets = {"start": piece.span.start, "end": piece.span.end}
        chunks.append(Document(page_content=content, metadata=piece.metadata | offsets))
    return chunks
