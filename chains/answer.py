"""One question, all the way: retrieve, then refuse, quote, or let a language model write.

The events come in this order: `Retrieved`, `Delta`…, `Finished`. Closing the generator stops the model.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from chains.budget import fitted_messages
from chains.reader import read
from chains.retrieve import DenseLeg, retrieve
from chains.table_rows import in_words, is_table_row
from core.answers import (
    Answer,
    AnswerEvent,
    AnswerMode,
    Citation,
    Delta,
    Finished,
    Passage,
    Retrieval,
    RetrievalSettings,
    Retrieved,
    Turn,
)
from core.messages import Language, Message
from core.model_errors import AnswerFailed, ModelError
from core.plugs import ChunkStore

REFUSAL = Message(
    "知识库里没有找到与这个问题足够相关的内容，所以不作回答。",
    "Nothing in the knowledge base is relevant enough to this question, so there is no answer.",
)
_MARK = re.compile(r"\[(\d{1,3})\]")


@dataclass(frozen=True, slots=True)
class AnswerPlugs:
    """What an answer is made with.

    Attributes:
        dense: None leaves retrieval to the lexical leg.
        llm: returns the language model, loading it if need be; None lets the embedded reader quote sentences.
        template: prompt with `{passages}` and `{question}`.
        history_turns: turns that the language model is given.
    """

    store: ChunkStore
    dense: DenseLeg | None
    llm: Callable[[], BaseChatModel] | None
    template: str
    history_turns: int
    language: Language

    @property
    def mode(self) -> AnswerMode:
        """Who writes the answer."""
        return "extractive" if self.llm is None else "llm"


def answer_events(
    question: str, plugs: AnswerPlugs, settings: RetrievalSettings, history: Sequence[Turn] = ()
) -> Iterator[AnswerEvent]:
    """Answer a question from the knowledge base, or refuse, as a stream of events."""
    started = time.perf_counter()
    retrieval = retrieve(question, plugs.store, settings, plugs.dense)
    yield Retrieved(retrieval)
    text, prompt, refused = "", "", not retrieval.passages
    citations: tuple[Citation, ...] = ()
    if refused:
        text = REFUSAL.text(plugs.language)
        yield Delta(text)
    elif plugs.llm is None:
        citations = _quoted(question, retrieval, plugs.store)
        for citation in citations:
            delta = f"{_readable(citation, retrieval.passages)} [{citation.n}]\n"
            text += delta
            yield Delta(delta)
    else:
        llm, turns = plugs.llm(), history[-plugs.history_turns :] if plugs.history_turns else ()
        messages, passages = fitted_messages(llm, plugs.template, question, retrieval.passages, turns)
        prompt = "\n\n".join(f"{message.type}: {message.text}" for message in messages)
        for delta in _written(llm, messages):
            text += delta
            yield Delta(delta)
        citations = _marked(text, passages)
    seconds = time.perf_counter() - started
    yield Finished(Answer(question, text.strip(), refused, plugs.mode, citations, retrieval, prompt, seconds))


def _written(llm: BaseChatModel, messages: list[BaseMessage]) -> Iterator[str]:
    try:
        for chunk in llm.stream(messages):
            if chunk.text:
                yield chunk.text
    except ModelError:
        raise
    except Exception as error:  # a model of any make, which raises what it likes
        raise AnswerFailed(detail=error) from error


def _marked(text: str, passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """Return the passages that the text cites by [n], each once, in the order of their numbers."""
    numbers = sorted({int(mark) for mark in _MARK.findall(text)} & set(range(1, len(passages) + 1)))
    return tuple(
        Citation(n, passage.chunk, passage.start, passage.end, passage.relevance, passage.text)
        for n, passage in ((n, passages[n - 1]) for n in numbers)
    )


def _quoted(question: str, retrieval: Retrieval, store: ChunkStore) -> tuple[Citation, ...]:
    """Return the sentences that the embedded reader chooses, as citations numbered from 1."""
    passages = retrieval.passages
    kept = [hit for hit in retrieval.hits if hit.kept]
    quotes = read(question, passages, kept, store.term_weights(question))
    citations = []
    for n, quote in enumerate(quotes, start=1):
        passage = passages[quote.passage]
        chunk = store.chunk_at(passage.chunk.document_id, quote.start) or passage.chunk
        citations.append(Citation(n, chunk, quote.start, quote.end, passage.relevance, quote.text))
    return tuple(citations)


def _readable(citation: Citation, passages: Sequence[Passage]) -> str:
    """Return a quote on one line, the cells of a table row with the names of their columns."""
    if not is_table_row(citation.quote):
        return " ".join(citation.quote.split())
    around = next((passage.text for passage in passages if citation.quote in passage.text), citation.quote)
    return in_words(citation.quote, around)
