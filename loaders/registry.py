"""Which loader reads which file: by what the bytes are, and among text formats by the suffix."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from langchain_core.documents import Document

from core.load_errors import CorruptFile, EmptyFile, FileTooLarge, LoadError, MissingFile, UnsupportedFile
from core.messages import Message
from loaders.delimited import DelimitedLoader
from loaders.docx import DocxLoader
from loaders.eml import EmlLoader
from loaders.html import HtmlLoader
from loaders.json_lines import JsonLinesLoader, JsonLoader
from loaders.markdown import MarkdownLoader
from loaders.parts import FileLoader
from loaders.pdf import PdfLoader
from loaders.pptx import PptxLoader
from loaders.sniff import binary_suffix
from loaders.spreadsheet import XlsLoader, XlsxLoader
from loaders.text import TextLoader


def _load_attachment(path: Path, name: str) -> list[Document]:
    """Read a mail's attachment; messages within messages are not opened."""
    suffix = path.suffix
    return load_file(path, name=name) if suffix in SUPPORTED_SUFFIXES and suffix != ".eml" else []


_LOADERS: dict[str, Callable[..., FileLoader]] = {
    ".txt": TextLoader,
    ".md": MarkdownLoader,
    ".markdown": MarkdownLoader,
    ".html": HtmlLoader,
    ".htm": HtmlLoader,
    ".pdf": PdfLoader,
    ".docx": DocxLoader,
    ".pptx": PptxLoader,
    ".xlsx": XlsxLoader,
    ".xls": XlsLoader,
    ".csv": DelimitedLoader,
    ".tsv": DelimitedLoader,
    ".json": JsonLoader,
    ".jsonl": JsonLinesLoader,
    ".eml": partial(EmlLoader, load_attachment=_load_attachment),
}
SUPPORTED_SUFFIXES: tuple[str, ...] = tuple(_LOADERS)

_BINARY = (".pdf", ".docx", ".pptx", ".xlsx", ".xls")  # what is text cannot be one of these
_MAY_BEGIN_WITH_HTML = (".html", ".htm", ".md", ".markdown")
_SUPPORTED = " ".join(SUPPORTED_SUFFIXES)
_MB = 1024 * 1024
_FOLDER = Message("这是一个文件夹", "it is a folder")
_NO_BYTES = Message("文件是空的", "the file is empty")
_NO_WORDS = Message("只有空白", "there is nothing but white space")
_ERROR_CHARS = 200


def load_file(path: Path, *, name: str | None = None, max_mb: int = 50) -> list[Document]:
    """Read a file into parts; the text of the whole file is their `page_content` joined.

    Each part's metadata has `kind` ("text", "table" or "row") and, where known, `page`, `slide` and `row` (counted from
    1), `pages` (how many pages or slides there are), `sheet`, `heading` ("A > B") and `title`.

    Args:
        path: where the bytes are.
        name: the file's name as the user knows it, which also gives the suffix; the path's own name if not given.
        max_mb: the largest file accepted, in units of 1024 * 1024 bytes.

    Raises:
        LoadError: MissingFile, UnsupportedFile, EmptyFile, EncryptedFile, FileTooLarge or CorruptFile.
    """
    name = name or path.name
    if not path.exists():
        raise MissingFile(name=name)
    if path.is_dir():
        raise UnsupportedFile(name=name, detail=_FOLDER, supported=_SUPPORTED)
    size = path.stat().st_size
    if size > max_mb * _MB:
        raise FileTooLarge(name=name, size_mb=size / _MB, limit_mb=max_mb)
    if not size:
        raise EmptyFile(name=name, detail=_NO_BYTES)
    with _parser_errors(name):
        parts = list(_choose(path, name, max_mb)(path, name=name).lazy_load())
    if not any(part.page_content.strip() for part in parts):
        raise EmptyFile(name=name, detail=_NO_WORDS)
    return parts


def _choose(path: Path, name: str, max_mb: int) -> Callable[..., FileLoader]:
    said = (Path(name).suffix or path.suffix).lower()
    true = binary_suffix(path, name=name, supported=_SUPPORTED, max_mb=max_mb)
    if true == ".html":
        return _LOADERS[said if said in _MAY_BEGIN_WITH_HTML else true]
    if true:
        return _LOADERS[true]
    return TextLoader if said in _BINARY else _LOADERS.get(said, TextLoader)


@contextmanager
def _parser_errors(name: str) -> Iterator[None]:
    """Turn whatever a third-party parser raises into a CorruptFile that names the cause."""
    try:
        yield
    except (LoadError, MemoryError):
        raise
    except Exception as error:  # parsers of damaged and hostile files raise anything at all
        cause = f"{type(error).__name__}: {error}"[:_ERROR_CHARS].replace("{", "{{").replace("}", "}}")
        raise CorruptFile(name=name, detail=Message(cause, cause)) from error
