"""Right and wrong in the retrieval test: what readers say of hits, kept in the question lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import gradio as gr

from core.answers import Retrieval
from core.documents import Chunk
from core.evaluation import StoredQuestion
from service.knowledge_qa import KnowledgeQA
from ui.visitors import facade_for, visitor_of

_Asked = tuple[str, str]  # a question and a knowledge base


@dataclass(frozen=True, slots=True)
class WrongMarks:
    """Hits that were marked wrong since the page was opened: a list says only what is right.

    Attributes:
        chunks: question, knowledge base, and id of the chunk.
        noted: questions that are in a list for these marks alone.
    """

    chunks: frozenset[tuple[str, str, int]] = frozenset()
    noted: frozenset[_Asked] = frozenset()

    def has(self, asked: _Asked) -> bool:
        """Return whether any hit of a question was marked wrong in a knowledge base."""
        return any(one[:2] == asked for one in self.chunks)

    def without(self, asked: _Asked) -> "WrongMarks":
        """Return the marks but for those of one question in one knowledge base."""
        left = frozenset(one for one in self.chunks if one[:2] != asked)
        return WrongMarks(left, self.noted - {asked})


@dataclass(frozen=True, slots=True)
class Listed:
    """What the list of a knowledge base says of a question.

    Attributes:
        stored: None where the question is not in it.
        may_edit: the visitor may change that.
    """

    kb: str
    stored: StoredQuestion | None
    may_edit: bool


class Marker:
    """Reads and writes marks as a visitor may."""

    def __init__(self, qa: KnowledgeQA) -> None:
        self._qa = qa

    def marks(self, retrieval: Retrieval, wrong: WrongMarks, request: gr.Request) -> Mapping[tuple[str, int], bool]:
        """Return what has been said of the hits, by the knowledge base and the id of the chunk."""
        book, question = facade_for(self._qa, request).question_book, retrieval.question
        chunks = [hit.chunk for hit in retrieval.hits]
        marks = {(kb, id): False for asked, kb, id in wrong.chunks if asked == question}
        for kb in {chunk.kb for chunk in chunks}:
            right = book.right(kb, question, [chunk for chunk in chunks if chunk.kb == kb])
            marks |= {(kb, id): True for id in right}
        return marks

    def listed(self, question: str, kbs: Sequence[str], request: gr.Request) -> list[Listed]:
        """Return for each knowledge base what its list says of a question."""
        book, user = facade_for(self._qa, request).question_book, visitor_of(request).user
        return [Listed(kb, book.find(kb, question), user.may("editor", kb)) for kb in kbs]

    def mark(
        self, question: str, chunk: Chunk, wrong: WrongMarks, *, is_right: bool, request: gr.Request
    ) -> WrongMarks:
        """Mark a hit right or wrong; a mark that it has already is taken back."""
        book, asked = facade_for(self._qa, request).question_book, (question, chunk.kb)
        key = (*asked, chunk.id)
        others = WrongMarks(wrong.chunks - {key}, wrong.noted)
        if not is_right and key in wrong.chunks:
            if asked in wrong.noted and not others.has(asked):
                book.withdraw(chunk.kb, question)
                return others.without(asked)
            return others
        is_taken_back = chunk.id in book.right(chunk.kb, question, [chunk])
        if is_right and not is_taken_back:
            book.mark_right(chunk.kb, question, chunk)
            return WrongMarks(others.chunks, wrong.noted - {asked})
        if is_right and not others.has(asked):
            book.unmark(chunk.kb, question, chunk)
            return others
        is_open = book.mark_wrong(chunk.kb, question, chunk)
        chunks = others.chunks if is_right else wrong.chunks | {key}
        return WrongMarks(chunks, wrong.noted | ({asked} if is_open else set()))

    def unanswerable(self, question: str, kb: str, wrong: WrongMarks, request: gr.Request) -> WrongMarks:
        """Say that a knowledge base has no answer to a question."""
        facade_for(self._qa, request).question_book.mark_unanswerable(kb, question)
        return WrongMarks(wrong.chunks, wrong.noted - {(question, kb)})

    def take_out(self, question: str, kb: str, wrong: WrongMarks, request: gr.Request) -> WrongMarks:
        """Take a question out of a list, with all that was said of it."""
        book = facade_for(self._qa, request).question_book
        if (stored := book.find(kb, question)) is not None:
            book.remove(kb, [stored.id])
        return wrong.without((question, kb))
