"""Helpers of the loader tests: every input file is built here or in the test that reads it."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from loaders.registry import load_file


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., list[Document]]:
    """Write bytes (or UTF-8 text) to a file of the given name and load it."""

    def write_and_load(name: str, content: bytes | str, **options: Any) -> list[Document]:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return load_file(path, **options)

    return write_and_load


@pytest.fixture
def pdf(tmp_path: Path) -> Callable[..., Path]:
    """Draw a PDF with the built-in Chinese font, which needs no font file; `draw` gets a reportlab canvas."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfgen.canvas import Canvas

    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    numbers = itertools.count()

    def build(draw: Callable[[Any], None], **options: Any) -> Path:
        path = tmp_path / f"drawn-{next(numbers)}.pdf"
        canvas = Canvas(str(path), pagesize=(595, 842), **options)
        canvas.setFont("STSong-Light", 12)
        draw(canvas)
        canvas.save()
        return path

    return build
