"""Unmodified documents from public repositories; skipped where the folder is not beside the checkout."""

from pathlib import Path

# ruff: noqa: E501  one line a fact reads best in the table below
import pytest
from langchain_core.documents import Document

from core.load_errors import EmptyFile, EncryptedFile, UnsupportedFile
from loaders.encodings import decode_text
from loaders.registry import load_file

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "documents"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the collection of real documents is not on this machine")


def part_with(parts: list[Document], words: str) -> Document:
    found = [part for part in parts if words in part.page_content]
    assert found, f"{words!r} is in no part"
    return found[0]


@pytest.mark.parametrize(
    ("name", "words", "metadata"),
    [
        ("test.txt", "指令提示技术", {"kind": "text"}),
        ("fake-text-utf-16.txt", "This is a test document to use for unit tests.", {"kind": "text"}),
        ("内科_gbk_part.txt", "高血压病人可以口服党参的。党参有降血脂", {"kind": "text"}),
        ("大模型技术栈-算法与原理.md", "subword-level", {"title": "大模型技术栈-算法与原理"}),
        ("02-knowledge-base.md", "| 建库、改分块大小与索引开关 |", {"kind": "table", "heading": "知识库与知识管理 > 0. 日常会用到的操作"}),
        ("17-faq.md", "`index_mode`", {"title": "FAQ 能力"}),
        ("docx_01.docx", "\n\n- Italic bullet 1\n- Bold bullet 2\n", {"heading": "MinerU supports DOCX document parsing now > 1. 有序列表构成的章节标题 > 1.3. 多级列表"}),
        ("docx_01.docx", "无税固定总价￥125000", {"kind": "text"}),
        ("docx_01.docx", "x=(-b±√(b^2-4ac))/(2a)", {}),
        ("payment.docx", "| 数量 | 货物 | 说明 | 折扣 | 应纳税 | 单价 | 总计 |", {"kind": "table", "heading": "付款通知书"}),
        ("554.docx", "收件人： {{content_name}}", {"kind": "text"}),
        ("ocr_test.docx", "| 我是表格1 | 我是表格2 |\n| --- | --- |\n| 我是表格3 | 我是表格4 |", {"kind": "table"}),
        ("word_tables.docx", "| Cell 2.0 | Merged Cell 1.1 2.1 | Cell 2.2 |", {"kind": "table", "title": "Test with tables"}),
        ("pptx_01.pptx", "备注：Some notes on the second slide.", {"slide": 2, "pages": 6, "heading": "Second slide title"}),
        ("ocr_test.pptx", "| 我是表格1 | 我是表格5 |", {"kind": "table", "slide": 1}),
        ("langchain-ChatGLM_open.xlsx", "title：效果如何优化；", {"sheet": "Sheet1", "row": 2, "kind": "row"}),
        ("t02.xlsx", "INCI名：PENTYLENE GLYCOL；原料含量（%）：100；", {"sheet": "测试配方1027", "row": 3}),
        ("converter03.xls", "日期的数字：2020-01-01 01:01:01；", {"sheet": "Sheet1", "row": 2}),
        ("office_bom.csv", "姓名：姓名9；年纪：20\n", {"row": 11}),
        ("langchain-ChatGLM_closed.csv", "title：加油~以及一些建议；", {"row": 2, "kind": "row"}),
        ("html.sample.zh.html", "| 姓名 | 年龄 |\n| --- | --- |\n| 张三 | 30 |", {"kind": "table", "heading": "产品指南"}),
        ("html.sample.zh.html", "欢迎使用我们的智能助手", {"heading": "产品指南 > 使用条款"}),
        ("wiki_duck.html", "Dabbling ducks feed on the surface of water", {"heading": "Duck > Behaviour > Feeding", "title": "Duck - Wikipedia"}),
        ("test_blog.html", "the tuned gpt-3.5-turbo model is selected", {}),
        ("fake-email-attachment.eml", "附件：fake-attachment.txt", {"title": "Fake email with attachment"}),
        ("fake-email-attachment.eml", "Hey this is a fake attachment!", {"heading": "fake-attachment.txt"}),
        ("mime-word-encoded-subject.eml", "主题：Simple email with ☸☿ Unicode subject", {}),
        ("multi_page.pdf", "- IBM MT/ST (Magnetic Tape/Selectric Typewriter): Introduced in 1964, this machine combined", {"page": 1, "pages": 5, "heading": "The Birth of Word Processing (1960s - 1970s)"}),
        ("langchain.pdf", "remarkable transformations. The advent of advanced models, exemplified by", {"page": 2, "pages": 8}),
        ("langchain.pdf", "OpenAI [5], and T5 (Text-to-Text Transfer Transformer) by Google", {"page": 2}),
        ("langchain.pdf", "| Task | Prompt |", {"page": 3, "kind": "table"}),
        ("introduction.pdf", "又称化学反应式、化学反应方程式，是用化学式来描述各种物质之间的不同化学反应的式子（类似于数学公式，注意特殊符号表达）", {"page": 1, "heading": "化学学科常用符号公式及其表示 > 方程式"}),
        ("XiaoBiaoSong.pdf", "关于红军作战的原则", {"page": 1, "heading": "目录"}),
    ],
    ids=lambda value: value.encode("ascii", "ignore").decode()[:30] if isinstance(value, str) else "",
)  # fmt: skip
def test_known_words_are_found_with_their_place(name: str, words: str, metadata: dict[str, object]) -> None:
    part = part_with(load_file(FOLDER / name), words)
    assert {key: part.metadata.get(key) for key in metadata} == metadata


@pytest.mark.parametrize("name", ["02-knowledge-base.md", "17-faq.md", "test.txt", "内科_gbk_part.txt"], ids=ascii)
def test_text_files_join_back_exactly(name: str) -> None:
    path = FOLDER / name
    assert "".join(part.page_content for part in load_file(path)) == decode_text(path.read_bytes())


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("small_ocr.pdf", EmptyFile),
        ("password.pdf", EncryptedFile),
        ("legacy_sample.doc", UnsupportedFile),
        ("legacy_sample.ppt", UnsupportedFile),
        ("fake-email.msg", UnsupportedFile),
        ("ocr_test.jpg", UnsupportedFile),
        ("test.epub", UnsupportedFile),
        ("text_document_01.odt", UnsupportedFile),
    ],
)
def test_what_cannot_be_read_says_why(name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        load_file(FOLDER / name)


def test_wiki_page_has_no_menus() -> None:
    text = "".join(part.page_content for part in load_file(FOLDER / "wiki_duck.html"))
    for noise in ("Afrikaans", "閩南語", "Jump to content", "Privacy policy", "[edit]"):
        assert noise not in text


def test_columns_of_the_paper_are_in_order() -> None:
    text = "".join(part.page_content for part in load_file(FOLDER / "langchain.pdf"))
    marks = [
        "I. INTRODUCTION",
        "AlphaZero",
        "complex games, such as Go",
        "GPT-3 (June 2020)",
        "II. MATERIALS",
        "III. DISCUSSION",
        "[13] GitHub",
    ]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    assert "performance in complex games" in text


def test_headings_of_the_evolution_of_word_processors() -> None:
    headings = [part.metadata["heading"] for part in load_file(FOLDER / "multi_page.pdf")]
    assert headings[0] == "The Evolution of the Word Processor"
    assert "Key Features That Changed Word Processing" in headings
    assert len(set(headings)) == 11
