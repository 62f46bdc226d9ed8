"""The knowledge bases in one data directory: creating, finding, renaming and deleting them."""

import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from typing import Any

from core.documents import KnowledgeBaseInfo
from core.errors import (
    KnowledgeBaseBusy,
    KnowledgeBaseExists,
    KnowledgeBaseNotFound,
    KnowledgeBaseProtected,
    StoreClosed,
    StoreCorrupted,
    StoreUnwritable,
)
from core.messages import well_formed
from service.knowledge.names import NAME_FILE, folder_name, normal_name, valid_name, write_name, written_name
from service.process_lock import ProcessLock
from vectorstores.knowledge_store import KnowledgeStore

SAMPLES = "samples"
_DATABASE = "kb.sqlite"
_PATIENCE_S = 30.0


class Library:
    """Opens each knowledge base once and hands out the same store to every thread.

    A knowledge base is called what its manifest says. Its folder, named after its first name, never moves, so that a
    renaming disturbs nobody who is using it.

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
        self._found: dict[str, Path] = {}  # folders by the name they had when they were last looked for
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
        wanted = normal_name(name)
        if wanted == SAMPLES:
            return self._samples()
        folder = self._folder_of(wanted)
        with suppress(FileNotFoundError):  # deleted by somebody else between two lines
            if folder and (folder / _DATABASE).exists():
                return self._store(folder)
            if folder and _has_originals(folder):  # its database was moved away
                return self._with_manifest(folder, wanted)
        raise self._not_found(name)

    def create(self, name: str) -> KnowledgeStore:
        """Create an empty knowledge base.

        Raises:
            InvalidName: the name is empty, too long, or looks like a path.
            KnowledgeBaseExists: the name is taken.
        """
        normal = valid_name(name)
        if self._is_taken(normal):
            raise KnowledgeBaseExists(name=name)
        # Made under another name first: a creation cut short leaves nothing that looks like a knowledge base.
        draft = self._draft_folder()
        try:
            store = KnowledgeStore(draft)
            store.set_manifest(name=normal, created_at=time.time(), **self._manifest)
            store.close()
            write_name(draft, normal)
            with self._naming(name):
                if self._is_taken(normal):  # somebody else was faster
                    raise KnowledgeBaseExists(name=name)
                folder = self._free_folder(normal)
                draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return self._store(folder)

    def rename(self, name: str, new: str) -> None:
        """Give a knowledge base another name, here and in every program that has it open.

        Its searches go on; the old name is free at once. What differs only in blanks around it is the same name.

        Raises:
            InvalidName: the new name is empty, too long, or looks like a path.
            KnowledgeBaseExists: the new name is taken.
            KnowledgeBaseNotFound: none has the old name.
            KnowledgeBaseProtected: it is the samples.
        """
        normal = valid_name(new)
        if normal_name(name) == SAMPLES:
            raise KnowledgeBaseProtected(name=name)
        with self._naming(name):
            store = self.open(name)
            if normal == normal_name(name):
                return
            if self._is_taken(normal):
                raise KnowledgeBaseExists(name=new)
            store.set_manifest(name=normal)  # which alone decides; the file is for when the database cannot be read
            write_name(store.folder, normal)

    def delete(self, name: str) -> None:
        """Delete a knowledge base with everything in it; searches that are under way end with StoreClosed.

        Raises:
            KnowledgeBaseNotFound: none has this name.
            KnowledgeBaseProtected: it is the samples.
        """
        if normal_name(name) == SAMPLES:
            raise KnowledgeBaseProtected(name=name)
        with self._naming(name), self._lock:
            folder = self._folder_of(normal_name(name))
            if folder is None:
                raise self._not_found(name)
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

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """Let no other thread or program give or take names meanwhile."""
        lock = ProcessLock(_made(self._data_dir) / ".names.lock")
        if not lock.acquire(_PATIENCE_S):
            raise KnowledgeBaseBusy(name=name)
        try:
            yield
        finally:
            lock.release()

    def _folder_of(self, wanted: str) -> Path | None:
        """Return the folder of the knowledge base of this name, looking first where it most likely is."""
        for folder in self._candidates(wanted):
            if self._is_called(folder, wanted):
                self._found[wanted] = folder
                return folder
        return None

    def _candidates(self, wanted: str) -> Iterator[Path]:
        yield self._found.get(wanted, self._data_dir / folder_name(wanted))
        yield from self._folders()

    def _is_called(self, folder: Path, wanted: str) -> bool:
        """Ask the database; where it cannot be read, the file beside it; else the folder's own name must do."""
        if not (folder / _DATABASE).exists() and not _has_originals(folder):
            return False
        name = None
        with suppress(FileNotFoundError, StoreClosed, StoreCorrupted, StoreUnwritable):
            name = self._store(folder).manifest().get("name")
        name = name or written_name(folder)
        return name == wanted if name else folder.name == folder_name(wanted)

    def _is_taken(self, name: str) -> bool:
        return name == SAMPLES or self._folder_of(name) is not None

    def _free_folder(self, name: str) -> Path:
        """Return a folder for a new knowledge base; a renamed one may still have the folder of its first name."""
        first = self._data_dir / folder_name(name)
        later = (first.with_name(f"{first.name}-{number}") for number in count(2))
        return next(folder for folder in chain([first], later) if not folder.exists())

    def _not_found(self, name: str) -> KnowledgeBaseNotFound:
        return KnowledgeBaseNotFound(name=well_formed(name), known="、".join(self.names()) or "–")

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
            store = KnowledgeStore(folder, create=False)
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
        return sorted({path.parent for file in (_DATABASE, NAME_FILE) for path in self._data_dir.glob(f"[!.]*/{file}")})

    def _info(self, folder: Path) -> KnowledgeBaseInfo | None:
        """Return None for a folder that has gone in the meantime; a damaged one is listed by its folder's name."""
        try:
            store = self._store(folder)
            manifest, embedding, documents = store.manifest(), store.embedding, store.documents()
        except (FileNotFoundError, StoreClosed):
            return None
        except StoreCorrupted:
            name = written_name(folder) or folder.name
            return KnowledgeBaseInfo(id=folder.name, name=name, documents=0, chunks=0, is_damaged=True)
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
        """Return a new hidden folder in the data directory."""
        return _made(self._data_dir / f".draft-{os.getpid()}-{threading.get_ident()}-{time.monotonic_ns()}")


def _has_originals(folder: Path) -> bool:
    """Whether there is something to build a database from; a file that came too late may leave an empty folder."""
    with suppress(FileNotFoundError):  # somebody else is deleting it
        return any((folder / "content").rglob("[!.]*"))
    return False


def _made(folder: Path) -> Path:
    """Return a folder, made if need be.

    Raises:
        StoreUnwritable: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnwritable(path=folder, detail=error.strerror or error) from error
    return folder
