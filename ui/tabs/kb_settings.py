"""What one knowledge base has of its own: splitting, retrieval, prompt."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from core.kb_settings import KbSettingName, KbSettings, SettingInForce
from core.messages import Language, Message
from service.knowledge_qa import KnowledgeQA
from service.models.inventory import ModelEntry, take_inventory
from ui.components import QUIET, Updates, data_of, notice, panel, told
from ui.rendering import knowledge_bases as pictures
from ui.rendering.formats import fine_percent
from ui.texts import knowledge_bases as texts
from ui.visitors import facade_for, visitor_of

_COUNTS: tuple[KbSettingName, ...] = ("chunk_chars", "chunk_overlap_chars", "top_k")
_SHARES: tuple[KbSettingName, ...] = ("threshold", "dense_weight")
_TEXTS: tuple[KbSettingName, ...] = ("system_prompt", "prompt_template")
_LEXICAL = "lexical"

Values = dict[KbSettingName, Any]


class KbSettingsForm:
    """A field for each setting. An empty one leaves the setting to the application; a prompt is shown as it applies."""

    def __init__(self, qa: KnowledgeQA, language: Language) -> None:
        self._qa, self._language = qa, language
        self._written = gr.State({})  # what the fields held when they were last filled in
        self._own = panel("kb-own-settings")
        self._fields = self._build_fields()
        self._save = gr.Button(self._t(texts.SAVE), variant="primary", elem_id="kb-settings-save")
        self.widgets: list[Any] = [self._written, self._own, *self._fields.values(), self._save]

    def _build_fields(self) -> dict[KbSettingName, Any]:
        def known(name: KbSettingName) -> dict[str, Any]:
            return {"label": self._t(texts.SETTINGS[name]), "info": " ", "elem_id": f"kb-setting-{name}"}

        with gr.Row(elem_classes="kb-fields"):
            fields: dict[KbSettingName, Any] = {name: gr.Number(precision=0, **known(name)) for name in _COUNTS}
        with gr.Row(elem_classes="kb-fields"):
            fields |= {name: gr.Textbox(max_lines=1, **known(name)) for name in _SHARES}
            fields["embedding"] = gr.Dropdown([], **known("embedding"))
        return fields | {name: gr.Textbox(lines=3, max_lines=16, **known(name)) for name in _TEXTS}

    def wire(self, kb: gr.State, everything: list[Any], *, saved: Callable[..., Updates]) -> None:
        """Let its buttons work.

        Args:
            kb: the name of the chosen knowledge base.
            saved: given the name and the request, what to update once settings have changed.
        """
        telling = told(self._language)
        self._kb, self._saved = kb, saved
        inputs = {kb, self._written, *self._fields.values()}
        self._own.click(telling(self.reset), kb, everything, **QUIET)
        self._save.click(telling(self.save), inputs, everything, **QUIET)

    # --- what can be done ----------------------------------------------------------------------------------------

    def opened(self, kb: str, request: gr.Request) -> Updates:
        """Fill in the fields of a knowledge base."""
        settings = facade_for(self._qa, request).kb_settings
        saved, may_edit = settings.saved(kb), visitor_of(request).user.may("editor", kb)
        in_force = {one.name: one for one in settings.in_force(kb)}
        values = {name: self._value(one, saved) for name, one in in_force.items()}
        own = {name: self._own_value(name, value) for name in in_force if (value := getattr(saved, name)) is not None}
        fields = {
            field: self._filled(in_force[name], values[name], may_edit=may_edit) for name, field in self._fields.items()
        }
        fields[self._fields["embedding"]]["choices"] = self._embeddings(saved)
        return {
            **fields,
            self._written: values,
            self._own: pictures.own_settings(own, may_edit=may_edit, language=self._language),
            self._save: gr.update(visible=may_edit),
        }

    def save(self, given: dict[Any, Any], request: gr.Request) -> Updates:
        """Save what was changed in the fields since they were filled in; `given` is the inputs with their values."""
        kb, written = given[self._kb], given[self._written]
        values: Values = {name: given[field] for name, field in self._fields.items()}
        changes = {
            name: None if _is_empty(name, value) else value
            for name, value in values.items()
            if value != written.get(name)
        }
        facade_for(self._qa, request).kb_settings.save(kb, **changes)
        notice(self._t(texts.SAVED))
        updates: Updates = self._saved(kb, request)
        return updates

    def reset(self, kb: str, event: gr.EventData, request: gr.Request) -> Updates:
        """Go back to the application's value of one setting."""
        facade_for(self._qa, request).kb_settings.save(kb, **{data_of(event)["setting"]: None})
        updates: Updates = self._saved(kb, request)
        return updates

    # --- what the fields say -------------------------------------------------------------------------------------

    def _filled(self, one: SettingInForce, value: Any, *, may_edit: bool) -> dict[str, Any]:
        is_fixed = one.source == "explicit"
        return gr.update(value=value, info=self._info(one), interactive=may_edit and not is_fixed)

    def _value(self, one: SettingInForce, saved: KbSettings) -> Any:
        """Return what stands in a field; empty values are the field's own, as they come back when nothing is typed."""
        if one.name in _TEXTS:
            return one.value
        value = getattr(saved, one.name)
        if one.name in _SHARES:
            return "" if value is None else fine_percent(value)
        return value if one.name in _COUNTS else value or ""

    def _info(self, one: SettingInForce) -> str:
        origin = self._t(texts.ORIGINS[one.source])
        if one.name in _TEXTS:
            said = self._t(texts.ORIGIN, origin=origin)
        else:
            said = self._t(texts.IN_FORCE, value=self._shown(one.name, one.value), origin=origin)
        hint = texts.HINTS.get(one.name)
        return f"{said} {self._t(hint)}" if hint else said

    def _own_value(self, name: KbSettingName, value: Any) -> str:
        return self._t(texts.LONG_TEXT, count=len(value)) if name in _TEXTS else self._shown(name, value)

    def _shown(self, name: KbSettingName, value: Any) -> str:
        if name in _SHARES:
            return fine_percent(value)
        return self._t(texts.LEXICAL) if value == _LEXICAL else str(value)

    def _embeddings(self, saved: KbSettings) -> list[tuple[str, str]]:
        """Return what there is to choose from: the application's, and those of the catalogue that are here."""
        entries = take_inventory(self._qa.settings, devices=()).models
        names = [entry.name for entry in entries if entry.kind == "embedding" and _is_here(entry)]
        if saved.embedding is not None and saved.embedding not in names:
            names.append(saved.embedding)
        own = self._t(texts.APPLICATIONS, name=self._shown("embedding", self._qa.settings.embedding))
        return [(own, ""), *((self._shown("embedding", name), name) for name in names)]

    def _t(self, message: Message, **values: Any) -> str:
        return message.text(self._language, **values)


def _is_here(entry: ModelEntry) -> bool:
    """Tell whether a knowledge base can name it as its embedding."""
    return entry.state == "built_in" or (bool(entry.spec.repository) and entry.state == "complete")


def _is_empty(name: KbSettingName, value: Any) -> bool:
    """Tell whether a field leaves its setting to the application; no system prompt is a choice of its own."""
    return value is None or (name != "system_prompt" and not str(value).strip())
