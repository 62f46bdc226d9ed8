"""How the language model chooses its words."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from core.messages import Language, Message
from service.knowledge_qa import KnowledgeQA
from service.models.sampling import SAMPLING_SETTINGS, limits
from ui.components import QUIET, Updates, refused, told
from ui.texts import models as texts
from ui.visitors import facade_for

_STEPS = {"temperature": 0.05, "top_p": 0.01, "sample_top_k": 1, "repetition_penalty": 0.01, "answer_tokens": 1}


class SamplingForm:
    """A slider for each setting, and a box for the seed, which has no end."""

    def __init__(self, qa: KnowledgeQA, language: Language) -> None:
        self._qa, self._language = qa, language
        with gr.Accordion(texts.SAMPLING.text(language), open=False, elem_id="model-sampling"):
            with gr.Row(elem_classes="model-fields"):
                self._fields: dict[str, Any] = {name: self._field(name) for name in SAMPLING_SETTINGS}
            self._save = gr.Button(texts.SAVE_SAMPLING.text(language), elem_id="model-sampling-save")
        self.widgets: list[Any] = list(self._fields.values())

    def _field(self, name: str) -> Any:
        known: dict[str, Any] = {
            "label": texts.SAMPLING_SETTINGS[name].text(self._language),
            "info": texts.SAMPLING_ABOUT[name].text(self._language),
            "elem_id": f"sampling-{name}",
            "min_width": 260,
        }
        bounds = limits(name)
        if bounds.high is None:
            return gr.Number(precision=0, minimum=bounds.low, **known)
        step = _STEPS[name]
        return gr.Slider(bounds.low + step * bounds.is_open, bounds.high, step=step, buttons=[], **known)

    def wire(self, everything: list[Any], *, switch: Callable[[Message, dict[str, Any], gr.Request], Updates]) -> None:
        """Let its button work.

        Args:
            switch: told what to change to and what that means, changes the language model.
        """
        self._switch = switch
        self._save.click(told(self._language)(self.save), set(self.widgets), everything, **QUIET)

    def opened(self) -> Updates:
        """Fill in the fields with what is in force."""
        return {field: gr.update(value=getattr(self._qa.settings, name)) for name, field in self._fields.items()}

    def save(self, given: dict[Any, Any], request: gr.Request) -> Updates:
        """Use what the fields say from the next question on; `given` is the fields with their values."""
        settings = facade_for(self._qa, request).settings
        values = {name: _value(given[field], getattr(settings, name)) for name, field in self._fields.items()}
        changes = {name: value for name, value in values.items() if value != getattr(settings, name)}
        if not changes:
            raise refused(texts.NOTHING_CHANGED.text(self._language))
        return self._switch(texts.RESAMPLING, changes, request)


def _value(given: float | None, known: float | None) -> float | None:
    """Return what a field says, as a whole number where it shows one, which browsers may send as a float."""
    if given is None:
        return None
    return float(given) if isinstance(known, float) else int(given)
