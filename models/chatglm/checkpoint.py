"""The weights of a model folder: which files hold which tensors, without running or loading any of them."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from core.messages import Message
from core.model_errors import CheckpointUnreadable
from models.chatglm.config import read_json
from models.chatglm.weight_files import FETCH_AGAIN, listed, no_access, read_weights

_SAFETENSORS, _TORCH = "model.safetensors", "pytorch_model.bin"
_SHARD = re.compile(r"-\d+-of-\d+\.(safetensors|bin)$")
_ADAPTER = "adapter_model."
_COMPUTED = ("rotary_emb.inv_freq", "rotary_pos_emb.inv_freq")  # tables in some releases; here they are computed

_NO_WEIGHTS = Message(
    "目录里没有权重（model.safetensors 或 pytorch_model.bin）",
    "the folder holds no weights (model.safetensors or pytorch_model.bin)",
)
_NO_INDEX = Message(
    "权重分成多个文件，却没有索引 *.index.json", "the weights are in parts, and their index *.index.json is missing"
)
_BAD_INDEX = Message("索引里没有有效的 weight_map", "its weight_map is missing or malformed")
_OUTSIDE = Message(
    "索引指向目录以外或不合法的文件名：{names}", "the index names files outside the folder or none at all: {names}"
)
_MISSING_FILES = Message("缺少权重文件：{names}", "of its files these are missing: {names}")
_MISSING_TENSORS = Message("索引说它有的张量不在里面：{names}", "it lacks tensors that the index promises: {names}")
_DISTRUST = Message(
    "不要使用这个目录；从官方来源重新下载模型。",
    "Do not use this folder; fetch the model again from its official source.",
)


class Checkpoint:
    """The tensors of a folder in the Hugging Face layout, mapped into memory.

    The first of these is read: `model.safetensors.index.json`, `model.safetensors` or the only `*.safetensors`,
    `pytorch_model.bin.index.json`, `pytorch_model.bin`. An index decides which of its files a tensor comes from; the
    size it states is not checked (ChatGLM-6B's own is wrong). Tables of rotary frequencies are left out. No Python
    file of the folder is looked at.

    Args:
        folder: the model's files.

    Raises:
        CheckpointUnreadable: a file is missing, damaged, a Git LFS pointer, not readable, or could run code.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tensors: dict[str, Tensor] = {}
        self._files: dict[str, Path] = {}
        try:
            files = _weight_files(folder)
        except OSError as error:
            raise no_access(folder, error) from error
        for path, promised in files.items():
            held = read_weights(path)
            if promised and (missing := promised - held.keys()):
                raise _unreadable(path, _MISSING_TENSORS.filled(names=listed(missing)))
            for name in held if promised is None else promised:
                if not name.endswith(_COMPUTED):
                    self._tensors[name] = held[name]
                    self._files[name] = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files; tensors handed out before stay valid and keep theirs mapped."""
        self._tensors.clear()
        self._files.clear()

    @property
    def names(self) -> frozenset[str]:
        """The names of all tensors."""
        return frozenset(self._tensors)

    def tensor(self, name: str) -> Tensor:
        """Return a tensor on the CPU, a view of its file; changes to it stay in this process.

        Raises:
            KeyError: there is none of this name.
        """
        return self._tensors[name]

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor, without reading its numbers."""
        return tuple(self._tensors[name].shape)

    def dtype(self, name: str) -> torch.dtype:
        """Return the type of a tensor, without reading its numbers."""
        return self._tensors[name].dtype

    def file_of(self, name: str) -> Path:
        """Return the file that holds a tensor."""
        return self._files[name]

    def size_bytes(self, names: Iterable[str] | None = None) -> int:
        """Return how much memory tensors take in their own types, all of them by default.

        Tensors that share their storage, as a tied embedding and head do in a `.bin`, count once.
        """
        wanted = (self._tensors[name] for name in (self._tensors if names is None else names))
        return sum({tensor.data_ptr(): tensor.nbytes for tensor in wanted}.values())


def _weight_files(folder: Path) -> Mapping[Path, frozenset[str] | None]:
    """Return the files to read with the tensors to take from each, None for all of them."""
    for usual in (_SAFETENSORS, _TORCH):
        index = folder / f"{usual}.index.json"
        if index.is_file():
            return _indexed(index)
        if path := _single_file(folder / usual):
            return {path: None}
    in_parts = any(_SHARD.search(path.name) for path in folder.glob("*-of-*"))
    raise _unreadable(folder, _NO_INDEX if in_parts else _NO_WEIGHTS)


def _single_file(usual: Path) -> Path | None:
    """Return the file with the usual name, or the only one of safetensors under another."""
    if usual.is_file():
        return usual
    others = [
        path
        for path in usual.parent.glob("*.safetensors")
        if not (path.name.startswith(_ADAPTER) or _SHARD.search(path.name))
    ]
    return others[0] if usual.name == _SAFETENSORS and len(others) == 1 else None


def _indexed(index: Path) -> Mapping[Path, frozenset[str]]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map or {type(file) for file in weight_map.values()} != {str}:
        raise _unreadable(index, _BAD_INDEX)
    files = sorted(set(weight_map.values()))
    if outside := [file for file in files if not _is_file_name(file)]:
        raise CheckpointUnreadable(file=index, why=_OUTSIDE.filled(names=listed(outside)), remedy=_DISTRUST)
    if missing := [file for file in files if not (index.parent / file).is_file()]:
        raise _unreadable(index, _MISSING_FILES.filled(names=listed(missing)))
    return {
        index.parent / file: frozenset(
            name for name, held_by in weight_map.items() if held_by == file and not name.endswith(_COMPUTED)
        )
        for file in files
    }


def _is_file_name(text: str) -> bool:
    return text not in {"", ".", ".."} and not set(text) & set("/\\:\0")


def _unreadable(file: Path, why: Message) -> CheckpointUnreadable:
    return CheckpointUnreadable(file=file, why=why, remedy=FETCH_AGAIN)
