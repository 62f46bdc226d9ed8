"""Whatever is edited, disabled and enabled, in whatever order: searching tells no difference from a fresh index."""

import itertools
import shutil
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fakes import HashedEmbeddings, new_document
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from analysis.indexed_text import indexed_text
from core.documents import DocumentRow, NewDocument
from splitters.chinese import ChineseTextSplitter
from tests.vectorstores.fresh_copy import assert_chunks_are_ranges, assert_like_fresh, matrix, use
from vectorstores.knowledge_store import KnowledgeStore
from vectorstores.text_blocks import BLOCK_CHARS

EMBEDDINGS = HashedEmbeddings(32)
WORDS = [
    "年假有五天。",
    "病毒检测须知。",
    "出差补贴一百元！",
    "print the form. ",
    "第3条 加班费。\n",
    "𠮷野家🎉。",
    "…",
]
QUESTIONS = ["年假几天", "出差补贴", "print form", "加班费怎么算", "𠮷野家"]

texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map("".join)
edits = st.tuples(st.just("edit"), st.integers(0, 99), texts)
switches = st.tuples(st.sampled_from(["disable", "enable"]), st.integers(0, 99), st.integers(1, 3))
steps = st.lists(edits | switches, max_size=6)


@pytest.fixture(scope="module")
def folders() -> Any:
    root = Path(tempfile.mkdtemp())
    yield (root / f"kb{number}" for number in itertools.count())
    shutil.rmtree(root)


def put(store: KnowledgeStore, name: str, text: str, overlap: int) -> None:
    chunks = ChineseTextSplitter(20, overlap).split_documents([Document(page_content=text)])
    indexed = [indexed_text("规定", "", "", chunk.page_content) for chunk in chunks]
    row = DocumentRow(name, name, "indexed", len(text), chars=len(text), title="规定")
    store.put_documents([NewDocument(row, text, chunks, indexed, matrix(EMBEDDINGS, indexed) if chunks else None)])


def take(store: KnowledgeStore, step: tuple[Any, ...]) -> None:
    rows = store.editor.rows("甲.txt")
    kind, at, what = step
    if not rows:
        return
    if kind == "edit":
        if text := what.strip("… \n"):
            store.editor.edit("甲.txt", rows[at % len(rows)].chunk.id, text, EMBEDDINGS.embed_documents)
        return
    ids = [row.chunk.id for row in rows[at % len(rows) :][:what]]
    store.editor.set_enabled("甲.txt", ids, EMBEDDINGS.embed_documents, enabled=kind == "enable")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sentences=st.lists(st.sampled_from(WORDS), min_size=3, max_size=30), overlap=st.sampled_from([0, 8, 15]),
       steps=steps)  # fmt: skip
def test_searching_is_that_of_a_fresh_index(
    folders: Any, sentences: list[str], overlap: int, steps: list[tuple[Any, ...]]
) -> None:
    text = "".join(f"{number}、{sentence}" for number, sentence in enumerate(sentences))
    with closing(KnowledgeStore(next(folders))) as store:
        use(store, EMBEDDINGS)
        put(store, "甲.txt", text, overlap)
        store.put_documents([new_document("乙.txt", ["年假的办法另行规定。"], vectors=matrix(EMBEDDINGS, ["年假"]))])
        store.delete_document("乙.txt")
        store.fold_index()  # so that there is an index file that knows the chunks as they were
        for step in steps:
            take(store, step)
            assert_chunks_are_ranges(store)
        assert_like_fresh(store, QUESTIONS, EMBEDDINGS)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=texts.filter(lambda text: "。" in text), steps=st.lists(edits, min_size=1, max_size=6))
def test_the_edits_on_record_lead_from_the_first_text_to_the_last(
    folders: Any, text: str, steps: list[tuple[Any, ...]]
) -> None:
    with closing(KnowledgeStore(next(folders))) as store:
        put(store, "甲.txt", text, 0)
        for step in steps:
            take(store, step)
        record = store.document("甲.txt")
        assert record is not None
        replayed, position = "", 0
        now = store.text(record.id, 0, record.chars)
        for edit in store.corrections("甲.txt"):
            assert edit.after is not None
            assert edit.before != edit.after == now[edit.start : edit.end]
            replayed += now[position : edit.start] + edit.before
            position = edit.end
        assert replayed + now[position:] == text


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 3 * BLOCK_CHARS), min_size=1, max_size=4), at=st.integers(0, 3), data=st.data())
def test_long_texts_are_rewritten_right_across_their_blocks(
    folders: Any, sizes: list[int], at: int, data: st.DataObject
) -> None:
    parts = ["甲乙丙丁"[number] * size for number, size in enumerate(sizes)]
    at %= len(parts)
    length = data.draw(st.sampled_from([1, len(parts[at]), BLOCK_CHARS, 2 * BLOCK_CHARS + 7]))
    with closing(KnowledgeStore(next(folders))) as store:
        store.put_documents([new_document("长.txt", parts)])
        store.editor.edit("长.txt", store.editor.rows("长.txt")[at].chunk.id, "新" * length, lambda _: None)
        parts[at] = "新" * length
        record = store.document("长.txt")
        assert record is not None
        assert store.text(record.id, 0, record.chars) == "\n".join(parts)
        assert [row.chunk.text for row in store.editor.rows("长.txt")] == parts
