"""Sections, pages, tables and rows: what may be in one chunk, and what its heading may say."""

import pytest
from langchain_core.documents import Document

from splitters.chinese import ChineseTextSplitter
from tests.splitters.split_checks import check_chunks, distinct, numbered, part

HEADER = "| 部门 | 人数 |\n| --- | --- |"


def split(parts: list[Document], chunk: int = 250, overlap: int = 0) -> list[Document]:
    splitter = ChineseTextSplitter(chunk, overlap)
    chunks = splitter.split_documents(parts)
    check_chunks(parts, chunks, splitter)
    return chunks


def table(rows: int, cell: str = "研发") -> str:
    return "\n".join([HEADER, *(f"| {cell}{number} | {number} |" for number in range(rows))]) + "\n\n"


class TestHeadings:
    def test_a_chunk_keeps_the_heading_of_its_part(self) -> None:
        chunks = split([part(numbered(20), "总则 > 请假")], 100)
        assert {chunk.metadata["heading"] for chunk in chunks} == {"总则 > 请假"}

    def test_without_a_heading_there_is_none(self) -> None:
        assert all("heading" not in chunk.metadata for chunk in split([part(numbered(20))], 100))

    def test_two_sections_joined_have_the_heading_above_both(self) -> None:
        [chunk] = split([part("甲节内容。\n\n", "总则 > 甲"), part("乙节内容。\n\n", "总则 > 乙")])
        assert chunk.metadata["heading"] == "总则"
        assert "甲节内容" in chunk.page_content
        assert "乙节内容" in chunk.page_content

    @pytest.mark.parametrize("count", [3, 4, 5])
    def test_so_have_more_than_two(self, count: int) -> None:
        """The heading above the first two must not be taken for a chapter whose article the third one is."""
        parts = [part(f"{name}节内容。\n\n", f"总则 > {name}") for name in "甲乙丙丁戊"[:count]]
        [chunk] = split(parts)
        assert chunk.metadata["heading"] == "总则"

    @pytest.mark.parametrize("count", [2, 3])
    def test_sections_without_a_heading_above_them_get_none(self, count: int) -> None:
        parts = [part(f"{name}节内容。\n\n", f"{name}节") for name in "甲乙丙"[:count]]
        [chunk] = split(parts)
        assert chunk.metadata.get("heading", "") == ""

    def test_a_subsection_after_two_siblings(self) -> None:
        parts = [part(f"{h}。\n\n", h) for h in ("总则 > 甲", "总则 > 乙", "总则 > 乙 > 一")]
        [chunk] = split(parts)
        assert chunk.metadata["heading"] == "总则"

    @pytest.mark.parametrize(
        ("first", "second", "common"),
        [
            ("总则 > 2.1 安装", "总则 > 2.1 安装步骤", "总则"),
            ("第一章", "第一章补充", ""),
            ("第1条", "第1条之二", ""),
        ],
        ids=["nested", "top", "article"],
    )
    def test_a_title_that_begins_with_another_is_not_below_it(self, first: str, second: str, common: str) -> None:
        [chunk] = split([part("甲节内容。\n\n", first), part("乙节内容。\n\n", second)])
        assert chunk.metadata.get("heading", "") == common

    def test_a_chapter_s_title_goes_with_its_first_article(self) -> None:
        parts = [
            part("第一章 总则\n\n", "第一章 总则"),
            part("第一条 目的\n请假须批准。\n\n", "第一章 总则 > 第一条 目的"),
        ]
        [chunk] = split(parts)
        assert chunk.metadata["heading"] == "第一章 总则 > 第一条 目的"

    def test_the_end_of_a_chapter_joined_with_the_next_chapter(self) -> None:
        parts = [
            part("第一条内容。\n\n", "总则 > 第一条"),
            part("附则\n\n", "附则"),
            part("施行。\n\n", "附则 > 第九条"),
        ]
        for chunk in split(parts):
            if "第一条内容" in chunk.page_content and "施行" in chunk.page_content:
                assert chunk.metadata.get("heading", "") == ""

    def test_long_sections_stand_alone(self) -> None:
        parts = [part(numbered(6), "总则 > 甲"), part(distinct(150) + "。", "总则 > 乙")]
        chunks = split(parts)
        assert [chunk.metadata["heading"] for chunk in chunks] == ["总则 > 甲", "总则 > 乙"]

    def test_a_joined_chunk_stays_within_the_target(self) -> None:
        parts = [part(distinct(60, 0x4E00 + 100 * n) + "。\n\n", f"总则 > {n}") for n in range(30)]
        assert max(len(chunk.page_content) for chunk in split(parts)) <= 250


