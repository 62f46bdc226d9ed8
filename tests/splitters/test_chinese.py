"""The splitter: what holds for any text, and what it is to a LangChain program."""

from itertools import pairwise

import pytest
from edge_texts import EDGE_TEXTS
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_text_splitters import TextSplitter

from splitters.chinese import ChineseTextSplitter
from tests.splitters.split_checks import check_chunks, distinct, numbered, part, sentence_edges, weight

SIZES = [(50, 0), (50, 20), (250, 0), (250, 100)]
PIECES = st.sampled_from(
    [
        *[
            "请假须经部门主管批准",
            "在系统登记",
            "甲",
            "乙丙",
            "。",
            "，",
            "；",
            "？！",
            "……",
            "\n",
            "\n\n",
            " ",
            "\u3000",
        ],
        *[
            "他说：“今天下雨。我不去了。”",
            "《甲。乙》",
            "（见附录）",
            "🎉",
            "👨‍👩‍👧",
            "𰻝",
            "3.14",
            "0.1.17",
            "1. ",
            "| a | b |\n",
        ],
        *["a.b@c.com", "https://a.b/c?d=e;f ", "use INT4 when memory is short. ", "Dr. Li. ", "字" * 130, "word " * 40],
    ]
)
TEXTS = st.lists(PIECES, max_size=25).map("".join)
HEADINGS = st.sampled_from(["", "总则", "总则 > 甲", "总则 > 甲 > 一", "总则 > 甲乙", "总则 > 乙", "附则"])


