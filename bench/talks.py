"""Conversations of the benchmark of the web page: with the façade, on the page, and how they differ."""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from statistics import median
from typing import TYPE_CHECKING

from core.answers import Answer, Finished, Turn
from service.knowledge_qa import KnowledgeQA

if TYPE_CHECKING:
    from playwright.async_api import Page

Figures = dict[str, float | int]

_QUESTION = "#question textarea"
_LIMIT_S = 60
PAUSE_S = 1.0  # in which people read; the page takes no second question in the moment after the first
WATCH = """addEventListener("keydown", (event) => {
    const asked = event.target.value, started = performance.now();
    if (event.key !== "Enter") return;
    const text = (exchange, part) => {
        const copy = exchange.querySelector(part).cloneNode(true);
        copy.querySelectorAll(".cite, .verdict").forEach((mark) => mark.remove());
        return copy.textContent;
    };
    window.answered = new Promise((resolve) => new MutationObserver((_, observer) => {
        const done = [...document.querySelectorAll(".exchange.done")];
        if (!done.length || text(done.at(-1), ".question") !== asked) return;
        observer.disconnect();
        const seconds = (performance.now() - started) / 1000;
        resolve([seconds, done.map((one) => [text(one, ".question"), text(one, ".answer")])]);
    }).observe(document.body, {childList: true, subtree: true}));
}, true);"""
"""A script of a page that `asked_on` asks: takes the time in the page itself, from Enter to the finished answer."""


@dataclass(frozen=True, slots=True)
class Talk:
    """Questions with their answers, in one conversation, and the seconds that each took."""

    exchanges: Sequence[tuple[str, str]]
    seconds: Sequence[float]


def asked_of(app: KnowledgeQA, questions: Sequence[str]) -> Talk:
    """Ask the façade, with the history that the page would give it."""
    exchanges, times, history = list[tuple[str, str]](), list[float](), list[Turn]()
    for question in questions:
        started = time.perf_counter()
        answer = answer_to(app, question, history)
        times.append(time.perf_counter() - started)
        exchanges.append((question, answer.text))
        if answer.mode == "extractive":
            history.append(Turn(question, answer.text))
    return Talk(exchanges, times)


def answer_to(app: KnowledgeQA, question: str, history: Sequence[Turn] = ()) -> Answer:
    """Return the façade's answer from the samples."""
    return next(event.answer for event in app.ask(question, history=history) if isinstance(event, Finished))


async def asked_on(page: "Page", questions: Sequence[str]) -> Talk:
    """Ask on a page, with a pause after each answer, and return what stands there in the end.

    The time is from Enter to the finished answer.
    """
    exchanges, times = list[tuple[str, str]](), list[float]()
    for question in questions:
        await page.fill(_QUESTION, question)
        await page.press(_QUESTION, "Enter")
        async with asyncio.timeout(_LIMIT_S):
            seconds, shown = await page.evaluate("window.answered")
        exchanges = [(asked, answer) for asked, answer in shown]
        times.append(seconds)
        await asyncio.sleep(PAUSE_S)
    return Talk(exchanges, times)


def overhead(page: Talk, facade: Talk, bare: Talk) -> Figures:
    """Return what a question takes on the page, and beyond the façade, in the median; a bare page's is the floor."""
    own, floor = median(page.seconds), median(bare.seconds)
    beyond = median(one - other for one, other in zip(page.seconds, facade.seconds, strict=True))
    return {
        "questions": len(page.seconds),
        "page_ms": 1000 * own,
        "façade_ms": 1000 * median(facade.seconds),
        "page ÷ façade": own / median(facade.seconds),
        "bare Gradio_ms": 1000 * floor,
        "beyond façade_ms": 1000 * beyond,
        "beyond façade ÷ bare Gradio": beyond / floor,
    }


def mixed_up(page: Talk, facade: Talk) -> int:
    """Count the exchanges that are not the façade's; blanks and the marks of citations make no difference."""
    return sum(one != other for one, other in zip_longest(_plain(page), _plain(facade)))


def _plain(talk: Talk) -> list[tuple[str, str]]:
    return [(question, re.sub(r"\[\d+\]|\s", "", answer)) for question, answer in talk.exchanges]
