"""Conversations taken away: Markdown that reads well and that nothing breaks out of, JSON that holds everything."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from core.answers import Answer, Citation, Hit, LeftOut, Passage, Retrieval, RetrievalSettings
from core.conversations import Conversation, Exchange
from core.documents import Chunk
from core.grounding import Grounding, Verdict
from core.messages import Language, literal
from service.answers.trace_json import read_answer
from service.conversations.export import to_json, to_markdown
from service.conversations.store import Conversations

CREATED = datetime(2025, 11, 20, 17, 24).timestamp()
SETTINGS = RetrievalSettings(5, 0.3, 0.5, 500, 2000)
CHUNK = Chunk(
    1, 1, 0, 0, 30, "入职满一年，每年有五天年假。", "手册.docx", "假期 > 年假", "text", 3, None, None, None, "人事"
)


def an_answer(text: str = "每年五天 [1]。", chunk: Chunk = CHUNK, **changes: Any) -> Answer:
    hit = Hit(chunk, 1, 0.874, 0.9, None, None)
    passage = Passage(chunk, 0, 30, chunk.text, 0.874)
    retrieval = Retrieval("年假有几天？", (hit,), (passage,), SETTINGS, 0.01)
    citations = (Citation(1, chunk, 0, 30, 0.874, chunk.text),)
    return replace(Answer("年假有几天？", text, False, "extractive", citations, retrieval, "", 0.123), **changes)


def an_exchange(answer: Answer | None = None, **changes: Any) -> Exchange:
    text = "" if answer is None else answer.text
    return replace(Exchange(1, "年假有几天？", answer, "done", text, 0, CREATED), **changes)


def a_conversation(*exchanges: Exchange, **changes: Any) -> Conversation:
    return replace(Conversation("ab", "年假有几天？", ("人事",), "kb", CREATED, CREATED, exchanges), **changes)


# --- for people ------------------------------------------------------------------------------------------------------


def test_it_reads_well_without_being_rendered() -> None:
    answer = an_answer(rewritten="入职满一年有几天年假？")
    lines = to_markdown(a_conversation(an_exchange(answer, rating=1)), "zh").split("\n")
    assert [line.rstrip() for line in lines] == [
        "# 年假有几天？",
        "",
        "2025-11-20 17:24 · 知识库：人事 · 1 个问题",
        "",
        "## 1. 年假有几天？",
        "",
        "*检索用的问题：入职满一年有几天年假？*",
        "",
        "每年五天 [1]。",
        "",
        "**出处**",
        "",
        "- [1] **手册.docx** · 第 3 页 · 假期 > 年假 · 相关度 87%",
        "",
        "  > 入职满一年，每年有五天年假。",
        "",
        "*摘录原句 · 0.12 秒 · 相关度阈值 30% · 评价：有用*",
        "",
    ]


def test_english_is_english_throughout() -> None:
    chunk = replace(CHUNK, slide=2, row=7, kb="HR")
    verdict = Verdict(0, 4, "supported", 1.0, 1, 0, 4)
    answer = an_answer("Five days [1].", chunk, mode="llm", model="chatglm-6b", grounding=Grounding((verdict,), 0.5))
    exchange = an_exchange(answer, question="How many days?", rating=-1)
    text = to_markdown(a_conversation(exchange, title="", kbs=("HR", "samples")), "en")
    for expected in (
        "# Untitled conversation",
        "knowledge bases: HR, samples · questions: 1",
        "- [1] HR · **手册.docx** · page 3 · slide 2 · row 7 · 假期 > 年假 · relevance 87%",
        "*language model chatglm-6b · 50% of it is supported · 0.12 s · relevance threshold 30% · rated not useful*",
    ):
        assert expected in text


def test_a_refusal_shows_the_nearest_misses_and_no_sources() -> None:
    misses = tuple(Hit(replace(CHUNK, text=f"第 {n} 段"), n, 0.1, 0.1, None, "threshold") for n in range(1, 5))
    retrieval = Retrieval("火星？", misses, (), SETTINGS, 0.01)
    answer = an_answer("没有找到。", refused=True, mode="none", citations=(), retrieval=retrieval)
    text = to_markdown(a_conversation(an_exchange(answer)), "zh")
    assert "**最接近、但低于阈值 30% 的段落**" in text
    assert "- **手册.docx** · 第 3 页 · 假期 > 年假 · 相关度 10%\n\n  > 第 1 段" in text
    assert ("第 3 段" in text, "第 4 段" in text, "出处" in text) == (True, False, False)


def test_passages_without_an_answer_are_quoted() -> None:
    text = to_markdown(a_conversation(an_exchange(an_answer("", mode="none", citations=()))), "zh")
    assert "**找到的段落**\n\n- **手册.docx** · 第 3 页" in text
    assert "> 入职满一年" in text


@pytest.mark.parametrize(
    ("state", "text", "said"),
    [("writing", "", "还没有回答"), ("stopped", "每年五", "没有写完就停止"), ("failed", "内存不足", "没能回答")],
)
def test_how_an_exchange_without_an_answer_ended_is_said(state: Any, text: str, said: str) -> None:
    lines = to_markdown(a_conversation(an_exchange(state=state, text=text)), "zh").split("\n")
    assert said in lines[-2]
    assert lines[-4].strip() == (text or "## 1. 年假有几天？")


def test_a_long_question_is_a_short_heading_and_stands_below_in_full() -> None:
    question = "第一行\n\n" + "长" * 100
    lines = to_markdown(a_conversation(an_exchange(question=question, state="stopped")), "zh").split("\n")
    assert lines[4] == f"## 1. 第一行 {'长' * 75}…"
    assert [line.rstrip() for line in lines[6:9]] == ["> 第一行", ">", f"> {'长' * 100}"]


def test_the_address_of_a_web_page_is_a_link_to_itself() -> None:
    page = replace(CHUNK, kind="web", source="网页", heading="https://example.com/a?b=c", page=None, kb="")
    fakes = (
        replace(page, heading="https://example.com/> [点我](javascript:alert(1))"),
        replace(page, kind="text"),  # a heading that a document gave itself
    )
    html = MarkdownIt().render(to_markdown(a_conversation(an_exchange(an_answer(chunk=page))), "zh"))
    assert '<a href="https://example.com/a?b=c">https://example.com/a?b=c</a>' in html
    for fake in fakes:
        assert "<a" not in MarkdownIt().render(to_markdown(a_conversation(an_exchange(an_answer(chunk=fake))), "zh"))


# --- nothing breaks out ----------------------------------------------------------------------------------------------

PAYLOADS = {
    "script": "<script>alert(1)</script>",
    "event": '<img src=x onerror="alert(1)">',
    "comment": "<!-- \n\n x -->",
    "link": "[点我](javascript:alert(1))",
    "mark_as_link": "[1](https://evil.example)",
    "definition": "[1]: https://evil.example 'x'",
    "footnote": "[^1]: x",
    "image": "![x](https://evil.example/pixel.png)",
    "autolink": "<https://evil.example>",
    "entity": "&lt;b&gt; &#60;",
    "fence": "```\n没有结尾",
    "tildes": "~~~html\n<b>",
    "end_of_quote": "一\n\n# 二\n\n---\n三\n===\n",
    "nested": "> > 四\n- 五\n+ 六\n* 七\n1. 八\n2) 九",
    "indented": "\n\n        rm -rf /\n\tcode",
    "table": "a | b\n--|--\n1 | 2",
    "pipes": "| a | b |\n|---|---|\n| 1 | 2 |",
    "emphasis": "**粗** __粗__ *斜* _斜_ `码` ~~删~~ snake_case __init__",
    "backslashes": "C:\\新\\[x] \\\\` \\",
    "line_separators": "一\r<b>\x0b# 二\x0c三\x85- 四\u2028<i>\u2029五\x1b[31m\x00",
    "heading_end": "C # #",
    "mathematics": "$x$ $$y$$",
}


def flat(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from flat(token.children or [])


def parsed(markdown: str) -> list[Token]:
    return list(flat(MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)))


def skeleton(markdown: str) -> list[str]:
    """Return the page's structure, whatever its texts say."""
    return [token.type for token in parsed(markdown) if token.type not in {"text", "softbreak", "hardbreak"}]


