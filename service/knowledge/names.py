"""What knowledge bases may be called, and what their folders are called for it."""

import hashlib
import re
import unicodedata
from pathlib import Path

from core.errors import InvalidName
from core.messages import Message, well_formed
from vectorstores.originals import write_durably

NAME_FILE = "name.txt"
_NAME_LIMIT = 100

_EMPTY = Message("名字是空的", "it is empty")
_TOO_LONG = Message("名字太长", "it is too long")
_PATH_LIKE = Message("名字里有路径符号", "it contains path separators")
_ONLY_DOTS = Message("名字只有点号", "it consists of dots only")
_CONTROL = Message("名字里有控制字符", "it contains control characters")


def normal_name(name: str) -> str:
    """Return the one form of a name that is kept; what differs in case or width is another name."""
    return unicodedata.normalize("NFC", name).strip()


def valid_name(name: str) -> str:
    """Return the normal form of a name for a knowledge base.

    Raises:
        InvalidName: the name is empty, too long, or looks like a path.
    """
    normal = normal_name(name)
    why = None
    if not normal:
        why = _EMPTY
    elif len(normal) > _NAME_LIMIT:
        why = _TOO_LONG
    elif "/" in normal or "\\" in normal:
        why = _PATH_LIKE
    elif not normal.strip("."):
        why = _ONLY_DOTS
    elif any(unicodedata.category(sign) in ("Cc", "Cs") for sign in normal):
        why = _CONTROL
    if why is not None:
        raise InvalidName(name=well_formed(normal)[:_NAME_LIMIT], why=why, limit=_NAME_LIMIT)
    return normal


def folder_name(name: str) -> str:
    """Return a folder name that any file system takes: what is ASCII in the name, and a hash that tells names apart."""
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24]
    digest = hashlib.sha256(well_formed(name).encode()).hexdigest()[:10]
    return f"{readable}-{digest}" if readable else digest


def write_name(folder: Path, name: str) -> None:
    """Write a knowledge base's name beside its database, for when that cannot be read."""
    write_durably(folder / NAME_FILE, name.encode())


def written_name(folder: Path) -> str | None:
    """Return the name that was written beside a database; None for a knowledge base of an older program."""
    try:
        return (folder / NAME_FILE).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
