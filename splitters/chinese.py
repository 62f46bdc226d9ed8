"""Splitting: a document's parts become chunks that can be found, quoted and located."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.documents import Document
from langchain_text_splitters import TextSplitter

from analysis.sentences import Span
from analysis.terms import is_searchable
from splitters.packing import pack_sentences, pack_table

_HARD_LIMIT_FACTOR = 2
_SHORT_SHARE = 0.4
_LATIN_FACTOR = 4
_PLACE = ("page", "slide", "sheet", "row")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A chunk in the making: a range of the whole document's text, and what is known about it."""

    span: Span
    metadata: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.metadata.get("kind", "text"))

    @property
    def length(self) -> int:
        return self.span.end - self.span.start


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
        parts = list(documents)
        text = "".join(part.page_content for part in parts)
        pieces: list[_Piece] = []
        start = 0
        for part in parts:
            end = start + len(part.page_content)
            pieces += self._split_part(text, Span(start, end), part.metadata)
            start = end
        pieces = self._join_short(pieces)
        return _as_documents(text, pieces)

    def _split_part(self, text: str, span: Span, metadata: dict[str, Any]) -> list[_Piece]:
        content, kind = span.of(text), metadata.get("kind", "text")
        scale = _latin_scale(content)
        target, limit, overlap = (round(scale * n) for n in (self.chunk_chars, self.max_chars, self.overlap_chars))
        if kind == "table":
            packed = pack_table(content, target, limit)
            return [
                _Piece(_shifted(rows, span.start), metadata | ({"table_header": packed.header} if number else {}))
                for number, rows in enumerate(packed.spans)
            ]
        spans = pack_sentences(content, limit if kind == "row" else target, limit, 0 if kind == "row" else overlap)
        return [_Piece(_shifted(chunk, span.start), metadata) for chunk in spans]

    def _join_short(self, pieces: list[_Piece]) -> list[_Piece]:
        """Join a text piece that is too short to stand alone with its neighbour in the next section."""
        joined: list[_Piece] = []
        for piece in pieces:
            if joined and self._belong_together(joined[-1], piece):
                joined[-1] = _union(joined[-1], piece)
            else:
                joined.append(piece)
        return joined

    def _belong_together(self, first: _Piece, second: _Piece) -> bool:
        short = self.chunk_chars * _SHORT_SHARE
        return (
            first.kind == second.kind == "text"
            and (first.length < short or second.length < short)
            and second.span.end - first.span.start <= self.chunk_chars
            and all(first.metadata.get(key) == second.metadata.get(key) for key in _PLACE)
        )


def _latin_scale(text: str) -> float:
    """Return by how much the limits grow for this text: 1 in Chinese, `_LATIN_FACTOR` in English.

    Four Latin letters say about as much as one ideograph, to a reader as to a tokenizer.
    """
    if not text:
        return 1.0
    ascii_share = len(text.encode("ascii", "ignore")) / len(text)
    return 1 / (1 - ascii_share * (1 - 1 / _LATIN_FACTOR))


def _shifted(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by)


def _union(first: _Piece, second: _Piece) -> _Piece:
    metadata = dict(first.metadata)
    heading = _common_heading(metadata.pop("heading", ""), second.metadata.get("heading", ""))
    return replace(
        first,
        span=Span(first.span.start, second.span.end),
        metadata=metadata | ({"heading": heading} if heading else {}),
    )


def _common_heading(first: str, second: str) -> str:
    """Return the longest common path; a section joined with its own subsection keeps the subsection's path."""
    if second.startswith(first):
        return second
    common = []
    for one, other in zip(first.split(" > "), second.split(" > "), strict=False):
        if one != other:
            break
        common.append(one)
    return " > ".join(common)


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
