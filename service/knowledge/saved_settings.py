"""Settings that come from elsewhere than flags and variables: out of a manifest, or with one question."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any, get_args

from pydantic import ValidationError

from configs.catalogue import EMBEDDINGS
from configs.environment import PREFIX, load_settings
from configs.model_config import Settings
from configs.prompts import require_placeholders
from core.answers import RetrievalSettings
from core.errors import ConfigError, InvalidPrompt
from core.kb_settings import KbSettingName, KbSettings
from core.messages import Message, well_formed

KB_SETTINGS: tuple[KbSettingName, ...] = get_args(KbSettingName)
MEASURED = ("threshold", "dense_weight")  # on the scale of one embedding
_PER_QUESTION = [field.name for field in fields(RetrievalSettings)]

# `chunk_chars` and `overlap_chars` are what a knowledge base is split with; what it is to be split with stands apart.
_KEYS = {"chunk_chars": "own_chunk_chars", "chunk_overlap_chars": "own_overlap_chars", "embedding": "own_embedding"}
_MEASURED_WITH = "calibrated_for"

_NOT_PER_QUESTION = Message(
    "{name} 不能只为一个问题设置；可以的有：{names}", "{name} cannot be set for one question; these can: {names}"
)
_NOT_OF_KB = Message(
    "{name} 不是知识库可以自带的设置；可以的有：{names}",
    "{name} is no setting of a knowledge base; these are: {names}",
)
_NOT_IN_CATALOGUE = Message("embedding={value}：应为其中之一：{names}", "embedding={value}: must be one of {names}")


def read_saved(manifest: Mapping[str, Any]) -> KbSettings:
    """Return what a knowledge base saved; an entry that is not valid is left out."""
    found = {name: manifest.get(_KEYS.get(name, name)) for name in KB_SETTINGS}
    return KbSettings(**{name: value for name, value in found.items() if _is_valid(name, value)})


def is_on_scale(manifest: Mapping[str, Any], embedding: str) -> bool:
    """Tell whether a saved threshold and dense weight were measured with the embedding that ranks now.

    Args:
        embedding: its fingerprint; empty for the lexical leg alone.
    """
    return bool(manifest.get(_MEASURED_WITH, embedding) == embedding)


def saved_entries(manifest: Mapping[str, Any], changes: Mapping[str, Any], embedding: str) -> dict[str, Any]:
    """Return the entries of the manifest that save changes; None clears.

    A threshold or weight is saved with the embedding it was measured with. One that another embedding's measurement
    left behind is cleared then, as it would pass for one of this embedding.

    Args:
        embedding: fingerprint of the embedding that the changes were measured with.
    """
    entries = {_KEYS.get(name, name): value for name, value in changes.items()}
    if changes.keys().isdisjoint(MEASURED):
        return entries
    stale = {} if is_on_scale(manifest, embedding) else dict.fromkeys(MEASURED)
    return {**stale, **entries, _MEASURED_WITH: embedding}


def checked_overrides(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings for one question as the program holds them; those that are None are left out.

    Raises:
        ConfigError: with every wrong name and every wrong value in one list.
    """
    given = {name: value for name, value in overrides.items() if value is not None and name in _PER_QUESTION}
    valid = _checked(given, _unknown(overrides, _PER_QUESTION, _NOT_PER_QUESTION))
    return {name: value for name, value in valid.items() if value is not None}


def checked_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return changes to the settings of a knowledge base as the program holds them; None stays None.

    Raises:
        ConfigError: with every wrong name and every wrong value in one list.
        InvalidPrompt: the template lacks a placeholder, or has one that is unknown.
    """
    problems = _unknown(changes, KB_SETTINGS, _NOT_OF_KB)
    given = {name: value for name, value in changes.items() if value is not None and name in KB_SETTINGS}
    if "embedding" in given and given["embedding"] not in EMBEDDINGS:
        problems.append(_NOT_IN_CATALOGUE.filled(value=given["embedding"], names=", ".join(EMBEDDINGS)))
    valid = _checked({name: value for name, value in given.items() if name not in _TEXTS}, problems)
    texts: dict[str, str] = {name: well_formed(str(value)) for name, value in given.items() if name in _TEXTS}
    if "prompt_template" in texts:
        require_placeholders(texts["prompt_template"])
    return {**dict.fromkeys(changes), **valid, **texts}


def require_splitting(chunk_chars: int, chunk_overlap_chars: int) -> None:
    """Check that two lengths go together.

    Raises:
        ConfigError: they do not.
    """
    _checked({"chunk_chars": chunk_chars, "chunk_overlap_chars": chunk_overlap_chars}, [])


def agreed(settings: Sequence[KbSettings]) -> KbSettings:
    """Return what all of them say alike; None for everything else."""
    values = {name: {getattr(one, name) for one in settings} for name in KB_SETTINGS}
    return KbSettings(**{name: alike.pop() for name, alike in values.items() if len(alike) == 1})


def _unknown(given: Mapping[str, Any], known: Collection[str], refusal: Message) -> list[Message]:
    return [refusal.filled(name=name, names=", ".join(known)) for name in sorted(given.keys() - set(known))]


def _checked(given: Mapping[str, Any], problems: list[Message]) -> dict[str, Any]:
    """Check values by the rules of `Settings`, and raise all problems together with those that are known already."""
    try:
        settings = load_settings(environ={PREFIX + name.upper(): str(value) for name, value in given.items()})
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    if problems:
        raise ConfigError(problems)
    return {name: getattr(settings, name) for name in given}


def _is_valid(name: KbSettingName, value: Any) -> bool:
    if name in _TEXTS:
        return isinstance(value, str) and _TEXTS[name](value)
    try:
        return getattr(Settings.model_validate({name: value}, strict=True), name) is not None
    except ValidationError:
        return False


def _is_template(text: str) -> bool:
    try:
        require_placeholders(text)
    except InvalidPrompt:
        return False
    return True


_TEXTS: dict[str, Callable[[str], bool]] = {
    "prompt_template": _is_template,
    "system_prompt": lambda _: True,
    "embedding": EMBEDDINGS.__contains__,
}
