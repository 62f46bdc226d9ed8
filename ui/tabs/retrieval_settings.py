"""The settings of the retrieval test: tried with one question, compared with others, saved for the chat."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import gradio as gr
from markupsafe import Markup

from core.messages import Language, Message
from service.knowledge_qa import KnowledgeQA
from ui.components import Updates, panel, refused
from ui.rendering.templates import rendered
from ui.tabs.retrieval_sliders import SAVED_WITH_KB, SCALES, Sliders, described, name_of, notes, variable
from ui.texts import retrieval_test as texts
from ui.visitors import facade_for, visitor_of

Given = Mapping[Any, Any]
"""What stands in the widgets when a handler is called, by widget."""


class SettingsPart:
    """Two rows of sliders, and what saves the first one with a knowledge base.

    What nobody moved is not sent along with a question, so that it is asked as in the chat.
    """

    def __init__(self, qa: KnowledgeQA, language: Language) -> None:
        self._qa, self._language = qa, language

    def build(self) -> None:
        """Make the widgets."""
        self._loaded = gr.State(None)  # the RetrievalSettings that the sliders were loaded with
        self._first = gr.HTML(self._heading(texts.SETTINGS_A), visible=False, apply_default_css=False)
        with gr.Group():
            self.a = Sliders("test-a", self._language)
        with gr.Row(elem_id="test-saving"):
            self.apply_button = gr.Button(self._t(texts.APPLY), variant="primary", size="sm", elem_id="test-apply")
            self.defaults_button = gr.Button(self._t(texts.DEFAULTS), size="sm", elem_id="test-defaults")
        self._said = panel("test-saved")
        self.compare = gr.Checkbox(label=self._t(texts.COMPARE), elem_id="test-compare")
        with gr.Column(visible=False, elem_id="test-b") as self._other:
            gr.HTML(self._heading(texts.SETTINGS_B), apply_default_css=False)
            with gr.Group():
                self.b = Sliders("test-b", self._language)

    @property
    def sliders(self) -> list[gr.Slider]:
        """All the sliders."""
        return [*self.a.widgets, *self.b.widgets]

    @property
    def inputs(self) -> set[Any]:
        """The widgets that the methods here find in `given`."""
        return {self.compare, self._loaded, *self.sliders}

    @property
    def outputs(self) -> list[Any]:
        """The widgets that the methods here update."""
        shown = [self.apply_button, self.defaults_button, self._said, self._first, self._other]
        return [*self.sliders, self._loaded, *shown]

    # --- trying --------------------------------------------------------------------------------------------------

    def overrides(self, given: Given, sliders: Sliders) -> dict[str, float]:
        """Return what is to be tried in the place of the settings in force."""
        return sliders.moved(given, given[self._loaded])

    def compared(self, given: Given) -> Updates:
        """Show or hide the second settings, which begin as the first ones are."""
        same = {self.b.of[setting]: given[slider] for setting, slider in self.a.of.items()}
        is_shown = gr.update(visible=given[self.compare])
        return {self._first: is_shown, self._other: is_shown, **same}

    # --- loading -------------------------------------------------------------------------------------------------

    def opened(self, kbs: Sequence[str], request: gr.Request) -> Updates:
        """Show what is in force for some knowledge bases, and where it comes from."""
        may_save = all(visitor_of(request).user.may("editor", kb) for kb in kbs)
        can_save = gr.update(visible=may_save and len(kbs) == 1)
        hint = self._noted([self._t(texts.ONE_TO_SAVE)]) if may_save and len(kbs) > 1 else Markup("")
        saving = {self.apply_button: can_save, self.defaults_button: can_save, self._said: hint}
        if not kbs:
            return {self._loaded: None, **saving}
        qa = facade_for(self._qa, request)
        in_force = qa.retrieval_settings(kbs)
        said = notes(qa, kbs, self._qa.settings.model_fields_set, self._language)
        shown = {**self.a.showing(asdict(in_force), said), **self.b.showing(asdict(in_force), said)}
        for sliders in (self.a, self.b):
            shown[sliders.of["dense_weight"]]["visible"] = _has_vectors(qa, kbs)
        return {self._loaded: in_force, **saving, **shown}

    def refreshed(self, given: Given, kbs: Sequence[str], request: gr.Request) -> Updates:
        """Show the same, but leave the sliders where they are that were moved."""
        updates = self.opened(kbs, request)
        del updates[self._said]  # what was said last still holds
        for sliders in (self.a, self.b):
            for setting in self.overrides(given, sliders) if kbs else ():
                updates[sliders.of[setting]].pop("value")
        return updates

    # --- saving --------------------------------------------------------------------------------------------------

    def apply(self, given: Given, kbs: Sequence[str], request: gr.Request) -> Updates:
        """Save with the knowledge base what was moved: chat, command line and programs then use it alike."""
        kb, moved = self._one(kbs), self.overrides(given, self.a)
        if not moved:
            raise refused(self._t(texts.NOTHING_TO_SAVE))
        qa, own = facade_for(self._qa, request), {name: moved[name] for name in SAVED_WITH_KB if name in moved}
        if own:
            qa.kb_settings.save(kb, **own)
        return {**self.opened(kbs, request), **self._untouched(moved, own), **self._saved(kb, own, moved, qa)}

    def reset(self, kbs: Sequence[str], request: gr.Request) -> Updates:
        """Go back to the application's settings."""
        kb, qa = self._one(kbs), facade_for(self._qa, request)
        qa.kb_settings.save(kb, **dict.fromkeys(SAVED_WITH_KB))
        in_force = asdict(qa.retrieval_settings(kb))
        values = described({name: in_force[name] for name in SAVED_WITH_KB}, self._language)
        return {
            **self.opened(kbs, request),
            self._said: self._noted([self._t(texts.CLEARED, kb=kb, settings=values)]),
        }

    def _one(self, kbs: Sequence[str]) -> str:
        if len(kbs) != 1:
            raise refused(self._t(texts.ONE_TO_SAVE))
        return kbs[0]

    def _untouched(self, moved: Mapping[str, float], own: Mapping[str, float]) -> Updates:
        """Leave what no knowledge base can save as it is tried."""
        return self.a.showing({name: value for name, value in moved.items() if name not in own})

    def _saved(self, kb: str, own: Mapping[str, float], moved: Mapping[str, float], qa: KnowledgeQA) -> Updates:
        """Say what was saved, and what of it has no effect and why."""
        explicit = {one.name: one.value for one in qa.kb_settings.in_force(kb) if one.source == "explicit"}
        lines = [self._t(texts.SAVED, kb=kb, settings=described(own, self._language))] if own else []
        if own.keys() - explicit.keys():
            lines.append(self._t(texts.IN_FORCE_AT_ONCE))
        for name in own:
            if name in explicit:
                said = {"name": name_of(name, self._language), "variable": variable(name)}
                lines.append(self._t(texts.NO_EFFECT, value=SCALES[name].text(float(explicit[name])), **said))
        others = [name for name in moved if name not in own]
        if others:
            names = self._in_a_row([name_of(name, self._language) for name in others])
            variables = self._in_a_row([variable(name) for name in others])
            lines.append(self._t(texts.NOT_OF_KB, names=names, variables=variables))
        return {self._said: self._noted(lines)}

    def _noted(self, lines: Sequence[str]) -> Markup:
        return rendered("test_note.html", self._language, kind="note", lines=lines)

    def _heading(self, message: Message) -> Markup:
        return Markup("<h3>{}</h3>").format(self._t(message))

    def _in_a_row(self, parts: Sequence[str]) -> str:
        return self._t(texts.LIST_SEPARATOR).join(parts)

    def _t(self, message: Message, **values: Any) -> str:
        return message.text(self._language, **values)


def _has_vectors(qa: KnowledgeQA, kbs: Sequence[str]) -> bool:
    """Tell whether any of some knowledge bases has a dense leg, whose share can be chosen."""
    return any(info.embedding not in ("", "lexical") for info in qa.knowledge_bases() if info.name in kbs)
