"""Lines of text with their places, read from a PDF by pdfium."""

import math
import re
import threading
from ctypes import byref, c_int, create_string_buffer
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.load_errors import EncryptedFile
from loaders.pdf_layout import Line
from loaders.wrapping import SOFT_HYPHEN

_PDFIUM = threading.Lock()  # pdfium is not thread-safe
_GAP_SIZES = 1.5  # a space wider than this many type sizes separates columns or cells
_BLANKS = frozenset(" \u00a0\u3000\t\0\r\n")
_HYPHENS = frozenset("\x02\ufffe")  # how pdfium reports a hyphen at the end of a line, with no line end after it
_BOLD_WEIGHT = 600
_BOLD_NAME = re.compile(r"(?i)bold|black|heavy|demi|simhei|黑体")
# Programs write their own name or a file's path there when the author gave no title.
_NO_TITLE = re.compile(r"(?i)^(?:microsoft|untitled|无标题|powerpoint)|[\\/]|\.(?:docx?|pdf|pptx?|wps|xlsx?|indd)$")


@dataclass(slots=True)
class Page:
    """What a page holds; `ruled` tells whether lines are drawn that may be a table's. Lengths are points."""

    lines: list[Line]
    height: float
    ruled: bool
    has_image: bool


def read_pages(path: Path, name: str) -> tuple[list[Page], str]:
    """Return the pages and the document's own title, empty if it has none.

    Raises:
        EncryptedFile: a password is needed to open it.
        pypdfium2.PdfiumError: the file is damaged.
    """
    import pypdfium2
    from pypdfium2 import raw

    with _PDFIUM:
        try:
            pdf = pypdfium2.PdfDocument(path)
        except pypdfium2.PdfiumError as error:
            if error.err_code == raw.FPDF_ERR_PASSWORD:
                raise EncryptedFile(name=name) from error
            raise
        with pdf:
            title = pdf.get_metadata_value("Title").strip()
            pages = [_read_page(page, number) for number, page in enumerate(pdf, start=1)]
    return pages, "" if _NO_TITLE.search(title) else title


def _read_page(page: Any, number: int) -> Page:
    from pypdfium2 import raw

    textpage = page.get_textpage()
    lines = _read_lines(textpage, number)
    textpage.close()
    width, height = page.get_width(), page.get_height()
    left, bottom, *_ = page.get_cropbox()
    for line in lines:
        _turn(line, page.get_rotation(), (width, height), (left, bottom))
    across = down = 0
    for drawn in page.get_objects(filter=(raw.FPDF_PAGEOBJ_PATH,)):
        x0, y0, x1, y1 = drawn.get_bounds()
        across += x1 - x0 > 20
        down += y1 - y0 > 8
    has_image = any(True for _ in page.get_objects(filter=(raw.FPDF_PAGEOBJ_IMAGE,)))
    page.close()
    return Page(lines, height, across >= 2 and down >= 2, has_image)


def _turn(line: Line, rotation: int, shown: tuple[float, float], origin: tuple[float, float]) -> None:
    """Move a line from the page's own coordinates to those of the page as it is shown."""
    width, height = shown
    x0, x1 = line.x0 - origin[0], line.x1 - origin[0]
    y0, y1 = line.bottom - origin[1], line.top - origin[1]
    if rotation == 90:
        x0, x1, y0, y1 = y0, y1, height - x1, height - x0
    elif rotation == 180:
        x0, x1, y0, y1 = width - x1, width - x0, height - y1, height - y0
    elif rotation == 270:
        x0, x1, y0, y1 = width - y1, width - y0, x0, x1
    line.x0, line.x1, line.bottom, line.top = x0, x1, y0, y1


def _read_lines(textpage: Any, number: int) -> list[Line]:
    """Return the runs of text in the order of the page's content; a wide gap ends a run as the end of a line does."""
    from pypdfium2 import raw

    lines: list[Line] = []
    text, first, last, follows = "", 0, 0, False
    characters = [chr(raw.FPDFText_GetUnicode(textpage, index)) for index in range(textpage.count_chars())]
    for index, character in enumerate([*characters, "\n"]):
        ends = character in "\r\n" or text.endswith(SOFT_HYPHEN)
        visible = character not in _BLANKS
        apart = bool(text) and visible and not ends and last < index - 1 and _gap(textpage, last, index) > _GAP_SIZES
        if text and (ends or apart):
            lines.append(_line(textpage, text, (first, last), number))
            lines[-1].follows, text = follows, ""
        if ends or apart:
            follows = apart
        if visible:
            first = first if text else index
            text += SOFT_HYPHEN if character in _HYPHENS else character
            last = index
        elif text and character not in "\0\r\n":
            text += character
    return lines


def _line(textpage: Any, text: str, ends: tuple[int, int], number: int) -> Line:
    first, last = ends
    start, end = _box(textpage, first), _box(textpage, last)
    return Line(
        # Characters outside the basic plane may come as two halves.
        text=text.rstrip().encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
        x0=min(start.left, end.left),
        x1=max(start.right, end.right),
        bottom=min(start.bottom, end.bottom),
        top=max(start.top, end.top),
        size=max(_size(textpage, first), _size(textpage, last)) or start.top - start.bottom,
        bold=_is_bold(textpage, first) and _is_bold(textpage, last),
        page=number,
    )


def _size(textpage: Any, index: int) -> float:
    """Return a character's type size in points, as drawn."""
    from pypdfium2 import raw

    matrix = raw.FS_MATRIX()
    raw.FPDFText_GetMatrix(textpage, index, byref(matrix))
    return float(raw.FPDFText_GetFontSize(textpage, index) * math.hypot(matrix.b, matrix.d))


def _is_bold(textpage: Any, index: int) -> bool:
    from pypdfium2 import raw

    flags, name = c_int(), create_string_buffer(128)
    raw.FPDFText_GetFontInfo(textpage, index, name, len(name), byref(flags))
    heavy = raw.FPDFText_GetFontWeight(textpage, index) >= _BOLD_WEIGHT
    return heavy or _BOLD_NAME.search(name.value.decode("utf-8", "replace")) is not None


def _gap(textpage: Any, left: int, right: int) -> float:
    """Return the distance between two characters in units of their height."""
    before, after = _box(textpage, left), _box(textpage, right)
    return float((after.left - before.right) / max(before.top - before.bottom, 1.0))


def _box(textpage: Any, index: int) -> Any:
    from pypdfium2 import raw

    box = raw.FS_RECTF()
    raw.FPDFText_GetLooseCharBox(textpage, index, byref(box))
    return box
