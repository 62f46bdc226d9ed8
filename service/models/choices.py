"""What the language model can be changed to while the program runs, and what would keep a change."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from configs.catalogue import Precision
from configs.environment import PREFIX
from configs.model_config import Settings
from models.devices import find_devices
from service.models.changes import MODEL_SETTINGS
from service.models.inventory import Inventory, ModelEntry


@dataclass(frozen=True, slots=True)
class PrecisionChoice:
    """A precision that a model can be loaded in.

    Attributes:
        memory_gb: of the weights, in GB; None where the catalogue does not say.
        fits: whether the memory that is free now holds it; None where that is not known.
    """

    precision: Precision
    memory_gb: float | None
    fits: bool | None


def value_of(entry: ModelEntry) -> str:
    """Return what the setting `llm` is for a model: its name, or the folder of one's own."""
    return entry.name if entry.spec.repository or entry.folder is None else str(entry.folder)


def runnable(inventory: Inventory) -> list[ModelEntry]:
    """Return the language models that are on this machine."""
    return [entry for entry in inventory.models if entry.kind == "llm" and entry.state in ("complete", "built_in")]


def precisions(inventory: Inventory, value: str) -> list[PrecisionChoice]:
    """Return in which precisions the model that `value` names may run: all, where the catalogue does not say."""
    entry = _entry(inventory, value)
    if entry is not None and entry.state == "built_in":
        return []
    if entry is None or not entry.memory_gb:
        return [PrecisionChoice(precision, None, None) for precision in get_args(Precision)]
    is_measured = bool(inventory.devices)
    return [
        PrecisionChoice(precision, size_gb, precision in entry.fitting if is_measured else None)
        for precision, size_gb in entry.memory_gb.items()
    ]


def device_names() -> list[str]:
    """Return the values of the setting `device` that mean something on this machine."""
    return list(dict.fromkeys(["auto", *(device.name for device in find_devices()), "cpu"]))


def changes_to(value: str, settings: Settings) -> dict[str, Any]:
    """Return what to change so that a model of this machine writes the answers.

    Precision and adapter stay where the model does.
    """
    if value == settings.llm and not settings.llm_url:
        return {"llm": value}
    return {"llm": value, "llm_url": None, "precision": None, "adapter": None}


def is_loaded(inventory: Inventory, in_force: str, settings: Settings) -> bool:
    """Tell whether the configured language model is in memory.

    Args:
        in_force: as `KnowledgeQA.model_in_force` says it: with the place where it runs, once it is loaded.
    """
    entry = inventory.configured("llm")
    return in_force.startswith(f"{entry.name if entry else settings.llm} ")


def adapter_in_force(in_force: str, settings: Settings) -> bool:
    """Tell whether the model that is loaded says that it has the adapter of the settings."""
    return bool(settings.adapter) and in_force.endswith(f" with {Path(settings.adapter).expanduser().name}")


def changed_settings(before: Settings, after: Settings) -> dict[str, Any]:
    """Return the settings of the language model that differ, as they are afterwards; of its key, nothing."""
    values = {name: getattr(after, name) for name in sorted(MODEL_SETTINGS - {"llm_api_key"})}
    return {name: value for name, value in values.items() if value != getattr(before, name)}


def as_variables(changes: Mapping[str, Any]) -> str:
    """Return the environment variables that keep changes, on one line, as a shell reads them."""
    values = {name: "" if value is None else str(value) for name, value in changes.items()}
    return " ".join(f"{PREFIX}{name.upper()}={shlex.quote(value)}" for name, value in values.items())


def _entry(inventory: Inventory, value: str) -> ModelEntry | None:
    """Return the language model that a value of the setting `llm` names; None for a folder that is not listed."""
    entries = (entry for entry in inventory.models if entry.kind == "llm")
    return next((entry for entry in entries if value_of(entry) == value), None)
