"""The knowledge bases in one data directory: naming, creating, finding and deleting them."""

import hashlib
import re
import shutil
import threading
import time
import unicodedata
from pathlib import Path

from core.documents import KnowledgeBaseInfo
from core.errors import InvalidName, KnowledgeBaseExists, KnowledgeBaseNotFound, KnowledgeBaseProtected
from core.messages import Message
from vectorstores.knowledge_store import KnowledgeStore

SAMPLES = "samples"
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
    """

    def __init__(self, data_dir: Path, samples: Path) -> None:
        self._data_dir = data_dir
        self._shipped_samples = samples
        self._stores: dict[str, KnowledgeStore] = {}
        self._lock = threading.RLock()

    def names(self) -> list[str]:
        """Return the names of all knowledge bases; the samples come first."""
        return sorted((info.name for info in self.infos()), key=lambda name: (name != SAMPLES, name))

    def infos(self) -> list[KnowledgeBaseInfo]:
        """Return what there is to say about each knowledge base."""
        infos = [_info(folder.name, self._store(folder)) for folder in self._folders()]
        return sorted(infos, key=lambda info: (info.id != SAMPLES, info.name))

    def open(self, name: str) -> KnowledgeStore:
        """Return the store of a knowledge base.

        Raises:
            KnowledgeBaseNotFound: none has this name.
        """
        wanted = _normal(name)
        if wanted == SAMPLES:
            return self._samples()
        for folder in self._folders():
            store = self._store(folder)
            if store.manifest().get("name") == wanted:
                return store
        raise KnowledgeBaseNotFound(name=name, known="、".join(self.names()) or "–")

    def create(self, name: str, **manifest: object) -> KnowledgeStore:
        """Create an empty knowledge base whose manifest holds the given entries.

        Raises:
            InvalidName: the name is empty, too long, or looks like a path.
            KnowledgeBaseExists: the name is taken.
        """
        normal = _valid(name)
        with self._lock:
            if normal == SAMPLES or normal in self.names():
                raise KnowledgeBaseExists(name=name)
            folder = self._data_dir / _folder_name(normal)
            try:
                folder.mkdir(parents=True)  # atomic: of two processes, one creates it
            except FileExistsError:
                raise KnowledgeBaseExists(name=name) from None
            store = self._store(folder)
            store.set_manifest(name=normal, created_at=time.time(), **manifest)
            return store

    def delete(self, name: str) -> None:
        """Delete a knowledge base with everything in it.

        Raises:
            KnowledgeBaseNotFound: none has this name.
            KnowledgeBaseProtected: it is the samples.
        """
        if _normal(name) == SAMPLES:
            raise KnowledgeBaseProtected(name=name)
        store = self.open(name)
        with self._lock:
            self._stores.pop(store.folder.name, None)
            store.close()
            # Renamed first, so that a deletion cut short never leaves half a knowledge base behind.
            doomed = store.folder.with_name(f".deleted-{store.folder.name}")
            store.folder.rename(doomed)
            shutil.rmtree(doomed)

    def close(self) -> None:
        """Close every store."""
        with self._lock:
            for store in self._stores.values():
                store.close()
            self._stores.clear()

    def _samples(self) -> KnowledgeStore:
        """Return the samples' store, with the shipped originals in its `content/`."""
        folder = self._data_dir / SAMPLES
        content = folder / "content"
        if content.resolve() != self._shipped_samples.resolve() and not content.exists():
            shutil.copytree(self._shipped_samples, content)
        store = self._store(folder)
        if "name" not in store.manifest():
            store.set_manifest(name=SAMPLES, created_at=time.time())
        return store

    def _store(self, folder: Path) -> KnowledgeStore:
        with self._lock:
            if folder.name not in self._stores:
                self._stores[folder.name] = KnowledgeStore(folder)
            return self._stores[folder.name]

    def _folders(self) -> list[Path]:
        if not self._data_dir.is_dir():
            return []
        return sorted(path.parent for path in self._data_dir.glob("[!.]*/kb.sqlite"))


def _info(folder: str, store: KnowledgeStore) -> KnowledgeBaseInfo:
    manifest, embedding = store.manifest(), store.embedding
    return KnowledgeBaseInfo(
        id=folder,
        name=manifest.get("name", folder),
        documents=sum(document.state != "failed" for document in store.documents()),
        chunks=manifest.get("chunk_count", 0),
        embedding=embedding.name if embedding else "lexical",
        chunk_chars=manifest.get("chunk_chars", 0),
        created_at=manifest.get("created_at", 0.0),
    )


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
        shown = normal.encode("utf-8", "replace").decode()
        raise InvalidName(name=shown[:_NAME_LIMIT], why=why, limit=_NAME_LIMIT)
    return normal


def _folder_name(name: str) -> str:
    """Return a folder name that any file system takes: what is ASCII in the name, and a hash that tells names apart."""
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24]
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{readable}-{digest}" if readable else digest
