"""One file on its way in: read, corrected by what users changed of it, and split."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_text_splitters import TextSplitter

from analysis.indexed_text import indexed_text
from chains.corrections import corrected
from core.curation import Correction
from core.load_errors import EmptyFile
from core.messages import Message, well_formed

_NO_CHUNKS = Message("没有可检索的文字", "nothing that could be searched for")
_LOST_CORRECTIONS = Message(
    "{count} 处修改在文件里找不到原文，没有用上，但还留着",
    "{count} correction(s) do not find their text in the file; they are kept, but not applied",
)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to add, and the name it will have in the knowledge base."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class IngestPipeline:
    """The plugs that turn a file into searchable chunks.

    Attributes:
        load: reads a file (path, name) into parts whose concatenation is its text.
        embeddings: None for a knowledge base without a dense leg.
    """

    load: Callable[[Path, str], list[Document]]
    splitter: TextSplitter
    embeddings: Embeddings | None


@dataclass(frozen=True, slots=True)
class SplitFile:
    """A file that has been read, corrected and split.

    Attributes:
        chunks: with `start` and `end` in `text`; a disabled passage is one of them, marked `enabled: False`.
        corrections: those that were given, with where they were found.
    """

    title: str
    text: str
    pages: int | None
    chunks: list[Document]
    corrections: tuple[Correction, ...]

    @property
    def indexed_texts(self) -> list[str]:
        """What is searched of each chunk."""
        return [_indexed_text(self.title, chunk) for chunk in self.chunks]

    @property
    def searchable(self) -> int:
        """Number of chunks that are not disabled."""
        return sum(chunk.metadata.get("enabled", True) for chunk in self.chunks)

    @property
    def notice(self) -> Message | None:
        """What the user should know of the corrections: that some did not find their text."""
        lost = sum(not one.applies for one in self.corrections)
        return _LOST_CORRECTIONS.filled(count=lost) if lost else None


def split_file(file: SourceFile, pipeline: IngestPipeline, corrections: Sequence[Correction] = ()) -> SplitFile:
    """Read a file, apply what users changed of it, and split it.

    Raises:
        LoadError: it cannot be read, or holds nothing that could be searched for.
    """
    parts = corrected([_well_formed(part) for part in pipeline.load(file.path, file.name)], corrections)
    chunks = parts.without_disabled(pipeline.splitter.split_documents(parts.parts))
    if not chunks:
        raise EmptyFile(name=file.name, detail=_NO_CHUNKS)
    pages = max((part.metadata["pages"] for part in parts.parts if "pages" in part.metadata), default=None)
    return SplitFile(_title(file.name, parts.parts), parts.text, pages, chunks, parts.corrections)


def _well_formed(part: Document) -> Document:
    metadata = {key: well_formed(value) if isinstance(value, str) else value for key, value in part.metadata.items()}
    return Document(page_content=well_formed(part.page_content), metadata=metadata)


def _title(name: str, parts: Sequence[Document]) -> str:
    """Return the file's stem, and the document's own title where that says more."""
    stem = PurePosixPath(name).stem
    own = next((str(part.metadata["title"]) for part in parts if part.metadata.get("title")), "")
    return stem if not own or own in stem else own if stem in own else f"{stem} {own}"


def _indexed_text(title: str, chunk: Document) -> str:
    known = chunk.metadata
    return indexed_text(title, known.get("heading", ""), known.get("table_header", ""), chunk.page_content)
