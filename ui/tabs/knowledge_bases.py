"""The knowledge bases: listed, made, renamed and deleted, and the one that is being worked on."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import gradio as gr
from markupsafe import Markup

from core.accounts import normal_name
from core.documents import KnowledgeBaseInfo
from core.errors import KnowGLMError
from core.messages import Language, Message
from service.knowledge.library import SAMPLES
from service.knowledge_qa import KnowledgeQA
from ui.components import QUIET, Updates, data_of, notice, panel, refused, told
from ui.rendering import knowledge_bases as pictures
from ui.tabs.kb_chunks import Chunks
from ui.tabs.kb_files import Files, FileView
from ui.tabs.kb_jobs import KbJobs
from ui.tabs.kb_preview import Preview
from ui.tabs.kb_settings import KbSettingsForm
from ui.texts import knowledge_bases as texts
from ui.visitors import facade_for, visitor_of


class KnowledgeBasesTab:
    """The widgets of the tab, and what they do.

    Args:
        language: of the page.
    """

    def __init__(self, qa: KnowledgeQA, language: Language) -> None:
        self._qa, self._language = qa, language
        self._build()
        self._wire()

    # --- widgets -------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        qa, language = self._qa, self._language
        self._kb = gr.State("")
        self._list = panel("kb-list")
        with gr.Row(elem_id="kb-new") as self._new:
            self._names = gr.Textbox(
                label=self._t(texts.NEW), placeholder=self._t(texts.NEW_NAMES), max_lines=8, elem_id="kb-names", scale=5
            )
            self._create = gr.Button(self._t(texts.CREATE), elem_id="kb-create", min_width=80, scale=1)
        with gr.Column(elem_id="kb-work") as self._work:
            self._head = panel("kb-head")
            self._jobs = KbJobs(qa, language)
            with gr.Tabs(elem_id="kb-tabs"):
                with gr.Tab(self._t(texts.TAB_FILES), id="files"):
                    self._files = Files(qa, language)
                    self._chunks = Chunks(qa, language)
                with gr.Tab(self._t(texts.TAB_PREVIEW), id="preview") as tab:
                    self._preview = Preview(qa, language, tab)
                with gr.Tab(self._t(texts.TAB_SETTINGS), id="settings"):
                    self._settings = KbSettingsForm(qa, language)
        self._parts = (self._jobs, self._files, self._chunks, self._preview, self._settings)

    def _wire(self) -> None:
        telling, kb = told(self._language), self._kb
        own = [kb, self._list, self._new, self._names, self._work, self._head]
        everything = [*own, *(widget for part in self._parts for widget in part.widgets)]
        self._list.click(telling(self.act), kb, everything, **QUIET)
        for event in (self._create.click, self._names.submit):
            event(telling(self.create), [self._names, kb], everything, **QUIET)
        self._head.click(telling(self.rebuild), kb, everything, **QUIET)
        self._jobs.wire(kb, self._files.view, everything, ended=self.changed)
        self._files.wire(kb, everything, jobs=self._jobs, chunks=self._chunks, changed=self.changed)
        self._chunks.wire(kb, everything, closed=self._files.reopened)
        self._preview.wire(kb, everything, saved=self.settled)
        self._settings.wire(kb, everything, saved=self.settled)
        self.on_select = {"fn": telling(self.selected), "inputs": [kb, self._files.view], "outputs": everything}

    # --- which knowledge base ------------------------------------------------------------------------------------

    def selected(self, kb: str, view: FileView, request: gr.Request) -> Updates:
        """Come to the tab: for the first time, or back to what was left there."""
        if not kb:
            return self.opened(SAMPLES, request)
        updates = self.changed(kb, view, request)
        return updates if self._kb in updates else {**updates, **self._jobs.opened(kb, request)}

    def opened(self, kb: str, request: gr.Request) -> Updates:
        """Show a knowledge base, and all there are; another one if it is there no longer."""
        infos = facade_for(self._qa, request).knowledge_bases()
        usable = [info.name for info in infos if not info.is_damaged]
        kb = kb if kb in usable else next(iter(usable), "")
        updates = {
            self._kb: kb,
            self._list: self._listed(infos, kb, request),
            self._new: gr.update(visible=visitor_of(request).user.may("editor")),
            self._work: gr.update(visible=bool(kb)),
        }
        if not kb:
            return updates
        for part in self._parts:
            updates |= part.opened(kb, request)
        return {**updates, self._head: self._headed(kb, request)}

    def changed(self, kb: str, view: FileView, request: gr.Request) -> Updates:
        """Bring up to date what says how many files there are, and leave alone what the visitor is working with."""
        infos = facade_for(self._qa, request).knowledge_bases()
        if kb not in {info.name for info in infos}:
            return self.opened(kb, request)
        return {
            self._list: self._listed(infos, kb, request),
            self._head: self._headed(kb, request),
            **self._files.listed(kb, view, request),
        }

    def settled(self, kb: str, request: gr.Request) -> Updates:
        """Show the settings as they are now, and what they ask for."""
        return {self._head: self._headed(kb, request), **self._settings.opened(kb, request)}

    # --- making and deleting -------------------------------------------------------------------------------------

    def create(self, names: str, kb: str, request: gr.Request) -> Iterator[Updates]:
        """Create a knowledge base for each line; those that cannot be stay in the box."""
        wanted = list(dict.fromkeys(line.strip() for line in names.splitlines() if line.strip()))
        problems = _problems(facade_for(self._qa, request).create, wanted)
        made = [name for name in wanted if name not in problems]
        yield {**self.opened(normal_name(made[-1]) if made else kb, request), self._names: "\n".join(problems)}
        self._refuse(problems.values())

    def act(self, kb: str, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        """Open, rename or delete knowledge bases of the list."""
        data = data_of(event)
        match data["action"]:
            case "open":
                yield self.opened(data["kb"], request)
            case "rename":
                facade_for(self._qa, request).rename(data["kb"], data["value"])
                yield self.opened(normal_name(data["value"]) if data["kb"] == kb else kb, request)
            case "delete":
                yield from self._delete(data.get("names") or [data["kb"]], kb, request)

    def rebuild(self, kb: str, request: gr.Request) -> Updates:
        """Rebuild a knowledge base in the background."""
        facade = facade_for(self._qa, request)
        return self._jobs.start("rebuild", kb, lambda progress: facade.rebuild(kb, progress), request)

    def _delete(self, names: list[str], kb: str, request: gr.Request) -> Iterator[Updates]:
        problems = _problems(facade_for(self._qa, request).delete, names)
        deleted = [name for name in names if name not in problems]
        yield self.opened(kb, request)
        if deleted:
            notice(texts.DELETED.text(self._language, names="、".join(deleted)))
        self._refuse(problems.values())

    def _refuse(self, problems: Iterable[KnowGLMError]) -> None:
        if reasons := [problem.reason(self._language) for problem in problems]:
            raise refused("\n".join(reasons))

    # --- pictures ------------------------------------------------------------------------------------------------

    def _listed(self, infos: list[KnowledgeBaseInfo], kb: str, request: gr.Request) -> Markup:
        user = visitor_of(request).user
        manageable = {info.name for info in infos if info.id != SAMPLES and user.may("admin", info.name)}
        return pictures.bases(infos, kb, manageable=manageable, language=self._language)

    def _headed(self, kb: str, request: gr.Request) -> Markup:
        may_edit = visitor_of(request).user.may("editor", kb)
        notices = facade_for(self._qa, request).notices(kb)
        return pictures.head(kb, notices, may_edit=may_edit, language=self._language)

    def _t(self, message: Message, **values: Any) -> str:
        return message.text(self._language, **values)


def _problems(action: Callable[[str], None], names: Iterable[str]) -> dict[str, KnowGLMError]:
    """Do something with each name, and return what came in the way of those for which it failed."""
    problems = {}
    for name in names:
        try:
            action(name)
        except KnowGLMError as error:
            problems[name] = error
    return problems