class TestNoScraps:
    @pytest.mark.parametrize("length", range(200, 300, 7))
    def test_a_heading_line_is_never_a_chunk_of_its_own(self, length: int) -> None:
        """Such a chunk says nothing, and its few characters make it score high."""
        body = "".join(distinct(9, 0x4E00 + 10 * n) + "。" for n in range(length // 10)) + distinct(length % 10, 0x9000)
        parts = [part("第一章 总则\n\n", "第一章 总则"), part(body + "\n\n", "第一章 总则 > 第一条")]
        assert min(len(chunk.page_content) for chunk in split(parts)) >= 10

    @pytest.mark.parametrize("count", range(1, 30, 3))
    def test_a_text_has_no_short_tail(self, count: int) -> None:
        text = numbered(count) + "完了。"
        assert min(len(chunk.page_content) for chunk in split([part(text)])) >= 10

    def test_short_paragraphs_are_gathered(self) -> None:
        text = "\n\n".join(f"第{n}点。" for n in range(100))
        assert min(len(chunk.page_content) for chunk in split([part(text)])) >= 100

    def test_short_parts_on_one_page_are_gathered(self) -> None:
        parts = [part(f"第{n}点。\n\n", page=1 + n // 50) for n in range(100)]
        assert min(len(chunk.page_content) for chunk in split(parts)) >= 50

    def test_a_page_with_little_text_still_is_a_chunk(self) -> None:
        chunks = split([part("封面\n\n", page=1), part(numbered(5), page=2)])
        assert [chunk.metadata["page"] for chunk in chunks] == [1, 2]

    def test_exact_duplicates_are_dropped(self) -> None:
        footer = part("版权所有。\n", page=1), part("版权所有。\n", page=2)
        [chunk] = split(list(footer))
        assert (chunk.metadata["page"], chunk.metadata["start"]) == (1, 0)

    def test_parts_without_anything_to_search_for_are_dropped(self) -> None:
        parts = [part("———\n", page=1), part("正文内容。\n", page=2), part("……\n", page=3)]
        assert [chunk.page_content for chunk in split(parts)] == ["正文内容。"]


class TestPlaces:
    @pytest.mark.parametrize("key", ["page", "slide", "sheet"])
    def test_a_chunk_never_crosses_a_place(self, key: str) -> None:
        parts = [part(f"第{n}处的一句话，还没说完", **{key: n}) for n in range(1, 6)]
        chunks = split(parts)
        assert [chunk.metadata[key] for chunk in chunks] == [1, 2, 3, 4, 5]

    def test_text_before_and_after_a_table_is_not_joined_over_it(self) -> None:
        parts = [part("表前。\n\n"), part(table(2), kind="table"), part("表后。\n\n")]
        chunks = split(parts)
        assert [chunk.metadata["kind"] for chunk in chunks] == ["text", "table", "text"]

    def test_metadata_of_the_part_is_kept(self) -> None:
        [chunk] = split([part("正文内容。", "总则", page=2, title="手册", source="a.pdf")])
        assert chunk.metadata == {
            "heading": "总则",
            "kind": "text",
            "page": 2,
            "title": "手册",
            "source": "a.pdf",
            "start": 0,
            "end": 5,
        }


class TestTables:
    def test_a_table_within_the_limit_stays_whole(self) -> None:
        text = table(20)
        assert 250 < len(text.strip()) <= 500
        [chunk] = split([part(text, kind="table")])
        assert chunk.page_content == text.strip()
        assert "table_header" not in chunk.metadata or not chunk.metadata["table_header"]

    def test_a_longer_one_is_cut_between_rows_and_every_piece_knows_its_header(self) -> None:
        text = table(300)
        chunks = split([part(text, kind="table")])
        assert len(chunks) > 3
        lines = text.split("\n")
        assert [line for chunk in chunks for line in chunk.page_content.split("\n")] == [line for line in lines if line]
        assert chunks[0].page_content.startswith(HEADER)
        assert all(chunk.metadata["table_header"] == HEADER for chunk in chunks[1:])
        assert not chunks[0].metadata.get("table_header")

    def test_stops_in_cells_do_not_cut(self) -> None:
        text = table(100, cell="一句。两句！“三。句”")
        chunks = split([part(text, kind="table")])
        assert all(line.startswith("|") and line.endswith("|") for c in chunks for line in c.page_content.split("\n"))

    def test_the_header_is_never_a_chunk_of_its_own(self) -> None:
        rows = "\n".join(f"| {distinct(235, 0x4E00 + 300 * n)} | {n} |" for n in range(4))
        chunks = split([part(f"{HEADER}\n{rows}\n\n", kind="table")])
        assert HEADER not in [chunk.page_content for chunk in chunks]

    def test_a_row_over_the_limit_is_cut_and_still_knows_its_header(self) -> None:
        text = f"{HEADER}\n| {distinct(1_200)} | 1 |\n| 乙 | 2 |\n"
        chunks = split([part(text, kind="table")], 100)
        assert max(len(chunk.page_content) for chunk in chunks) <= 200
        assert all(chunk.metadata["table_header"] == HEADER for chunk in chunks[1:])

    def test_lines_without_a_header_rule_have_no_header(self) -> None:
        text = "\n".join(f"甲{n}\t乙{n}\t丙{n}" for n in range(100))
        chunks = split([part(text, kind="table")], 100)
        assert len(chunks) > 1
        assert not any(chunk.metadata.get("table_header") for chunk in chunks)

    def test_tables_of_two_parts_are_not_joined(self) -> None:
        chunks = split([part(table(2), kind="table"), part(table(2, cell="行政"), kind="table")])
        assert len(chunks) == 2
