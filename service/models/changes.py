"""Settings of the language model that change while the program runs."""

from collections.abc import Mapping
from typing import Any

from configs.environment import PREFIX, load_settings
from configs.model_config import Settings
from core.errors import ConfigError
from core.messages import Message

MODEL_SETTINGS = {"llm", "precision", "device", "arithmetic", "adapter", "llm_url", "llm_api_key", "server_timeout_s"}
MODEL_SETTINGS |= {"answer_tokens", "temperature", "top_p", "sample_top_k", "repetition_penalty", "seed"}
"""What can change."""

_NOT_THE_MODELS = Message(
    "{name} 不是语言模型的设置，不能在运行中更改",
    "{name} is no setting of the language model, and cannot be changed while the program runs",
)


def with_model_changes(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """Return settings with changes to the language model's; None goes back to the default.

    Raises:
        ConfigError: a setting is unknown or its value is not valid.
    """
    explicit = {name: getattr(settings, name) for name in settings.model_fields_set - changes.keys()}
    environ = {PREFIX + name.upper(): str(value) for name, value in changes.items() if value is not None}
    changed = load_settings(explicit, environ=environ)
    if others := changes.keys() - MODEL_SETTINGS:
        raise ConfigError([_NOT_THE_MODELS.filled(name=name) for name in sorted(others)])
    return changed
