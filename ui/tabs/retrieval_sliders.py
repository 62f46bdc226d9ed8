"""The sliders of the retrieval test: the settings of one retrieval, as they are in force or as they are tried."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr

from core.answers import RetrievalSettings
from core.kb_settings import Origin
from core.messages import Language
from service.knowledge_qa import KnowledgeQA
from ui.components import Updates
from ui.rendering.formats import fine_percent
from ui.texts import retrieval_test as texts


@dataclass(frozen=True, slots=True)
class Scale:
    """How a setting is shown.

    Attributes:
        low, high, step: of the slider.
        unit: what 1 on the slider is of the setting; a hundredth where it shows percent.
    """

    low: int
    high: int
    step: float
    unit: float = 1

    def shown(self, value: float) -> float:
        """Return a value as the slider shows it, at its nearest end where it lies beyond."""
        return min(max(round(value / self.unit, 1), self.low), self.high)

    def value(self, shown: float) -> float:
        """Return the value that the slider shows."""
        return round(shown * self.unit, 4) if self.unit < 1 else round(shown)

    def text(self, value: float) -> str:
        """Return a value as people read it."""
        return fine_percent(value) if self.unit < 1 else f"{value:.0f}"


SCALES: Mapping[str, Scale] = {
    "threshold": Scale(0, 100, 0.1, 0.01),
    "top_k": Scale(1, 50, 1),
    "dense_weight": Scale(0, 100, 1, 0.01),
    "passage_chars": Scale(0, 4000, 10),
    "context_chars": Scale(100, 100_000, 100),
}
SAVED_WITH_KB = ("threshold", "top_k", "dense_weight")


class Sliders:
    """One slider a setting. One that nobody moved stands for what is in force, whatever that is when a search comes.

    Args:
        name: beginning of the elements' ids.
    """

    def __init__(self, name: str, language: Language) -> None:
        self._language = language
        self.of = {
            setting: gr.Slider(
                scale.low,
                scale.high,
                step=scale.step,
                label=texts.LABELS[setting].text(language),
                buttons=[],
                elem_id=f"{name}-{setting}",
            )
            for setting, scale in SCALES.items()
        }

    @property
    def widgets(self) -> list[gr.Slider]:
        """The sliders, in the order in which they stand."""
        return list(self.of.values())

    def moved(self, given: Mapping[Any, Any], loaded: RetrievalSettings | None) -> dict[str, float]:
        """Return the settings whose slider was moved since it was loaded."""
        if loaded is None:
            return {}
        shown = {setting: (scale, given[self.of[setting]]) for setting, scale in SCALES.items()}
        return {
            setting: scale.value(value)
            for setting, (scale, value) in shown.items()
            if value is not None and value != scale.shown(getattr(loaded, setting))
        }

    def showing(self, values: Mapping[str, float], notes: Mapping[str, str] | None = None) -> Updates:
        """Return the updates that show values, with what is said below each."""
        return {
            self.of[setting]: gr.update(value=SCALES[setting].shown(value), **_info(setting, notes))
            for setting, value in values.items()
        }


def _info(setting: str, notes: Mapping[str, str] | None) -> dict[str, Any]:
    return {} if notes is None else {"info": notes[setting]}


def notes(qa: KnowledgeQA, kbs: Sequence[str], explicit: set[str], language: Language) -> dict[str, str]:
    """Return for each setting what it is for some knowledge bases, and where that comes from.

    Args:
        explicit: names of the settings that a flag or variable sets.
    """
    return {
        setting: texts.NOW.text(
            language,
            value=SCALES[setting].text(value),
            source=texts.SOURCES[_source(qa, kbs, setting, explicit)].text(language, variable=variable(setting)),
        )
        for setting, value in asdict(qa.retrieval_settings(kbs)).items()
    }


def variable(setting: str) -> str:
    """Return the environment variable of a setting."""
    return f"KNOWGLM_{setting.upper()}"


def described(values: Mapping[str, float], language: Language) -> str:
    """Return settings with their values, in a row."""
    parts = (
        texts.VALUE.text(language, name=name_of(setting, language), value=SCALES[setting].text(value))
        for setting, value in values.items()
    )
    return texts.LIST_SEPARATOR.text(language).join(parts)


def name_of(setting: str, language: Language) -> str:
    """Return what people call a setting."""
    return texts.NAMES[setting].text(language)


def _source(qa: KnowledgeQA, kbs: Sequence[str], setting: str, explicit: set[str]) -> Origin:
    """Return where a setting comes from: knowledge bases that are asked together share what they saved alike."""
    if setting in explicit:
        return "explicit"
    own = {(one.source, one.value) for kb in kbs for one in qa.kb_settings.in_force(kb) if one.name == setting}
    return own.pop()[0] if len(own) == 1 else "default"
