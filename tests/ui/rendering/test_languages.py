"""Every text is in both languages, and a page speaks only one."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import html5lib
import pytest
from page_samples import every_view

import ui.texts
from core.messages import Language, Message

CHINESE = re.compile("[\u3000-\u303f\u3400-\u9fff\uff00-\uffef“”]")
HAN = re.compile("[\u3400-\u9fff]")
WORD = re.compile("[A-Za-z]{2,}")
UNITS = {"KB", "MB", "GB"}
OWN_NAMES = {"MRR", "nDCG", "cpm", "kernels", "Python", "top"}
DATA = {"fp", "int", "extractive", "other"}  # what the views of this test are filled with
ATTRIBUTES = ("title", "aria-label", "aria-valuetext", "data-label", "data-confirm", "data-prompt")
INVERTED = {"OTHER_LANGUAGE"}  # leads to the page in the other language, and is in it


def messages(found: Any, name: str) -> Iterator[tuple[str, Message]]:
    if isinstance(found, Message):
        yield name, found
    elif isinstance(found, dict):
        for key, value in found.items():
            yield from messages(value, f"{name}[{key}]")
    elif isinstance(found, list | tuple):
        for number, value in enumerate(found):
            yield from messages(value, f"{name}[{number}]")


def all_messages() -> list[tuple[str, Message]]:
    modules = [importlib.import_module(f"ui.texts.{one.name}") for one in pkgutil.iter_modules(ui.texts.__path__)]
    return [
        (f"{module.__name__}.{name}", message)
        for module in modules
        for constant, value in vars(module).items()
        for name, message in messages(value, constant)
        if constant not in INVERTED
    ]


def is_bilingual(message: Message) -> bool:
    zh, en = (re.sub(r"\{[^}]*\}", "", text) for text in (message.zh, message.en))
    if zh.strip() in UNITS:
        return zh == en
    if not any(one.isalpha() for one in zh + en):  # punctuation, and what is filled in
        return bool(message.zh and message.en)
    return bool(
        HAN.search(zh) and message.en.strip() and not re.search("[\u3000-\u303f\u3400-\u9fff\uff01-\uff5e]", en)
    )


def test_every_text_is_in_both_languages() -> None:
    assert [name for name, message in all_messages() if not is_bilingual(message)] == []


@pytest.mark.parametrize(
    "message", [Message("中文", ""), Message("English", "English"), Message("中", "中"), Message("中", "a，b")]
)
def test_a_text_in_one_language_is_noticed(message: Message) -> None:
    assert not is_bilingual(message)


def test_there_are_texts_to_look_at() -> None:
    assert len(all_messages()) > 200


def spoken(html: str) -> Iterator[str]:
    """Yield what a reader of a view sees or hears."""
    for element in html5lib.parseFragment(html, namespaceHTMLElements=False).iter():
        yield from (text for text in (element.text, element.tail) if text)
        yield from (element.get(name, "").replace("{count}", "") for name in ATTRIBUTES)  # the page fills it in


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_view_speaks_only_the_language_of_its_page(
    language: Language,
) -> None:
    for name, html in every_view("7", language).items():
        for text in spoken(html):
            if language == "en":
                assert not CHINESE.search(text.replace("“", "").replace("”", "")), (name, text)
            else:
                assert set(WORD.findall(text)) <= UNITS | OWN_NAMES | DATA, (name, text)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_view_says_something_in_its_language(
    language: Language,
) -> None:
    for name, html in every_view("7", language).items():
        words = " ".join(spoken(html))
        assert (HAN if language == "zh" else WORD).search(words), name
        assert "None" not in words, name
