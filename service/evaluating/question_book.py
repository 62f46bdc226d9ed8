"""The question lists of knowledge bases: written by marking what was found, read from files, written to files."""

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from zipfile import BadZipFile

from chains.evaluation.evaluate import is_right
from core.documents import Chunk
from core.evaluation import Expected, LabelledQuestion, StoredQuestion
from core.load_errors import CorruptFile, FileTooLarge
from core.messages import well_formed
from loaders.sniff import binary_suffix
from service.evaluating.question_lists import read_questions, write_questions
from service.knowledge.library import Library
from vectorstores.knowledge_store import KnowledgeStore

ListKind = Literal["csv", "jsonl", "xlsx"]
_TEXT_CHARS = 300  # of a chunk that is expected; it is recognised by the longest sentence in them
_MB = 1024 * 1024


class QuestionBook:
    """The lists of all knowledge bases. Threads may share an instance.

    Every method raises `KnowledgeBaseNotFound` where there is no such knowledge base.

    Args:
        max_file_mb: largest file that is read, in MB.
    """

    def __init__(self, library: Library, max_file_mb: int) -> None:
        self._library, self._max_file_mb = library, max_file_mb
        self._changing = threading.Lock()

    def all(self, kb: str) -> list[StoredQuestion]:
        """Return every question of a list, in the order in which they came, those still open included."""
        return self._library.open(kb).questions.all()

    def find(self, kb: str, question: str) -> StoredQuestion | None:
        """Return what a list says of a question; None where it is not in it."""
        return _find(self._library.open(kb), question)

    def right(self, kb: str, question: str, chunks: Iterable[Chunk]) -> set[int]:
        """Return the ids of those chunks that the list expects for a question."""
        stored = self.find(kb, question)
        return set() if stored is None else {chunk.id for chunk in chunks if is_right(chunk, stored.labelled)}

    # --- marks ---------------------------------------------------------------------------------------------------

    def mark_right(self, kb: str, question: str, chunk: Chunk) -> None:
        """Expect a chunk for a question, beside what is expected already."""
        store = self._library.open(kb)
        with self._changing:
            stored = _find(store, question)
            expected = stored.labelled.expected if stored else ()
            if stored is None or not is_right(chunk, stored.labelled):
                place = Expected(chunk.source, chunk.page or chunk.slide, chunk.text[:_TEXT_CHARS].strip())
                store.questions.add([LabelledQuestion(question, (*expected, place))], "user")

    def mark_wrong(self, kb: str, question: str, chunk: Chunk) -> bool:
        """Expect a chunk no more. A question of which nothing right is known then stays in the list as an open one.

        Returns:
            Whether the question has become an open one by this.
        """
        store = self._library.open(kb)
        with self._changing:
            _drop(store, question, chunk)
            if _find(store, question) is not None:
                return False
            store.questions.add([LabelledQuestion(question)], "feedback")
            return True

    def unmark(self, kb: str, question: str, chunk: Chunk) -> None:
        """Expect a chunk no more; a question of which nothing is expected any more leaves the list."""
        with self._changing:
            _drop(self._library.open(kb), question, chunk)

    def withdraw(self, kb: str, question: str) -> None:
        """Take a question out of the list if nobody has said what should be found."""
        store = self._library.open(kb)
        with self._changing:
            if (stored := _find(store, question)) is not None and stored.is_open:
                store.questions.remove([stored.id])

    def mark_unanswerable(self, kb: str, question: str) -> None:
        """Say that the knowledge base has no answer to a question, whatever was expected before."""
        store = self._library.open(kb)
        with self._changing:
            store.questions.add([LabelledQuestion(question)], "user")

    def remove(self, kb: str, ids: Sequence[int]) -> int:
        """Remove questions, and return how many there were."""
        return self._library.open(kb).questions.remove(ids)

    # --- files ---------------------------------------------------------------------------------------------------

    def import_file(self, kb: str, name: str, data: bytes) -> int:
        """Add the questions of a CSV, JSON Lines or Excel file, and return how many are new or changed.

        Raises:
            FileTooLarge, UnsupportedFile, CorruptFile, WrongQuestionList: the file is not added, nothing of it.
        """
        store, shown = self._library.open(kb), Path(well_formed(name)).name or "–"
        if len(data) > self._max_file_mb * _MB:
            raise FileTooLarge(name=shown, size_mb=len(data) / _MB, limit_mb=self._max_file_mb)
        with TemporaryDirectory(prefix="knowglm-questions-") as folder:
            path = Path(folder) / f"questions{Path(shown).suffix.lower()[:6]}"
            path.write_bytes(data)
            self._require_sound(path, shown)
            return store.questions.add(read_questions(path), "user")

    def export_file(self, kb: str, kind: ListKind) -> bytes:
        """Return the list as a file that `import_file` reads; questions that are still open are not in it."""
        questions = self._library.open(kb).questions.labelled()
        with TemporaryDirectory(prefix="knowglm-questions-") as folder:
            path = Path(folder) / f"questions.{kind}"
            write_questions(path, questions)
            return path.read_bytes()

    def _require_sound(self, path: Path, name: str) -> None:
        """Refuse a workbook that would fill the memory, and one that is none."""
        if path.suffix != ".xlsx":
            return
        try:
            suffix = binary_suffix(path, name=name, supported=".csv .tsv .jsonl .xlsx", max_mb=self._max_file_mb)
        except BadZipFile as error:
            raise CorruptFile(name=name, detail=error) from error
        if suffix != ".xlsx":
            raise CorruptFile(name=name, detail=suffix or "–")


def _find(store: KnowledgeStore, question: str) -> StoredQuestion | None:
    wanted = well_formed(question).strip()
    return next((stored for stored in store.questions.all() if stored.labelled.question == wanted), None)


def _drop(store: KnowledgeStore, question: str, chunk: Chunk) -> None:
    """Take out of what is expected for a question whatever a chunk is an example of."""
    stored = _find(store, question)
    if stored is None or not is_right(chunk, stored.labelled):
        return
    asked = stored.labelled.question
    left = [one for one in stored.labelled.expected if not is_right(chunk, LabelledQuestion(asked, (one,)))]
    if left:
        store.questions.add([LabelledQuestion(asked, tuple(left))], "user")
    else:
        store.questions.remove([stored.id])
