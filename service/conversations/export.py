"""A conversation to take away: as Markdown for people, as JSON for programs."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from core.answers import Answer
from core.conversations import Conversation, Exchange
from core.documents import Chunk
from core.messages import Language, Message
from service.answers.trace_json import answer_json
from service.conversations.records import one_line

SCHEMA = 1
_HEADING_CHARS = 80
_UNTITLED = Message("未命名的对话", "Untitled conversation")
_ABOUT = Message("{date} · 知识库：{kbs} · {count} 个问题", "{date} · knowledge bases: {kbs} · questions: {count}")
_REWRITTEN = Message("检索用的问题：{question}", "searched for: {question}")
_ENDED = {
    "writing": Message("还没有回答", "not answered yet"),
    "stopped": Message("回答没有写完就停止了", "stopped before the answer was finished"),
    "failed": Message("没能回答", "could not be answered"),
}
_COMMA = Message("、", ", ")
_SOURCES = Message("出处", "Sources")
_PASSAGES = Message("找到的段落", "Passages found")
_NEAREST = Message(
    "最接近、但低于阈值 {threshold} 的段落", "The nearest passages, all below the threshold of {threshold}"
)
_PLACE_PARTS = {
    "page": Message("第 {n} 页", "page {n}"),
    "slide": Message("第 {n} 张幻灯片", "slide {n}"),
    "row": Message("第 {n} 行", "row {n}"),
}
_RELEVANCE = Message("相关度 {share}", "relevance {share}")
_WRITTEN_BY = {
    "extractive": Message("摘录原句", "quoted sentences"),
    "llm": Message("语言模型 {model}", "language model {model}"),
    "small_talk": Message("寒暄", "small talk"),
    "none": Message("未作回答", "no answer"),
}
_GROUNDED = Message("有依据的部分 {share}", "{share} of it is supported")
_SECONDS = Message("{seconds:.2f} 秒", "{seconds:.2f} s")
_THRESHOLD = Message("相关度阈值 {share}", "relevance threshold {share}")
_RATED = {1: Message("评价：有用", "rated useful"), -1: Message("评价：没有用", "rated not useful")}

_INLINE = re.compile(
    r"(\[\d+\])(?![(:])"  # [1] is a source; [1](…) would be a link, and [1]: the target of one
    r"|[\\`*\[\]<|~$@]|(?<=\s)#"
    r"|(?<![^\W_])_"  # after a letter it opens nothing
    r"|&(?=#?\w+;)"
    r"|:(?=//)|(?<=www)\.",  # what many readers make a link of
    re.IGNORECASE,
)
_LINE_START = re.compile(r"^(\d+(?=[.)](?:\s|$))|(?=[#>=:-]|\+(?:\s|$)))")
_WEB_ADDRESS = re.compile(r"https?://[^\s<>\x00-\x1f]+", re.IGNORECASE)


def to_json(conversation: Conversation) -> dict[str, Any]:
    """Return everything that is kept of a conversation; `trace_json.read_answer` reads an answer back."""
    return {
        "schema": SCHEMA,
        "id": conversation.id,
        "title": conversation.title,
        "kbs": list(conversation.kbs),
        "mode": conversation.mode,
        "created": conversation.created,
        "updated": conversation.updated,
        "exchanges": [_exchange_json(exchange) for exchange in conversation.exchanges],
    }


def _exchange_json(exchange: Exchange) -> dict[str, Any]:
    return {
        "id": exchange.id,
        "question": exchange.question,
        "state": exchange.state,
        "text": exchange.text,
        "rating": exchange.rating,
        "created": exchange.created,
        "answer": None if exchange.answer is None else answer_json(exchange.answer),
    }


def to_markdown(conversation: Conversation, language: Language) -> str:
    """Return a conversation with its sources as CommonMark that reads well without being rendered.

    What users, documents and models wrote appears as plain text: nothing in it becomes markup, a link or HTML.
    """
    return "\n".join(_Page(conversation, language).lines())


class _Page:
    """The lines of one conversation in one language."""

    def __init__(self, conversation: Conversation, language: Language) -> None:
        self._conversation = conversation
        self._language = language

    def lines(self) -> Iterator[str]:
        conversation = self._conversation
        yield f"# {_plain(conversation.title or self._text(_UNTITLED))}"
        yield ""
        date = datetime.fromtimestamp(conversation.created).astimezone()
        kbs = _plain(self._text(_COMMA).join(conversation.kbs) or "–")
        yield self._text(_ABOUT, date=f"{date:%Y-%m-%d %H:%M}", kbs=kbs, count=len(conversation.exchanges))
        for number, exchange in enumerate(conversation.exchanges, start=1):
            yield ""
            yield from self._exchange(number, exchange)
        yield ""

    def _exchange(self, number: int, exchange: Exchange) -> Iterator[str]:
        heading = one_line(exchange.question, _HEADING_CHARS)
        yield f"## {number}. {_plain(heading)}"
        yield ""
        if heading != exchange.question.strip():
            yield from _quoted(exchange.question)
            yield ""
        if exchange.answer is not None:
            yield from self._answer(exchange.answer)
        elif exchange.text:
            yield from _paragraphs(exchange.text)
            yield ""
        yield self._outcome(exchange)

    def _answer(self, answer: Answer) -> Iterator[str]:
        if answer.rewritten:
            yield f"*{self._text(_REWRITTEN, question=_plain(answer.rewritten))}*"
            yield ""
        if answer.text:
            yield from _paragraphs(answer.text)
            yield ""
        retrieval = answer.retrieval
        if answer.refused:
            found = [("", hit.chunk, hit.relevance, hit.chunk.text) for hit in retrieval.nearest_misses]
            yield from self._sources(self._text(_NEAREST, threshold=f"{retrieval.settings.threshold:.0%}"), found)
        elif answer.mode == "none":
            found = [("", passage.chunk, passage.relevance, passage.text) for passage in retrieval.passages]
            yield from self._sources(self._text(_PASSAGES), found)
        else:
            found = [(f"[{one.n}] ", one.chunk, one.relevance, one.quote) for one in answer.citations]
            yield from self._sources(self._text(_SOURCES), found)

    def _sources(self, heading: str, found: Iterable[tuple[str, Chunk, float, str]]) -> Iterator[str]:
        """Yield the heading and, for each source, its mark, place, relevance and text; nothing where there is none."""
        for n, (mark, chunk, relevance, text) in enumerate(found):
            if n == 0:
                yield f"**{heading}**"
                yield ""
            share = self._text(_RELEVANCE, share=f"{relevance:.0%}")
            yield f"- {mark}{self._place(chunk)} · {share}"
            yield ""
            yield from (f"  {line}" for line in _quoted(text))
            yield ""

    def _place(self, chunk: Chunk) -> str:
        numbers = [(message, getattr(chunk, name)) for name, message in _PLACE_PARTS.items()]
        is_address = chunk.kind == "web" and _WEB_ADDRESS.fullmatch(chunk.heading)
        parts = (
            _plain(chunk.kb) if (chunk.kb,) != self._conversation.kbs else "",
            f"**{_plain(chunk.source)}**",
            _plain(chunk.sheet or ""),
            *(self._text(message, n=number) for message, number in numbers if number is not None),
            f"<{chunk.heading}>" if is_address else _plain(chunk.heading),
        )
        return " · ".join(part for part in parts if part)

    def _outcome(self, exchange: Exchange) -> str:
        answer, said = exchange.answer, []
        if answer is None:
            said.append(self._text(_ENDED[exchange.state]))
        else:
            said.append(self._text(_WRITTEN_BY[answer.mode], model=_plain(answer.model)).strip())
            if answer.grounding is not None and answer.grounding.verdicts:
                said.append(self._text(_GROUNDED, share=f"{answer.grounding.score:.0%}"))
            said.append(self._text(_SECONDS, seconds=answer.seconds))
            said.append(self._text(_THRESHOLD, share=f"{answer.retrieval.settings.threshold:.0%}"))
        if exchange.rating:
            said.append(self._text(_RATED[exchange.rating]))
        return f"*{' · '.join(said)}*"

    def _text(self, message: Message, **values: Any) -> str:
        return message.text(self._language, **values)


def _quoted(text: str) -> Iterator[str]:
    return (f"> {line}" for line in _paragraphs(text))


def _paragraphs(text: str) -> Iterator[str]:
    """Yield a text's lines as plain text; two blanks at the end keep a line apart from the next."""
    for line in text.strip().splitlines():
        plain = _plain(line)
        yield f"{plain}  " if plain else ""


def _plain(text: str) -> str:
    """Return one line of text as Markdown that shows it as it is."""
    line = "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in text).strip()
    escaped = _INLINE.sub(lambda found: found[1] or rf"\{found[0]}", line)
    return _LINE_START.sub(r"\g<1>\\", escaped)
