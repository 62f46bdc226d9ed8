"""The files of one knowledge base: uploaded, listed, read again, deleted."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import gradio as gr
from markupsafe import Markup

from core.documents import DocumentRecord
from core.errors import DocumentNotFound
from core.messages import Language, Message
from service.knowledge_qa import KnowledgeQA
from ui.components import QUIET, Updates, data_of, notice, panel, told
from ui.rendering import knowledge_bases as pictures
from ui.tabs.kb_chunks import Chunks
from ui.tabs.kb_jobs import KbJobs
from ui.texts import knowledge_bases as texts
from ui.texts import listings
from ui.visitors import facade_for, visitor_of

_PER_PAGE = 200
_DROPZONE = "window.knowglm.dropzone(element, trigger);"


class FileView(NamedTuple):
    """Which of the files are shown.

    Attributes:
        query: part of their names.
        state: a state of documents; empty for any.
        page: counted from 1.
    """

    query: str = ""
    state: str = ""
    page: int = 1


class Files:
    """The drop zone and the list of files."""

    def __init__(self, qa: KnowledgeQA, language: Language) -> None:
        self._qa, self._language = qa, language
        self.view = gr.State(FileView())
        states = [(self._t(text), state) for state, text in listings.DOCUMENT_STATES.items()]
        with gr.Column(elem_id="kb-files") as self._column:
            self._dropzone = panel("kb-dropzone", js=_DROPZONE)
            with gr.Row(elem_id="kb-find"):
                self._query = gr.Textbox(label=self._t(texts.FIND_FILE), elem_id="kb-find-file", scale=3)
                choices = [(self._t(texts.ANY_STATE), ""), *states]
                self._state = gr.Dropdown(
                    choices, value="", label=self._t(texts.STATE), elem_id="kb-find-state", scale=1
                )
            self._table = panel("kb-file-list")
        self.widgets: list[Any] = [self.view, self._column, self._dropzone, self._query, self._state, self._table]

    def wire(
        self, kb: gr.State, everything: list[Any], *, jobs: KbJobs, chunks: Chunks, changed: Callable[..., Updates]
    ) -> None:
        """Let its buttons work.

        Args:
            kb: the name of the chosen knowledge base.
            jobs: follows what is read in the background.
            chunks: shows those of one file.
            changed: given the name, the view and the request, what to update when files are gone.
        """
        telling = told(self._language)
        self._jobs, self._chunks, self._changed = jobs, chunks, changed
        self._dropzone.click(telling(jobs.followed), kb, jobs.widgets, **QUIET)
        searched, listed = [kb, self._query, self._state], [self.view, self._table]
        self._query.change(telling(self.find), searched, listed, **QUIET)  # `input` is deaf to IMEs and pasting
        self._state.input(telling(self.find), searched, listed, **QUIET)
        self._table.click(telling(self.act), [kb, self.view], everything, **QUIET)

    def opened(self, kb: str, request: gr.Request) -> Updates:
        """Show the files of a knowledge base from the beginning."""
        zone = Markup("")
        if visitor_of(request).user.may("editor", kb):
            limit_mb, suffixes = self._qa.settings.max_file_mb, self._qa.uploads.suffixes
            zone = pictures.dropzone(kb, limit_mb=limit_mb, suffixes=suffixes, language=self._language)
        return {
            self.view: FileView(),
            self._column: gr.update(visible=True),
            self._dropzone: zone,
            self._query: "",
            self._state: "",
            **self.listed(kb, FileView(), request),
        }

    def listed(self, kb: str, view: FileView, request: gr.Request) -> Updates:
        """Show the part of the list that is on view."""
        documents = [one for one in facade_for(self._qa, request).files(kb) if _is_in(view, one)]
        last_page = max(1, -(-len(documents) // _PER_PAGE))
        page = min(view.page, last_page)
        shown = documents[(page - 1) * _PER_PAGE : page * _PER_PAGE]
        may_edit = visitor_of(request).user.may("editor", kb)
        picture = pictures.files(kb, shown, may_edit=may_edit, language=self._language)
        if not shown and view != FileView():
            picture = pictures.note(self._t(texts.NOT_FOUND))
        pages = pictures.pages(page, len(documents), per_page=_PER_PAGE, language=self._language)
        return {self.view: view._replace(page=page), self._table: picture + pages}

    def find(self, kb: str, query: str, state: str, request: gr.Request) -> Updates:
        """List the files whose name holds a text, and those in a state."""
        return self.listed(kb, FileView(query, state), request)

    def act(self, kb: str, view: FileView, event: gr.EventData, request: gr.Request) -> Updates:
        """Do what was clicked in the list."""
        data = data_of(event)
        names = data.get("names") or [data.get("document", "")]
        match data["action"]:
            case "chunks":
                hidden = gr.update(visible="hidden")  # an upload goes on
                return {self._column: hidden, **self._chunks.shown(kb, names[0], request)}
            case "reindex":
                facade = facade_for(self._qa, request)
                return self._jobs.start("reindex", kb, lambda progress: facade.reindex(kb, names, progress), request)
            case "delete":
                return self._delete(kb, view, names, request)
        return self.listed(kb, view._replace(page=int(data.get("page", view.page))), request)

    def reopened(self) -> Updates:
        """Show the list again that the chunks of a file have taken the place of."""
        return {self._column: gr.update(visible=True)}

    def _delete(self, kb: str, view: FileView, names: list[str], request: gr.Request) -> Updates:
        facade, count = facade_for(self._qa, request), 0
        for name in names:
            with suppress(DocumentNotFound):  # somebody else was faster
                facade.remove(kb, name)
                count += 1
        notice(texts.REMOVED.text(self._language, count=count))
        return self._changed(kb, view, request)

    def _t(self, message: Message) -> str:
        return message.text(self._language)


def _is_in(view: FileView, document: DocumentRecord) -> bool:
    is_named = view.query.strip().casefold() in document.name.casefold()
    return is_named and view.state in ("", document.state)
