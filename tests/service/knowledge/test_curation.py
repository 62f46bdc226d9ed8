"""Passages seen, corrected and taken out through the service; originals, previews, sources and what surrounds them."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import HashedEmbeddings

from core.documents import FileReport, IngestReport
from core.errors import ChunkNotFound, ConfigError, DocumentNotFound, EmptyChunk, KnowledgeBaseNotFound, OriginalMissing
from core.load_errors import EmptyFile, UnreadableFile
from core.messages import Message
from service.knowledge.curation import Curation
from service.knowledge.indexing import Indexing

Write = Callable[..., list[Path]]
LEAVE = "员工每年有五天年假。年假须提前三天向部门主管申请，批准以后才能休假，未休的可以顺延到次年。"
TRAVEL = "出差补贴每天一百元。乘坐交通工具的费用实报实销，报销时须交齐票据，逾期一个月不再受理。"
RULES = f"# 云杉公司\n\n## 假期\n\n{LEAVE}\n\n## 差旅\n\n{TRAVEL}\n"


def curation_of(app: Any) -> Curation:
    own = app.kb_settings
    return Curation(app.settings, app._library, own.indexing, lambda store: own.ranking(store).for_store(store))


class Desk:
    """An application with one knowledge base of one file, and its curation."""

    def __init__(self, app: Any, write: Write, **files: str) -> None:
        self.app = app
        app.create("制度")
        app.add("制度", write(**(files or {"手册.md": RULES})))
        self.curation = curation_of(app)
        self.edit = functools.partial(self.curation.edit, "制度")
        self.switch = functools.partial(self.curation.set_enabled, "制度")

    @property
    def texts(self) -> list[str]:
        return [row.chunk.text for row in self.curation.chunks("制度", "手册.md")]

    def id_of(self, said: str) -> int:
        return next(row.chunk.id for row in self.curation.chunks("制度", "手册.md") if said in row.chunk.text)


@pytest.fixture
def desk(make_app: Callable[..., Any], write: Write) -> Desk:
    return Desk(make_app(embeddings=HashedEmbeddings(64), chunk_chars=50), write)


@pytest.fixture
def lexical(app: Any, write: Write) -> Desk:
    return Desk(app, write)


def test_pain_434_an_answer_quotes_what_an_editor_wrote(lexical: Desk, answered: Any) -> None:
    text = lexical.texts[0]
    lexical.edit("手册.md", lexical.id_of("补贴"), text.replace("每天一百元", "每天一百二十元"))
    answer = answered(lexical.app, "出差补贴每天多少元？", "制度")
    assert "一百二十元" in answer.text
    assert answer.citations[0].quote in RULES.replace("每天一百元", "每天一百二十元")


def test_pain_448_a_disabled_passage_is_neither_found_nor_quoted(desk: Desk, answered: Any) -> None:
    whole = desk.texts
    desk.switch("手册.md", [desk.id_of("五天年假")], enabled=False)
    answer = answered(desk.app, "员工每年有几天年假？", "制度")
    assert "五天" not in answer.text
    assert all("五天" not in passage.text for passage in answer.retrieval.passages)
    assert desk.texts == whole
    desk.switch("手册.md", [desk.id_of("五天年假")], enabled=True)
    assert "五天" in answered(desk.app, "员工每年有几天年假？", "制度").text
    assert not any("没有向量" in notice.text("zh") for notice in desk.app.notices("制度"))


def test_edits_survive_a_rebuild_with_another_splitting(desk: Desk, make_app: Callable[..., Any]) -> None:
    desk.edit("手册.md", desk.id_of("补贴"), "出差补贴每天一百二十元。")
    desk.switch("手册.md", [desk.id_of("年假")], enabled=False)
    disabled = [row.chunk.text for row in desk.curation.chunks("制度", "手册.md") if not row.enabled]
    desk.app.close()
    again = make_app(embeddings=HashedEmbeddings(64), chunk_chars=250)
    report = again.rebuild("制度")
    curation = curation_of(again)
    rows = curation.chunks("制度", "手册.md")
    assert report.files[0].reason is None
    assert [row.chunk.text for row in rows if not row.enabled] == disabled
    assert "".join(row.chunk.text for row in rows if row.edited).count("一百二十元") == 1
    assert again.search("出差补贴", "制度").hits[0].dense is not None


def test_undo_goes_back_to_the_original(desk: Desk) -> None:
    before = desk.texts
    desk.edit("手册.md", desk.id_of("补贴"), "出差补贴每天一百二十元。")
    desk.switch("手册.md", [desk.id_of("年假")], enabled=False)
    assert len(desk.curation.corrections("制度", "手册.md")) == 2
    assert desk.curation.undo("制度", "手册.md") == 2
    assert desk.texts == before
    assert desk.curation.corrections("制度", "手册.md") == []
    assert not any(row.edited or not row.enabled for row in desk.curation.chunks("制度", "手册.md"))
    assert desk.curation.undo("制度", "手册.md") == 0


@pytest.mark.parametrize("way", ["reported", "raised", "gone"])
def test_an_undo_that_fails_keeps_the_corrections(desk: Desk, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    desk.edit("手册.md", desk.id_of("补贴"), "出差补贴每天一百二十元。")
    before = desk.curation.corrections("制度", "手册.md"), desk.texts

    def fail(*_: Any) -> IngestReport:
        if way == "raised":
            raise KeyboardInterrupt
        return IngestReport((FileReport("手册.md", "failed", Message("坏了", "broken")),))

    if way == "gone":
        desk.curation.original("制度", "手册.md").unlink()
    else:
        monkeypatch.setattr(Indexing, "reindex", fail)
    expected = {"reported": UnreadableFile, "raised": KeyboardInterrupt, "gone": OriginalMissing}[way]
    with pytest.raises(expected):
        desk.curation.undo("制度", "手册.md")
    assert (desk.curation.corrections("制度", "手册.md"), desk.texts) == before


@pytest.mark.parametrize("text", ["", " \n　", "……", "\ud83d"], ids=["empty", "blank", "dots", "half_a_character"])
def test_a_chunk_is_not_emptied(desk: Desk, text: str) -> None:
    before = desk.texts
    with pytest.raises(EmptyChunk):
        desk.edit("手册.md", desk.id_of("补贴"), text)
    assert desk.texts == before


def test_what_a_browser_sends_is_cleaned(desk: Desk) -> None:
    desk.edit("手册.md", desk.id_of("补贴"), "  出差补贴：\r\n每天一百元\ud83d。\r\n")
    assert "出差补贴：\n每天一百元?。" in desk.texts


def test_what_does_not_exist_is_said(desk: Desk) -> None:
    with pytest.raises(KnowledgeBaseNotFound):
        desk.curation.chunks("没有", "手册.md")
    with pytest.raises(DocumentNotFound):
        desk.curation.chunks("制度", "没有.md")
    stale = desk.id_of("补贴")
    desk.edit("手册.md", stale, "出差补贴每天一百二十元。")
    with pytest.raises(ChunkNotFound) as raised:
        desk.switch("手册.md", [stale], enabled=False)
    assert "手册.md" in raised.value.text("zh")


# --- previews --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("chars", "overlap"), [(50, 0), (60, 20), (250, 0)], ids=str)
def test_pain_1082_a_preview_is_what_a_rebuild_makes(
    desk: Desk, make_app: Callable[..., Any], chars: int, overlap: int
) -> None:
    desk.edit("手册.md", desk.id_of("补贴"), "出差补贴每天一百二十元。")
    before = desk.app.files("制度"), desk.texts
    lengths = {"chunk_chars": chars, "chunk_overlap_chars": overlap}
    preview = desk.curation.preview("制度", "手册.md", **lengths)
    assert (desk.app.files("制度"), desk.texts) == before
    desk.app.close()
    again = make_app(embeddings=HashedEmbeddings(64), **lengths)
    again.rebuild("制度")
    chunks = again.chunks("制度", "手册.md")
    assert [(one.text, one.heading, one.page, one.start, one.end) for one in preview] == [
        (one.text, one.heading, one.page, one.start, one.end) for one in chunks
    ]


def test_a_file_is_previewed_before_it_is_added(desk: Desk, write: Write) -> None:
    (path,) = write(**{"upload-1": "# 甲\n\n年假有五天。\n"})
    (chunk,) = desk.curation.preview_file(path, "新.md", chunk_chars=250, chunk_overlap_chars=0)
    assert (chunk.text, chunk.heading, chunk.start) == ("# 甲\n\n年假有五天。", "甲", 0)
    assert [record.name for record in desk.app.files("制度")] == ["手册.md"]


def test_a_preview_says_what_is_wrong(desk: Desk, write: Write) -> None:
    (path,) = write(**{"空.txt": " \n"})
    with pytest.raises(EmptyFile):
        desk.curation.preview_file(path, "空.txt", chunk_chars=250, chunk_overlap_chars=0)
    for lengths in ((10, 0), (100, 90)):
        with pytest.raises(ConfigError):
            desk.curation.preview("制度", "手册.md", chunk_chars=lengths[0], chunk_overlap_chars=lengths[1])


# --- sources and originals -------------------------------------------------------------------------------------------


def test_a_source_stands_between_its_neighbours(lexical: Desk) -> None:
    start = RULES.index("年假须")
    end = start + len("年假须提前三天")
    view = lexical.curation.source("制度", "手册.md", start, end, around=1000)
    assert (view.before, view.text, view.after) == (RULES[:start], RULES[start:end], RULES[end:])
    assert (view.kb, view.document, view.start, view.end) == ("制度", "手册.md", start, end)
    assert "云杉公司" in view.heading


def test_the_text_around_a_source_begins_and_ends_with_sentences(app: Any, write: Write) -> None:
    sentences = [f"这是第{number}句，说的是第{number}件事。" for number in range(100, 160)]
    text = "".join(sentences)
    desk = Desk(app, write, **{"手册.md": text})
    start = text.index(sentences[30])
    end = start + len(sentences[30])
    view = desk.curation.source("制度", "手册.md", start, end, around=50)
    assert 25 <= len(view.before) <= 50
    assert view.before == text[start - len(view.before) : start]
    assert view.before.startswith("这是第")
    assert view.after == text[end : end + len(view.after)]
    assert view.after.endswith("件事。")
    assert 25 <= len(view.after) <= 50
    inside = desk.curation.source("制度", "手册.md", start, end, around=5)  # no sentence is that short
    assert (inside.before, inside.after) == (text[start - 5 : start], text[end : end + 5])


@pytest.mark.parametrize(("start", "end"), [(-5, 3), (0, 10**9), (10**9, 10**9 + 1), (7, 2)], ids=str)
def test_ranges_outside_the_text_are_clamped(lexical: Desk, start: int, end: int) -> None:
    view = lexical.curation.source("制度", "手册.md", start, end)
    assert 0 <= view.start <= view.end <= len(RULES)
    assert view.text == RULES[view.start : view.end]
    assert view.before + view.text + view.after in RULES


def test_a_source_shows_what_is_disabled_around_it(desk: Desk) -> None:
    desk.switch("手册.md", [desk.id_of("五天年假")], enabled=False)
    start = RULES.index("出差")
    assert "五天年假" in desk.curation.source("制度", "手册.md", start, start + 4).before


def test_the_original_is_the_file_as_it_was_added(desk: Desk) -> None:
    desk.edit("手册.md", desk.id_of("补贴"), "出差补贴每天一百二十元。")
    assert desk.curation.original("制度", "手册.md").read_text("utf-8") == RULES


def test_a_file_that_failed_has_no_original(desk: Desk, write: Write) -> None:
    desk.app.add("制度", write(**{"空.txt": " \n"}))
    with pytest.raises(OriginalMissing):
        desk.curation.original("制度", "空.txt")
    assert desk.curation.chunks("制度", "空.txt") == []
