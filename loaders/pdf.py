"""PDF with a text layer: paragraphs, headings and ruled tables. Scans need text recognition before they get here."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from langchain_core.documents import Document

from core.load_errors import EmptyFile
from core.messages import Message
from loaders.outline import find_headings
from loaders.parts import Block, FileLoader, assemble, markdown_table
from loaders.pdf_layout import (
    Line,
    Paragraph,
    drop_running_lines,
    is_list_item,
    paragraphs,
    reading_order,
    split_bullet,
)
from loaders.pdf_lines import Page, read_pages
from loaders.wrapping import join_lines

_SCAN = Message("扫描件：页面只有图片，没有文字", "a scan: the pages hold images and no text")
_NO_TEXT = Message("页面上没有文字", "there is no text on its pages")
_HEADING_SIZE = 1.12  # times the body's size
_HEADING_CHARS = 90
_NUMBERED_BELOW = 50  # headings told by their number rank below those told by their size


class PdfLoader(FileLoader):
    """Text by pdfium, tables by pdfplumber on the pages that have ruling lines."""

    def lazy_load(self) -> Iterator[Document]:
        """Yield one part a heading, a page and a table. A paragraph that runs over belongs to the page it begins on.

        Raises:
            EncryptedFile: a password is needed to open it.
            EmptyFile: no page has text, as in a scan.
        """
        pages, title = read_pages(self.path, self.name)
        if not any(page.lines for page in pages):
            raise EmptyFile(name=self.name, detail=_SCAN if any(page.has_image for page in pages) else _NO_TEXT)
        _put_tables(self.path, pages)
        kept = drop_running_lines([page.lines for page in pages], [page.height for page in pages])
        regions = [region for lines in kept for region in reading_order(lines)]
        known = {"title": title} if title else {}
        yield from assemble(_blocks(list(paragraphs(regions))), pages=len(pages), **known)


@dataclass(frozen=True, slots=True)
class _Typography:
    """How the document sets its text: `heading_sizes` are those well above the body's, the largest first."""

    heading_sizes: list[float]
    is_mostly_bold: bool

    @classmethod
    def measure(cls, found: Sequence[Paragraph]) -> "_Typography":
        running = [(paragraph, len(paragraph.text)) for paragraph in found if not paragraph.first.is_table]
        sizes = Counter[float]()
        for paragraph, chars in running:
            sizes[_size(paragraph)] += chars
        body = max(sizes, key=lambda size: sizes[size], default=0.0)
        bold_chars = sum(chars for paragraph, chars in running if paragraph.first.bold)
        headings = sorted((size for size in sizes if size > body * _HEADING_SIZE), reverse=True)
        return cls(headings, bold_chars * 2 > sizes.total())

    def level(self, paragraph: Paragraph) -> int:
        """Return the heading level that size or weight gives a paragraph, 0 for none."""
        if not _is_title(paragraph.text):
            return 0
        if _size(paragraph) in self.heading_sizes:
            return self.heading_sizes.index(_size(paragraph)) + 1
        is_set_off = paragraph.first.bold and not self.is_mostly_bold and len(paragraph.lines) == 1
        return _NUMBERED_BELOW - 1 if is_set_off and not is_list_item(paragraph.text) else 0


def _blocks(found: Sequence[Paragraph]) -> Iterator[Block]:
    typography = _Typography.measure(found)
    numbered = find_headings(["" if paragraph.first.is_table else paragraph.text for paragraph in found])
    for index, paragraph in enumerate(found):
        text, place = paragraph.text, {"page": paragraph.page}
        item = split_bullet(text)
        if paragraph.first.is_table:
            yield Block(text, "table", place=place)
        elif level := typography.level(paragraph):
            yield Block(text, "heading", level, place)
        elif index in numbered:
            yield Block(text, "heading", _NUMBERED_BELOW + numbered[index].level, place)
        elif item is not None:
            yield Block(f"- {item}", "item", place=place)
        else:
            yield Block(text, "item" if is_list_item(text) else "text", place=place)


def _size(paragraph: Paragraph) -> float:
    return round(paragraph.first.size * 2) / 2


def _is_title(text: str) -> bool:
    words, signs = sum(map(str.isalpha, text)), len("".join(text.split()))
    is_wordy = words >= 2 and words >= 0.6 * signs  # formulas and figures are set large, too
    is_clean = "=" not in text and "://" not in text and not text.endswith(tuple("。！？；，、;,.!"))
    return is_wordy and is_clean and len(text) <= _HEADING_CHARS


def _put_tables(path: Path, pages: Sequence[Page]) -> None:
    """On pages with ruling lines, replace the lines that a table holds by the table."""
    if not any(page.ruled for page in pages):
        return
    import logging

    import pdfplumber

    logging.getLogger("pdfminer").setLevel(logging.ERROR)  # it warns of each glyph without a box
    # Opened here, because pdfplumber leaves a damaged file open.
    with path.open("rb") as file, pdfplumber.open(file) as pdf:
        for number, page in enumerate(pages, start=1):
            if not page.ruled:
                continue
            plumbed = pdf.pages[number - 1]
            for table in plumbed.find_tables():
                rows = [[join_lines((cell or "").split("\n")) for cell in row] for row in table.extract()]
                columns = {index for row in rows for index, cell in enumerate(row) if cell}
                if len([row for row in rows if any(row)]) > 1 and len(columns) > 1:
                    x0, top, x1, bottom = table.bbox
                    text = markdown_table(rows)
                    line = Line(text, x0, x1, page.height - bottom, page.height - top, 1.0, page=number, is_table=True)
                    page.lines = list(_with_table(page.lines, line))
            plumbed.close()


def _with_table(lines: list[Line], table: Line) -> Iterator[Line]:
    """Yield the lines outside the table, and the table where the first of its lines stood."""
    placed = False
    for line in lines:
        inside = table.bottom <= line.middle <= table.top and table.x0 <= (line.x0 + line.x1) / 2 <= table.x1
        if not placed and inside:
            yield table
            placed = True
        if not inside:
            yield line
    if not placed:
        yield table
