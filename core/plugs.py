"""The store as the chains see it. Models and loaders need no interface of ours: LangChain has one for each."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from core.curation import Correction
from core.documents import Chunk, DocumentRecord, DocumentRow, NewDocument, Renewal
from core.vectors import Vector


class ChunkStore(Protocol):
    """What retrieval needs of a knowledge base's store."""

    @property
    def chunk_count(self) -> int:
        """Number of searchable chunks."""
        ...

    def nearest(self, vector: Vector, limit: int) -> list[int]:
        """Return the ids of the `limit` chunks nearest to a unit vector of shape (dimensions,), nearest first."""
        ...

    def cosines(self, vector: Vector, ids: Iterable[int]) -> dict[int, float]:
        """Return the cosine of each chunk that has a vector, −1 to 1, by exact arithmetic on the stored vectors."""
        ...

    def lexical_scores(self, question: str, limit: int, also: Sequence[int] = ()) -> Mapping[int, float]:
        """Return the lexical relevance (0–1) of the `limit` best chunks, and of those in `also`."""
        ...

    def term_weights(self, question: str) -> Mapping[str, float]:
        """Return the question's distinct terms, each with its weight: kind times inverse document frequency."""
        ...

    def chunks(self, ids: Sequence[int]) -> dict[int, Chunk]:
        """Return the searchable chunks among `ids`."""
        ...

    def chunk_at(self, document_id: int, position: int) -> Chunk | None:
        """Return the searchable chunk that holds a position (in characters) of the document's extracted text."""
        ...

    def neighbours(self, chunk: Chunk, reach: int) -> list[Chunk]:
        """Return the chunks of the same document within `reach` positions, in document order, itself included.

        None lies beyond a chunk that is disabled.
        """
        ...

    def text(self, document_id: int, start: int, end: int) -> str:
        """Return characters [start, end) of the document's extracted text."""
        ...


class DocumentStore(Protocol):
    """What ingestion needs of a knowledge base's store."""

    def document(self, name: str) -> DocumentRecord | None:
        """Return the document of this name."""
        ...

    def indexed_twin(self, sha256: str, name: str) -> DocumentRecord | None:
        """Return the searchable document that has these bytes under another name than `name`."""
        ...

    def keep_original(self, source: Path, sha256: str) -> str:
        """Copy the original into the knowledge base and return what it will be stored as."""
        ...

    def corrections(self, name: str) -> list[Correction]:
        """Return what users changed of a document's text, by the places; what they are undoing is left out."""
        ...

    def put_documents(
        self,
        documents: Sequence[NewDocument],
        renewal: Renewal | None = None,
        corrections: Sequence[Correction] = (),
    ) -> None:
        """Store documents, each in the place of an older one of its name, in one transaction.

        A chunk whose metadata holds `enabled: False` is stored, but not searchable.

        Args:
            corrections: what has become of the documents' corrections; others that they have do not apply any more.
        """
        ...

    def discard_originals(self) -> None:
        """Forget originals that were kept for documents that have not been stored."""
        ...

    def put_unindexed(self, row: DocumentRow) -> bool:
        """Record a duplicate or a failure; return False where that would lose text, and nothing was recorded."""
        ...


class BrowsableStore(ChunkStore, Protocol):
    """What an explanation needs of a knowledge base's store: retrieval, and to look into the documents themselves."""

    def manifest(self) -> dict[str, Any]:
        """Return what is recorded of the knowledge base, such as `chunk_chars` and `overlap_chars`."""
        ...

    def documents(self) -> list[DocumentRecord]:
        """Return every document, in the order of their names."""
        ...

    def document(self, name: str) -> DocumentRecord | None:
        """Return the document of this name."""
        ...

    def indexed_twin(self, sha256: str, name: str) -> DocumentRecord | None:
        """Return the searchable document that has these bytes under another name than `name`."""
        ...

    def document_chunks(self, name: str) -> list[Chunk]:
        """Return the searchable chunks of a document, in document order."""
        ...
