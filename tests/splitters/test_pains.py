"""Pains of the predecessor's users that the splitter ends; the numbers are the rows of the list of pains."""

import re

import pytest

from analysis.sentences import sentence_spans
from splitters.chinese import ChineseTextSplitter
from tests.splitters.split_checks import distinct, numbered, part

TOKENS = {
    "decimal": "3.1415926",
    "version": "0.1.17-rc2",
    "thousands": "1,234,567",
    "percentage": "12.5%",
    "time": "10:30:59",
    "email": "zhang.san@example.com",
    "url": "https://a.example.com/b?c=d&e=f#g",
    "path": "/data/models/chatglm-6b",
    "word": "transformers",
    "full_width_number": "１２３４５６",
    "accented": "déjàvunaïveté",
    "family": "👨‍👩‍👧‍👦",
    "skin_tone": "👍🏽",
    "flag": "🇨🇳",
    "keycap": "1️⃣",
    "pinyin_in_pieces": "ma\u0304ma\u030cma\u0301",
    "variation": "葛\U000e0100",
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_pain_17_numbers_and_versions_are_not_split(token: str) -> None:
    """Not even in text without stops, where a cut has to fall somewhere. Every place of the token is tried."""
    for before in range(60, 101):
        text = distinct(before) + token + distinct(160, 0x6000)
        chunks = ChineseTextSplitter(100).split_text(text)
        assert len(chunks) > 1
        assert any(token in chunk for chunk in chunks), (before, chunks)


@pytest.mark.parametrize(
    "token",
    [
        "3.14",
        "0.1.17",
        "a.b@c.com",
        "https://a.b/c?d=e;f",
        "“甲。乙！丙？”",
        "《甲。乙》",
        "「甲。乙」",
        "（甲。乙；丙）",
    ],
)
@pytest.mark.parametrize("chunk_chars", [50, 100, 250])
def test_pain_17_nor_are_addresses_and_quotations_in_ordinary_text(token: str, chunk_chars: int) -> None:
    sentences = [f"第{distinct(n % 23 + 1)}条规定{token}是第{n}个例子。" for n in range(120)]
    text = "".join(sentences)
    chunks = ChineseTextSplitter(chunk_chars).split_text(text)
    assert sum(chunk.count(token) for chunk in chunks) == text.count(token)
    whole = [span.of(text) for span in sentence_spans(text)]
    assert all(any(sentence in chunk for chunk in chunks) for sentence in whole), "sentences stay whole"


def test_pain_16_one_row_is_one_chunk() -> None:
    rows = [
        part(f"问题：{q}？\n答案：{q}的答案。第二句。\n", kind="row", sheet="问答", row=n)
        for n, q in enumerate("甲乙丙丁", 2)
    ]
    chunks = ChineseTextSplitter(250).split_documents(rows)
    assert [chunk.metadata["row"] for chunk in chunks] == [2, 3, 4, 5]
    assert [chunk.page_content for chunk in chunks] == [row.page_content.strip() for row in rows]


def test_pain_16_a_row_up_to_the_hard_limit_is_one_chunk() -> None:
    row = part(f"问题：甲？\n答案：{numbered(15)}", kind="row", row=2)
    [chunk] = ChineseTextSplitter(250, 50).split_documents([row])
    assert chunk.page_content == row.page_content


def test_pain_16_a_longer_row_keeps_its_number() -> None:
    chunks = ChineseTextSplitter(100, 40).split_documents([part(numbered(30), kind="row", row=7)])
    assert len(chunks) > 1
    assert {chunk.metadata["row"] for chunk in chunks} == {7}
    assert max(len(chunk.page_content) for chunk in chunks) <= 200


def test_pain_18_chunk_size_has_effect() -> None:
    text = numbered(100)
    counts = {size: len(ChineseTextSplitter(size).split_text(text)) for size in (50, 100, 250, 500, 1000)}
    assert sorted(counts.values(), reverse=True) == list(counts.values())
    assert len(set(counts.values())) == len(counts)
    for size, count in counts.items():
        assert len(text) / size <= count <= 2 * len(text) / size


def test_pain_18_overlap_has_effect() -> None:
    text = numbered(100, length=20)
    total = {overlap: sum(map(len, ChineseTextSplitter(250, overlap).split_text(text))) for overlap in (0, 40, 100)}
    assert total[0] == len(text) < total[40] < total[100]


def test_upstream_s_scraps_are_gone() -> None:
    """Half of the pieces in the predecessor's sample store had 20 characters or less, and 18 % were duplicates."""
    text = "\n".join(f"{n}. 第{n}条：{'内容' * (n % 9)}。\n\n注意事项。" for n in range(1, 200))
    chunks = ChineseTextSplitter(250).split_text(text)
    assert min(map(len, chunks)) >= 100
    assert len(chunks) == len(set(chunks))
    assert not any(re.match(r"[。，；、]", chunk) for chunk in chunks)
