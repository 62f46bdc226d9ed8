"""User-visible texts exist in both languages, and errors say what to do."""

import inspect

import pytest

from core import errors, load_errors
from core.errors import ConfigError, KnowGLMError
from core.load_errors import EmptyFile
from core.messages import Message, literal

ERROR_CLASSES = [
    error
    for module in (errors, load_errors)
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
        assert any("\u4e00" <= sign <= "\u9fff" for sign in message.zh)
        assert message.en.isascii() or "“" in message.en or "…" in message.en or "–" in message.en


def test_error_codes_are_unique() -> None:
    codes = [error.code for error in ERROR_CLASSES]
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
