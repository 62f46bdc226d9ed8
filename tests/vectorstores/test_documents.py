"""What a knowledge base holds after adding, replacing and deleting, and that its books always balance."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_texts import EDGE_TEXTS
from fakes import HashedEmbeddings, new_document

from analysis.terms import index_form, index_terms
from core.documents import DocumentRow, EmbeddingIdentity
from core.messages import literal
from vectorstores.knowledge_store import KnowledgeStore
from vectorstores.text_blocks import BLOCK_CHARS

Sql = Callable[..., list[tuple[Any, ...]]]
EMBEDDING = HashedEmbeddings(32)
NAMES = {
    "chinese": "员工手册（2024版）.docx",
    "emoji": "🎉发布会👨‍👩‍👧.pdf",
    "rare": "𰻝𰻝面.txt",
    "quotes": "他说\"好\" 'ok'.txt",
    "percent": "100%_增长%s%d.txt",
    "sql": "'; DROP TABLE documents; --.txt",
    "braces": "{name} {0}.txt",
    "folders": "甲/乙/../丙.txt",
    "blanks": "  前后有空格  ",
    "long": "长" * 255,
    "newline": "两\n行.txt",
}


def vectors_of(texts: list[str]) -> np.ndarray:
    return np.asarray(EMBEDDING.embed_documents(texts), dtype=np.float32)


def found(store: KnowledgeStore, question: str) -> set[str]:
    scores = store.lexical_scores(question, 50)
    return {chunk.source for chunk in store.chunks(list(scores)).values()}


def assert_books_balance(store: KnowledgeStore, sql: Sql) -> None:
    """Recount everything that is kept as a running total or a copy."""
    manifest = store.manifest()
    rows = sql("SELECT id, runs, length FROM chunks")
    assert manifest.get("chunk_count", 0) == len(rows) == store.chunk_count
    assert manifest.get("total_length", 0) == sum(length for _, _, length in rows)
    frequency: dict[str, int] = {}
    for _, runs, length in rows:
        form = index_form(runs)
        assert form.length == length
        for term in set(index_terms(form)):
            frequency[term] = frequency.get(term, 0) + 1
    assert dict(sql("SELECT term, doc FROM term_statistics")) == frequency
    assert sql("SELECT count(*) FROM chunk_terms_docsize") == [(len(rows),)]
    for table in ("chunks", "text_blocks"):
        orphans = f"SELECT count(*) FROM {table} WHERE document_id NOT IN (SELECT id FROM documents)"
        assert sql(orphans) == [(0,)]
    assert sql("SELECT count(*) FROM vectors WHERE chunk_id NOT IN (SELECT id FROM chunks)") == [(0,)]
    assert sum(document.chunks for document in store.documents()) == len(rows)
    assert sql("PRAGMA integrity_check") == [("ok",)]


def test_an_added_document_is_found_with_its_text_and_place(store: KnowledgeStore) -> None:
    places = [{"page": 1, "heading": "一 > 二"}, {"page": 2, "kind": "table"}]
    store.put_documents([new_document("手册.pdf", ["年假有五天。", "病假须有证明。"], metadata=places, title="手册")])
    first, second = store.document_chunks("手册.pdf")
    assert (first.text, first.page, first.heading, first.ordinal) == ("年假有五天。", 1, "一 > 二", 0)
    assert (second.text, second.page, second.kind, second.start) == ("病假须有证明。", 2, "table", 7)
    assert found(store, "年假") == {"手册.pdf"}
    record = store.document("手册.pdf")
    assert record is not None
    assert (record.state, record.chunks, record.chars, record.title) == ("indexed", 2, 14, "手册")


def test_pain_33_replacing_leaves_nothing_of_the_old_document(store: KnowledgeStore, sql: Sql) -> None:
    store.use_embedding(EmbeddingIdentity("hashed", "f", 32))
    old, new = ["出差补贴一百元。", "旧时附则。"], ["新规定：按天发津助。"]
    store.put_documents([new_document("a.txt", old, vectors=vectors_of(old))])
    old_ids = [chunk.id for chunk in store.document_chunks("a.txt")]
    store.put_documents([new_document("a.txt", new, vectors=vectors_of(new))])
    assert [document.name for document in store.documents()] == ["a.txt"]
    assert found(store, "出差补贴") == set()
    assert store.chunks(old_ids) == {}
    assert sql("SELECT count(*) FROM vectors") == [(1,)]
    assert set(store.nearest(vectors_of(old)[0], 10)).isdisjoint(old_ids)
    assert_books_balance(store, sql)


def test_pain_32_a_deleted_document_is_gone_at_once(store: KnowledgeStore, sql: Sql, tmp_path: Path) -> None:
    store.use_embedding(EmbeddingIdentity("hashed", "f", 32))
    source = tmp_path / "原件.txt"
    source.write_text("出差补贴一百元。", encoding="utf-8")
    texts = ["出差补贴一百元。" * 2000]
    stored_as = store.keep_original(source, "0" * 64)
    store.put_documents(
        [
            new_document("a.txt", texts, vectors=vectors_of(texts), stored_as=stored_as),
            new_document("b.txt", ["请假三天。"], vectors=vectors_of(["请假三天。"])),
        ]
    )
    assert store.originals.path(stored_as).is_file()
    assert store.delete_document("a.txt") is True
    assert store.document("a.txt") is None
    assert found(store, "出差补贴") == set()
    assert sql("SELECT count(*) FROM text_blocks") == [(1,)]
    assert len(store.nearest(vectors_of(texts)[0], 10)) == 1
    assert not store.originals.path(stored_as).exists()
    assert found(store, "请假") == {"b.txt"}
    assert_books_balance(store, sql)


def test_deleting_what_is_not_there_says_so(store: KnowledgeStore) -> None:
    assert store.delete_document("没有.txt") is False


def test_an_original_that_another_document_needs_is_kept(store: KnowledgeStore, tmp_path: Path) -> None:
    source = tmp_path / "a.txt"
    source.write_bytes(b"same")
    stored_as = store.keep_original(source, "1" * 64)
    assert store.keep_original(source, "1" * 64) == stored_as
    new = new_document("a.txt", ["相同的内容。"], stored_as=stored_as)
    store.put_documents([new])
    assert store.put_unindexed(DocumentRow("b.txt", new.row.sha256, "duplicate", 4, stored_as=stored_as))
    store.delete_document("a.txt")
    assert store.originals.path(stored_as).read_bytes() == b"same"
    store.delete_document("b.txt")
    assert not store.originals.path(stored_as).exists()


def test_an_original_survives_the_deletion_of_its_twin_by_another_program(
    open_store: Callable[..., KnowledgeStore], tmp_path: Path
) -> None:
    """The copy is made, then the other program deletes the only document with these bytes, then ours is stored."""
    source = tmp_path / "source.txt"
    source.write_bytes(b"same")
    first, second = open_store(), open_store()
    first.put_documents([new_document("a.txt", ["内容。"], stored_as=first.keep_original(source, "3" * 64))])
    stored_as = second.keep_original(source, "3" * 64)
    first.delete_document("a.txt")
    second.put_documents([new_document("b.txt", ["内容。"], stored_as=stored_as)])
    assert second.originals.path(stored_as).read_bytes() == b"same"


def test_a_duplicate_is_not_recorded_without_the_document_that_stands_for_it(store: KnowledgeStore) -> None:
    new = new_document("a.txt", ["相同的内容。"])
    store.put_documents([new])
    store.delete_document("a.txt")  # by another program, after ours had seen it
    assert not store.put_unindexed(DocumentRow("b.txt", new.row.sha256, "duplicate", 1))
    assert store.documents() == []


def test_an_original_is_whole_or_absent(store: KnowledgeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "a.txt"
    source.write_bytes(b"x" * 3_000_000)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    def add() -> None:
        store.put_documents([new_document("a.txt", ["内容。"], stored_as=store.keep_original(source, "2" * 64))])

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        add()
    monkeypatch.undo()
    assert store.documents() == []
    assert not store.originals.path("2" * 64 + ".txt").exists()
    add()
    (record,) = store.documents()
    assert store.originals.path(record.stored_as).read_bytes() == source.read_bytes()
    assert len(list(store.originals.folder.iterdir())) == 1


def test_a_failure_never_takes_the_place_of_a_searchable_document(store: KnowledgeStore) -> None:
    store.put_documents([new_document("a.txt", ["原来的内容。"])])
    store.put_unindexed(DocumentRow("a.txt", "f" * 64, "failed", 9, literal("坏了", "broken")))
    record = store.document("a.txt")
    assert record is not None
    assert record.state == "indexed"
    assert found(store, "原来") == {"a.txt"}


def test_a_failure_is_recorded_with_its_reason_and_replaced_by_success(store: KnowledgeStore) -> None:
    reason = literal("坏了 {不是占位符}", "broken {no placeholder}")
    store.put_unindexed(DocumentRow("a.txt", "f" * 64, "failed", 9, reason))
    record = store.document("a.txt")
    assert record is not None
    assert record.reason is not None
    assert (record.state, record.chunks, record.reason.text("zh")) == ("failed", 0, "坏了 {不是占位符}")
    store.put_documents([new_document("a.txt", ["修好了。"])])
    assert [(document.name, document.state) for document in store.documents()] == [("a.txt", "indexed")]


def test_twins_are_told_by_their_bytes_and_not_by_their_name(store: KnowledgeStore) -> None:
    new = new_document("a.txt", ["相同的内容。"])
    store.put_documents([new])
    assert store.indexed_twin(new.row.sha256, "a.txt") is None
    twin = store.indexed_twin(new.row.sha256, "b.txt")
    assert twin is not None
    assert twin.name == "a.txt"
    store.put_unindexed(DocumentRow("b.txt", new.row.sha256, "duplicate", 1))
    assert store.indexed_twin(new.row.sha256, "c.txt") == twin
    store.delete_document("a.txt")  # its twin takes over
    heir = store.indexed_twin(new.row.sha256, "c.txt")
    assert heir is not None
    assert (heir.name, heir.chunks) == ("b.txt", 1)


def test_totals_equal_a_recount_after_any_sequence_of_operations(store: KnowledgeStore, sql: Sql) -> None:
    chance = random.Random(7)
    store.use_embedding(EmbeddingIdentity("hashed", "f", 32))
    lines = [line for text in EDGE_TEXTS.values() for line in (text[:60], text[-40:]) if line.strip()]
    twin = new_document("原件.txt", ["有人与它相同。"])
    store.put_documents([twin])
    expected: dict[str, int] = {"原件.txt": 1}
    generation, seen_ids = -1, set()
    for step in range(60):
        name = f"文件{chance.randrange(6)}.txt"
        action = chance.choice(["put", "put", "put", "delete", "duplicate", "failed"])
        if action == "put":
            batch = {name: chance.choices(lines, k=chance.randrange(1, 5)), "总在.txt": chance.choices(lines, k=1)}
            with_vectors = chance.random() < 0.8
            store.put_documents(
                [
                    new_document(one, texts, vectors=vectors_of(texts) if with_vectors else None)
                    for one, texts in batch.items()
                ]
            )
            expected |= {one: len(texts) for one, texts in batch.items()}
        elif action == "delete":
            assert store.delete_document(name) is (name in expected)
            expected.pop(name, None)
        else:
            sha256 = twin.row.sha256 if action == "duplicate" else f"{step:064}"
            recorded = store.put_unindexed(DocumentRow(name, sha256, action, 1))  # type: ignore[arg-type]
            assert recorded or action == "failed"
            if recorded:
                expected[name] = 0
        assert {document.name: document.chunks for document in store.documents()} == expected
        if action == "put":
            ids = {chunk.id for one in batch for chunk in store.document_chunks(one)}
            assert not ids & seen_ids, "a chunk id was used again"
            seen_ids |= ids
            assert store.manifest()["generation"] > generation
        generation = store.manifest().get("generation", -1)
    assert_books_balance(store, sql)
    for name in sorted(expected, key="原件.txt".__eq__):  # the twin last, lest a duplicate take its place
        store.delete_document(name)
    assert (store.chunk_count, store.manifest()["total_length"]) == (0, 0)
    assert_books_balance(store, sql)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_pain_36_any_name_is_only_a_name(open_store: Callable[..., KnowledgeStore], name: str, tmp_path: Path) -> None:
    store = open_store()
    store.put_documents([new_document(name, ["年假有五天。"]), new_document("别的.txt", ["报销。"])])
    again = open_store()
    assert {document.name for document in again.documents()} == {name, "别的.txt"}
    assert found(again, "年假") == {name}
    assert again.delete_document(name)
    assert [document.name for document in again.documents()] == ["别的.txt"]
    assert {path.name for path in tmp_path.iterdir()} == {"kb"}


@pytest.mark.parametrize("text", EDGE_TEXTS.values(), ids=EDGE_TEXTS)
def test_every_text_comes_back_as_it_was(store: KnowledgeStore, text: str) -> None:
    store.put_documents([new_document("a.txt", [text])])
    (chunk,) = store.document_chunks("a.txt")
    assert chunk.text == text
    assert store.chunks([chunk.id]) == {chunk.id: chunk}


def test_any_range_of_a_text_equals_the_slice(store: KnowledgeStore) -> None:
    chance = random.Random(3)
    letters = "年假病假，。\n𠮷🎉a1"
    whole = "".join(chance.choice(letters) for _ in range(3 * BLOCK_CHARS + 100))
    store.put_documents([new_document("别的.txt", ["挡在前面"]), new_document("长.txt", [whole])])
    document = store.document("长.txt")
    assert document is not None
    borders = [0, 1, BLOCK_CHARS - 1, BLOCK_CHARS, BLOCK_CHARS + 1, 2 * BLOCK_CHARS, 3 * BLOCK_CHARS, len(whole)]
    ranges = [(start, end) for start in borders for end in borders if start <= end]
    ranges += [tuple(sorted(chance.choices(range(len(whole) + 1), k=2))) for _ in range(300)]
    for start, end in ranges:
        assert store.text(document.id, start, end) == whole[start:end]
    assert store.text(document.id, 10, len(whole) + 500) == whole[10:]


def test_a_text_of_exactly_one_block_has_no_second(store: KnowledgeStore, sql: Sql) -> None:
    store.put_documents([new_document("a.txt", ["字" * BLOCK_CHARS])])
    assert sql("SELECT count(*) FROM text_blocks") == [(1,)]


def test_neighbours_stay_in_their_document_and_in_order(store: KnowledgeStore) -> None:
    store.put_documents(
        [new_document("前.txt", ["前一", "前二"]), new_document("中.txt", [f"第{n}段" for n in range(6)])]
    )
    chunks = store.document_chunks("中.txt")
    assert store.neighbours(chunks[0], 2) == chunks[:3]
    assert store.neighbours(chunks[3], 1) == chunks[2:5]
    assert store.neighbours(chunks[5], 99) == chunks


def test_unknown_ids_are_left_out(store: KnowledgeStore) -> None:
    store.put_documents([new_document("a.txt", ["一段。"])])
    (chunk,) = store.document_chunks("a.txt")
    assert list(store.chunks([999, chunk.id, -1])) == [chunk.id]
    assert store.chunks([]) == {}
