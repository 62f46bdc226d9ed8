"""What is searched of a chunk, whoever indexes it."""


def indexed_text(title: str, heading: str, table_header: str, text: str) -> str:
    """Return what is searched: title, heading path and the head of a cut table stand before the chunk's own text."""
    return "\n".join(part for part in (title, heading, table_header, text) if part)
