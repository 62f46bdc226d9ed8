"""Which files of a hub repository a model needs, and whether a file on disk is the one that was published."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORK_FOLDER = ".download"  # in the model's folder: parts named by their hash, the lock, and what has been verified

_BLOCK_BYTES = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MODULE = r"(?P<module>\d+_\w+/)?"  # a module of sentence-transformers, such as 1_Pooling/
_WEIGHTS = re.compile(_MODULE + r"(?:pytorch_)?model(?:-\d+-of-\d+)?\.(?P<format>safetensors|bin)(?:\.index\.json)?")
_OTHERS = re.compile(_MODULE + r"(?:[\w-][\w.-]*\.(?:json|model|txt|jinja|tiktoken)|README\.md|[A-Z_]*LICENSE)")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository.

    Attributes:
        name: path in the repository, with forward slashes.
        size: in bytes.
        digest: SHA-256 (64 hexadecimal digits) of a file in large file storage, else git's blob id (40): the SHA-1 of
            "blob ", the size, a zero byte, and the content.

    Raises:
        ValueError: the values are not of this form; they come from a server, and the digest becomes a file name.
    """

    name: str
    size: int
    digest: str

    def __post_init__(self) -> None:
        if not (isinstance(self.size, int) and self.size >= 0 and _DIGEST.fullmatch(self.digest)):
            raise ValueError(f"no size or hash of {self.name}")

    def digest_of(self, path: Path) -> str:
        """Return the digest that the content of `path` has."""
        is_large = len(self.digest) == 64
        digest = hashlib.sha256() if is_large else hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()


def read_listing(values: Mapping[str, Any]) -> list[RemoteFile]:
    """Return the files that the hub's description of a repository lists.

    Raises:
        KeyError, TypeError, ValueError: it lists them without sizes and hashes, or is something else.
    """
    return [
        RemoteFile(item["rfilename"], item["size"], item["lfs"]["sha256"] if item.get("lfs") else item["blobId"])
        for item in values["siblings"]
    ]


def needed_files(files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """Return the weights in one format, safetensors where there is a choice, and what configures model and tokenizer.

    Code, and weights for other frameworks, are left where they are. A name that is accepted stays within the folder.
    """
    weights = {file: found for file in files if (found := _WEIGHTS.fullmatch(file.name))}
    with_safetensors = {found["module"] for file, found in weights.items() if file.name.endswith(".safetensors")}
    chosen = [
        file
        for file, found in weights.items()
        if (found["format"] == "safetensors") == (found["module"] in with_safetensors)
    ]
    others = [file for file in files if file not in weights and _OTHERS.fullmatch(file.name)]
    return others + chosen


class VerifiedFiles:
    """Remembers which files of a folder had the right hash, so that gigabytes are read once only.

    A file counts as unchanged while its size and time of change are. The record's name does not end in .json: the
    fingerprint of an embedding reads every such file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._record = folder / WORK_FOLDER / "verified"
        self._known = self._read()

    def holds(self, file: RemoteFile) -> bool:
        """Tell whether the folder has `file` as it was published."""
        path = self._folder / file.name
        if not path.is_file() or path.stat().st_size != file.size:
            return False
        if self._known.get(file.name) != self._entry(file):
            if file.digest_of(path) != file.digest:
                return False
            self.remember(file)
        return True

    def remember(self, file: RemoteFile) -> None:
        """Record that the file on disk has the right hash."""
        self._known[file.name] = self._entry(file)
        draft = self._record.with_suffix(".new")
        draft.write_text(json.dumps(self._known, indent=1), encoding="utf-8")
        draft.replace(self._record)

    def _entry(self, file: RemoteFile) -> list[str | int]:
        return [file.digest, file.size, (self._folder / file.name).stat().st_mtime_ns]

    def _read(self) -> dict[str, list[str | int]]:
        try:
            values = json.loads(self._record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}
