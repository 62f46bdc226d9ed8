"""Nouns of the documents' side: what a knowledge base holds and what became of a file that was given to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.documents import Document

from core.messages import Message
from core.vectors import Matrix

DocumentState = Literal["indexed", "duplicate", "failed"]
FileOutcome = Literal["added", "replaced", "unchanged", "duplicate", "failed"]


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """One document of a knowledge base.

    Attributes:
        name: file name, or path below the folder that was added, with forward slashes.
        sha256: hash of the original's bytes.
        state: "duplicate" means that another document has the same bytes and is the one that is indexed.
        reason: why it failed, or what it duplicates; None otherwise.
        size: bytes of the original.
        pages: pages or slides of the original, None for formats without any.
        chars: characters of the extracted text.
        stored_as: file name of the original below `content/`; empty for a failed document.
        added_at: seconds since the epoch.
        metadata: what a program attached to it; JSON.
    """

    id: int
    name: str
    sha256: str
    state: DocumentState
    reason: Message | None
    size: int
    pages: int | None
    chars: int
    chunks: int
    title: str
    stored_as: str
    added_at: float
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """What is known of a document before it is stored; see `DocumentRecord` for the attributes."""

    name: str
    sha256: str
    state: DocumentState
    size: int
    reason: Message | None = None
    pages: int | None = None
    chars: int = 0
    title: str = ""
    stored_as: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document that is ready to be stored.

    Attributes:
        text: the whole extracted text, which the chunks' offsets count in.
        chunks: what the splitter made of it, with `start` and `end` in the metadata.
        indexed_texts: for each chunk the text that is searched: title, heading path and chunk.
        vectors: shape (chunks, dimensions), a row a chunk; None where there is no embedding.
    """

    row: DocumentRow
    text: str
    chunks: Sequence[Document]
    indexed_texts: Sequence[str]
    vectors: Matrix | None


@dataclass(frozen=True, slots=True)
class EmbeddingIdentity:
    """What makes two embeddings the same vector space: equal fingerprints. `name` is for people."""

    name: str
    fingerprint: str
    dimensions: int


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a rebuild changes of the knowledge base itself, in the same transaction as its documents.

    Attributes:
        embedding: whose vectors the documents carry; vectors of another one are deleted. None leaves it as it is.
        manifest: entries to set.
    """

    embedding: EmbeddingIdentity | None
    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document that is indexed as one unit.

    Attributes:
        ordinal: position in its document, from 0.
        start, end: range in the document's extracted text, in characters.
        source: name of the document.
        heading: heading path, outermost first, joined by " > "; empty where there is none.
        page, slide, row: counted from 1.
        kb: name of its knowledge base; empty for a result of a web search.
    """

    id: int
    document_id: int
    ordinal: int
    start: int
    end: int
    text: str
    source: str
    heading: str
    kind: str
    page: int | None
    slide: int | None
    sheet: str | None
    row: int | None
    kb: str = ""


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one file that was given to a knowledge base."""

    name: str
    outcome: FileOutcome
    reason: Message | None = None
    cure: Message | None = None
    chunks: int = 0
    pages: int | None = None


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of every file of one ingestion, in the order given."""

    files: tuple[FileReport, ...] = field(default_factory=tuple)

    @property
    def failed(self) -> tuple[FileReport, ...]:
        """The files that could not be added."""
        return tuple(report for report in self.files if report.outcome == "failed")

    @property
    def chunks(self) -> int:
        """Chunks that became searchable."""
        return sum(report.chunks for report in self.files)


@dataclass(frozen=True, slots=True)
class KnowledgeBaseInfo:
    """One line of the list of knowledge bases.

    Attributes:
        id: name of its folder.
        embedding: name of the embedding whose vectors it holds; "lexical" for none.
        is_damaged: its database cannot be read; the name is then that of its folder.
    """

    id: str
    name: str
    documents: int
    chunks: int
    embedding: str = ""
    chunk_chars: int = 0
    created_at: float = 0.0
    is_damaged: bool = False
