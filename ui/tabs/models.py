"""The models: what runs, what there is, what fits; downloaded, switched, examined."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from core.errors import ConfigError
from core.messages import Language, Message
from service.knowledge_qa import KnowledgeQA
from service.models.choices import (
    adapter_in_force,
    as_variables,
    changed_settings,
    changes_to,
    is_loaded,
    runnable,
    value_of,
)
from service.models.downloads import DownloadTerms, ModelChanges, download_terms
from service.models.inventory import Inventory, ModelEntry, downloadable, take_inventory
from ui.components import QUIET, Updates, data_of, panel, told
from ui.rendering import models as pictures
from ui.tabs.model_doctor import Doctor
from ui.tabs.model_sampling import SamplingForm
from ui.tabs.model_switch import SwitchForm
from ui.tabs.model_work import ModelWork
from ui.texts import models as texts
from ui.visitors import facade_for, visitor_of


class ModelsTab:
    """The widgets of the tab, and what they do. Who is no admin of the whole sees what runs and what there is.

    Args:
        changes: shared by all pages of a server.
        language: of the page.
    """

    def __init__(self, qa: KnowledgeQA, changes: ModelChanges, language: Language) -> None:
        self._qa, self._language, self._start = qa, language, qa.settings
        with gr.Column(elem_id="models"):
            self._now = panel("model-now")
            self._work = ModelWork(qa, changes, language)
            self._catalogue = panel("model-catalogue")
            with gr.Column(elem_id="model-manage", visible=False) as self._manage:
                self._form = SwitchForm(qa, language)
                self._sampling = SamplingForm(qa, language)
                self._doctor = Doctor(qa, language)
        self._wire()

    def _wire(self) -> None:
        telling = told(self._language)
        everything = [self._now, self._catalogue, self._manage]
        everything += [*self._work.widgets, *self._form.widgets, *self._sampling.widgets]
        self._catalogue.click(telling(self.act), None, everything, **QUIET)
        self._work.wire(everything, changed=self.refreshed, listed=self.listed)
        self._form.wire(everything, switch=self.switch)
        self._sampling.wire(everything, switch=self.switch)
        self.on_select = {"fn": telling(self.opened), "outputs": everything}

    # --- what is shown -------------------------------------------------------------------------------------------

    def opened(self, request: gr.Request) -> Iterator[Updates]:
        """Show at once what is known, and what fits once the memory has been looked at."""
        yield self._shown(take_inventory(self._qa.settings, devices=()), request)
        yield self._shown(take_inventory(self._qa.settings), request)

    def refreshed(self, request: gr.Request) -> Updates:
        """Show everything as it is after a change of the language model."""
        return self._shown(take_inventory(self._qa.settings), request)

    def listed(self, request: gr.Request) -> Updates:
        """Show what there is now, and leave alone what the visitor is filling in."""
        inventory = take_inventory(self._qa.settings)
        return {self._now: self._running(inventory, request), self._catalogue: self._listed(inventory, request)}

    def _shown(self, inventory: Inventory, request: gr.Request) -> Updates:
        updates = {
            self._now: self._running(inventory, request),
            self._catalogue: self._listed(inventory, request),
            self._manage: gr.update(visible=_may_manage(request)),
        }
        if not _may_manage(request):
            return updates
        return {**updates, **self._work.opened(request), **self._form.opened(inventory), **self._sampling.opened()}

    def _running(self, inventory: Inventory, request: gr.Request) -> Markup:
        qa, settings = facade_for(self._qa, request), self._qa.settings
        in_force = qa.model_in_force
        state = pictures.Now(
            model=in_force,
            is_loaded=is_loaded(inventory, in_force, settings),
            adapter=Path(settings.adapter).name,
            has_adapter=adapter_in_force(in_force, settings),
            notices=qa.notices(()),
            variables=as_variables(changed_settings(self._start, settings)),
        )
        may_manage = _may_manage(request)
        return pictures.now(state, is_changing=self._work.is_changing, may_manage=may_manage, language=self._language)

    def _listed(self, inventory: Inventory, request: gr.Request) -> Markup:
        may_manage, here = _may_manage(request), runnable(inventory)
        loaded = is_loaded(inventory, self._qa.model_in_force, self._qa.settings)
        rows = [
            pictures.Row(
                entry,
                is_loaded=loaded and entry == inventory.configured("llm"),
                value=value_of(entry) if may_manage and entry in here and not _is_all_there(entry) else "",
                terms=self._terms(entry) if may_manage else None,
            )
            for entry in inventory.models
        ]
        return pictures.catalogue(rows, inventory, may_manage=may_manage, language=self._language)

    def _terms(self, entry: ModelEntry) -> DownloadTerms | None:
        """Return what a download takes; none where there is nothing to download, or no address to download from."""
        if entry.state == "complete" or entry.name not in downloadable() or not entry.spec.repository:
            return None
        try:
            return download_terms(entry, self._qa.settings)
        except ConfigError:  # the doctor says so
            return None

    # --- what can be done ----------------------------------------------------------------------------------------

    def act(self, event: gr.EventData, request: gr.Request) -> Updates:
        """Download, load or unload a model of the catalogue."""
        data, qa = data_of(event), facade_for(self._qa, request)
        match data["action"]:
            case "download":
                return self._work.download(data["model"], request)
            case "load":
                changes = changes_to(data["model"], qa.settings)
                return self.switch(self._form.about(data["model"]), changes, request)
            case "unload":
                return self._work.change(texts.UNLOADING, qa.unload_model, request)
        return {}

    def switch(self, about: Message, changes: dict[str, Any], request: gr.Request) -> Updates:
        """Change the language model in the background; answers that are being written come to their end first."""
        qa = facade_for(self._qa, request)
        return self._work.change(about, lambda progress: qa.use_model(progress, wait=True, **changes), request)


def _is_all_there(entry: ModelEntry) -> bool:
    """Tell whether a model writes the answers that has nothing to load."""
    return entry.in_force and entry.state == "built_in"


def _may_manage(request: gr.Request) -> bool:
    return visitor_of(request).user.may("admin")
