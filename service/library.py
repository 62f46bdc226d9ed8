"""The knowledge bases in one data directory: naming, creating, finding and deleting them."""

import hashlib
import os
import re
import shutil
import threading
import time
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.documents import KnowledgeBaseInfo
from core.errors import (
    InvalidName,
    KnowledgeBaseExists,
    KnowledgeBaseNotFound,
    KnowledgeBaseProtected,
    StoreCorrupted,
    StoreUnwritable,
)
from core.messages import Message, well_formed
from vectorstores.knowledge_store import KnowledgeStore

SAMPLES = "samples"
_DATABASE = "kb.sqlite"
_NAME_LIMIT = 100

_EMPTY = Message("名字是空的", "it is empty")
_TOO_LONG = Message("名字太长", "it is too long")
_PATH_LIKE = Message("名字里有路径符号", "it contains path separators")
_ONLY_DOTS = Message("名字只有点号", "it consists of dots only")
_CONTROL = Message("名字里有控制字符", "it contains control characters")


class Library:
    """Opens each knowledge base once and hands out the same store to every thread.

    Args:
        data_dir: holds one folder a knowledge base; created if need be.
        samples: folder of the originals that come with the program.
        manifest: entries that every new knowledge base starts with.
    """

    def __init__(self, data_dir: Path, samples: Path, manifest: Mapping[str, Any]) -> None:
        self._data_dir = data_dir
        self._shipped_samples = samples
        self._manifest = manifest
        self._stores: dict[str, tuple[int, KnowledgeStore]] = {}  # by folder, with the database file's inode
        self._lock = threading.RLock()

    def names(self) -> list[str]:
        """Return the names of all knowledge bases; the samples come first."""
        return [info.name for info in self.infos()]

    def infos(self) -> list[KnowledgeBaseInfo]:
        """Return what there is to say about each knowledge base; the samples come first."""
        infos = [info for folder in self._folders() if (info := self._info(folder))]
        return sorted(infos, key=lambda info: (info.id != SAMPLES, info.name))

    def open(self, name: str) -> KnowledgeStore:
        """Return the store of a knowledge base.

        Raises:
            KnowledgeBaseNotFound: none has this name.
            StoreCorrupted: its database is damaged.
        """
        wanted = _normal(name)
        if wanted == SAMPLES:
            return self._samples()
        folder = self._data_dir / _folder_name(wanted)
        with suppress(FileNotFoundError):  # deleted by somebody else between two lines
            if (folder / _DATABASE).exists():
                return self._store(folder)
            if (folder / "content").is_dir():  # its database was moved away: the originals are still there
                return self._with_manifest(folder, wanted)
        raise KnowledgeBaseNotFound(name=well_formed(name), known="、".join(self.names()) or "–")

    def create(self, name: str) -> KnowledgeStore:
        """Create an empty knowledge base.

        Raises:
            InvalidName: the name is empty, too long, or looks like a path.
            KnowledgeBaseExists: the name is taken.
        """
        normal = _valid(name)
        folder = self._data_dir / _folder_name(normal)
        if normal == SAMPLES or folder.exists():
            raise KnowledgeBaseExists(name=name)
        # Made under another name first: a creation cut short leaves nothing that looks like a knowledge base.
        draft = self._draft_folder()
        try:
            store = KnowledgeStore(draft)
            store.set_manifest(name=normal, created_at=time.time(), **self._manifest)
            store.close()
            draft.rename(folder)
        except OSError:
            if folder.exists():  # somebody else was faster
                raise KnowledgeBaseExists(name=name) from None
            raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return self._store(folder)

    def delete(self, name: str) -> None:
        """Delete a knowledge base with everything in it; searches that are under way end with StoreClosed.

        Raises:
            KnowledgeBaseNotFound: none has this name.
            KnowledgeBaseProtected: it is the samples.
        """
        if _normal(name) == SAMPLES:
            raise KnowledgeBaseProtected(name=name)
        folder = self._data_dir / _folder_name(_normal(name))
        with self._lock:
            if not folder.is_dir():
                raise KnowledgeBaseNotFound(name=name, known="、".join(self.names()) or "–")
            _, store = self._stores.pop(folder.name, (0, None))
            if store is not None:
                store.close()
            # Renamed first: a deletion cut short never leaves half a knowledge base behind.
            doomed = self._draft_folder()
            folder.rename(doomed / folder.name)
        shutil.rmtree(doomed)

    def close(self) -> None:
        """Close every store."""
        with self._lock:
            for _, store in self._stores.values():
                store.close()
            self._stores.clear()

    def _samples(self) -> KnowledgeStore:
        """Return the samples' store, with the shipped originals in its `content/`."""
        folder = self._data_dir / SAMPLES
        content = folder / "content"
        with self._lock:
            if content.resolve() != self._shipped_samples.resolve() and not content.exists():
                draft = self._draft_folder()
                shutil.copytree(self._shipped_samples, draft / "content")
                folder.mkdir(exist_ok=True)
                try:
                    (draft / "content").rename(content)
                except OSError:
                    if not content.exists():  # unless another process was faster
                        raise
                finally:
                    shutil.rmtree(draft, ignore_errors=True)
            if (folder / _DATABASE).exists() and "name" in (store := self._store(folder)).manifest():
                return store
            return self._with_manifest(folder, SAMPLES)

    def _with_manifest(self, folder: Path, name: str) -> KnowledgeStore:
        with self._lock:
            store = KnowledgeStore(folder)
            store.set_manifest(name=name, created_at=time.time(), **self._manifest)
            store.close()
            return self._store(folder)

    def _store(self, folder: Path) -> KnowledgeStore:
        """Return the open store of a folder; a database that another process has put in its place is opened anew."""
        with self._lock:
            inode = (folder / _DATABASE).stat().st_ino
            known, store = self._stores.get(folder.name, (0, None))
            if store is None or known != inode:
                if store is not None:
                    store.close()
                store = KnowledgeStore(folder, create=False)
                self._stores[folder.name] = (inode, store)
            return store

    def _folders(self) -> list[Path]:
        if not self._data_dir.is_dir():
            return []
        return sorted(path.parent for path in self._data_dir.glob(f"[!.]*/{_DATABASE}"))

    def _info(self, folder: Path) -> KnowledgeBaseInfo | None:
        """Return None for a folder that has gone in the meantime; a damaged one is listed by its folder's name."""
        try:
            store = self._store(folder)
            manifest, embedding, documents = store.manifest(), store.embedding, store.documents()
        except FileNotFoundError:
            return None
        except StoreCorrupted:
            return KnowledgeBaseInfo(id=folder.name, name=folder.name, documents=0, chunks=0, is_damaged=True)
        return KnowledgeBaseInfo(
            id=folder.name,
            name=manifest.get("name", folder.name),
            documents=sum(document.state != "failed" for document in documents),
            chunks=manifest.get("chunk_count", 0),
            embedding=embedding.name if embedding else "lexical",
            chunk_chars=manifest.get("chunk_chars", 0),
            created_at=manifest.get("created_at", 0.0),
        )

    def _draft_folder(self) -> Path:
        """Return a new hidden folder in the data directory.

        Raises:
            StoreUnwritable: the data directory cannot be made or written.
        """
        draft = self._data_dir / f".draft-{os.getpid()}-{threading.get_ident()}-{time.monotonic_ns()}"
        try:
            draft.mkdir(parents=True)
        except OSError as error:
            raise StoreUnwritable(path=self._data_dir, detail=error.strerror or error) from error
        return draft


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _valid(name: str) -> str:
    normal = _normal(name)
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


def _folder_name(name: str) -> str:
    """Return a folder name that any file system takes: what is ASCII in the name, and a hash that tells names apart."""
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24]
    digest = hashlib.sha256(well_formed(name).encode()).hexdigest()[:10]
    return f"{readable}-{digest}" if readable else digest
