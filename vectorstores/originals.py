"""The originals of a knowledge base, byte for byte, in its `content/` folder."""

import os
import re
import tempfile
from pathlib import Path

_COPY_BYTES = 1 << 20
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}")


class Originals:
    """Files named by their hash, so that no name a user can think of ever becomes a path.

    A file that someone put into the folder by hand keeps its name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, source: Path, sha256: str) -> str:
        """Copy `source` here, durably, and return the name it is stored under. Keeping the same bytes twice is free."""
        if source.resolve().is_relative_to(self.folder.resolve()):
            return source.resolve().relative_to(self.folder.resolve()).as_posix()
        suffix = source.suffix.lower() if _SUFFIX.fullmatch(source.suffix) else ""
        stored_as = sha256 + suffix
        if not self.path(stored_as).exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            _copy_durably(source, self.path(stored_as))
        return stored_as

    def path(self, stored_as: str) -> Path:
        """Return where the original is."""
        return self.folder / stored_as

    def remove(self, stored_as: str) -> None:
        """Delete an original; one that is gone already is no error."""
        self.path(stored_as).unlink(missing_ok=True)

    def put_in_by_hand(self) -> list[Path]:
        """Return the files here that this program did not store, sorted; hidden files do not count."""
        if not self.folder.is_dir():
            return []
        return sorted(
            path
            for path in self.folder.rglob("*")
            if path.is_file() and not path.name.startswith((".", "~$")) and not re.match(r"[0-9a-f]{64}\b", path.name)
        )


def write_durably(target: Path, data: bytes) -> None:
    """Write a file so that it is either whole or absent, whatever happens in between."""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".partial-", delete=False) as partial:
        partial.write(data)
        partial.flush()
        os.fsync(partial.fileno())
    _move_into_place(Path(partial.name), target)


def _copy_durably(source: Path, target: Path) -> None:
    with (
        source.open("rb") as stream,
        tempfile.NamedTemporaryFile(dir=target.parent, prefix=".partial-", delete=False) as partial,
    ):
        while block := stream.read(_COPY_BYTES):
            partial.write(block)
        partial.flush()
        os.fsync(partial.fileno())
    _move_into_place(Path(partial.name), target)


def _move_into_place(partial: Path, target: Path) -> None:
    partial.replace(target)
    if hasattr(os, "O_DIRECTORY"):  # a rename survives power loss only once its folder is synced
        descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
