"""From environment variables and flags to `Settings`. The only module that reads the environment for settings."""

import os
import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import ValidationError

from configs.catalogue import EMBEDDINGS, LLMS
from configs.model_config import Settings, about
from configs.prompts import PROMPTS
from core.errors import ConfigError
from core.messages import Language, Message, literal

PREFIX = "KNOWGLM_"
_NOT_SETTINGS = {"KNOWGLM_GOLDEN_DIR"}  # read by the test suite, not by the product
_OVERLAP_SHARE = 0.5


def load_settings(flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Build the settings from defaults, then `environ` (by default the process's), then `flags` (None means unset).

    Raises:
        ConfigError: with every wrong name and every wrong value in one list.
    """
    environ = os.environ if environ is None else environ
    from_environ = {
        key[len(PREFIX) :].lower(): value.strip()
        for key, value in environ.items()
        if key.startswith(PREFIX) and key not in _NOT_SETTINGS and value.strip()
    }
    from_flags = {key: value for key, value in (flags or {}).items() if value is not None}
    names = {name: PREFIX + name.upper() for name in from_environ}
    names |= {name: "--" + name.replace("_", "-") for name in from_flags}
    values = from_environ | from_flags
    problems = [_unknown(names[name]) for name in values if name not in Settings.model_fields]
    known = {name: value for name, value in values.items() if name in Settings.model_fields}
    try:
        settings = Settings.model_validate(known)
    except ValidationError as error:
        wrong = {str(item["loc"][0]) for item in error.errors()}
        problems += [_invalid(names[name], name, known[name]) for name in known if name in wrong]
        settings = Settings.model_validate({name: value for name, value in known.items() if name not in wrong})
    problems += _wrong_together(settings, names)
    if problems:
        raise ConfigError(problems)
    return settings


def interface_language(settings: Settings | None = None, environ: Mapping[str, str] | None = None) -> Language:
    """Return the language to speak: KNOWGLM_LANG, else the locale's; Chinese where the locale names neither."""
    environ = os.environ if environ is None else environ
    wanted = settings.lang if settings else environ.get(PREFIX + "LANG", "auto")
    if wanted in ("zh", "en"):
        return "zh" if wanted == "zh" else "en"
    locale = next((environ[key] for key in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(key)), "")
    return "en" if locale.lower().startswith("en") else "zh"


def _unknown(variable: str) -> Message:
    flag_style = variable.startswith("--")
    bare = variable.removeprefix("--").removeprefix(PREFIX).replace("-", "_").lower()
    close = [
        "--" + name.replace("_", "-") if flag_style else PREFIX + name.upper()
        for name in get_close_matches(bare, Settings.model_fields, n=1)
    ]
    return _problem(variable, Message("没有这个设置", "there is no such setting"), close=close)


def _invalid(variable: str, name: str, value: object) -> Message:
    choices = _choices(name)
    return _problem(
        f"{variable}={value}",
        _expected(name, choices),
        close=get_close_matches(str(value), choices, n=1, cutoff=0.4),
    )


def _expected(name: str, choices: Iterable[str]) -> Message:
    field = Settings.model_fields[name]
    low = next((bound for item in field.metadata if (bound := getattr(item, "ge", None)) is not None), None)
    high = next((bound for item in field.metadata if (bound := getattr(item, "le", None)) is not None), None)
    if choices:
        listed = "、".join(choices), ", ".join(choices)
        return Message(f"应为其中之一：{listed[0]}", f"must be one of {listed[1]}")
    if field.annotation is int:
        return Message(f"应为 {low}–{high} 的整数", f"must be a whole number from {low} to {high}")
    meaning = about(name)
    return Message(f"值无效（此项：{meaning.zh}）", f"is not valid (this setting: {meaning.en})")


def _choices(name: str) -> tuple[str, ...]:
    named = {"llm": tuple(LLMS), "embedding": tuple(EMBEDDINGS), "prompt": tuple(PROMPTS)}
    if name in named:
        return named[name]
    return tuple(str(value) for value in get_args(Settings.model_fields[name].annotation) if isinstance(value, str))


def _wrong_together(settings: Settings, names: Mapping[str, str]) -> list[Message]:
    """Check what a field's own type cannot: names from the catalogues, and settings that depend on each other."""
    problems = []
    for name in ("llm", "embedding", "prompt"):
        value, choices = getattr(settings, name), _choices(name)
        on_server = bool(getattr(settings, f"{name}_url", ""))
        is_folder = name != "prompt" and any(sign in value for sign in ("/", "\\", "~"))
        if value not in choices and not is_folder and not on_server:
            close = get_close_matches(value, choices, n=1, cutoff=0.4)
            problems.append(_problem(f"{names.get(name, name)}={value}", _expected(name, choices), close=close))
    lengths = {"chunk_chars", "chunk_overlap_chars"}
    lengths_valid = names.keys() & lengths <= settings.model_fields_set
    if lengths_valid and settings.chunk_overlap_chars > settings.chunk_chars * _OVERLAP_SHARE:
        variable = names.get("chunk_overlap_chars") or names.get("chunk_chars", "chunk_overlap_chars")
        limit = int(settings.chunk_chars * _OVERLAP_SHARE)
        expected = Message(f"重叠不能超过块长的一半（{limit}）", f"the overlap may be half a chunk at most ({limit})")
        problems.append(_problem(f"{variable}={settings.chunk_overlap_chars}", expected, close=[]))
    return problems


def _problem(given: str, expected: Message, *, close: list[str]) -> Message:
    hint = (f"；是不是想写 {close[0]}？", f"; did you mean {close[0]}?") if close else ("", "")
    return literal(f"{given}：{expected.zh}{hint[0]}", f"{given}: {expected.en}{hint[1]}")


def switch_off_analytics() -> None:
    """Keep Gradio from calling home, and from summing up all events after each of them; before it is imported."""
    os.environ.update(
        GRADIO_ANALYTICS_ENABLED="False",
        GRADIO_ANALYTICS_MAX_EVENTS="1",
        GRADIO_ANALYTICS_CACHE_FREQUENCY=str(sys.maxsize),
    )
