"""Whether the files of a model on disk are all there and whole, without loading any of them."""

import json
import struct
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.messages import Message
from models.hub_files import WORK_FOLDER

FolderState = Literal["absent", "incomplete", "complete"]

_CHATGLM_TOKENIZERS = ("ice_text.model", "tokenizer.model")  # ChatGLM-6B; ChatGLM2-6B and ChatGLM3-6B
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
_FORMATS = (
    ("model.safetensors.index.json", "model*.safetensors"),
    ("pytorch_model.bin.index.json", "pytorch_model*.bin"),
)
LFS_POINTER = b"version https://git-lfs"
"""How the file begins that Git LFS leaves where it has not fetched the real one."""
_POINTER_BYTES = 1024  # more than any has
_PICKLE = b"\x80"

_NO_FILE = Message("缺少 {file}", "{file} is missing")
_NO_TOKENIZER = Message("缺少分词器文件（{files}）", "the tokenizer file is missing ({files})")
_NO_WEIGHTS = Message("缺少权重文件", "the weight files are missing")
_IS_POINTER = Message(
    "{file} 只是 Git LFS 指针，不是文件本身",
    "{file} is a Git LFS pointer, not the file itself",
)
_NOT_JSON = Message("{file} 不是有效的 JSON（{detail}）", "{file} is not valid JSON ({detail})")
_CUT_SHORT = Message("{file} 不完整或已损坏（{size} 字节）", "{file} is cut short or damaged ({size} bytes)")


@dataclass(frozen=True, slots=True)
class FolderReport:
    """What is in a model's folder.

    Attributes:
        problems: what keeps it from being complete, one message each; empty if there is nothing at all.
        size_bytes: of everything in it.
        code_files: names of Python files, which are never run.
    """

    state: FolderState
    problems: tuple[Message, ...] = ()
    size_bytes: int = 0
    code_files: tuple[str, ...] = ()


def inspect_folder(folder: Path, *, is_chatglm: bool = False) -> FolderReport:
    """Look at the folder of a language model or an embedding.

    Complete means: a readable `config.json`, a tokenizer, every weight file that the index names (in one of the two
    formats), each as long as its own header says, and none of them a Git LFS pointer.

    Args:
        is_chatglm: its tokenizer must be one of the two that ChatGLM was published with.
    """
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    own = [path for path in files if path.relative_to(folder).parts[0] != WORK_FOLDER]
    code = tuple(sorted(path.name for path in own if path.suffix == ".py"))
    size = sum(path.stat().st_size for path in files)
    if len(own) == len(code) and len(files) == len(own):
        return FolderReport("absent", size_bytes=size, code_files=code)
    pointers = [_IS_POINTER.filled(file=path.name) for path in sorted(own) if _is_pointer(path)]
    problems = (
        *pointers,
        *_json_problems(folder, ["config.json"]),
        *_tokenizer_problems(folder, _CHATGLM_TOKENIZERS if is_chatglm else _TOKENIZERS),
        *_module_problems(folder),
        *_weight_problems(folder),
    )
    return FolderReport("incomplete" if problems else "complete", problems, size, code)


def _json_problems(folder: Path, names: Iterable[str]) -> list[Message]:
    problems = []
    for name in names:
        path = folder / name
        if not path.is_file():
            problems.append(_NO_FILE.filled(file=name))
        elif not _is_pointer(path):
            try:
                json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                problems.append(_NOT_JSON.filled(file=name, detail=error))
    return problems


def _tokenizer_problems(folder: Path, names: tuple[str, ...]) -> list[Message]:
    if any(next(folder.rglob(name), None) for name in names):
        return []
    return [_NO_TOKENIZER.filled(files=" / ".join(names))]


def _module_problems(folder: Path) -> list[Message]:
    """Check what `modules.json` of sentence-transformers names: a pooling layer without its settings is lost."""
    modules = _read_json(folder / "modules.json")
    named = modules if isinstance(modules, list) else []
    wanted = [
        f"{module['path']}/config.json"
        for module in named
        if isinstance(module, dict) and str(module.get("type", "")).endswith(("Pooling", "Dense")) and module["path"]
    ]
    return _json_problems(folder, wanted)


def _weight_problems(folder: Path) -> list[Message]:
    """Return what is wrong with the weights; nothing where those of one format are all there."""
    found: list[Message] = []
    for index, pattern in _FORMATS:
        values = _read_json(folder / index)
        shards = values.get("weight_map") if isinstance(values, dict) else None
        present = {path.name for path in folder.glob(pattern)}
        wanted = sorted(set(shards.values())) if isinstance(shards, dict) else sorted(present)
        missing = [_NO_FILE.filled(file=name) for name in wanted if name not in present]
        damaged = [problem for name in sorted(present & set(wanted)) for problem in _damage(folder / name)]
        if wanted and not missing and not damaged:
            return []
        found = found or [*missing, *damaged]
    return found or [_NO_WEIGHTS]


def _damage(path: Path) -> list[Message]:
    if _is_pointer(path):
        return []  # which is said already
    is_whole = _is_whole_safetensors if path.suffix == ".safetensors" else _is_whole_archive
    return [] if is_whole(path) else [_CUT_SHORT.filled(file=path.name, size=path.stat().st_size)]


def _is_whole_safetensors(path: Path) -> bool:
    """Compare a file's length with its header: 8 bytes of length, little-endian, JSON with each tensor's span, data."""
    with path.open("rb") as stream:
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else path.stat().st_size
        if 8 + length > path.stat().st_size:
            return False
        try:
            header = json.loads(stream.read(length))
            spans = [value["data_offsets"][1] for name, value in header.items() if name != "__metadata__"]
        except (ValueError, TypeError, KeyError, AttributeError):
            return False
    return bool(8 + length + max(spans, default=0) == path.stat().st_size)


def _is_whole_archive(path: Path) -> bool:
    """Look for the directory at the end of a zip archive, which PyTorch's files are since 1.6.

    Older files are bare pickles, which do not tell their length.
    """
    with path.open("rb") as stream:
        is_pickle = stream.read(1) == _PICKLE
    return is_pickle or zipfile.is_zipfile(path)


def _is_pointer(path: Path) -> bool:
    if path.stat().st_size >= _POINTER_BYTES:
        return False
    with path.open("rb") as stream:
        return stream.read(len(LFS_POINTER)) == LFS_POINTER


def _read_json(path: Path) -> Any:
    """Return what a JSON file holds, None where there is none or it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
