"""A page of Gradio's without a browser: events are fired at its widgets, and their handlers' updates kept."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import gradio as gr
from gradio.helpers import special_args

from core.accounts import LOCAL_ADMIN, User
from ui.visitors import Visitor

T = TypeVar("T")


def built(make: Callable[[], T]) -> tuple[gr.Blocks, T]:
    """Build blocks with what `make` puts there; inside an event loop, as Gradio opens one for good where none runs."""

    async def build() -> tuple[gr.Blocks, T]:
        with gr.Blocks(analytics_enabled=False) as blocks:
            made = make()
        return blocks, made

    return asyncio.run(build())


class GradioPage:
    """One visitor's page, as it stands in a browser.

    Args:
        blocks: with the widgets; they are named by their `elem_id`.
        owner: two visitors with different ones have nothing in common.
    """

    def __init__(self, blocks: gr.Blocks, user: User = LOCAL_ADMIN, *, owner: str = "somebody") -> None:
        self._blocks = blocks
        self.request: Any = SimpleNamespace(state=SimpleNamespace(visitor=Visitor(owner, user, None)), query_params={})
        self._values: dict[Any, Any] = {}
        self._shown: dict[Any, dict[str, Any]] = {}

    def load(self, fn: Any, outputs: Any = None, inputs: Any = ()) -> None:
        """Call a handler that the page calls when it is opened or a tab is chosen."""
        given = {one: self._value(one) for one in inputs}
        arguments = [given] if isinstance(inputs, set) else given.values()  # as Gradio hands them over
        self._take(fn(*arguments, self.request), outputs)

    def write(self, name: str, value: Any) -> None:
        """Write into a widget, without any event."""
        self._values[self._widget(name)] = value

    def value(self, name: str) -> Any:
        """Return what stands in a widget."""
        return self._value(self._widget(name))

    def shown(self, name: str, option: str) -> Any:
        """Return an option of a widget other than its value, such as "visible"."""
        widget = self._widget(name)
        return self._shown.get(widget, {}).get(option, getattr(widget, option, None))

    def fire(self, name: str, event: str, data: dict[str, Any] | None = None, value: Any = None) -> list[Any]:
        """Fire an event, with all that follows from it, and return the updates of each step, in order."""
        widget = self._widget(name)
        if value is not None:
            self._values[widget] = value
        fired = [fn for fn in self._blocks.fns.values() if (widget._id, event) in fn.targets]
        assert fired, f"{name} has no {event}"
        return [step for fn in fired for step in self._run(fn, gr.EventData(widget, data or {}))]

    def updated_by(self, module: str) -> set[str]:
        """Return the names of the widgets that handlers of some modules update."""
        fns = [fn for fn in self._blocks.fns.values() if _inner(fn.fn).__module__.startswith(module)]
        return {one.elem_id for fn in fns for one in fn.outputs if one.elem_id}

    def _run(self, fn: Any, event: gr.EventData) -> list[Any]:
        given = [self._value(one) for one in fn.inputs]
        arguments = [dict(zip(fn.inputs, given, strict=True))] if fn.inputs_as_dict else given
        result = fn.fn(*special_args(fn.fn, arguments, self.request, event)[0])
        steps = []
        for step in result if hasattr(result, "__next__") else [result]:
            self._take(step, fn.outputs)
            steps.append(step)
        after = [other for other in self._blocks.fns.values() if other.trigger_after == fn._id]
        return [*steps, *(step for other in after for step in self._run(other, event))]

    def _take(self, updates: Any, outputs: Any) -> None:
        if not isinstance(updates, dict) or updates.get("__type__") == "update":
            (updates,) = [dict(zip(outputs, [updates], strict=True))]
        assert updates, "Gradio takes no empty updates"
        for widget, update in updates.items():
            assert outputs is None or widget in outputs, f"{widget.elem_id} is no output of this event"
            if isinstance(update, dict) and update.get("__type__") == "update":
                self._shown.setdefault(widget, {}).update(update)
                if "value" in update:
                    self._values[widget] = update["value"]
            else:
                self._values[widget] = update

    def _value(self, widget: Any) -> Any:
        """Return what a handler is given: of a text box that is empty, an empty text."""
        value = self._values.get(widget, getattr(widget, "value", None))
        return "" if value is None and isinstance(widget, gr.Textbox) else value

    def _widget(self, name: str) -> Any:
        (widget,) = [one for one in self._blocks.blocks.values() if getattr(one, "elem_id", None) == name]
        return widget


def _inner(fn: Any) -> Any:
    return getattr(fn, "__wrapped__", fn)
