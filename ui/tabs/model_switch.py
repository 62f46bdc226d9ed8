"""Which language model writes the answers: chosen with its precision, its device and its adapter."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from core.messages import Language, Message
from service.knowledge_qa import KnowledgeQA
from service.models.choices import PrecisionChoice, changes_to, device_names, precisions, runnable, value_of
from service.models.inventory import Inventory, take_inventory
from ui.components import QUIET, Updates, panel, refused, told
from ui.rendering import models as pictures
from ui.texts import models as texts
from ui.visitors import facade_for

_AUTO = "auto"
_EMBEDDED = "extractive"
_SERVER = "server:"  # in the place of a model's name; no folder is called so

Changes = dict[str, Any]


class SwitchForm:
    """A field for each thing that is chosen, filled in with what is in force."""

    def __init__(self, qa: KnowledgeQA, language: Language) -> None:
        self._qa, self._language, self._start = qa, language, qa.settings
        gr.HTML(pictures.heading(texts.SWITCH, texts.SWITCH_ABOUT, language=language))
        with gr.Row(elem_classes="model-fields"):
            self._model = gr.Dropdown(
                [],
                label=self._t(texts.MODEL),
                info=self._t(texts.MODEL_ABOUT),
                allow_custom_value=True,
                elem_id="model-name",
            )
            self._precision = gr.Dropdown([], label=self._t(texts.PRECISION), info=" ", elem_id="model-precision")
            self._device = gr.Dropdown([], label=self._t(texts.DEVICE), info=" ", elem_id="model-device")
        self._adapter = gr.Textbox(
            label=self._t(texts.ADAPTER), info=self._t(texts.ADAPTER_ABOUT), max_lines=1, elem_id="model-adapter"
        )
        self._button = panel("model-switch")
        self.widgets: list[Any] = [self._model, self._precision, self._device, self._adapter, self._button]

    def wire(self, everything: list[Any], *, switch: Callable[[Message, Changes, gr.Request], Updates]) -> None:
        """Let its button work.

        Args:
            switch: told what to change to and what that means, changes the language model.
        """
        telling = told(self._language)
        self._switch = switch
        fields: set[Any] = {self._model, self._precision, self._device, self._adapter}
        self._button.click(telling(self.apply), fields, everything, **QUIET)
        self._model.input(telling(self.choose), self._model, self._precision, **QUIET)

    def opened(self, inventory: Inventory) -> Updates:
        """Fill in the fields with what is in force; what fits, once the memory has been looked at."""
        settings = self._qa.settings
        value = self._value(inventory)
        devices = device_names() if inventory.devices else [_AUTO]
        return {
            self._model: gr.update(choices=self._models(inventory), value=value),
            self._precision: self._precisions(inventory, value, settings.precision),
            self._device: gr.update(
                choices=[(self._device_text(name), name) for name in dict.fromkeys([*devices, settings.device])],
                value=settings.device,
            ),
            self._adapter: settings.adapter,
            self._button: pictures.apply_button(language=self._language),
        }

    def choose(self, value: str, request: gr.Request) -> Updates:
        """Offer the precisions of the model that was chosen."""
        inventory = take_inventory(facade_for(self._qa, request).settings)
        return {self._precision: self._precisions(inventory, value, _AUTO)}

    def apply(self, given: dict[Any, Any], request: gr.Request) -> Updates:
        """Change to what the fields say; `given` is the inputs with their values."""
        settings = facade_for(self._qa, request).settings
        value = str(given[self._model] or "").strip()
        if not value:
            raise refused(self._t(texts.CHOOSE_MODEL))
        if value == _SERVER:
            changes = {"llm": self._start.llm, "llm_url": self._start.llm_url, "adapter": None}
        else:
            changes = {
                **changes_to(value, settings),
                "precision": given[self._precision],
                "device": given[self._device],
                "adapter": str(given[self._adapter] or "").strip() or None,
            }
        return self._switch(self.about(value), changes, request)

    def about(self, value: str) -> Message:
        """Return what a switch to a model is called."""
        name = self._start.llm if value == _SERVER else value
        return texts.SWITCHING.filled(name=Path(name).name)

    # --- what the fields offer -----------------------------------------------------------------------------------

    def _value(self, inventory: Inventory) -> str:
        settings = self._qa.settings
        if settings.llm_url and settings.llm != _EMBEDDED:
            return _SERVER
        in_force = (entry for entry in inventory.models if entry.kind == "llm" and entry.in_force)
        return next(map(value_of, in_force), _EMBEDDED)

    def _models(self, inventory: Inventory) -> list[tuple[str, str]]:
        offered = [
            (self._t(texts.EMBEDDED) if entry.name == _EMBEDDED else entry.name, value_of(entry))
            for entry in runnable(inventory)
        ]
        if self._start.llm_url:
            offered.append((self._t(texts.ON_SERVER, name=self._start.llm), _SERVER))
        return offered

    def _precisions(self, inventory: Inventory, value: str, wanted: str) -> Any:
        offered = [] if value == _SERVER else precisions(inventory, value)
        names: list[str] = [_AUTO, *(one.precision for one in offered)]
        labels = [self._t(texts.AUTO_PRECISION), *map(self._precision_text, offered)]
        return gr.update(choices=list(zip(labels, names, strict=True)), value=wanted if wanted in names else _AUTO)

    def _precision_text(self, choice: PrecisionChoice) -> str:
        if choice.memory_gb is None:
            return choice.precision
        by_fit = {None: texts.PRECISION_SIZE, True: texts.PRECISION_FITS, False: texts.PRECISION_TOO_LARGE}
        return self._t(by_fit[choice.fits], precision=choice.precision, size=choice.memory_gb)

    def _device_text(self, name: str) -> str:
        return self._t(texts.AUTO) if name == _AUTO else name

    def _t(self, message: Message, **values: Any) -> str:
        return message.text(self._language, **values)
