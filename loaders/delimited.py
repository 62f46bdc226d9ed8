"""CSV and TSV, whatever the delimiter really is."""

import csv
from collections import Counter
from collections.abc import Iterator
from io import StringIO

from langchain_core.documents import Document

from loaders.encodings import read_text
from loaders.parts import FileLoader
from loaders.records import records

_DELIMITERS = ",;\t|"
_SNIFFED_CHARS = 64_000
_SNIFFED_ROWS = 50


class DelimitedLoader(FileLoader):
    """One part a record. `row` is the number that a spreadsheet program shows beside it."""

    def lazy_load(self) -> Iterator[Document]:
        """Yield the records.

        Raises:
            CorruptFile: the bytes are no text.
            csv.Error: a cell is longer than the file, which no valid file has.
        """
        text = read_text(self.path, self.name)
        csv.field_size_limit(max(len(text), csv.field_size_limit()))  # the default of 128 KB cuts off long answers
        yield from records(enumerate(csv.reader(StringIO(text, newline=""), delimiter=_delimiter(text)), start=1))


def _delimiter(text: str) -> str:
    """Return the delimiter that splits most of the first records into the same number of cells; commas win ties."""
    sample = text[:_SNIFFED_CHARS]

    def regularity(delimiter: str) -> tuple[int, int]:
        reader = csv.reader(StringIO(sample, newline=""), delimiter=delimiter)
        widths = Counter(len(row) for row, _ in zip(reader, range(_SNIFFED_ROWS), strict=False) if len(row) > 1)
        width, rows = max(widths.items(), key=lambda item: item[1], default=(0, 0))
        return rows, width

    return max(_DELIMITERS, key=regularity)
