"""Single chunks edited and disabled where they stand, and what is kept of it when documents come and go."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import HashedEmbeddings, new_document
from langchain_core.documents import Document

from chains.passages import build_passages
from core.answers import Hit, RetrievalSettings
from core.curation import Correction
from core.documents import DocumentRow, NewDocument
from core.errors import ChunkNotFound
from tests.vectorstores.fresh_copy import assert_chunks_are_ranges, assert_like_fresh, matrix, use
from vectorstores import chunk_editor
from vectorstores.knowledge_store import KnowledgeStore
from vectorstores.schema import MIGRATIONS

EMBEDDINGS = HashedEmbeddings(64)
LEAVE, TRAVEL, VIRUS = "年假有五天。", "出差补贴一百元。", "病毒检测须知。"
Open = Callable[..., KnowledgeStore]


def embed(texts: list[str]) -> list[list[float]]:
    return EMBEDDINGS.embed_documents(texts)


def no_vectors(_: list[str]) -> None:
    return None


def put(store: KnowledgeStore, name: str = "a.txt", texts: tuple[str, ...] = (LEAVE, TRAVEL, VIRUS)) -> None:
    store.put_documents([new_document(name, texts, vectors=matrix(EMBEDDINGS, list(texts)))])


def put_ranges(store: KnowledgeStore, text: str, ranges: list[tuple[int, int]]) -> None:
    chunks = [Document(page_content=text[a:b], metadata={"start": a, "end": b}) for a, b in ranges]
    row = DocumentRow("a.txt", "a", "indexed", 1, chars=len(text))
    store.put_documents([NewDocument(row, text, chunks, [chunk.page_content for chunk in chunks], None)])


def ids(store: KnowledgeStore, name: str = "a.txt") -> list[int]:
    return [row.chunk.id for row in store.editor.rows(name)]


def texts(store: KnowledgeStore, name: str = "a.txt") -> list[str]:
    return [row.chunk.text for row in store.editor.rows(name)]


def whole(store: KnowledgeStore, name: str = "a.txt") -> str:
    record = store.document(name)
    assert record is not None
    return store.text(record.id, 0, record.chars)


def found(store: KnowledgeStore, question: str) -> list[str]:
    return [chunk.text for chunk in store.chunks(list(store.lexical_scores(question, 9))).values()]


def nearest(store: KnowledgeStore, text: str) -> list[str]:
    vector = np.asarray(EMBEDDINGS.embed_query(text), dtype=np.float32)
    return [chunk.text for chunk in store.chunks(store.nearest(vector, 1)).values()]


def test_pain_434_an_edited_chunk_is_found_and_shown_as_edited(store: KnowledgeStore) -> None:
    put(store)
    store.editor.edit("a.txt", ids(store)[1], "交通费实报实销。", no_vectors)
    assert whole(store) == f"{LEAVE}\n交通费实报实销。\n{VIRUS}"
    assert texts(store) == [LEAVE, "交通费实报实销。", VIRUS]
    assert [row.edited for row in store.editor.rows("a.txt")] == [False, True, False]
    assert found(store, "出差补贴") == []
    assert found(store, "交通费") == ["交通费实报实销。"]
    assert_like_fresh(store, ["年假", "交通费", "出差"])


def test_the_title_the_heading_and_the_head_of_a_table_are_still_searched_with_it(store: KnowledgeStore) -> None:
    known = {"heading": "第一章 > 假期", "table_header": "| 项目 | 天数 |\n| --- | --- |", "kind": "table"}
    new = new_document("a.txt", ["| 年假 | 5 |"], metadata=[known], title="手册")
    head = f"手册\n{known['heading']}\n{known['table_header']}"
    use(store, EMBEDDINGS)
    store.put_documents(
        [NewDocument(new.row, new.text, new.chunks, [f"{head}\n{new.text}"], matrix(EMBEDDINGS, ["x"]))]
    )
    seen: list[str] = []
    store.editor.edit("a.txt", ids(store)[0], "| 年假 | 6 |", lambda texts: seen.extend(texts) or embed(texts))
    assert seen == [f"{head}\n| 年假 | 6 |"]
    assert found(store, "手册") == found(store, "第一章") == found(store, "项目天数") == ["| 年假 | 6 |"]
    assert_like_fresh(store, ["手册", "假期", "天数"], EMBEDDINGS)


def test_a_table_searches_every_row_with_its_edited_head(store: KnowledgeStore) -> None:
    old, new = "| 项目 | 天数 |\n| --- | --- |", "| 假别 | 天数 |\n| --- | --- |"
    rows = [
        f"{old}\n| 年假 | 5 |",
        "| 病假 | 3 |",
        "| 婚假 | 10 |",
        "另行规定。",
        f"{old}\n| 工时 | 8 |",
        "| 加班 | 2 |",
    ]
    kinds = ["table", "table", "table", "text", "table", "table"]
    known = [{"kind": kind, "table_header": ""} for kind in kinds]
    for at in (1, 2, 5):
        known[at]["table_header"] = old
    document = new_document("a.txt", rows, metadata=known)
    indexed = [f"{one['table_header']}\n{row}".strip() for one, row in zip(known, rows, strict=True)]
    store.put_documents([NewDocument(document.row, document.text, document.chunks, indexed, None)])
    store.editor.edit("a.txt", ids(store)[0], f"{new}\n| 年假 | 5 |", no_vectors)
    assert set(found(store, "假别")) == {f"{new}\n| 年假 | 5 |", "| 病假 | 3 |", "| 婚假 | 10 |"}
    assert set(found(store, "项目")) == {f"{old}\n| 工时 | 8 |", "| 加班 | 2 |"}
    assert_like_fresh(store, ["假别", "项目", "病假"])


def test_the_vector_is_renewed_though_an_index_file_knows_the_old_one(store: KnowledgeStore) -> None:
    use(store, EMBEDDINGS)
    put(store)
    store.fold_index()
    assert nearest(store, "交通费实报实销。") != ["交通费实报实销。"]
    store.editor.edit("a.txt", ids(store)[1], "交通费实报实销。", embed)
    assert nearest(store, "交通费实报实销。") == ["交通费实报实销。"]
    store.editor.set_enabled("a.txt", [ids(store)[1]], embed, enabled=False)
    assert nearest(store, "交通费实报实销。") != ["交通费实报实销。"]
    store.fold_index()
    (store.folder / "index").joinpath("embedding-1.faiss").unlink()
    store.fold_index()  # the file is now of the time when it was disabled
    store.editor.set_enabled("a.txt", [ids(store)[1]], embed, enabled=True)
    assert nearest(store, "交通费实报实销。") == ["交通费实报实销。"]
    assert store.chunks_without_vectors == 0


def test_without_the_embedding_an_edited_chunk_is_found_lexically(store: KnowledgeStore) -> None:
    use(store, EMBEDDINGS)
    put(store)
    store.editor.edit("a.txt", ids(store)[1], "交通费实报实销。", no_vectors)
    assert found(store, "交通费") == ["交通费实报实销。"]
    assert store.chunks_without_vectors == 1


@pytest.mark.parametrize("act", ["edit", "disable"])
def test_overlapping_neighbours_are_cut_back(store: KnowledgeStore, act: str) -> None:
    text = "一号。二号。三号。四号。"
    put_ranges(store, text, [(0, 6), (3, 9), (6, 12)])
    if act == "edit":
        store.editor.edit("a.txt", ids(store)[1], "新的。", no_vectors)
        assert texts(store) == ["一号。", "新的。", "四号。"]
        assert whole(store) == "一号。新的。四号。"
    else:
        store.editor.set_enabled("a.txt", [ids(store)[1]], no_vectors, enabled=False)
        assert texts(store) == ["一号。", "二号。三号。", "四号。"]
    assert found(store, "二") == found(store, "三") == []
    assert_chunks_are_ranges(store)
    assert_like_fresh(store, ["一号", "二号", "新的"])


def test_a_neighbour_whose_rest_another_holds_goes(store: KnowledgeStore) -> None:
    put_ranges(store, "一号。二号。三号。四号。", [(0, 6), (3, 9), (6, 12)])
    store.editor.set_enabled("a.txt", [ids(store)[2]], no_vectors, enabled=False)
    assert texts(store) == ["一号。二号。", "三号。四号。"]
    assert_chunks_are_ranges(store)


def test_pain_448_a_disabled_chunk_is_listed_but_never_found(store: KnowledgeStore) -> None:
    use(store, EMBEDDINGS)
    put(store)
    store.editor.set_enabled("a.txt", [ids(store)[1]], embed, enabled=False)
    assert [row.enabled for row in store.editor.rows("a.txt")] == [True, False, True]
    assert [chunk.text for chunk in store.document_chunks("a.txt")] == [LEAVE, VIRUS]
    assert found(store, "出差补贴") == []
    assert nearest(store, TRAVEL) != [TRAVEL]
    assert store.chunk_count == 2
    assert store.document("a.txt").chunks == 2  # type: ignore[union-attr]
    assert store.chunk_at(1, len(LEAVE) + 2) is None
    store.editor.set_enabled("a.txt", [ids(store)[1]], embed, enabled=True)
    assert found(store, "出差补贴") == nearest(store, TRAVEL) == [TRAVEL]
    assert store.corrections("a.txt") == []
    assert_like_fresh(store, ["出差", "年假"], EMBEDDINGS)


def test_no_passage_grows_over_a_disabled_chunk(store: KnowledgeStore) -> None:
    numbered = tuple(f"第{number}条规定。" for number in range(7))
    put(store, texts=numbered)
    store.editor.set_enabled("a.txt", [ids(store)[at] for at in (1, 4)], no_vectors, enabled=False)
    settings = RetrievalSettings(5, 0.0, 0.0, passage_chars=500, context_chars=2000)
    chunks = store.document_chunks("a.txt")
    hits = [Hit(chunk, rank, 1.0, 1.0, None, None) for rank, chunk in enumerate(chunks, 1)]
    for hit in hits:
        (passage,), _ = build_passages([hit], store, settings)
        assert "第1条" not in passage.text
        assert "第4条" not in passage.text
    together, _ = build_passages(hits, store, settings)
    assert [passage.text for passage in together] == [numbered[0], "\n".join(numbered[2:4]), "\n".join(numbered[5:])]


def test_editing_a_disabled_chunk_leaves_it_disabled(store: KnowledgeStore) -> None:
    put(store)
    store.editor.set_enabled("a.txt", [ids(store)[1]], no_vectors, enabled=False)
    store.editor.edit("a.txt", ids(store)[1], "交通费实报实销。", no_vectors)
    assert found(store, "交通费") == []
    disabled = [one for one in store.corrections("a.txt") if one.after is None]
    assert [one.before for one in disabled] == ["交通费实报实销。"]
    store.editor.set_enabled("a.txt", [ids(store)[1]], no_vectors, enabled=True)
    assert found(store, "交通费") == ["交通费实报实销。"]


def test_an_edit_back_to_what_the_file_says_is_none(store: KnowledgeStore) -> None:
    put(store)
    store.editor.edit("a.txt", ids(store)[1], "交通费实报实销。", no_vectors)
    store.editor.edit("a.txt", ids(store)[1], "交通费按月报销。", no_vectors)
    assert [(one.before, one.after) for one in store.corrections("a.txt")] == [(TRAVEL, "交通费按月报销。")]
    store.editor.edit("a.txt", ids(store)[1], TRAVEL, no_vectors)
    assert store.corrections("a.txt") == []
    generation = store.manifest()["generation"]
    store.editor.edit("a.txt", ids(store)[1], TRAVEL, no_vectors)  # changes nothing at all
    assert store.manifest()["generation"] == generation


def test_a_chunk_that_is_gone_cannot_be_changed(store: KnowledgeStore) -> None:
    put(store)
    put(store, "b.txt", ("别的文件。",))
    first, second, _ = ids(store)
    store.editor.edit("a.txt", first, "婚假有十天。", no_vectors)
    before = store.manifest(), texts(store)
    for name, chunk_id in (("a.txt", first), ("b.txt", second), ("没有.txt", second)):
        with pytest.raises(ChunkNotFound):
            store.editor.edit(name, chunk_id, "新的。", no_vectors)
    with pytest.raises(ChunkNotFound):
        store.editor.set_enabled("a.txt", [second, first], no_vectors, enabled=False)
    assert (store.manifest(), texts(store)) == before


def state(sql: Callable[..., Any]) -> list[Any]:
    tables = ("documents", "text_blocks", "chunks", "chunk_terms_docsize", "term_statistics", "vectors", "corrections")
    return [sql(f"SELECT * FROM {table}") for table in (*tables, "manifest")]


@pytest.mark.parametrize("step", ["record_edit", "replace_text", "add_terms", "embed", "vectors"])
def test_a_failure_on_the_way_changes_nothing(
    store: KnowledgeStore, sql: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    use(store, EMBEDDINGS)
    put(store)
    before = state(sql)

    def fail(*_: Any) -> Any:
        raise KeyboardInterrupt

    if step == "vectors":
        monkeypatch.setattr(chunk_editor.records, "insert_vectors", fail)
    elif step != "embed":
        monkeypatch.setattr(chunk_editor, step, fail)
    with pytest.raises(KeyboardInterrupt):
        store.editor.edit("a.txt", ids(store)[1], "交通费实报实销。", fail if step == "embed" else embed)
    assert state(sql) == before


def test_nobody_waits_while_an_edit_is_embedded(store: KnowledgeStore, open_store: Open) -> None:
    """Another writer commits during the embedding, and the edit lands on what it has left."""
    use(store, EMBEDDINGS)
    put(store)
    other, calls = open_store(), []

    def slow(texts: list[str]) -> list[list[float]]:
        if not calls:
            put(other, "b.txt", ("别的文件。",))
            other.editor.edit("a.txt", ids(other)[0], "婚假有十天。", embed)
        calls.append(texts)
        return embed(texts)

    store.editor.edit("a.txt", ids(store)[1], "交通费实报实销。", slow)
    assert texts(store) == ["婚假有十天。", "交通费实报实销。", VIRUS]
    assert calls == [["交通费实报实销。"]]
    assert_chunks_are_ranges(store)
    assert_like_fresh(store, ["婚假", "交通费", "别的"], EMBEDDINGS)


def test_vectors_are_of_the_embedding_that_is_stored_in_the_end(store: KnowledgeStore, open_store: Open) -> None:
    use(store, EMBEDDINGS)
    put(store)
    wide = HashedEmbeddings(128)

    def switched(texts: list[str]) -> list[list[float]]:
        if store.embedding and store.embedding.dimensions == 64:
            use(open_store(), wide)
            return embed(texts)
        return wide.embed_documents(texts)

    store.editor.edit("a.txt", ids(store)[1], "交通费实报实销。", switched)
    vector = np.asarray(wide.embed_query("交通费实报实销。"), dtype=np.float32)
    assert store.cosines(vector, ids(store)) == {ids(store)[1]: pytest.approx(1, abs=1e-2)}


def test_deleting_the_document_deletes_its_corrections(store: KnowledgeStore, sql: Callable[..., Any]) -> None:
    put(store)
    store.editor.edit("a.txt", ids(store)[1], "交通费实报实销。", no_vectors)
    store.delete_document("a.txt")
    assert sql("SELECT count(*) FROM corrections") == [(0,)]


def test_the_heir_of_a_document_keeps_its_corrections(store: KnowledgeStore) -> None:
    put(store)
    twin = new_document("b.txt", (LEAVE, TRAVEL, VIRUS)).row
    store.put_unindexed(DocumentRow("b.txt", twin.sha256, "duplicate", twin.size))
    store.editor.edit("a.txt", ids(store)[1], "交通费实报实销。", no_vectors)
    store.editor.set_enabled("a.txt", [ids(store)[0]], no_vectors, enabled=False)
    store.delete_document("a.txt")
    assert [(row.enabled, row.edited) for row in store.editor.rows("b.txt")] == [
        (False, False),
        (True, True),
        (True, False),
    ]
    assert [one.before for one in store.corrections("b.txt")] == [LEAVE, TRAVEL]
    assert store.corrections("a.txt") == []


def test_corrections_made_while_a_document_was_read_are_kept(store: KnowledgeStore) -> None:
    """A rebuild read the file before the edit and stores it after: the edit is not in the text, and waits."""
    put(store)
    store.editor.edit("a.txt", ids(store)[1], "交通费实报实销。", no_vectors)
    settled = store.corrections("a.txt")
    store.editor.edit("a.txt", ids(store)[0], "婚假有十天。", no_vectors)
    store.put_documents([new_document("a.txt", (LEAVE, "交通费实报实销。", VIRUS))], corrections=settled)
    waiting = {one.after: one.applies for one in store.corrections("a.txt")}
    assert waiting == {"婚假有十天。": False, "交通费实报实销。": True}
    assert [row.edited for row in store.editor.rows("a.txt")] == [False, True, False]


def test_corrections_that_are_being_undone_are_left_out_and_then_gone(store: KnowledgeStore) -> None:
    put(store)
    store.editor.edit("a.txt", ids(store)[1], "交通费实报实销。", no_vectors)
    assert store.editor.drop_corrections("a.txt") == 1
    assert store.corrections("a.txt") == []
    store.editor.keep_corrections("a.txt")
    assert [one.after for one in store.corrections("a.txt")] == ["交通费实报实销。"]
    store.editor.drop_corrections("a.txt")
    put(store)
    store.editor.keep_corrections("a.txt")
    assert store.corrections("a.txt") == []


def test_where_the_place_of_a_position_is(store: KnowledgeStore) -> None:
    put_ranges(store, "  一号。  二号。", [(2, 5), (7, 10)])
    places = [store.editor.place_of("a.txt", position) for position in (0, 2, 4, 5, 6, 7, 99)]
    assert [place.start for place in places if place] == [2, 2, 2, 2, 2, 7, 7]
    assert store.editor.place_of("没有.txt", 0) is None


@pytest.fixture
def of_version_2(tmp_path: Path, open_store: Open) -> KnowledgeStore:
    """A knowledge base that the program wrote before there were corrections: two files, vectors of 8 dimensions."""
    (tmp_path / "kb").mkdir()
    packed = Path(__file__).with_name("version_2.sqlite.gz").read_bytes()
    (tmp_path / "kb" / "kb.sqlite").write_bytes(gzip.decompress(packed))
    return open_store()


def test_a_database_of_before_is_migrated_and_corrected(of_version_2: KnowledgeStore, sql: Callable[..., Any]) -> None:
    store, embeddings = of_version_2, HashedEmbeddings(8)
    assert sql("PRAGMA user_version") == [(len(MIGRATIONS),)]
    assert store.manifest()["name"] == "旧库"
    assert [row.enabled for row in store.editor.rows("手册.md")] == [True] * 4
    assert found(store, "病毒检测") == ["病毒检测须知：请提前一天预约。"]
    rows = store.editor.rows("手册.md")
    assert rows[2].chunk.text.startswith("| 第9项职务")
    text = rows[2].chunk.text.replace("第9项", "第九项")
    seen: list[str] = []
    store.editor.edit(
        "手册.md", rows[2].chunk.id, text, lambda texts: seen.extend(texts) or embeddings.embed_documents(texts)
    )
    assert seen == [f"手册 差旅\n差旅 > 标准\n| 项目 | 金额 |\n| --- | --- |\n{text}"]
    store.editor.set_enabled("手册.md", [rows[0].chunk.id], embeddings.embed_documents, enabled=False)
    assert found(store, "九") == [text]
    assert_chunks_are_ranges(store)
    assert store.chunks_without_vectors == 0
    assert [type(one) for one in store.corrections("手册.md")] == [Correction, Correction]
