"""Corrections on the way in: what users changed stays so when files are read again, split otherwise or replaced."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from chains.corrections import corrected
from chains.ingest import ingest
from chains.splitting import IngestPipeline, SourceFile
from core.curation import Correction
from core.documents import IngestReport, Renewal
from splitters.chinese import ChineseTextSplitter
from tests.vectorstores.fresh_copy import assert_chunks_are_ranges, assert_like_fresh
from vectorstores.knowledge_store import KnowledgeStore

RULES = [f"第{number}条，云杉公司的{what}按照规定办理。" for number, what in enumerate("年假病假婚假产假丧假事假")]
TEXT = "\n".join(RULES) + "\n"


def correction(before: str, after: str | None, start: int, *, applies: bool = True, **context: str) -> Correction:
    about = {"lead": "", "trail": "", **context}
    return Correction(0, "a.txt", before, after, start, applies=applies, created_at=0.0, **about)


def part(text: str, **known: Any) -> Document:
    return Document(page_content=text, metadata=known)


def contents(parts: list[Document]) -> list[str]:
    return [one.page_content for one in parts]


# --- the text --------------------------------------------------------------------------------------------------------


def test_an_edit_over_several_parts_keeps_each_line_in_its_own() -> None:
    parts = [part("一章\n甲。\n", heading="一章"), part("二章\n乙。\n", heading="二章"), part("三章\n", heading="三章")]
    done = corrected(parts, [correction("甲。\n二章\n乙。", "甲甲。\n二章\n新行。\n乙乙。", 3)])
    assert contents(done.parts) == ["一章\n甲甲。\n", "二章\n新行。\n乙乙。\n", "三章\n"]
    assert [one.metadata["heading"] for one in done.parts] == ["一章", "二章", "三章"]


def test_lines_added_at_the_border_of_two_parts_stay_with_the_passage() -> None:
    parts = [part("甲。\n"), part("乙。\n"), part("丙。\n")]
    above = corrected(parts, [correction("乙。\n", "新。\n乙。\n", 3)])
    below = corrected(parts, [correction("乙。\n", "乙。\n新。\n", 3)])
    assert contents(above.parts) == ["甲。\n", "新。\n乙。\n", "丙。\n"]
    assert contents(below.parts) == ["甲。\n", "乙。\n新。\n", "丙。\n"]


@given(
    texts=st.lists(st.text("甲乙\n", min_size=1, max_size=8), min_size=1, max_size=5), data=st.data(),
    after=st.text("甲丙\n", min_size=1, max_size=8),
)  # fmt: skip
def test_an_edit_is_made_where_it_was(texts: list[str], data: st.DataObject, after: str) -> None:
    whole = "".join(texts)
    start = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(start + 1, len(whole)))
    done = corrected([part(text) for text in texts], [correction(whole[start:end], after, start)])
    assert done.text == whole[:start] + after + whole[end:]
    assert len(done.parts) == len(texts)
    assert [(one.start, one.applies) for one in done.corrections] == [(start, True)]


def test_edits_find_their_places_by_what_the_file_says() -> None:
    """The places on record are those of the corrected text: the first edit made it longer for the second."""
    done = corrected([part("甲。" * 5)], [correction("甲。", "长长的。", 0), correction("甲。", "乙。", 6)])
    assert done.text == "长长的。甲。乙。甲。甲。"
    assert [one.start for one in done.corrections] == [0, 6]


def test_a_passage_that_has_moved_is_told_from_its_like_by_what_stood_around_it() -> None:
    moved = correction("须经批准。", "无须批准。", 3, lead="二、", trail="三、")
    done = corrected([part("前言很长很长很长。一、须经批准。二、须经批准。三、须经批准。")], [moved])
    assert done.text == "前言很长很长很长。一、须经批准。二、无须批准。三、须经批准。"


def test_without_that_the_nearest_is_taken() -> None:
    done = corrected([part("甲。乙乙乙乙乙乙。甲。")], [correction("甲。", "丙。", 8, lead="别处")])
    assert done.text == "甲。乙乙乙乙乙乙。丙。"


def test_two_corrections_never_take_the_same_place() -> None:
    done = corrected([part("甲。")], [correction("甲。", "乙。", 0), correction("甲。", "丙。", 5)])
    assert done.text == "乙。"
    assert sorted((one.after, one.applies) for one in done.corrections) == [("丙。", False), ("乙。", True)]


def test_a_disabled_passage_is_looked_for_in_the_edited_text() -> None:
    done = corrected([part("甲。乙。")], [correction("甲。", "长长的。", 0), correction("长长的。", None, 0)])
    assert [one.applies for one in done.corrections] == [True, True]


# --- the chunks ------------------------------------------------------------------------------------------------------


def split(text: str, ranges: list[tuple[int, int]], *passages: str) -> list[tuple[str, bool]]:
    done = corrected([part(text)], [correction(passage, None, text.index(passage)) for passage in passages])
    chunks = [part(text[start:end], start=start, end=end, page=start) for start, end in ranges]
    cut = done.without_disabled(chunks)
    assert all(one.page_content == text[one.metadata["start"] : one.metadata["end"]] for one in cut)
    return [(one.page_content, one.metadata.get("enabled", True)) for one in cut]


def test_a_disabled_passage_becomes_a_chunk_of_its_own_whatever_the_splitting() -> None:
    text = "一一。二二。三三。四四。"
    passage = ("二二。", False)
    assert split(text, [(0, 12)], "二二。") == [("一一。", True), passage, ("三三。四四。", True)]
    assert split(text, [(0, 3), (3, 6), (6, 12)], "二二。") == [("一一。", True), passage, ("三三。四四。", True)]
    assert split(text, [(0, 5), (5, 12)], "二二。") == [("一一。", True), passage, ("三三。四四。", True)]
    assert split(text, [(0, 6), (3, 9), (6, 12)], "二二。") == [("一一。", True), passage, ("三三。四四。", True)]
    assert split(text, [(0, 12)], "二二。", "四四。") == [
        ("一一。", True),
        passage,
        ("三三。", True),
        ("四四。", False),
    ]
    assert split(text, [(0, 12)], text) == [(text, False)]


def test_what_is_left_of_a_cut_chunk_must_be_worth_searching() -> None:
    assert split("……一一。\n\n。二二。", [(0, 5), (7, 11)], "一一。") == [("一一。", False), ("。二二。", True)]


# --- files -----------------------------------------------------------------------------------------------------------


class Desk:
    """A knowledge base of one file, `a.txt`."""

    def __init__(self, folder: Path) -> None:
        self.store = KnowledgeStore(folder / "kb")
        self.path = folder / "a.txt"

    def add(self, text: str = "", *, chars: int = 50, overlap: int = 0, rebuild: bool = False) -> IngestReport:
        if text:
            self.path.write_text(text, encoding="utf-8")
        pipeline = IngestPipeline(
            lambda path, _: [part(line, page=1) for line in path.read_text("utf-8").splitlines(keepends=True)],
            ChineseTextSplitter(chars, overlap),
            None,
        )
        renewal = Renewal(None, {}) if rebuild else None
        return ingest(self.store, [SourceFile(self.path, "a.txt")], pipeline, renewal=renewal, progress=lambda _: None)

    @property
    def text(self) -> str:
        record = self.store.document("a.txt")
        assert record is not None
        return self.store.text(record.id, 0, record.chars)

    def chunk(self, said: str) -> int:
        return next(row.chunk.id for row in self.store.editor.rows("a.txt") if said in row.chunk.text)

    def edit(self, old: str, new: str) -> None:
        row = next(row for row in self.store.editor.rows("a.txt") if old in row.chunk.text)
        self.store.editor.edit("a.txt", row.chunk.id, row.chunk.text.replace(old, new), lambda _: None)

    def disable(self, said: str) -> str:
        chunk = next(row.chunk for row in self.store.editor.rows("a.txt") if said in row.chunk.text)
        self.store.editor.set_enabled("a.txt", [chunk.id], lambda _: None, enabled=False)
        return chunk.text

    def disabled(self) -> list[str]:
        return [row.chunk.text for row in self.store.editor.rows("a.txt") if not row.enabled]

    def found(self, question: str) -> str:
        scores = self.store.lexical_scores(question, 50)
        return "\n".join(chunk.text for chunk in self.store.chunks(list(scores)).values())


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    desk = Desk(tmp_path)
    yield desk
    desk.store.close()


@pytest.mark.parametrize(("chars", "overlap"), [(50, 0), (20, 0), (20, 10), (250, 0)], ids=str)
def test_pain_430_corrections_survive_a_rebuild_with_any_splitting(desk: Desk, chars: int, overlap: int) -> None:
    desk.add(TEXT, chars=50, overlap=overlap)
    desk.edit("第3条", "第三条（修订）")
    desk.edit("第9条", "第九条")
    gone = desk.disable("第6条")
    text = desk.text
    assert text == TEXT.replace("第3条", "第三条（修订）").replace("第9条", "第九条")
    for _ in range(2):
        report = desk.add(chars=chars, overlap=overlap, rebuild=True)
        assert report.files[0].reason is None
        assert desk.text == text
        assert desk.disabled() == [gone]
        assert "第6条" not in desk.found("第6条")
        assert "第三条（修订）" in desk.found("修订")
        assert [row.edited for row in desk.store.editor.rows("a.txt")].count(True) >= 2
        assert report.chunks == desk.store.chunk_count
        assert_chunks_are_ranges(desk.store)
        assert_like_fresh(desk.store, ["第6条", "修订", "婚假"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(
        st.sampled_from(["年假有五天。", "病假须有证明。出差补贴一百元。", "……", "print the form. "]),
        min_size=4,
        max_size=20,
    ),
    steps=st.lists(
        st.tuples(st.booleans(), st.integers(0, 99), st.sampled_from(["新。", "长长的新规定。\n另起一行。"])),
        max_size=5,
    ),
    splittings=st.lists(st.sampled_from([(8, 0), (20, 10), (30, 15), (100, 0)]), min_size=2, max_size=3),
)
def test_whatever_is_corrected_is_still_so_after_rebuilds(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], steps: list[Any], splittings: list[tuple[int, int]]
) -> None:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    chars, overlap = splittings[0]
    desk.add("".join(f"{number}、{line}\n" for number, line in enumerate(lines)), chars=chars, overlap=overlap)
    for is_edit, at, text in steps:
        if rows := desk.store.editor.rows("a.txt"):
            chunk = rows[at % len(rows)].chunk
            if is_edit:
                desk.store.editor.edit("a.txt", chunk.id, text, lambda _: None)
            else:
                desk.store.editor.set_enabled("a.txt", [chunk.id], lambda _: None, enabled=False)
    text, disabled = desk.text, desk.disabled()
    for chars, overlap in splittings[1:]:
        desk.add(chars=chars, overlap=overlap, rebuild=True)
        assert (desk.text, desk.disabled()) == (text, disabled)
        assert all(one.applies for one in desk.store.corrections("a.txt"))
        assert_chunks_are_ranges(desk.store)
    desk.store.close()


def test_corrections_survive_a_new_version_where_their_text_is_still_there(desk: Desk) -> None:
    desk.add(TEXT)
    desk.edit("第3条", "第三条")
    gone = desk.disable("第8条")
    desk.add("新的前言，写在最前面。\n" + TEXT)
    assert "第三条" in desk.text
    assert desk.disabled() == [gone]
    assert all(one.applies for one in desk.store.corrections("a.txt"))
    assert_chunks_are_ranges(desk.store)


def test_a_correction_whose_text_is_gone_is_reported_and_waits(desk: Desk) -> None:
    desk.add(TEXT)
    desk.edit("第3条", "第三条")
    report = desk.add("全部作废，另行规定。")
    assert report.files[0].outcome == "replaced"
    assert report.files[0].reason is not None
    assert "1 处" in report.files[0].reason.text("zh")
    assert "1 correction" in report.files[0].reason.text("en")
    assert [one.applies for one in desk.store.corrections("a.txt")] == [False]
    assert not any(row.edited for row in desk.store.editor.rows("a.txt"))
    assert desk.add(TEXT).files[0].reason is None
    assert "第三条" in desk.text


def test_a_file_cut_down_to_nothing_but_a_disabled_passage_stays_listed(desk: Desk) -> None:
    desk.add("年假有五天。")
    desk.disable("年假")
    report = desk.add(rebuild=True)
    assert (report.files[0].chunks, desk.store.chunk_count, desk.disabled()) == (0, 0, ["年假有五天。"])


def test_a_rebuild_that_fails_keeps_the_corrections(desk: Desk) -> None:
    desk.add(TEXT)
    desk.edit("第3条", "第三条")
    before = desk.store.corrections("a.txt"), desk.text
    desk.path.unlink()
    assert desk.add(rebuild=True).failed
    assert (desk.store.corrections("a.txt"), desk.text) == before


@pytest.mark.parametrize("act", ["edit", "disable"])
def test_corrections_of_an_edited_chunk_go_with_it(desk: Desk, act: str) -> None:
    """Split finer, a part of what was edited is edited or disabled; split coarser, both are still there."""
    desk.add(TEXT, chars=250)
    desk.edit("第3条", "第三条")
    desk.add(chars=20, rebuild=True)
    if act == "edit":
        desk.edit("第5条", "第五条")
    else:
        desk.disable("第5条")
    text, disabled = desk.text, desk.disabled()
    desk.add(chars=250, rebuild=True)
    assert (desk.text, desk.disabled()) == (text, disabled)
    assert "第三条" in desk.found("第三条")
    assert_chunks_are_ranges(desk.store)
