"""The chunks of a document: looked at, corrected, taken out of retrieval; its original, and how it would be split."""

from collections.abc import Callable, Sequence
from pathlib import Path

from langchain_core.embeddings import Embeddings

from analysis.sentences import sentence_spans
from analysis.terms import is_searchable
from chains.splitting import SourceFile, SplitFile
from configs.model_config import Settings
from core.answers import ignore_progress
from core.curation import ChunkRow, Correction, PreviewChunk, SourceView
from core.documents import DocumentRecord
from core.errors import DocumentNotFound, EmptyChunk, OriginalMissing
from core.load_errors import UnreadableFile
from core.messages import well_formed
from service.knowledge.file_names import composed
from service.knowledge.indexing import Indexing, split_preview
from service.knowledge.library import Library
from service.knowledge.saved_settings import require_splitting
from vectorstores.chunk_editor import Embed
from vectorstores.knowledge_store import KnowledgeStore


class Curation:
    """What an editor does with single passages of a knowledge base.

    Corrections outlive re-indexing, rebuilding and new versions of the file, as long as their text is there; those
    whose text is not are kept and wait for it. Every method that takes the names of a knowledge base and a document
    raises `KnowledgeBaseNotFound` and `DocumentNotFound`.

    Args:
        settings: the application's; a preview reads files within its limits.
        indexing_of: gives what indexes a store's files with the store's own settings.
        embeddings_of: gives the embedding of a store's vectors; None for a store without a dense leg. It may raise.
    """

    def __init__(
        self,
        settings: Settings,
        library: Library,
        indexing_of: Callable[[KnowledgeStore], Indexing],
        embeddings_of: Callable[[KnowledgeStore], Embeddings | None],
    ) -> None:
        self._settings, self._library = settings, library
        self._indexing_of, self._embeddings_of = indexing_of, embeddings_of

    def chunks(self, kb: str, document: str) -> list[ChunkRow]:
        """Return the chunks of a document, in document order, those that are disabled included."""
        store, record = self._find(kb, document)
        return store.editor.rows(record.name)

    def corrections(self, kb: str, document: str) -> list[Correction]:
        """Return what was corrected in a document, by the places; what does not apply waits for its text."""
        store, record = self._find(kb, document)
        return store.corrections(record.name)

    def edit(self, kb: str, document: str, chunk_id: int, text: str) -> None:
        """Put a text in the place of a chunk's, in the document itself; it is searched and quoted from then on.

        The chunk has another id afterwards. Blanks at both ends of the text are taken off.

        Raises:
            ChunkNotFound: the document has no such chunk, or no longer.
            EmptyChunk: the text holds nothing that could be searched for.
            EmbedderMismatch: the knowledge base's vectors are of another embedding than the one in force.
        """
        store, record = self._find(kb, document)
        clean = well_formed(text).replace("\r\n", "\n").replace("\r", "\n").strip()
        if not is_searchable(clean):
            raise EmptyChunk
        store.editor.edit(record.name, chunk_id, clean, self._embed(store))

    def set_enabled(self, kb: str, document: str, chunk_ids: Sequence[int], *, enabled: bool) -> None:
        """Take chunks out of retrieval, or bring them back; they have other ids afterwards.

        Raises:
            ChunkNotFound: the document does not have one of them, or no longer; nothing has changed then.
            EmbedderMismatch: the knowledge base's vectors are of another embedding than the one in force.
        """
        store, record = self._find(kb, document)
        store.editor.set_enabled(record.name, chunk_ids, self._embed(store), enabled=enabled)

    def undo(self, kb: str, document: str) -> int:
        """Take back every correction of a document by indexing its original again; return how many there were.

        Raises:
            OriginalMissing: there is no original to go back to.
            UnreadableFile: the original can no longer be read; the corrections stay.
        """
        store, record = self._find(kb, document)
        self._original(store, record)
        dropped = store.editor.drop_corrections(record.name)
        if not dropped:
            return 0
        try:
            report = self._indexing_of(store).reindex(store, [record.name], ignore_progress)
        finally:
            store.editor.keep_corrections(record.name)  # where it came to nothing; otherwise they are gone
        for failed in report.failed:
            raise UnreadableFile(name=failed.name, detail=failed.reason)
        return dropped

    def preview(self, kb: str, document: str, *, chunk_chars: int, chunk_overlap_chars: int) -> list[PreviewChunk]:
        """Return how a document, with its corrections, would be split; nothing is stored.

        Raises:
            ConfigError: the lengths are not valid.
            OriginalMissing: there is no original to split.
            LoadError: the original can no longer be read.
        """
        store, record = self._find(kb, document)
        settings = self._with_lengths(chunk_chars, chunk_overlap_chars)
        file = SourceFile(self._original(store, record), record.name)
        return _previewed(split_preview(file, settings, store.corrections(record.name)))

    def preview_file(self, path: Path, name: str, *, chunk_chars: int, chunk_overlap_chars: int) -> list[PreviewChunk]:
        """Return how a file that is not in any knowledge base would be split; nothing is stored.

        Args:
            name: the file's name as the user knows it, whose suffix tells the format.

        Raises:
            ConfigError: the lengths are not valid.
            LoadError: the file cannot be read, or holds nothing that could be searched for.
        """
        return _previewed(split_preview(SourceFile(path, name), self._with_lengths(chunk_chars, chunk_overlap_chars)))

    def source(self, kb: str, document: str, start: int, end: int, around: int = 400) -> SourceView:
        """Return a range of a document's text with what stands around it, disabled passages included.

        Args:
            start, end: characters of the document's text; what lies outside it is left out.
            around: characters before and after, fewer where a sentence or line can be kept whole.
        """
        store, record = self._find(kb, document)
        start = min(max(0, start), record.chars)
        end = min(max(start, end), record.chars)
        first, last = max(0, start - around), min(record.chars, end + around)
        before, after = store.text(record.id, first, start), store.text(record.id, end, last)
        chunk = store.editor.place_of(record.name, start)
        return SourceView(
            kb=kb,
            document=record.name,
            heading=chunk.heading if chunk else "",
            page=_page(chunk.page, chunk.slide) if chunk else None,
            before=_from_a_beginning(before) if first else before,
            text=store.text(record.id, start, end),
            after=_to_an_end(after) if last < record.chars else after,
            start=start,
            end=end,
        )

    def original(self, kb: str, document: str) -> Path:
        """Return where the original of a document is; the file is not to be changed.

        Raises:
            OriginalMissing: none was kept, or it is gone.
        """
        return self._original(*self._find(kb, document))

    def _find(self, kb: str, document: str) -> tuple[KnowledgeStore, DocumentRecord]:
        store, name = self._library.open(kb), composed(document)
        record = store.document(name)
        if record is None:
            raise DocumentNotFound(kb=kb, name=name)
        return store, record

    def _original(self, store: KnowledgeStore, record: DocumentRecord) -> Path:
        path = store.originals.path(record.stored_as)
        if not record.stored_as or not path.is_file():
            raise OriginalMissing(name=record.name)
        return path

    def _with_lengths(self, chunk_chars: int, chunk_overlap_chars: int) -> Settings:
        require_splitting(chunk_chars, chunk_overlap_chars)
        return self._settings.model_copy(
            update={"chunk_chars": chunk_chars, "chunk_overlap_chars": chunk_overlap_chars}
        )

    def _embed(self, store: KnowledgeStore) -> Embed:
        def embed(texts: list[str]) -> list[list[float]] | None:
            embeddings = self._embeddings_of(store)
            return None if embeddings is None else embeddings.embed_documents(texts)

        return embed


def _previewed(split: SplitFile) -> list[PreviewChunk]:
    return [
        PreviewChunk(
            text=chunk.page_content,
            heading=chunk.metadata.get("heading", ""),
            page=_page(chunk.metadata.get("page"), chunk.metadata.get("slide")),
            start=chunk.metadata["start"],
            end=chunk.metadata["end"],
        )
        for chunk in split.chunks
    ]


def _page(page: int | None, slide: int | None) -> int | None:
    return slide if page is None else page


def _from_a_beginning(text: str) -> str:
    """Leave out the rest of a sentence that a text begins with, where that is not most of it."""
    ends = [span.end for span in sentence_spans(text)]
    return text[ends[0] :].lstrip() if ends and ends[0] <= len(text) // 2 else text


def _to_an_end(text: str) -> str:
    """Leave out the sentence that a text breaks off in, where that is not most of it."""
    ends = [span.end for span in sentence_spans(text)][:-1]
    return text[: ends[-1]] if ends and ends[-1] >= len(text) // 2 else text
