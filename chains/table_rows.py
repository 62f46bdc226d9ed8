"""Rows of the tables that loaders write as text: `| cell | cell |` under a head and a ruling."""


def is_table_row(line: str) -> bool:
    """Tell whether a line is a row, a head or a ruling."""
    return line.startswith("|")


def only_frames(line: str, following: str) -> bool:
    """Tell whether a table's line is its ruling, or its head, which is followed by the ruling."""
    next_line = following.lstrip("\n").split("\n", 1)[0]
    return _is_ruling(line) or _is_ruling(next_line)


def in_words(row: str, text: str) -> str:
    """Return a row as "column: cell" pairs, as far as the table's head stands in `text`."""
    cells = _cells(row)
    lines = text[: text.find(row)].splitlines()
    heads = [lines[number - 1] for number, line in enumerate(lines) if number and _is_ruling(line)]
    columns = _cells(heads[-1]) if heads else []
    if len(columns) != len(cells):
        return "；".join(cell for cell in cells if cell)
    return "；".join(f"{column}：{cell}" for column, cell in zip(columns, cells, strict=True) if cell)


def _is_ruling(line: str) -> bool:
    return line.startswith("|") and set(line) <= set("|-: ")


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]