def page_of(text: str) -> str:
    """Return a page on which a text stands wherever users, documents and models write."""
    text = text.strip() or "x"
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:70].strip() or "x"
    chunk = replace(CHUNK, text=text, source=line, heading=line, sheet=line, kb=line)
    misses = Retrieval(line, (Hit(chunk, 1, 0.1, 0.1, None, "threshold"),), (), SETTINGS, 0.1)
    answer = an_answer(text, chunk, mode="llm", model=line, rewritten=line)
    refusal = an_answer("x", chunk, mode="none", refused=True, citations=(), retrieval=misses)
    exchanges = [
        an_exchange(answer, question=line),
        an_exchange(refusal),
        an_exchange(state="failed", text=text),
    ]
    return to_markdown(a_conversation(*exchanges, title=line, kbs=("甲", line)), "zh")


def harmless(text: str) -> str:
    return "\n".join("x" if line.strip() and line.strip("\x00\x1b") else "" for line in text.strip().splitlines())


@pytest.mark.parametrize("name", PAYLOADS)
def test_no_text_becomes_markup_a_link_or_html(name: str) -> None:
    payload = PAYLOADS[name]
    page = page_of(payload)
    assert skeleton(page) == skeleton(page_of(harmless(payload)))
    assert all(sign.isprintable() for sign in page.replace("\n", ""))
    shown = "".join(token.content for token in parsed(page) if token.type == "text")
    for line in payload.splitlines():
        assert "".join(sign if sign.isprintable() else " " for sign in line).strip() in shown


