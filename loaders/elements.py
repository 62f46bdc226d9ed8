"""What `unstructured` finds in a file -> blocks."""

from collections.abc import Iterable, Iterator
from typing import Any

from loaders.outline import match_heading
from loaders.parts import Block, markdown_table

_NUMBERED_BELOW_STYLED = 10  # a heading told by its number ranks below every heading told by its style


def filled_rows(rows: list[Any]) -> list[list[str]]:
    """Return the texts of `tr` elements' cells, merged cells repeated, but a title over the whole width only once."""
    grid: list[dict[int, str]] = [{} for _ in rows]
    for number, row in enumerate(rows):
        column = 0
        for cell in row.xpath("./td|./th"):
            while column in grid[number]:
                column += 1
            text, across = " ".join(cell.itertext()), _span(cell, "colspan")
            for down in range(min(_span(cell, "rowspan"), len(rows) - number)):
                grid[number + down].update(dict.fromkeys(range(column, column + across), text))
            column += across
    width = max((max(cells, default=-1) + 1 for cells in grid), default=0)
    filled = [[cells.get(column, "") for column in range(width)] for cells in grid]
    # A column that is nowhere a column of its own exists only because other rows have more cells.
    own = [column for column in range(width) if column == 0 or any(row[column] != row[column - 1] for row in filled)]
    kept = [[row[column] for column in own] for row in filled]
    return [[row[0], *[""] * (len(row) - 1)] if len(row) > 2 and len(set(row)) == 1 else row for row in kept]


def table_block(html: str, place: dict[str, int] | None = None) -> Block | None:
    """Turn an HTML table into a block, spans filled in; None where the table holds no text."""
    from lxml.html import fromstring

    rows = filled_rows(fromstring(html).xpath(".//tr"))
    text = markdown_table(rows)
    return Block(text, "table", place=place or {}) if text else None


def element_blocks(elements: Iterable[Any], *, numbered_headings: bool = False) -> Iterator[Block]:
    """Map the elements of a document.

    Args:
        elements: what a `partition_*` function returned.
        numbered_headings: take short numbered paragraphs (第一章, 2.1) for headings too, as in files without styles.
    """
    for element in elements:
        text, depth = element.text.strip(), element.metadata.category_depth or 0
        if element.category == "Table":
            if block := table_block(element.metadata.text_as_html or ""):
                yield block
        elif not text or element.category in ("Image", "Header", "Footer", "PageBreak", "PageNumber"):
            continue
        elif element.category == "Title":
            yield Block(text, "heading", depth + 1)
        elif element.category == "ListItem":
            yield Block(f"{'  ' * max(depth - 1, 0)}- {text}", "item")
        elif numbered_headings and (heading := match_heading(text)):
            yield Block(text, "heading", _NUMBERED_BELOW_STYLED + heading.level)
        else:
            yield Block(text)


def _span(cell: Any, attribute: str) -> int:
    value = str(cell.get(attribute, "1")).strip()
    return min(max(int(value), 1), 200) if value.isdecimal() else 1
