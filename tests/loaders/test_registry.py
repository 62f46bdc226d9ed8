import shutil
import zipfile
from pathlib import Path

import docx
import pytest
from langchain_core.document_loaders import BaseLoader

from core.load_errors import CorruptFile, EmptyFile, FileTooLarge, LoadError, MissingFile, UnsupportedFile
from loaders.registry import _LOADERS, SUPPORTED_SUFFIXES, load_file


def test_suffixes() -> None:
    assert {
        ".txt",
        ".md",
        ".html",
        ".pdf",
        ".docx",
        ".pptx",
        ".xlsx",
        ".xls",
        ".csv",
        ".tsv",
        ".json",
        ".jsonl",
        ".eml",
    } <= set(SUPPORTED_SUFFIXES)
    loaders = [loader(Path("x")) for loader in _LOADERS.values()]
    assert all(isinstance(loader, BaseLoader) for loader in loaders)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=r"报告\.pdf"):
        load_file(tmp_path / "x", name="报告.pdf")
    with pytest.raises(UnsupportedFile, match="folder"):
        load_file(tmp_path)


@pytest.mark.parametrize("suffix", SUPPORTED_SUFFIXES)
def test_zero_bytes(load, suffix: str) -> None:
    with pytest.raises(EmptyFile):
        load("a" + suffix, b"")


@pytest.mark.parametrize("suffix", [".txt", ".md", ".html", ".csv", ".jsonl"])
def test_nothing_but_white_space(load, suffix: str) -> None:
    with pytest.raises(EmptyFile):
        load("a" + suffix, b" \n\n \n")


def test_size_limit_is_in_binary_megabytes(load) -> None:
    assert load("a.txt", b"x" * 1024 * 1024, max_mb=1)
    with pytest.raises(FileTooLarge, match=r"1\.0 MB, the limit is 1 MB"):
        load("b.txt", b"x" * (1024 * 1024 + 1), max_mb=1)


@pytest.mark.parametrize("suffix", [".docx", ".pptx", ".xlsx", ".xls", ".pdf"])
def test_binary_garbage_in_a_binary_suffix(load, suffix: str) -> None:
    with pytest.raises(CorruptFile):
        load("a" + suffix, bytes(range(256)) * 20)


@pytest.mark.parametrize("said", [".pdf", ".txt", ".xls", ".unknown", ""])
def test_a_lying_suffix_does_not_matter(tmp_path: Path, said: str) -> None:
    word = docx.Document()
    word.add_heading("标题", 1)
    word.save(str(tmp_path / "a.docx"))
    path = tmp_path / f"b{said}"
    shutil.copy(tmp_path / "a.docx", path)
    assert load_file(path)[0].metadata["heading"] == "标题"


def test_a_pdf_called_text(pdf, tmp_path: Path) -> None:
    path = shutil.copy(pdf(lambda canvas: canvas.drawString(72, 700, "这是正文。")), tmp_path / "a.txt")
    assert load_file(Path(path))[0].metadata["page"] == 1


@pytest.mark.parametrize("said", [".docx", ".xls", ".pdf"])
def test_text_called_office_is_read_as_text(load, said: str) -> None:
    assert load("a" + said, "其实是文本。\n")[0].page_content == "其实是文本。\n"


def test_html_called_excel_is_read_as_html(load) -> None:
    page = "<html><body><table><tr><th>甲</th><th>乙</th></tr><tr><td>1</td><td>2</td></tr></table></body></html>"
    assert load("导出.xls", page)[0].metadata["kind"] == "table"


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n"),
        ("a.txt", b"\xff\xd8\xff\xe0"),
        ("a.rtf", b"{\\rtf1\\ansi text}"),
        ("a.rar", b"Rar!\x1a\x07"),
        ("a.msg", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600),
    ],
    ids=["png", "jpeg-called-text", "rtf", "rar", "ole2"],
)
def test_other_formats_are_named(load, name: str, head: bytes) -> None:
    with pytest.raises((UnsupportedFile, CorruptFile)) as caught:
        load(name, head)
    if name != "a.msg":
        assert isinstance(caught.value, UnsupportedFile)
        assert ".docx" in caught.value.text("zh")


def test_a_zip_without_office_is_unsupported(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        archive.writestr("readme.txt", "x")
    with pytest.raises(UnsupportedFile):
        load_file(tmp_path / "a.docx")


def test_zip_bombs_are_not_opened(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", b"<x/>")
        archive.writestr("word/document.xml", b"0" * (21 * 1024 * 1024))
    assert (tmp_path / "a.docx").stat().st_size < 100_000
    with pytest.raises(FileTooLarge, match="the limit is 20 MB"):
        load_file(tmp_path / "a.docx", max_mb=1)


def test_every_error_reads_well_in_both_languages(load) -> None:
    for name, content in [("a{b}.jsonl", '{"a"'), ("a.docx", b"PK\x03\x04{0}"), ("b.txt", b"\0\1\2\3" * 9)]:
        with pytest.raises(LoadError) as caught:
            load(name, content)
        for language in ("zh", "en"):
            assert name in caught.value.text(language)
        assert caught.value.__cause__ is not None


def test_parts_join_line_by_line(load) -> None:
    parts = load("a.html", "<h1>一</h1><p>甲</p><h2>二</h2><ul><li>乙</li></ul><p>丙</p>")
    assert [part.page_content for part in parts] == ["一\n\n甲\n\n", "二\n\n- 乙\n\n丙\n"]