@settings(max_examples=300, deadline=None)
@given(st.text("<>[]()`*_~#+-=|\\&;:!.$@/\"'{}^1a字 \t\n", max_size=40))
@example("www.evil.example https://evil.example")
def test_nothing_that_can_be_written_breaks_out(text: str) -> None:
    assert skeleton(page_of(text)) == skeleton(page_of(harmless(text)))


@pytest.mark.parametrize("text", ["https://evil.example", "HTTP://a", "www.a.b", "WWW.a.b", "a@evil.example", "$x$"])
def test_no_reader_makes_more_of_it_than_commonmark_does(text: str) -> None:
    assert text not in page_of(f"见{text}。")


def test_a_heading_keeps_the_signs_at_its_end() -> None:
    assert "<h1>C # ##</h1>" in MarkdownIt().render(to_markdown(a_conversation(title="C # ##"), "zh"))


# --- for programs ----------------------------------------------------------------------------------------------------

WORDS = st.text(max_size=8)
SHARES = st.floats(0, 1)
CHUNKS = st.builds(Chunk, kb=WORDS)
HITS = st.builds(Hit, chunk=CHUNKS, relevance=SHARES, lexical=SHARES, dense=st.none() | SHARES)
PASSAGES = st.builds(Passage, chunk=CHUNKS, relevance=SHARES)
LIMITS = st.builds(RetrievalSettings, threshold=SHARES, dense_weight=SHARES)
VERDICTS = st.builds(Verdict, score=SHARES, problems=st.tuples(st.builds(literal, WORDS, WORDS)))


def tuples(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(items, max_size=5).map(tuple)


ANSWERS = st.builds(
    Answer,
    citations=tuples(st.builds(Citation, chunk=CHUNKS, relevance=SHARES)),
    retrieval=st.builds(Retrieval, hits=tuples(HITS), passages=tuples(PASSAGES), settings=LIMITS, seconds=SHARES),
    seconds=SHARES,
    rewritten=WORDS,
    grounding=st.none() | st.builds(Grounding, tuples(VERDICTS), SHARES),
    removed_citations=tuples(st.integers()),
    left_out=st.builds(LeftOut, st.integers(), st.integers()),
    model=WORDS,
    trace_id=WORDS,
)


def conversation_of(value: dict[str, Any]) -> Conversation:
    """Return the conversation that a program would read from the export."""
    answers = [None if one["answer"] is None else read_answer(one["answer"]) for one in value["exchanges"]]
    exchanges = [Exchange(**{**one, "answer": read}) for one, read in zip(value["exchanges"], answers, strict=True)]
    rest = {name: part for name, part in value.items() if name != "schema"}
    return Conversation(**{**rest, "kbs": tuple(value["kbs"]), "exchanges": tuple(exchanges)})


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(WORDS, st.none() | ANSWERS), max_size=3), WORDS, st.lists(WORDS, unique=True, max_size=3))
def test_the_export_holds_all_that_was_stored(asked: list[Any], title: str, kbs: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kept = Conversations(Path(folder) / "conversations.sqlite")
        id = kept.create("张三", kbs, "kb")
        kept.rename("张三", id, title)
        for question, answer in asked:
            exchange = kept.begin("张三", id, question)
            if answer is None:
                kept.stop("张三", exchange, question)
            else:
                kept.finish("张三", exchange, answer)
        stored = kept.load("张三", id)
        kept.close()
    exported = json.loads(json.dumps(to_json(stored), ensure_ascii=False))
    assert exported["schema"] == 1
    assert conversation_of(exported) == stored
    assert [(one.question, one.answer and one.answer.citations) for one in stored.exchanges] == [
        (question, answer and answer.citations) for question, answer in asked
    ]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_an_empty_conversation_can_be_exported(language: Language) -> None:
    empty = a_conversation(title="", kbs=())
    assert to_markdown(empty, language).startswith("# ")
    assert to_json(empty)["exchanges"] == []
