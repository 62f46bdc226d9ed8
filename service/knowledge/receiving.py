"""One file that is arriving: written to the disk piece by piece, within the limits, whole in the end."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from core.errors import StoreUnwritable
from core.load_errors import EmptyFile, FileTooLarge, UnreadableFile
from core.messages import Message

MB = 1024 * 1024
RESERVE_BYTES = 64 * MB
"""What is left free on the disk, for the databases."""

_NO_BYTES = Message("文件是空的", "the file is empty")
_CUT_SHORT = Message("只收到 {got} 字节，应有 {size} 字节", "{got} of {size} bytes arrived")
_DISK_FULL = Message("磁盘只剩 {free} MB", "only {free} MB are free on the disk")


class Receiver:
    """One file that is arriving."""

    def __init__(self, stream: BinaryIO, folder: Path, name: str, limit_mb: int) -> None:
        self.received = 0
        self._stream, self._folder, self._name, self._limit_mb = stream, folder, name, limit_mb

    def write(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            FileTooLarge: they are more than the settings allow.
            StoreUnwritable: the disk is full.
        """
        self.received += len(data)
        _require_size(self._name, self.received, self._limit_mb)
        _require_room(self._folder, len(data))
        with unwritable(self._folder):
            self._stream.write(data)

    def sync(self) -> None:
        """Bring what has been taken to the disk."""
        with unwritable(self._folder):
            self._stream.flush()
            os.fsync(self._stream.fileno())


@contextmanager
def received(path: Path, name: str, limit_mb: int, size: int | None) -> Iterator[Receiver]:
    """Receive a file; after the block it is whole and on the disk, what an exception leaves of it is to be deleted.

    Args:
        path: where it is written.
        name: for the errors.
        limit_mb: the largest file accepted, in units of 1024 * 1024 bytes.
        size: in bytes, where it is known beforehand.

    Raises:
        LoadError: FileTooLarge, EmptyFile, or UnreadableFile where not all of it arrived.
        StoreUnwritable: the disk is full.
    """
    _require_size(name, size or 0, limit_mb)
    _require_room(path.parent, size or 0)
    with _opened(path) as stream:
        receiver = Receiver(stream, path.parent, name, limit_mb)
        yield receiver
        receiver.sync()
    _require_whole(name, receiver.received, size)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with unwritable(path.parent):
        stream = path.open("xb")
    try:
        yield stream
    finally:
        with suppress(OSError):  # the disk is full, which `sync` or the last `write` has said
            stream.close()


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Turn what the system says against writing into StoreUnwritable."""
    try:
        yield
    except OSError as error:
        raise StoreUnwritable(path=folder, detail=error.strerror or error) from error


def _require_size(name: str, size: int, limit_mb: int) -> None:
    if size > limit_mb * MB:
        raise FileTooLarge(name=name, size_mb=size / MB, limit_mb=limit_mb)


def _require_whole(name: str, received: int, size: int | None) -> None:
    if size is not None and received != size:
        raise UnreadableFile(name=name, detail=_CUT_SHORT.filled(got=received, size=size))
    if not received:
        raise EmptyFile(name=name, detail=_NO_BYTES)


def _require_room(folder: Path, size: int) -> None:
    with unwritable(folder):
        free = shutil.disk_usage(folder).free
    if free < size + RESERVE_BYTES:
        raise StoreUnwritable(path=folder, detail=_DISK_FULL.filled(free=free // MB))
