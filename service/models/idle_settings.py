"""Settings that someone has changed and that do nothing as things are: nobody should have to find that out."""

from collections.abc import Iterable

from configs.catalogue import LLMBackend
from configs.model_config import Settings
from core.messages import Message

IDLE = Message("这些设置目前不起作用：{names}。", "These settings have no effect as things are: {names}.")
_DRAWING = ("top_p", "sample_top_k", "seed")
_COMPUTING = ("precision", "device", "arithmetic")


def idle_model_settings(settings: Settings, backend: LLMBackend) -> list[Message]:
    """Return what to say of the language model's settings."""
    idle: list[str] = []
    if backend == "openai":
        idle += _COMPUTING
    elif backend == "transformers":
        idle.append("arithmetic")
    if settings.temperature == 0:
        idle += _DRAWING
    if not settings.llm_url:
        idle.append("llm_api_key")
    return _notices(settings, idle)


def idle_embedding_settings(settings: Settings) -> list[Message]:
    """Return what to say of the embedding's settings."""
    return _notices(settings, ["embedding_device"] if settings.embedding_url else ["embedding_api_key"])


def _notices(settings: Settings, idle: Iterable[str]) -> list[Message]:
    changed = [name for name in idle if getattr(settings, name) != Settings.model_fields[name].default]
    return [IDLE.filled(names=", ".join(changed))] if changed else []