@st.composite
def documents(draw: st.DrawFn) -> list[Document]:
    """Parts of one document in order, on pages, slides or rows, under headings."""
    place = draw(st.sampled_from(["page", "slide", "row", None]))
    parts: list[Document] = []
    for number in range(draw(st.integers(0, 6))):
        kind = "row" if place == "row" else draw(st.sampled_from(["text", "text", "text", "table"]))
        where = {} if place is None else {place: number // (1 if place == "row" else 2) + 1}
        heading = draw(HEADINGS)
        parts.append(part(draw(TEXTS) + draw(st.sampled_from(["", "\n", "\n\n"])), heading, kind=kind, **where))
    return parts


@st.composite
def outlines(draw: st.DrawFn) -> list[Document]:
    """Short sections, which the splitter joins."""
    headings = draw(st.lists(HEADINGS, min_size=1, max_size=8))
    return [part(f"{distinct(draw(st.integers(3, 60)), 0x4E00 + 99 * n)}。\n", h) for n, h in enumerate(headings)]


class TestInvariants:
    @pytest.mark.parametrize(("chunk", "overlap"), SIZES)
    @pytest.mark.parametrize("text", EDGE_TEXTS.values(), ids=EDGE_TEXTS)
    def test_edge_texts(self, text: str, chunk: int, overlap: int) -> None:
        splitter = ChineseTextSplitter(chunk, overlap)
        parts = [part(text)]
        chunks = splitter.split_documents(parts)
        assert chunks
        check_chunks(parts, chunks, splitter)

    @pytest.mark.parametrize(("chunk", "overlap"), SIZES)
    def test_all_edge_texts_as_the_pages_of_one_document(self, chunk: int, overlap: int) -> None:
        splitter = ChineseTextSplitter(chunk, overlap)
        parts = [part(text + "\n\n", page=number) for number, text in enumerate(EDGE_TEXTS.values(), 1)]
        chunks = splitter.split_documents(parts)
        check_chunks(parts, chunks, splitter)
        assert {chunk.metadata["page"] for chunk in chunks} == set(range(1, len(EDGE_TEXTS) + 1))

    @given(documents(), st.sampled_from(SIZES))
    @settings(derandomize=True, max_examples=120, deadline=None)
    def test_any_document(self, parts: list[Document], size: tuple[int, int]) -> None:
        splitter = ChineseTextSplitter(*size)
        check_chunks(parts, splitter.split_documents(parts), splitter)

    @given(outlines(), st.sampled_from([50, 100, 250]))
    @settings(derandomize=True, max_examples=80, deadline=None)
    def test_any_outline(self, parts: list[Document], chunk: int) -> None:
        splitter = ChineseTextSplitter(chunk)
        check_chunks(parts, splitter.split_documents(parts), splitter)

    @given(st.text(max_size=120))
    @settings(derandomize=True, max_examples=50, deadline=None)
    def test_any_characters(self, text: str) -> None:
        splitter = ChineseTextSplitter(50)
        parts = [part(text)]
        check_chunks(parts, splitter.split_documents(parts), splitter)

    @given(documents())
    @settings(derandomize=True, max_examples=30, deadline=None)
    def test_splitting_is_deterministic_and_leaves_its_input_alone(self, parts: list[Document]) -> None:
        before = [document.model_copy(deep=True) for document in parts]
        first, second = (ChineseTextSplitter(50).split_documents(parts) for _ in range(2))
        assert first == second
        assert parts == before

    @pytest.mark.parametrize("text", ["", "   ", "\n\n", "……", "———", "。。。\n\n！！！"])
    def test_text_without_anything_to_search_for_gives_no_chunk(self, text: str) -> None:
        assert ChineseTextSplitter().split_text(text) == []
        assert ChineseTextSplitter().split_documents([part(text), part(text)]) == []

    def test_no_parts(self) -> None:
        assert ChineseTextSplitter().split_documents([]) == []


class TestLengths:
    @pytest.mark.parametrize("target", [50, 100, 250, 800])
    def test_chunks_of_sentences_stay_within_the_target(self, target: int) -> None:
        chunks = ChineseTextSplitter(target).split_text(numbered(200))
        assert max(map(len, chunks)) <= target
        assert min(map(len, chunks)) >= target * 0.3
        assert sum(map(len, chunks)) / len(chunks) >= target * 0.5

    @pytest.mark.parametrize("target", [50, 250])
    def test_text_without_stops_stays_within_the_target(self, target: int) -> None:
        chunks = ChineseTextSplitter(target).split_text(distinct(5_000))
        assert "".join(chunks) == distinct(5_000)
        assert max(map(len, chunks)) <= target

    def test_a_sentence_between_target_and_limit_stays_whole(self) -> None:
        sentence = distinct(180) + "。"
        chunks = ChineseTextSplitter(100).split_text(numbered(5) + sentence + numbered(9))
        assert sentence in chunks

    def test_a_sentence_over_the_limit_is_cut_at_its_commas(self) -> None:
        clauses = [distinct(19, 0x4E00 + 100 * number) + "，" for number in range(15)]
        chunks = ChineseTextSplitter(100).split_text("".join(clauses) + "完。")
        assert len(chunks) > 1
        assert all(chunk.endswith(("，", "。")) for chunk in chunks)
        assert all(any(clause in chunk for chunk in chunks) for clause in clauses)

    def test_english_may_be_four_times_as_long(self) -> None:
        text = " ".join(f"Sentence number {number} says that leave must be approved." for number in range(300))
        chunks = ChineseTextSplitter(100).split_text(text)
        assert 250 <= max(map(len, chunks)) <= 400
        assert all(chunk.endswith(".") for chunk in chunks)

    def test_english_without_stops_keeps_to_four_times_the_hard_limit(self) -> None:
        chunks = ChineseTextSplitter(100).split_text(" ".join(f"word{number}" for number in range(2_000)))
        assert max(map(len, chunks)) <= 800
        assert all(word.startswith("word") for chunk in chunks for word in chunk.split())

    def test_chinese_beside_english_keeps_its_own_target(self) -> None:
        """A README of English code with Chinese remarks: the code must not make the remarks' chunks longer."""
        english = " ".join(f"Run step {number} of the installer and wait." for number in range(120))
        splitter = ChineseTextSplitter(100)
        parts = [part(f"{english}\n\n{numbered(40)}")]
        chunks = splitter.split_documents(parts)
        check_chunks(parts, chunks, splitter)
        assert max(weight(chunk.page_content) for chunk in chunks) <= 100

    def test_english_beside_chinese_is_not_cut_shorter_than_alone(self) -> None:
        english = " ".join(f"Run step {number} of the installer and wait." for number in range(20))
        chunks = ChineseTextSplitter(100).split_text(f"{numbered(100)}\n\n{english}")
        assert max(len(chunk) for chunk in chunks if chunk.isascii()) > 250

    def test_blanks_between_sentences_do_not_make_a_chunk_longer_than_the_target(self) -> None:
        sentences = [distinct(length - 1, 0x4E00 + 200 * n) + "。" for n, length in enumerate((80, 165, 60))]
        text = sentences[0] + sentences[1] + "\u3000" * 40 + sentences[2]
        assert max(map(len, ChineseTextSplitter(250).split_text(text))) <= 250

    def test_a_long_text_by_its_count(self) -> None:
        text = numbered(10_000, length=30)
        chunks = ChineseTextSplitter(250).split_text(text)
        assert 300_000 / 250 <= len(chunks) <= 300_000 / 200
        assert sum(map(len, chunks)) == 300_000


class TestOverlap:
    @pytest.mark.parametrize("overlap", [20, 40, 100])
    def test_it_is_whole_sentences_within_the_limit(self, overlap: int) -> None:
        text = "".join(distinct(7 + 5 * (n % 6), 0x4E00 + 50 * n) + "。" for n in range(80))
        starts, ends = sentence_edges(text)
        chunks = ChineseTextSplitter(200, overlap).split_documents([part(text)])
        repeated = []
        for one, other in pairwise(chunks):
            assert one.metadata["start"] < other.metadata["start"]
            assert one.metadata["end"] < other.metadata["end"]
            assert other.metadata["start"] in starts
            assert one.metadata["end"] in ends
            repeated.append(one.metadata["end"] - other.metadata["start"])
        assert max(repeated) <= overlap
        assert max(repeated) > overlap / 3, "the overlap has an effect"
        assert max(len(chunk.page_content) for chunk in chunks) <= 200

    def test_none_by_default(self) -> None:
        chunks = ChineseTextSplitter(100).split_documents([part(numbered(50))])
        assert all(a.metadata["end"] <= b.metadata["start"] for a, b in pairwise(chunks))

    def test_none_across_pages(self) -> None:
        parts = [part(numbered(20), page=1), part(distinct(300) + "。", page=2)]
        chunks = ChineseTextSplitter(100, 50).split_documents(parts)
        assert all(c.metadata["start"] >= 600 for c in chunks if c.metadata["page"] == 2)

    def test_a_sentence_longer_than_the_overlap_is_not_repeated(self) -> None:
        chunks = ChineseTextSplitter(100, 20).split_text(numbered(20, length=30))
        assert sum(map(len, chunks)) == 600


class TestLangChain:
    def test_it_is_a_text_splitter(self) -> None:
        splitter: TextSplitter = ChineseTextSplitter(100, 20)
        assert splitter._chunk_size == 100
        assert splitter._chunk_overlap == 20

    def test_split_text(self) -> None:
        assert ChineseTextSplitter(50).split_text(numbered(3)) == [numbered(1), numbered(2)[30:], numbered(3)[60:]]

    def test_create_documents_with_metadatas(self) -> None:
        texts = [numbered(5), "另一篇。"]
        chunks = ChineseTextSplitter(100).create_documents(texts, [{"source": "a", "tag": 1}, {"source": "b"}])
        for chunk in chunks:
            text = texts["ab".index(chunk.metadata["source"])]
            assert text[chunk.metadata["start"] : chunk.metadata["end"]] == chunk.page_content
        assert {chunk.metadata["source"] for chunk in chunks} == {"a", "b"}
        assert all(chunk.metadata["tag"] == 1 for chunk in chunks if chunk.metadata["source"] == "a")

    def test_create_documents_without_metadatas(self) -> None:
        chunks = ChineseTextSplitter().create_documents(["甲文。", "乙文。"])
        assert [(chunk.page_content, chunk.metadata["start"]) for chunk in chunks] == [("甲文。", 0), ("乙文。", 0)]

    def test_create_documents_keeps_what_two_texts_share(self) -> None:
        assert len(ChineseTextSplitter().create_documents(["同一句话。", "同一句话。"])) == 2

    def test_metadatas_must_match_the_texts(self) -> None:
        with pytest.raises(ValueError, match="zip"):
            ChineseTextSplitter().create_documents(["甲", "乙"], [{}])

    def test_the_metadata_of_two_texts_is_not_shared(self) -> None:
        one, other = ChineseTextSplitter().create_documents(["甲文。", "乙文。"])
        one.metadata["mark"] = True
        assert "mark" not in other.metadata

    def test_chunks_of_one_part_do_not_share_metadata(self) -> None:
        chunks = ChineseTextSplitter(50).split_documents([part(numbered(10), page=3)])
        chunks[0].metadata["mark"] = True
        assert all("mark" not in chunk.metadata for chunk in chunks[1:])
        assert all(chunk.metadata["page"] == 3 for chunk in chunks)

    def test_transform_documents(self) -> None:
        parts = [part(numbered(10))]
        splitter = ChineseTextSplitter(50)
        assert list(splitter.transform_documents(parts)) == splitter.split_documents(parts)

    def test_split_documents_takes_an_iterator(self) -> None:
        assert len(ChineseTextSplitter(50).split_documents(part(text) for text in ["甲文。", "乙文。"])) == 1

    def test_documents_of_different_sources_are_never_joined(self) -> None:
        """In a LangChain program `split_documents` is given many files at once."""
        files = [Document(page_content=f"{name}的正文。", metadata={"source": name}) for name in ("甲文件", "乙文件")]
        chunks = ChineseTextSplitter().split_documents(files)
        assert [(chunk.page_content, chunk.metadata["source"]) for chunk in chunks] == [
            ("甲文件的正文。", "甲文件"),
            ("乙文件的正文。", "乙文件"),
        ]
