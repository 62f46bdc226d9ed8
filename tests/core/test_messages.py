"""User-visible texts exist in both languages, and errors say what to do."""

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

from core.errors import ConfigError, KnowGLMError
from core.load_errors import EmptyFile
from core.messages import Message, literal

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    import_module(f"{path.parent.name}.{path.stem}")
    for room in ("core", "ui")
    for path in sorted((ROOT / room).glob("*errors.py"))
]
ERROR_CLASSES = [
    error
    for module in MODULES
    for _, error in inspect.getmembers(module, inspect.isclass)
    if issubclass(error, KnowGLMError) and error.__module__ == module.__name__ and hasattr(error, "what")
]


def test_a_message_refuses_different_placeholders() -> None:
    with pytest.raises(ValueError, match="placeholders differ"):
        Message("有 {count} 个", "there are {number}")


def test_a_literal_keeps_its_braces() -> None:
    assert literal("{名字}", "{name}").text("zh") == "{名字}"


@pytest.mark.parametrize("error", ERROR_CLASSES, ids=lambda error: error.__name__)
def test_every_error_has_a_code_and_a_cure_in_both_languages(error: type[KnowGLMError]) -> None:
    assert error.code
    assert error.exit_code in (1, 2)
    for message in (error.what, error.cure):
        if re.fullmatch(r"\{\w+\}", message.zh):
            continue  # all of it is a message that comes with the error
        assert any("\u4e00" <= sign <= "\u9fff" for sign in message.zh)
        assert message.en.isascii() or "“" in message.en or "…" in message.en or "–" in message.en


def test_the_tree_of_errors_names_every_branch() -> None:
    """Of a module of errors, the branch it grows on and the module itself, unless it belongs to the page alone."""
    tree = inspect.getdoc(import_module("core.errors")) or ""
    unnamed = [
        module.__name__
        for module in MODULES
        if module.__name__ != "core.errors" and f"{module.__name__.replace('.', '/')}.py" not in tree
    ]
    assert not unnamed


def test_error_codes_are_unique() -> None:
    codes = [error.code for error in ERROR_CLASSES if "code" in vars(error)]  # the others are kinds of their parent
    assert len(codes) == len(set(codes))


def test_a_nested_message_is_rendered_in_the_language_of_the_whole() -> None:
    error = EmptyFile(name="a.pdf", detail=Message("扫描件", "a scan"))
    assert "扫描件" in error.text("zh")
    assert "a scan" in error.text("en")
    assert "扫描件" not in str(error)


def test_a_config_error_lists_every_problem() -> None:
    error = ConfigError([literal("甲{}", "a{}"), literal("乙", "b")])
    assert "甲{}" in error.text("zh")
    assert "乙" in error.text("zh")
    assert error.exit_code == 2
