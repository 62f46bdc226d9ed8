"""The building blocks of the tabs: HTML that can be clicked, and handlers whose errors reach the reader."""

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
from markupsafe import Markup, escape

from core.errors import KnowGLMError
from core.messages import Language
from ui.texts import shell

_SCRIPTS = "".join(  # each loaded once, in this order, before the first `js_on_load` runs
    f'<script src="/assets/{name}.js"></script>' for name in ("page", "dropzone", "threshold", "question_file")
)
_ACTIONS = "window.knowglm.actions(element, trigger);"
_LOG = logging.getLogger("knowglm.ui")

Updates = dict[Any, Any]
QUIET: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
"""Of an event whose handler shows by itself how far it is; as many at once as the server has room for."""
LIVE: dict[str, Any] = {"trigger_mode": "always_last", **QUIET}
"""Of an event that may come again while its handler runs: the last one is not lost."""


def panel(name: str, *, js: str = "", **options: Any) -> gr.HTML:
    """Return HTML whose elements with `data-action` trigger its `click` event with their dataset.

    Args:
        js: more to run once it is on the page, with `element` and `trigger`.
    """
    return gr.HTML(
        Markup(""), elem_id=name, head=_SCRIPTS, js_on_load=_ACTIONS + js, apply_default_css=False, **options
    )


def data_of(event: gr.EventData) -> dict[str, Any]:
    """Return the dataset of the element that was clicked; texts, as a browser sends them."""
    return dict(event._data or {})


def told(language: Language) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a handler so that what goes wrong is told to the reader, in the page's language, and nothing else is."""

    def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(handler)
        def call(*arguments: Any) -> Any:
            try:
                return handler(*arguments)
            except Exception as error:
                raise _shown(error, language) from error

        @functools.wraps(handler)
        def stream(*arguments: Any) -> Iterator[Any]:
            try:
                steps = handler(*arguments)
                yield next(steps, gr.skip())  # of an event that ends without any update, Gradio empties every output
                yield from steps
            except Exception as error:
                raise _shown(error, language) from error

        return stream if inspect.isgeneratorfunction(handler) else call

    return decorate


def refused(text: str) -> gr.Error:
    """Return what to raise where the reader has to do something else first."""
    return gr.Error(_lines(text), print_exception=False)


def notice(text: str) -> None:
    """Tell the reader something that goes away by itself."""
    gr.Info(_lines(text))


def _shown(error: Exception, language: Language) -> gr.Error:
    if isinstance(error, gr.Error):
        return error
    if isinstance(error, KnowGLMError):
        return refused(error.text(language))
    _LOG.exception("a handler failed", exc_info=error)
    return refused(shell.UNEXPECTED.text(language, detail=type(error).__name__))


def _lines(text: str) -> str:
    """Return a text as Gradio shows it, which is as HTML."""
    return str(escape(text)).replace("\n", "<br>")
