"""One file of weights, mapped into memory; nothing in it is ever run.

Two formats hold the released checkpoints: safetensors, a header and raw numbers, and the zip archive of `torch.save`,
whose pickle is read by torch's restricted unpickler (`weights_only`), which knows tensors and no other code.
"""

import ctypes
import mmap
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from core.messages import Message
from core.model_errors import CheckpointUnreadable
from models.folders import LFS_POINTER

_PICKLE = b"\x80"
_DETAIL_CHARS, _NAMES_SHOWN = 200, 5

FETCH_AGAIN = Message(
    "重新下载这个文件；目录里的模型用 `python cli_demo.py models download 名字` 补全。",
    "Download the file again; `python cli_demo.py models download NAME` completes a model of the catalogue.",
)
_FETCH_LFS = Message(
    "在模型目录里运行 `git lfs pull`，或用 `python cli_demo.py models download 名字` 下载。",
    "Run `git lfs pull` in the model's folder, or `python cli_demo.py models download NAME`.",
)
_SAVE_AGAIN = Message(
    "换用 safetensors 版本；或在信得过这个文件的地方，把其中的张量用 safetensors.torch.save_file 重新保存。",
    "Use a safetensors version; or, where the file is trusted, save its tensors anew with safetensors.torch.save_file.",
)
_ALLOW_READING = Message("检查这个文件和它所在目录的权限。", "Check the permissions of the file and its folder.")

_IS_POINTER = Message("这只是 Git LFS 的指针，不是权重本身", "it is a Git LFS pointer, not the weights")
_DAMAGED = Message("文件不完整或已损坏（{detail}）", "it is incomplete or damaged ({detail})")
_OLD_PICKLE = Message(
    "它是旧式的 pickle 文件，打开它可能运行其中的代码", "it is an old pickle file, and to open one may run code in it"
)
_HOLDS_CODE = Message("它要求运行代码：{detail}", "it asks to run code: {detail}")
_NOT_TENSORS = Message("它不只是张量：{detail}", "it holds more than tensors: {detail}")
_NO_ACCESS = Message("打不开（{detail}）", "it cannot be opened ({detail})")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name, on the CPU, as views of the file mapped into memory.

    Their numbers are read from disk when they are used, and a change to one stays in this process. The suffix
    `.safetensors` tells the format; any other file is an archive of `torch.save`.

    Raises:
        CheckpointUnreadable: the file cannot be opened, is a Git LFS pointer, is damaged, is a pickle outside a zip
            archive, or holds anything but plain tensors.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(len(LFS_POINTER))
    except OSError as error:
        raise no_access(path, error) from error
    if head == LFS_POINTER:
        raise CheckpointUnreadable(file=path, why=_IS_POINTER, remedy=_FETCH_LFS)
    if path.suffix == ".safetensors":
        with _damage_named(path):
            return load_file(path)
    if head.startswith(_PICKLE):
        raise CheckpointUnreadable(file=path, why=_OLD_PICKLE, remedy=_SAVE_AGAIN)
    return _read_archive(path)


def let_go(tensor: Tensor) -> None:
    """Take a mapped tensor out of this process's memory until it is next read. Only Linux can; elsewhere, nothing.

    Without this, a checkpoint that has been read through counts as the process's memory beside what was made of it.
    """
    if sys.platform != "linux" or not _is_mapped_file(tensor.data_ptr()):
        return  # memory that is no file's would come back as zeros
    start = -(-tensor.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE  # whole pages, none of a neighbour's
    length = (tensor.data_ptr() + tensor.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE - start
    if length > 0:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), mmap.MADV_DONTNEED)


def _is_mapped_file(address: int) -> bool:
    with Path("/proc/self/maps").open(encoding="utf-8") as maps:
        for line in maps:
            span, _, _, _, inode = line.split(maxsplit=5)[:5]
            start, end = (int(number, 16) for number in span.split("-"))
            if start <= address < end:
                return inode != "0"
    return False


def no_access(path: Path, error: OSError) -> CheckpointUnreadable:
    """Return the error for a file or a folder that the system does not let us read."""
    why = _NO_ACCESS.filled(detail=error.strerror or error)
    return CheckpointUnreadable(file=path, why=why, remedy=_ALLOW_READING)


def listed(names: Iterable[str]) -> str:
    """Return names in order, separated by commas; of many, the first ones and how many there are."""
    ordered = sorted(names)
    more = f" … ({len(ordered)})" if len(ordered) > _NAMES_SHOWN else ""
    return ", ".join(ordered[:_NAMES_SHOWN]) + more


def _read_archive(path: Path) -> dict[str, Tensor]:
    with _damage_named(path):
        code = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        content = None if code else torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if code:
        raise _not_weights(path, _HOLDS_CODE, code)
    if not isinstance(content, Mapping):
        raise _not_weights(path, _NOT_TENSORS, [type(content).__name__])
    if strange := [str(name) for name, value in content.items() if not (isinstance(name, str) and _is_plain(value))]:
        raise _not_weights(path, _NOT_TENSORS, strange)
    return {name: tensor.detach() for name, tensor in content.items()}


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # two libraries and an unpickler, each with errors of its own, on hostile bytes
        detail = f"{type(error).__name__}: {error}".partition("\n")[0][:_DETAIL_CHARS]
        raise CheckpointUnreadable(file=path, why=_DAMAGED.filled(detail=detail), remedy=FETCH_AGAIN) from error


def _not_weights(path: Path, why: Message, names: Iterable[str]) -> CheckpointUnreadable:
    return CheckpointUnreadable(file=path, why=why.filled(detail=listed(names)), remedy=_SAVE_AGAIN)


def _is_plain(value: Any) -> bool:
    """Tell whether a value is numbers in memory: torch may also restore sparse tensors and ones without content."""
    return isinstance(value, Tensor) and value.layout == torch.strided and value.is_cpu and not value.is_quantized
