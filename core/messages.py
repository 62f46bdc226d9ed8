"""Text that a user reads, always in Chinese and in English."""

from dataclasses import dataclass
from string import Formatter
from typing import Any, Literal

Language = Literal["zh", "en"]


def _placeholders(template: str) -> set[str]:
    return {field.split(".")[0].split("[")[0] for _, field, _, _ in Formatter().parse(template) if field}


@dataclass(frozen=True, slots=True)
class Message:
    """One user-visible text in both languages, as two `str.format` templates with the same placeholders.

    Raises:
        ValueError: the two templates name different placeholders.
    """

    zh: str
    en: str

    def __post_init__(self) -> None:
        if _placeholders(self.zh) != _placeholders(self.en):
            raise ValueError(f"placeholders differ between {self.zh!r} and {self.en!r}")

    def text(self, language: Language, /, **values: Any) -> str:
        """Return the text in `language` with `values` filled in."""
        return (self.zh if language == "zh" else self.en).format(**values)

    def filled(self, **values: Any) -> "Message":
        """Return the message with `values` filled in, in both languages."""
        return literal(self.text("zh", **values), self.text("en", **values))


def literal(zh: str, en: str) -> Message:
    """Return a message of finished texts, whose braces are not placeholders."""
    return Message(*(text.replace("{", "{{").replace("}", "}}") for text in (zh, en)))


def well_formed(text: str) -> str:
    """Return a text in which halves of characters (lone surrogates) are question marks; its length stays.

    They come in with file names and command lines in another encoding, and no database or model can hold them.
    """
    return text.encode("utf-8", "replace").decode()
