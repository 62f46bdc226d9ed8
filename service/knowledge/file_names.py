"""Which names of files are taken for documents, and in which form."""

import re
import unicodedata

from core.load_errors import InvalidFileName
from core.messages import Message, well_formed

_PART_LIMIT = 255
_SHOWN_CHARS = 200
_DRIVE = re.compile(r"[A-Za-z]:")
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")  # they make "exe.txt" read as another name

_EMPTY = Message("名字是空的", "it is empty")
_ABOVE = Message("路径里有 ..", "its path holds ..")
_HAS_DRIVE = Message("路径以盘符开头", "its path begins with a drive letter")
_HIDDEN = Message("隐藏文件和临时文件不添加", "hidden and temporary files are not added")
_CONTROL = Message("名字里有控制字符", "it contains control characters")
_TOO_LONG = Message(f"其中一级超过 {_PART_LIMIT} 个字符", f"a part of its path is longer than {_PART_LIMIT} characters")


def is_hidden(part: str) -> bool:
    """Whether a part of a path belongs to what systems and office programs hide from their users."""
    return part.startswith((".", "~$"))


def composed(name: str) -> str:
    """Return a name in composed characters, so that one name is one document whatever system it comes from."""
    return unicodedata.normalize("NFC", well_formed(name))


def document_name(sent: str) -> str:
    """Return the name of a document from what a browser sends: a file's name, or its path below a dropped folder.

    The result has forward slashes and no empty parts; it is a name only, and never leads to a file on the disk.

    Raises:
        InvalidFileName: no document may be called so.
    """
    name = composed(sent).replace("\\", "/")
    parts = [part for part in name.split("/") if part.strip() not in ("", ".")]
    if (why := _objection(name, parts)) is not None:
        shown = "".join(sign if sign.isprintable() else "?" for sign in name[:_SHOWN_CHARS])
        raise InvalidFileName(name=shown, why=why)
    return "/".join(parts)


def _objection(name: str, parts: list[str]) -> Message | None:
    if not parts:
        return _EMPTY
    if any(unicodedata.category(sign) in ("Cc", "Zl", "Zp") for sign in name) or _DIRECTIONS.search(name):
        return _CONTROL
    if any(part.strip() == ".." for part in parts):
        return _ABOVE
    if _DRIVE.match(parts[0]):
        return _HAS_DRIVE
    if any(is_hidden(part) for part in parts):
        return _HIDDEN
    return _TOO_LONG if any(len(part) > _PART_LIMIT for part in parts) else None
