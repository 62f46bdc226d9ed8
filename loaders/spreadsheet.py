"""Excel workbooks, the current format and the one before 2007."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from langchain_core.documents import Document

from loaders.parts import FileLoader
from loaders.records import Row, records

_STREAM_FROM_BYTES = 4 * 1024 * 1024  # above this, merged cells are not worth holding the whole workbook in memory


class XlsxLoader(FileLoader):
    """Every sheet's rows, with the values that the formulas had when the file was saved."""

    def lazy_load(self) -> Iterator[Document]:
        """Yield one part a row. Merged cells are filled, except in files that are too large to be held in memory."""
        from openpyxl import load_workbook

        stream = self.path.stat().st_size > _STREAM_FROM_BYTES
        with self.path.open("rb") as file:
            book = load_workbook(file, read_only=stream, data_only=True, keep_links=False)
            for sheet in book.worksheets:
                if stream:
                    sheet.reset_dimensions()  # some writers store a wrong size, and rows would be missing
                else:
                    _fill_merged(sheet)
                yield from records(_rows(sheet), sheet=sheet.title)
            book.close()


class XlsLoader(FileLoader):
    """The binary format of Excel 97-2003."""

    def lazy_load(self) -> Iterator[Document]:
        """Yield one part a row, merged cells filled."""
        import xlrd

        # Without formatting_info the file's merged cells are not read.
        book = xlrd.open_workbook(file_contents=self.path.read_bytes(), logfile=_Silence(), formatting_info=True)
        for sheet in book.sheets():
            yield from records(_xls_rows(sheet, book.datemode), sheet=sheet.name)


class _Silence:
    """A log file that keeps nothing: xlrd prints its remarks to the terminal otherwise."""

    def write(self, text: str) -> int:
        return len(text)


def _fill_merged(sheet: Any) -> None:
    for area in list(sheet.merged_cells.ranges):
        value = sheet.cell(area.min_row, area.min_col).value
        last_row, last_column = min(area.max_row, sheet.max_row), min(area.max_col, sheet.max_column)
        sheet.unmerge_cells(area.coord)
        for row in range(area.min_row, last_row + 1):
            for column in range(area.min_col, last_column + 1):
                sheet.cell(row, column).value = value


def _rows(sheet: Any) -> Iterator[Row]:
    for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
        yield number, [_text(value) for value in values]


def _xls_rows(sheet: Any, datemode: int) -> Iterator[Row]:
    origin = {
        (row, column): (top, left)
        for top, bottom, left, right in sheet.merged_cells
        for row in range(top, bottom)
        for column in range(left, right)
    }
    for row in range(sheet.nrows):
        cells = [sheet.cell(*origin.get((row, column), (row, column))) for column in range(sheet.ncols)]
        yield row + 1, [_text(_xls_value(cell, datemode)) for cell in cells]


def _xls_value(cell: Any, datemode: int) -> Any:
    import xlrd

    if cell.ctype == xlrd.XL_CELL_DATE:
        return xlrd.xldate_as_datetime(cell.value, datemode) if cell.value >= 1 else timedelta(days=cell.value)
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return bool(cell.value)
    return xlrd.error_text_from_code.get(cell.value) if cell.ctype == xlrd.XL_CELL_ERROR else cell.value


def _text(value: Any) -> str:
    """Write a cell's value as a person would: dates in ISO form, whole numbers without a decimal point."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
    return str(value).replace("\r\n", "\n").replace("_x000D_", "")
