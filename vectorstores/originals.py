"""The originals of a knowledge base, byte for byte, in its `content/` folder."""

import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}")
_STORED_NAME = re.compile(r"[0-9a-f]{64}\b")
_PARTIAL = ".partial-"
_ABANDONED_S = 86_400.0


class Originals:
    """Files named by their hash, so that no name a user can think of ever becomes a path.

    A file that someone put into the folder by hand keeps its name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._local = threading.local()  # each thread settles the copies that it made itself

    @property
    def _unsettled(self) -> dict[str, Path]:
        if not hasattr(self._local, "unsettled"):
            self._local.unsettled = {}
        copies: dict[str, Path] = self._local.unsettled
        return copies

    def keep(self, source: Path, sha256: str) -> str:
        """Copy `source` here and return the name that the copy will have once it is settled.

        A file of that name may be there already; it may also be about to go with the document that it belongs to, so
        it is not relied on.
        """
        if source.is_relative_to(self.folder):
            return source.relative_to(self.folder).as_posix()
        stored_as = sha256 + (source.suffix.lower() if _SUFFIX.fullmatch(source.suffix) else "")
        if stored_as not in self._unsettled:
            self.folder.mkdir(parents=True, exist_ok=True)
            partial = self.path(f"{_PARTIAL}{os.getpid()}-{threading.get_ident()}-{stored_as}")
            try:
                shutil.copyfile(source, partial)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
            self._unsettled[stored_as] = partial
        return stored_as

    def sync(self) -> None:
        """Bring the bytes of every copy to the disk, so that no name ever stands for half a file."""
        for partial in self._unsettled.values():
            _sync(partial)

    def settle(self) -> None:
        """Give every copy its name; in the transaction that refers to it, which no removal can come between."""
        for stored_as, partial in self._unsettled.items():
            partial.replace(self.path(stored_as))
        if self._unsettled:
            _sync_folder(self.folder)
            self._unsettled.clear()

    def discard(self) -> None:
        """Delete the copies that have not been settled, and those that a killed process left long ago."""
        for partial in self._unsettled.values():
            partial.unlink(missing_ok=True)
        self._unsettled.clear()
        for partial in self.folder.glob(f"{_PARTIAL}*"):
            with suppress(FileNotFoundError):  # its own process may settle it right now
                if time.time() - partial.stat().st_mtime > _ABANDONED_S:
                    partial.unlink()

    def path(self, stored_as: str) -> Path:
        """Return where the original is."""
        return self.folder / stored_as

    def remove(self, names: Iterable[str]) -> None:
        """Delete originals; one that is gone already is no error."""
        for stored_as in names:
            self.path(stored_as).unlink(missing_ok=True)

    def all(self) -> list[Path]:
        """Return every file here, sorted; hidden ones do not count."""
        if not self.folder.is_dir():
            return []
        return sorted(
            path for path in self.folder.rglob("*") if path.is_file() and not path.name.startswith((".", "~$"))
        )

    def put_in_by_hand(self) -> list[Path]:
        """Return the files here that this program did not store, sorted."""
        return [path for path in self.all() if not _STORED_NAME.match(path.name)]


def write_durably(target: Path, data: bytes) -> None:
    """Write a file so that it is either whole or absent, whatever happens in between."""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=_PARTIAL, delete=False) as partial:
        partial.write(data)
    _sync(Path(partial.name))
    Path(partial.name).replace(target)
    _sync_folder(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make renames in a folder survive power loss, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
