"""One question, all the way: understand, retrieve, then refuse, quote, or let a language model write; then check.

The events come in this order: `Retrieved`, `Delta`…, `Finished`. Closing the generator stops the model.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from chains.budget import fitted_prompt
from chains.follow_ups.condense import condense
from chains.follow_ups.small_talk import small_talk
from chains.grounding.citations import CitationFilter, cited
from chains.grounding.verdicts import check_answer
from chains.prompt import build_chat
from chains.reader import read
from chains.retrieve import DenseLeg, retrieve
from chains.table_rows import in_words, is_table_row
from core.answers import (
    Answer,
    AnswerEvent,
    AnswerMode,
    AskOptions,
    Citation,
    Delta,
    Finished,
    LeftOut,
    Passage,
    Retrieval,
    RetrievalSettings,
    Retrieved,
    Turn,
)
from core.errors import KnowGLMError
from core.grounding import Grounding
from core.messages import Language, Message
from core.model_errors import AnswerFailed
from core.plugs import ChunkStore

_NO_MODEL = Message("没有语言模型，不能直接对话", "there is no language model to talk to")
REFUSAL = Message(
    "知识库里没有找到与这个问题足够相关的内容，所以不作回答。",
    "Nothing in the knowledge base is relevant enough to this question, so there is no answer.",
)

Sources = Callable[[str], AbstractContextManager[ChunkStore]]


@dataclass(frozen=True, slots=True)
class AnswerPlugs:
    """What an answer is made with.

    Attributes:
        sources: gives what is searched, for the question as it is searched with and as long as it is read.
        dense: None leaves retrieval to the lexical leg.
        llm: returns the language model, loading it if need be; None lets the embedded reader quote sentences.
        template: prompt with `{passages}` and `{question}`.
        system: what the language model is told beforehand; empty for nothing.
        history_turns: turns that the language model is given.
    """

    sources: Sources
    dense: DenseLeg | None
    llm: Callable[[], BaseChatModel] | None
    template: str
    system: str
    history_turns: int
    language: Language


@dataclass(slots=True)
class _Draft:
    """What is known of an answer while it is written."""

    mode: AnswerMode
    text: str = ""
    prompt: str = ""
    refused: bool = False
    citations: tuple[Citation, ...] = ()
    removed: tuple[int, ...] = ()
    left_out: LeftOut = field(default_factory=LeftOut)
    grounding: Grounding | None = None

    def say(self, text: str) -> Iterator[Delta]:
        """Add a piece to the text, and yield it unless it is empty."""
        self.text += text
        if text:
            yield Delta(text)


def answer_events(
    question: str,
    plugs: AnswerPlugs,
    settings: RetrievalSettings,
    history: Sequence[Turn] = (),
    options: AskOptions = AskOptions(),  # noqa: B008 - immutable
) -> Iterator[AnswerEvent]:
    """Answer a question from the knowledge base, or refuse, as a stream of events."""
    started = time.perf_counter()
    draft, searched = _Draft("none"), question
    retrieval = Retrieval(question, (), (), settings, 0.0)
    if options.mode == "chat":
        yield Retrieved(retrieval)
        yield from _chatted(draft, question, plugs, history)
    elif (greeting := small_talk(question)) is not None:
        yield Retrieved(retrieval)
        draft.mode = "small_talk"
        yield from draft.say(greeting.text(plugs.language))
    else:
        searched = _searched(question, plugs, history, options)
        with plugs.sources(searched) as store:
            retrieval = retrieve(searched, store, settings, plugs.dense)
            yield Retrieved(retrieval)
            if not retrieval.passages:
                draft.refused = True
                yield from draft.say(REFUSAL.text(plugs.language))
            elif options.mode != "retrieval":
                yield from _grounded(draft, question, retrieval, store, plugs, history)
    yield Finished(_answer(draft, question, searched, retrieval, time.perf_counter() - started))


def _answer(draft: _Draft, question: str, searched: str, retrieval: Retrieval, seconds: float) -> Answer:
    return Answer(
        question=question,
        text=draft.text.strip(),
        refused=draft.refused,
        mode=draft.mode,
        citations=draft.citations,
        retrieval=retrieval,
        prompt=draft.prompt,
        seconds=seconds,
        rewritten=searched if searched != question else "",
        grounding=draft.grounding,
        removed_citations=draft.removed,
        left_out=draft.left_out,
    )


def _searched(question: str, plugs: AnswerPlugs, history: Sequence[Turn], options: AskOptions) -> str:
    """Return the question to search with: a follow-up is rewritten to stand alone."""
    if not history or not options.rewrite:
        return question
    return condense(question, history, plugs.llm() if plugs.llm else None)


def _grounded(
    draft: _Draft,
    question: str,
    retrieval: Retrieval,
    store: ChunkStore,
    plugs: AnswerPlugs,
    history: Sequence[Turn],
) -> Iterator[Delta]:
    """Write an answer that rests on the passages, and check it against them."""
    if plugs.llm is None:
        draft.mode = "extractive"
        yield from _quoted(draft, retrieval, store)
        draft.grounding = check_answer(draft.text.strip(), retrieval.passages, marks_name_passages=False)
        return
    draft.mode = "llm"
    llm = plugs.llm()
    with _model_errors():
        fitted = fitted_prompt(
            llm, plugs.template, question, retrieval.passages, _recent(history, plugs), system=plugs.system
        )
    draft.left_out = fitted.left_out
    marks = CitationFilter(len(fitted.passages))
    for delta in _written(draft, llm, fitted.messages):
        yield from draft.say(marks.push(delta))
    yield from draft.say(marks.finish())
    draft.removed = marks.removed
    draft.citations = _marked(draft.text, fitted.passages)
    draft.grounding = check_answer(draft.text.strip(), fitted.passages)


def _chatted(draft: _Draft, question: str, plugs: AnswerPlugs, history: Sequence[Turn]) -> Iterator[Delta]:
    """Let the language model answer by itself."""
    if plugs.llm is None:
        raise AnswerFailed(detail=_NO_MODEL)
    draft.mode = "llm"
    for delta in _written(draft, plugs.llm(), build_chat(question, _recent(history, plugs), plugs.system)):
        yield from draft.say(delta)


def _recent(history: Sequence[Turn], plugs: AnswerPlugs) -> Sequence[Turn]:
    return history[-plugs.history_turns :] if plugs.history_turns else ()


def _written(draft: _Draft, llm: BaseChatModel, messages: list[BaseMessage]) -> Iterator[str]:
    draft.prompt = "\n\n".join(f"{message.type}: {message.text}" for message in messages)
    with _model_errors():
        for chunk in llm.stream(messages):
            if chunk.text:
                yield chunk.text


@contextmanager
def _model_errors() -> Iterator[None]:
    try:
        yield
    except KnowGLMError:
        raise
    except Exception as error:  # a model of any make, which raises what it likes
        raise AnswerFailed(detail=error) from error


def _marked(text: str, passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """Return the passages that the text cites by [n], each once, in the order of their numbers."""
    return tuple(
        Citation(n, passage.chunk, passage.start, passage.end, passage.relevance, passage.text)
        for n, passage in ((n, passages[n - 1]) for n in sorted(cited(text)))
    )


def _quoted(draft: _Draft, retrieval: Retrieval, store: ChunkStore) -> Iterator[Delta]:
    """Quote the sentences that the embedded reader chooses, with citations numbered from 1."""
    passages = retrieval.passages
    kept = [hit for hit in retrieval.hits if hit.kept]
    for n, quote in enumerate(
        read(retrieval.question, passages, kept, store.term_weights(retrieval.question)), start=1
    ):
        passage = passages[quote.passage]
        chunk = store.chunk_at(passage.chunk.document_id, quote.start) or passage.chunk
        citation = Citation(n, chunk, quote.start, quote.end, passage.relevance, quote.text)
        draft.citations += (citation,)
        yield from draft.say(f"{_readable(citation, passages)} [{n}]\n")


def _readable(citation: Citation, passages: Sequence[Passage]) -> str:
    """Return a quote on one line, the cells of a table row with the names of their columns."""
    if not is_table_row(citation.quote):
        return " ".join(citation.quote.split())
    around = next((passage.text for passage in passages if citation.quote in passage.text), citation.quote)
    return in_words(citation.quote, around)
