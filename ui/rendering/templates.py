"""The page's HTML: templates that escape everything they are given and hold no word of any language."""

from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from core.messages import Language, Message
from ui.rendering import formats

UI_DIR = Path(__file__).resolve().parent.parent


def rendered(template: str, language: Language, **values: Any) -> Markup:
    """Return a template of `ui/templates` filled in.

    Text is shown without control characters; `value|e` gives it exactly, for attributes that are read back. In the
    template, `t(message, …)` is a message in `language`, and `place(chunk)` where a chunk stands.

    Raises:
        jinja2.UndefinedError: the template uses a value that it was not given.
    """
    said, placed = partial(_said, language), partial(formats.place, language=language)
    page = _environment().get_template(template).render(values, language=language, t=said, place=placed)
    return Markup(page)  # noqa: S704 - the template has escaped it


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(UI_DIR / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for show in (formats.excerpt, formats.percent, formats.fine_percent, formats.size, formats.local_time):
        environment.filters[show.__name__] = show
    return environment


def _finalized(value: Any) -> Any:
    return formats.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _said(language: Language, message: Message, /, **values: Any) -> str:
    return message.text(language, **values)
