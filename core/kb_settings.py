"""What a knowledge base has of its own: the settings that are saved with it, and where each one in force comes from."""

from dataclasses import dataclass
from typing import Literal

KbSettingName = Literal[
    "chunk_chars",
    "chunk_overlap_chars",
    "threshold",
    "top_k",
    "dense_weight",
    "prompt_template",
    "system_prompt",
    "embedding",
]
Origin = Literal["explicit", "kb", "default"]


@dataclass(frozen=True, slots=True)
class KbSettings:
    """The settings that are saved with one knowledge base; None leaves one to the application.

    Attributes:
        chunk_chars, chunk_overlap_chars: how it is to be split from the next rebuild on, in characters.
        threshold, top_k, dense_weight: see `configs/model_config.py`.
        prompt_template: with `{passages}` and `{question}`.
        system_prompt: what the language model is told beforehand; empty for nothing.
        embedding: a name of the catalogue, or "lexical" for none, from the next rebuild on.
    """

    chunk_chars: int | None = None
    chunk_overlap_chars: int | None = None
    threshold: float | None = None
    top_k: int | None = None
    dense_weight: float | None = None
    prompt_template: str | None = None
    system_prompt: str | None = None
    embedding: str | None = None


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """A setting as it applies to one knowledge base.

    Attributes:
        source: a flag or variable ("explicit"), which wins over what the knowledge base saved ("kb"), which wins over
            the application's default.
    """

    name: KbSettingName
    value: int | float | str
    source: Origin
