"""The chunks of one document: searched, corrected, taken out of retrieval."""

from collections.abc import Callable
from typing import Any, NamedTuple

import gradio as gr

from core.curation import ChunkRow
from core.errors import ChunkNotFound
from core.messages import Language, Message
from service.knowledge_qa import KnowledgeQA
from ui.components import QUIET, Updates, data_of, notice, panel, told
from ui.rendering import knowledge_bases as pictures
from ui.rendering import views
from ui.texts import knowledge_bases as texts
from ui.visitors import facade_for, visitor_of

_PER_PAGE = 50


class ChunkView(NamedTuple):
    """Which chunks are shown.

    Attributes:
        query: part of their text.
        page: counted from 1.
    """

    document: str = ""
    query: str = ""
    page: int = 1


class Chunks:
    """The list of chunks, and where one of them is corrected."""

    def __init__(self, qa: KnowledgeQA, language: Language) -> None:
        self._qa, self._language = qa, language
        self._view, self._edited = gr.State(ChunkView()), gr.State(0)
        with gr.Column(elem_id="kb-chunks", visible=False) as self._column:
            self._head = panel("kb-chunks-head")
            self._query = gr.Textbox(label=self._t(texts.FIND_CHUNK), elem_id="kb-find-chunk")
            self._list = panel("kb-chunk-list")
            with gr.Column(elem_id="kb-chunk-editor", visible=False) as self._editor:
                self._text = gr.Textbox(
                    info=self._t(texts.EDITING_ABOUT), lines=5, max_lines=14, elem_id="kb-chunk-text"
                )
                with gr.Row():
                    self._cancel = gr.Button(self._t(texts.CANCEL), elem_id="kb-chunk-cancel", min_width=80)
                    self._save = gr.Button(
                        self._t(texts.SAVE), variant="primary", elem_id="kb-chunk-save", min_width=80
                    )
        shown = [self._view, self._edited, self._column, self._head, self._query, self._list, self._editor, self._text]
        self.widgets: list[Any] = shown

    def wire(self, kb: gr.State, everything: list[Any], *, closed: Callable[[], Updates]) -> None:
        """Let its buttons work.

        Args:
            kb: the name of the chosen knowledge base.
            closed: what to show in the place of the chunks.
        """
        telling, here = told(self._language), [kb, self._view]
        self._closed = closed
        self._head.click(telling(self.act_on_document), here, everything, **QUIET)
        searched = [self._view, self._head, self._list]
        self._query.change(telling(self.find), [*here, self._query], searched, **QUIET)  # `input` is deaf to IMEs
        self._list.click(telling(self.act), here, self.widgets, **QUIET)
        self._save.click(telling(self.save), [*here, self._edited, self._text], self.widgets, **QUIET)
        self._cancel.click(telling(self.cancel), None, self.widgets, **QUIET)

    # --- what is shown -------------------------------------------------------------------------------------------

    def opened(self, kb: str, request: gr.Request) -> Updates:
        """Show nothing: the chunks of a knowledge base are shown document by document."""
        return {self._column: gr.update(visible=False), self._view: ChunkView(), **self.cancel()}

    def shown(self, kb: str, document: str, request: gr.Request) -> Updates:
        """Show the chunks of a document from the beginning."""
        listed = self._listed(kb, ChunkView(document), request)
        return {self._column: gr.update(visible=True), self._query: "", **self.cancel(), **listed}

    def find(self, kb: str, view: ChunkView, query: str, request: gr.Request) -> Updates:
        """List the chunks that hold a text."""
        return self._listed(kb, ChunkView(view.document, query), request)

    def _listed(self, kb: str, view: ChunkView, request: gr.Request) -> Updates:
        curation, may_edit = facade_for(self._qa, request).curation, visitor_of(request).user.may("editor", kb)
        rows, corrections = curation.chunks(kb, view.document), curation.corrections(kb, view.document)
        found = [row for row in rows if view.query.casefold() in row.chunk.text.casefold()]
        page = min(view.page, max(1, -(-len(found) // _PER_PAGE)))
        shown = found[(page - 1) * _PER_PAGE : page * _PER_PAGE]
        count = pictures.note(self._t(texts.FOUND_CHUNKS, found=len(found), total=len(rows)))
        pages = pictures.pages(page, len(found), per_page=_PER_PAGE, language=self._language)
        return {
            self._view: view._replace(page=page),
            self._head: pictures.chunks_head(view.document, corrections, may_edit=may_edit, language=self._language),
            self._list: count + views.chunks(shown, language=self._language, may_edit=may_edit) + pages,
        }

    # --- what can be done ----------------------------------------------------------------------------------------

    def act_on_document(self, kb: str, view: ChunkView, event: gr.EventData, request: gr.Request) -> Updates:
        """Go back to the files, or take back every correction of the document."""
        if data_of(event)["action"] == "back":
            return {**self.opened(kb, request), **self._closed()}
        count = facade_for(self._qa, request).curation.undo(kb, view.document)
        notice(self._t(texts.UNDONE, count=count))
        return {**self.cancel(), **self._listed(kb, view, request)}

    def act(self, kb: str, view: ChunkView, event: gr.EventData, request: gr.Request) -> Updates:
        """Do what was clicked in the list."""
        data = data_of(event)
        match data["action"]:
            case "page":
                return self._listed(kb, view._replace(page=int(data["page"])), request)
            case "edit":
                return self._editing(self._row(kb, view, int(data["chunk"]), request))
            case "toggle":
                is_enabled, ids = data["enabled"] == "true", [int(data["chunk"])]
                facade_for(self._qa, request).curation.set_enabled(kb, view.document, ids, enabled=is_enabled)
        return self._listed(kb, view, request)

    def save(self, kb: str, view: ChunkView, chunk_id: int, text: str, request: gr.Request) -> Updates:
        """Put a text in the place of a chunk's."""
        facade_for(self._qa, request).curation.edit(kb, view.document, chunk_id, text)
        notice(self._t(texts.SAVED))
        return {**self.cancel(), **self._listed(kb, view, request)}

    def cancel(self) -> Updates:
        """Leave a chunk as it is."""
        return {self._editor: gr.update(visible=False), self._edited: 0}

    def _editing(self, row: ChunkRow) -> Updates:
        label = self._t(texts.EDITING, n=row.chunk.ordinal + 1)
        return {
            self._editor: gr.update(visible=True),
            self._edited: row.chunk.id,
            self._text: gr.update(value=row.chunk.text, label=label),
        }

    def _row(self, kb: str, view: ChunkView, chunk_id: int, request: gr.Request) -> ChunkRow:
        for row in facade_for(self._qa, request).curation.chunks(kb, view.document):
            if row.chunk.id == chunk_id:
                return row
        raise ChunkNotFound(document=view.document)

    def _t(self, message: Message, **values: Any) -> str:
        return message.text(self._language, **values)
