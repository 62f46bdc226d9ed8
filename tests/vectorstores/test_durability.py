"""What other threads, other processes and the next start see, whatever happens in between."""

import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import HashedEmbeddings, new_document

from core.documents import EmbeddingIdentity
from core.errors import KnowGLMError, KnowledgeBaseBusy, StoreCorrupted
from vectorstores import records
from vectorstores.knowledge_store import KnowledgeStore

ROOT = Path(__file__).resolve().parents[2]
OpenStore = Callable[..., KnowledgeStore]


@pytest.fixture
def held_write(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Stop the next write after its first chunks, until told to go on: (reached, go_on)."""
    reached, go_on = threading.Event(), threading.Event()
    insert = records.insert_chunks

    def held(*arguments: Any) -> list[int]:
        ids = insert(*arguments)
        reached.set()
        assert go_on.wait(20)
        return ids

    monkeypatch.setattr(records, "insert_chunks", held)
    return reached, go_on


@pytest.mark.parametrize("same_instance", [True, False], ids=["same_store", "second_store"])
def test_a_reader_sees_the_old_generation_whole_while_a_write_is_open(
    open_store: OpenStore, held_write: tuple[threading.Event, threading.Event], same_instance: bool
) -> None:
    reached, go_on = held_write
    store = open_store()
    go_on.set()
    store.put_documents([new_document("a.txt", ["旧的内容：补贴一百元。"])])
    go_on.clear()
    reached.clear()
    reader = store if same_instance else open_store()
    old_manifest = reader.manifest()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(store.put_documents, [new_document("a.txt", ["新的内容：津贴。", "第二段。"])])
        assert reached.wait(20)
        assert reader.manifest() == old_manifest
        assert [document.chunks for document in reader.documents()] == [1]
        assert len(reader.lexical_scores("补贴", 5)) == 1
        assert reader.lexical_scores("津贴", 5).keys() == reader.lexical_scores("贴", 5).keys()
        assert [chunk.text for chunk in reader.document_chunks("a.txt")] == ["旧的内容：补贴一百元。"]
        go_on.set()
        writing.result(20)
    assert [chunk.text for chunk in reader.document_chunks("a.txt")] == ["新的内容：津贴。", "第二段。"]
    assert reader.lexical_scores("补贴一百", 5).keys() <= {chunk.id for chunk in reader.document_chunks("a.txt")}


def test_a_write_that_fails_leaves_everything_as_it_was(store: KnowledgeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put_documents([new_document("a.txt", ["原来的内容。"])])
    before = store.manifest()

    def broken(*_: Any) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(records, "insert_chunks", broken)
    with pytest.raises(RuntimeError, match="power cut"):
        store.put_documents([new_document("b.txt", ["乙"]), new_document("a.txt", ["新的内容。"])])
    monkeypatch.undo()
    assert store.manifest() == before
    assert [document.name for document in store.documents()] == ["a.txt"]
    assert len(store.lexical_scores("原来", 5)) == 1
    store.put_documents([new_document("b.txt", ["乙"])])
    assert len(store.documents()) == 2


def test_readers_never_see_half_a_write(store: KnowledgeStore) -> None:
    """Each write replaces both documents by texts of one number; a snapshot with two numbers is a torn one."""
    store.use_embedding(EmbeddingIdentity("hashed", "f", 32))
    embedding = HashedEmbeddings(32)

    def write(number: int) -> None:
        texts = [f"第{number}版 的年假规定。", f"第{number}版 的病假规定。"]
        matrix = np.asarray(embedding.embed_documents(texts), dtype=np.float32)
        store.put_documents([new_document(f"{i}.txt", [t], vectors=matrix[i : i + 1]) for i, t in enumerate(texts)])

    write(0)
    done = threading.Event()
    problems: list[str] = []
    searches = [0, 0]

    def search(number: int) -> None:
        vector = np.asarray(embedding.embed_query("年假"), dtype=np.float32)
        while not done.is_set():
            with store._database.snapshot():
                chunks = list(store.chunks(list(store.lexical_scores("规定", 10))).values())
                near = store.chunks(store.nearest(vector, 10))
            versions = {chunk.text.split("版")[0] for chunk in chunks}
            if len(chunks) != 2 or len(versions) != 1 or len(near) != 2:
                problems.append(f"{len(chunks)} {versions} {len(near)}")
            searches[number] += 1

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(search, number) for number in range(2)]
        for number in range(1, 40):
            write(number)
        done.set()
        for reader in readers:
            reader.result(20)
    assert problems == []
    assert min(searches) > 3


def test_two_processes_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    probe = (
        "import sys; from pathlib import Path; from vectorstores.knowledge_store import KnowledgeStore;"
        "sys.path.insert(0, 'tests'); from fakes import new_document;"
        "s = KnowledgeStore(Path(sys.argv[1])); s.put_documents([new_document(sys.argv[2], ['年假。'])]); s.close()"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", probe, str(tmp_path / "kb"), f"{n}.txt"], cwd=ROOT) for n in range(3)
    ]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    store = KnowledgeStore(tmp_path / "kb")
    assert [document.name for document in store.documents()] == ["0.txt", "1.txt", "2.txt"]
    assert store.chunk_count == 3
    store.close()


def test_many_threads_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    """Switching a new database to WAL is the one step that SQLite's busy timeout does not cover."""

    def open_and_close(number: int) -> str:
        barrier.wait(20)
        try:
            KnowledgeStore(tmp_path / f"kb{number}").close()
        except KnowledgeBaseBusy as error:
            return f"{error.__cause__}"
        return "opened"

    barrier = threading.Barrier(6)
    with ThreadPoolExecutor(6) as pool:
        for number in range(30):
            assert set(pool.map(open_and_close, [number] * 6)) == {"opened"}


_KILLED_INSIDE = """
import os, sys
from pathlib import Path
sys.path.insert(0, "tests")
from fakes import new_document
from vectorstores import records
from vectorstores.knowledge_store import KnowledgeStore

store = KnowledgeStore(Path(sys.argv[1]))
insert = records.insert_chunks

def killed(*arguments):
    insert(*arguments)
    os._exit(9)

records.insert_chunks = killed
store.put_documents([new_document("a.txt", ["新的内容。"] * 50, between="\\n"), new_document("b.txt", ["乙"])])
"""

_KILLED_ANYWHERE = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from fakes import new_document
from vectorstores.knowledge_store import KnowledgeStore

store = KnowledgeStore(Path(sys.argv[1]))
for number in range(10_000):
    store.put_documents([new_document(f"{number}.txt", [f"第{number}个文件的第{n}段。" for n in range(20)])])
    print(number, flush=True)
"""


def test_a_process_killed_inside_a_write_leaves_the_last_committed_state(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store()
    store.put_documents([new_document("a.txt", ["原来的内容。"])])
    before = store.manifest()
    store.close()
    done = subprocess.run([sys.executable, "-c", _KILLED_INSIDE, str(tmp_path / "kb")], cwd=ROOT, check=False)
    assert done.returncode == 9
    again = open_store()
    assert again.manifest() == before
    assert [chunk.text for chunk in again.document_chunks("a.txt")] == ["原来的内容。"]
    assert len(again.lexical_scores("原来", 5)) == 1
    again.put_documents([new_document("b.txt", ["又能写了。"])])
    assert len(again.documents()) == 2


def test_a_process_killed_anywhere_keeps_what_it_reported(open_store: OpenStore, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED_ANYWHERE, str(tmp_path / "kb")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    reported = [int(process.stdout.readline()) for _ in range(3)]
    time.sleep(random.Random(5).uniform(0.05, 0.2))
    process.send_signal(signal.SIGKILL)
    reported += [int(line) for line in process.stdout.read().split()]
    process.wait(20)
    process.stdout.close()
    store = open_store()
    names = {document.name for document in store.documents()}
    assert names >= {f"{number}.txt" for number in reported}
    assert store.chunk_count == 20 * len(names)
    connection = sqlite3.connect(tmp_path / "kb" / "kb.sqlite")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize(
    "content",
    [b"this is not a database, but long enough to be looked at by SQLite: " * 20, b"PK\x03\x04" + bytes(5000)],
    ids=["text", "zip"],
)
def test_a_wrong_file_is_reported_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "kb.sqlite").write_bytes(content)
    with pytest.raises(StoreCorrupted) as caught:
        KnowledgeStore(tmp_path / "kb")
    assert "kb.sqlite" in caught.value.text("zh")
    assert (tmp_path / "kb" / "kb.sqlite").read_bytes() == content


def test_a_truncated_database_is_reported(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store()
    store.put_documents([new_document("a.txt", [f"第{n}段的内容。" for n in range(300)])])
    store.close()
    path = tmp_path / "kb" / "kb.sqlite"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(StoreCorrupted):
        open_store().document_chunks("a.txt")


def test_a_newer_schema_is_reported_and_left_alone(open_store: OpenStore, tmp_path: Path) -> None:
    open_store().close()
    connection = sqlite3.connect(tmp_path / "kb" / "kb.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(StoreCorrupted) as caught:
        open_store()
    assert "99" in caught.value.text("en")


def test_a_full_disk_is_not_called_a_damaged_file(store: KnowledgeStore) -> None:
    """StoreCorrupted tells the user to move the database away: wrong, and costly, where the disk is merely full."""
    store.put_documents([new_document("a.txt", ["原来的内容。"])])
    with store._database.snapshot() as connection:  # the pool hands the same connection to the write below
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    texts = [f"第{n}段，很长的内容。" * 20 for n in range(200)]
    with pytest.raises((KnowGLMError, OSError)) as caught:
        store.put_documents([new_document("b.txt", texts)])
    assert not isinstance(caught.value, StoreCorrupted)
    assert [document.name for document in store.documents()] == ["a.txt"]


def test_a_writer_that_waits_too_long_hears_who_is_in_the_way(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vectorstores.database._BUSY_TIMEOUT_S", 0.05)
    first, second = open_store(), open_store()
    with first._database.write(), pytest.raises(KnowledgeBaseBusy):
        second.set_manifest(name="乙")
    second.set_manifest(name="乙")
    assert first.manifest()["name"] == "乙"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files through /proc")
def test_connections_of_finished_threads_are_closed(store: KnowledgeStore) -> None:
    """A server starts a thread a request: a connection that outlives each would use up the process's open files."""
    store.put_documents([new_document("a.txt", ["内容。"])])

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    for _ in range(60):
        thread = threading.Thread(target=lambda: store.chunk_count)
        thread.start()
        thread.join()
    assert open_files() - before < 20


def test_nothing_on_disk_is_a_pickle(store: KnowledgeStore, tmp_path: Path) -> None:
    store.use_embedding(EmbeddingIdentity("hashed", "f", 32))
    texts = [f"第{n}段。" for n in range(30)]
    vectors = np.asarray(HashedEmbeddings(32).embed_documents(texts), dtype=np.float32)
    store.put_documents([new_document("a.txt", texts, vectors=vectors)])
    store.fold_index()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".sqlite", ".faiss"}
    for path in files:
        assert path.suffix not in {".pkl", ".pickle", ".npy", ".joblib"}
        assert not path.read_bytes().startswith((b"\x80\x03", b"\x80\x04", b"\x80\x05"))
