"""How a document would be split at other lengths."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from core.messages import Language, Message
from service.knowledge_qa import KnowledgeQA
from ui.components import QUIET, Updates, notice, panel, refused, told
from ui.rendering import knowledge_bases as pictures
from ui.rendering import views
from ui.texts import knowledge_bases as texts
from ui.visitors import facade_for, visitor_of

CHUNK_CHARS, CHUNK_OVERLAP_CHARS = (50, 2000), (0, 500)
"""Ranges of the settings of these names."""
_SHOWN = 50


class Preview:
    """A splitting that is looked at and stored nowhere, until its lengths are taken over.

    Args:
        tab: where it stands.
    """

    def __init__(self, qa: KnowledgeQA, language: Language, tab: gr.Tab) -> None:
        self._qa, self._language = qa, language
        self._tab = tab
        gr.HTML(pictures.note(self._t(texts.PREVIEW_ABOUT)), apply_default_css=False)
        self._document = gr.Dropdown(
            [], label=self._t(texts.DOCUMENT), allow_custom_value=True, elem_id="kb-preview-document"
        )
        with gr.Row(elem_id="kb-preview-lengths"):
            chars, overlap = (self._t(texts.SETTINGS[name]) for name in ("chunk_chars", "chunk_overlap_chars"))
            self._chars = gr.Slider(*CHUNK_CHARS, step=10, precision=0, label=chars, elem_id="kb-preview-chars")
            self._overlap = gr.Slider(
                *CHUNK_OVERLAP_CHARS, step=10, precision=0, label=overlap, elem_id="kb-preview-overlap"
            )
        with gr.Row(elem_id="kb-preview-buttons"):
            self._show = gr.Button(self._t(texts.SHOW_PREVIEW), variant="primary", elem_id="kb-preview-show")
            self._use = gr.Button(self._t(texts.USE_LENGTHS), elem_id="kb-preview-use")
        self._panel = panel("kb-preview")
        self.widgets: list[Any] = [self._document, self._chars, self._overlap, self._use, self._panel]

    def wire(self, kb: gr.State, everything: list[Any], *, saved: Callable[..., Updates]) -> None:
        """Let its buttons work.

        Args:
            kb: the name of the chosen knowledge base.
            saved: given the name and the request, what to update once its settings have changed.
        """
        telling, lengths = told(self._language), [self._chars, self._overlap]
        self._saved = saved
        self._tab.select(telling(self.listed), [kb, self._document], self._document, **QUIET)
        shown = {**QUIET, "show_progress": "full"}
        self._show.click(telling(self.show), [kb, self._document, *lengths], self._panel, **shown)
        self._use.click(telling(self.use), [kb, *lengths], everything, **QUIET)

    def opened(self, kb: str, request: gr.Request) -> Updates:
        """Offer the documents of a knowledge base, at the lengths that are in force."""
        value = {one.name: one.value for one in facade_for(self._qa, request).kb_settings.in_force(kb)}
        return {
            **self.listed(kb, None, request),
            self._chars: value["chunk_chars"],
            self._overlap: value["chunk_overlap_chars"],
            self._use: gr.update(visible=visitor_of(request).user.may("editor", kb)),
            self._panel: "",
        }

    def listed(self, kb: str, document: str | None, request: gr.Request) -> Updates:
        """Offer the documents that there are now."""
        documents = self._documents(kb, request)
        return {self._document: gr.update(choices=documents, value=_chosen(document, documents))}

    def show(self, kb: str, document: str | None, chars: int, overlap: int, request: gr.Request) -> Updates:
        """Split a document; the first one where none is chosen (yet)."""
        document = _chosen(document, self._documents(kb, request))
        if document is None:
            raise refused(self._t(texts.NO_DOCUMENT))
        lengths = {"chunk_chars": chars, "chunk_overlap_chars": overlap}
        chunks = facade_for(self._qa, request).curation.preview(kb, document, **lengths)
        picture = views.preview(chunks[:_SHOWN], language=self._language)
        if len(chunks) > _SHOWN:
            picture = pictures.note(self._t(texts.FIRST_CHUNKS, total=len(chunks), shown=_SHOWN)) + picture
        return {self._panel: picture}

    def use(self, kb: str, chars: int, overlap: int, request: gr.Request) -> Updates:
        """Save the lengths with the knowledge base, for its next rebuild."""
        settings = facade_for(self._qa, request).kb_settings
        settings.save(kb, chunk_chars=chars, chunk_overlap_chars=overlap)
        notice(self._t(texts.LENGTHS_SAVED, chars=chars, overlap=overlap))
        updates: Updates = self._saved(kb, request)
        return updates

    def _documents(self, kb: str, request: gr.Request) -> list[str]:
        return [one.name for one in facade_for(self._qa, request).files(kb) if one.state == "indexed"]

    def _t(self, message: Message, **values: Any) -> str:
        return message.text(self._language, **values)


def _chosen(document: str | None, documents: list[str]) -> str | None:
    return document if document in documents else next(iter(documents), None)
