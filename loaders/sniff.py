"""What a file really is, by its first bytes; suffixes lie."""

import re
from pathlib import Path
from zipfile import ZipFile

from core.load_errors import CorruptFile, EncryptedFile, FileTooLarge, UnsupportedFile
from core.messages import Message

_MB = 1024 * 1024
_SNIFFED_BYTES = 4096
_UNPACKED_FACTOR = 20  # an office file may unpack to this many times the limit for files
_OFFICE_TYPES = {  # how [Content_Types].xml names the main part
    b"wordprocessingml.document.main": ".docx",
    b"presentationml.presentation.main": ".pptx",
    b"presentationml.slideshow.main": ".pptx",
    b"spreadsheetml.sheet.main": ".xlsx",
    b"ms-excel.sheet.macroEnabled.main": ".xlsx",
}
_OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PDF_WITHIN = 1024  # readers accept other bytes before the mark
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_IMAGE = Message("图片，需要先做文字识别", "an image; it needs text recognition first")
_ARCHIVE = Message("压缩包", "an archive")
_OTHERS = {
    b"\x89PNG": _IMAGE,
    b"\xff\xd8\xff": _IMAGE,
    b"GIF8": _IMAGE,
    b"II*\0": _IMAGE,
    b"MM\0*": _IMAGE,
    b"RIFF": _IMAGE,
    b"Rar!": _ARCHIVE,
    b"7z\xbc\xaf": _ARCHIVE,
    b"\x1f\x8b": _ARCHIVE,
    b"{\\rtf": Message("RTF 文档", "an RTF document"),
}
_OLD_WORD = Message("Word 97-2003 文档，请另存为 .docx", "a Word 97-2003 document; save it as .docx")
_OLD_POWERPOINT = Message("PowerPoint 97-2003 文档，请另存为 .pptx", "a PowerPoint 97-2003 file; save it as .pptx")
_UNKNOWN = Message("未知的格式", "an unknown format")
_NOT_OFFICE = Message("不是 Office 文档的压缩包", "an archive that is not an office document")
_DTD = Message("含有 XML 实体定义，出于安全拒绝读取", "it defines XML entities, which is refused for safety")


def binary_suffix(path: Path, *, name: str, supported: str, max_mb: int) -> str:
    """Return the suffix that fits the bytes: .pdf, .docx, .pptx, .xlsx, .xls, .html, or "" for what must be other text.

    Raises:
        EncryptedFile: an office document with a password.
        UnsupportedFile: a known format that no loader reads.
        FileTooLarge: an office document that unpacks to more than 20 times `max_mb`, as a zip bomb does.
        CorruptFile: an office document with XML entity definitions.
        zipfile.BadZipFile: a damaged office document.
    """
    with path.open("rb") as file:
        head = file.read(_SNIFFED_BYTES)
    if b"%PDF-" in head[:_PDF_WITHIN]:
        return ".pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _office_suffix(path, name=name, supported=supported, max_mb=max_mb)
    if head.startswith(_OLE2):
        return _ole2_suffix(path, name=name, supported=supported)
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            raise UnsupportedFile(name=name, detail=what, supported=supported)
    return ".html" if _HTML.match(head) else ""


def _office_suffix(path: Path, *, name: str, supported: str, max_mb: int) -> str:
    with ZipFile(path) as archive:
        unpacked_mb = sum(member.file_size for member in archive.infolist()) / _MB
        if unpacked_mb > _UNPACKED_FACTOR * max_mb:
            raise FileTooLarge(name=name, size_mb=unpacked_mb, limit_mb=_UNPACKED_FACTOR * max_mb)
        if "[Content_Types].xml" not in archive.namelist():
            raise UnsupportedFile(name=name, detail=_NOT_OFFICE, supported=supported)
        for member in archive.namelist():
            if member.endswith((".xml", ".rels")):
                with archive.open(member) as part:
                    if b"<!DOCTYPE" in part.read(_SNIFFED_BYTES).replace(b"\0", b""):
                        raise CorruptFile(name=name, detail=_DTD)
        types = archive.read("[Content_Types].xml").replace(b"\0", b"")
    for mark, suffix in _OFFICE_TYPES.items():
        if mark in types:
            return suffix
    raise UnsupportedFile(name=name, detail=_NOT_OFFICE, supported=supported)


def _ole2_suffix(path: Path, *, name: str, supported: str) -> str:
    from msoffcrypto import OfficeFile
    from msoffcrypto.exceptions import FileFormatError

    with path.open("rb") as file:
        try:
            office = OfficeFile(file)
            if office.is_encrypted():
                raise EncryptedFile(name=name)
            found = office.format
        except FileFormatError:
            found = ""
    if found == "xls97":
        return ".xls"
    what = {"doc97": _OLD_WORD, "ppt97": _OLD_POWERPOINT}.get(found, _UNKNOWN)
    raise UnsupportedFile(name=name, detail=what, supported=supported)
