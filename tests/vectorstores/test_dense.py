"""The dense leg finds exactly what brute force finds, whatever became of its file."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import new_document

from core.documents import EmbeddingIdentity
from vectorstores.dense import packed, unpacked
from vectorstores.knowledge_store import KnowledgeStore

N, DIMENSIONS, NEAREST = 500, 64, 20
OpenStore = Callable[..., KnowledgeStore]


def random_vectors(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIMENSIONS)).astype(np.float32)


def put(store: KnowledgeStore, name: str, vectors: np.ndarray) -> None:
    store.put_documents([new_document(name, [f"{name} 第{n}段" for n in range(len(vectors))], vectors=vectors)])


@pytest.fixture
def filled(open_store: OpenStore) -> KnowledgeStore:
    """Five documents of a hundred chunks."""
    store = open_store()
    store.use_embedding(EmbeddingIdentity("random", "f", DIMENSIONS))
    for number in range(5):
        put(store, f"{number}.txt", random_vectors(N // 5, number))
    return store


def brute_force(store: KnowledgeStore, query: np.ndarray) -> list[int]:
    """Rank every chunk by the vectors in the database, in double precision."""
    with store._database.snapshot() as connection:
        rows = connection.execute("SELECT chunk_id, vector FROM vectors").fetchall()
    ids = np.array([row["chunk_id"] for row in rows])
    scores = unpacked([row["vector"] for row in rows]).astype(np.float64) @ query
    return [int(id) for id in ids[np.argsort(-scores)][:NEAREST]]


def assert_exact(store: KnowledgeStore) -> None:
    for query in random_vectors(20, 99):
        unit = query / np.linalg.norm(query)
        assert store.nearest(unit, NEAREST) == brute_force(store, unit)


def index_file(store: KnowledgeStore) -> Path:
    (path,) = (store.folder / "index").iterdir()  # nothing else lies there, no half-written file either
    return path


def test_nearest_is_exact_before_and_after_folding(filled: KnowledgeStore) -> None:
    assert_exact(filled)
    filled.fold_index()
    assert_exact(filled)
    assert index_file(filled).stat().st_size < N * DIMENSIONS * 4  # fp16


def test_nearest_is_exact_after_deletes_and_with_a_tail(filled: KnowledgeStore, open_store: OpenStore) -> None:
    filled.fold_index()
    filled.delete_document("2.txt")
    assert_exact(filled)
    put(filled, "后来.txt", random_vectors(150, 11))
    assert_exact(filled)
    put(filled, "1.txt", random_vectors(30, 12))
    assert_exact(filled)
    assert_exact(open_store())
    filled.fold_index()
    assert_exact(filled)


def test_a_long_tail_is_folded_into_the_file(filled: KnowledgeStore, open_store: OpenStore) -> None:
    filled.fold_index()
    before = index_file(filled).read_bytes()
    put(filled, "少.txt", random_vectors(10, 5))
    filled.fold_index()
    assert index_file(filled).read_bytes() == before
    put(filled, "多.txt", random_vectors(1_100, 6))
    filled.fold_index()
    assert index_file(filled).read_bytes() != before
    assert_exact(filled)
    assert_exact(open_store())


def test_deleting_everything_leaves_an_empty_search(filled: KnowledgeStore) -> None:
    filled.fold_index()
    for number in range(5):
        filled.delete_document(f"{number}.txt")
    assert filled.nearest(random_vectors(1, 1)[0], 5) == []
    filled.fold_index()
    assert filled.nearest(random_vectors(1, 1)[0], 5) == []


def damage_missing(path: Path) -> None:
    path.unlink()


def damage_truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_head_only(path: Path) -> None:
    path.write_bytes(path.read_bytes().partition(b"\n")[0])


def damage_noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(1).bytes(10_000))


def damage_other_json(path: Path) -> None:
    path.write_bytes(b"[1, 2]\n" + path.read_bytes())


def damage_flipped_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "damage",
    [
        damage_missing,
        damage_truncated,
        damage_empty,
        damage_head_only,
        damage_noise,
        damage_other_json,
        damage_flipped_bit,
    ],
    ids=lambda damage: damage.__name__.removeprefix("damage_"),
)
def test_a_bad_file_is_rebuilt(filled: KnowledgeStore, open_store: OpenStore, damage: Callable[[Path], None]) -> None:
    filled.fold_index()
    path = index_file(filled)
    good = path.read_bytes()
    filled.close()
    damage(path)
    again = open_store()
    assert_exact(again)
    assert index_file(again).read_bytes() == good


def test_a_flipped_bit_in_the_head_is_noticed_too(filled: KnowledgeStore, open_store: OpenStore) -> None:
    """The head says up to which chunk the file reaches; believed wrongly, chunks are found twice or never."""
    filled.fold_index()
    path = index_file(filled)
    good = path.read_bytes()
    filled.close()
    at = good.index(b'"last_chunk_id": 500') + len(b'"last_chunk_id": ')
    for flipped in (b"4", b"7"):
        path.write_bytes(good[:at] + flipped + good[at + 1 :])
        again = open_store()
        put(again, f"{flipped.decode()}.txt", random_vectors(60, 8))
        assert_exact(again)
        again.delete_document(f"{flipped.decode()}.txt")
        again.close()


def test_a_file_of_another_embedding_is_not_believed(open_store: OpenStore) -> None:
    store = open_store()
    store.use_embedding(EmbeddingIdentity("first", "one", DIMENSIONS))
    put(store, "a.txt", random_vectors(50, 1))
    store.fold_index()
    store.use_embedding(EmbeddingIdentity("second", "two", DIMENSIONS))
    assert store.nearest(random_vectors(1, 3)[0], 5) == []
    put(store, "a.txt", random_vectors(40, 2))
    assert_exact(store)
    stored = store.embedding
    assert stored is not None
    assert (stored.name, stored.fingerprint) == ("second", "two")
    assert_exact(open_store())


def test_a_file_of_an_earlier_database_is_not_believed(open_store: OpenStore) -> None:
    """The advice for a damaged database is to move it away; ids then start anew and the old file's ids lie."""
    store = open_store()
    store.use_embedding(EmbeddingIdentity("random", "f", DIMENSIONS))
    put(store, "a.txt", random_vectors(80, 1))
    store.fold_index()
    store.close()
    for path in store.folder.glob("kb.sqlite*"):
        path.unlink()
    again = open_store()
    again.use_embedding(EmbeddingIdentity("random", "f", DIMENSIONS))
    put(again, "b.txt", random_vectors(60, 2))
    assert_exact(again)


def test_the_file_is_replaced_by_renaming(
    filled: KnowledgeStore, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.fold_index()
    path = index_file(filled)
    good = path.read_bytes()
    put(filled, "多.txt", random_vectors(1_100, 6))

    def cut(_: int) -> None:
        raise OSError("power cut")

    monkeypatch.setattr("os.fsync", cut)
    with pytest.raises(OSError, match="power cut"):
        filled.fold_index()
    monkeypatch.undo()
    assert path.read_bytes() == good
    assert_exact(open_store())


def test_the_file_says_what_it_holds(filled: KnowledgeStore) -> None:
    filled.fold_index()
    head = json.loads(index_file(filled).read_bytes().partition(b"\n")[0])
    assert (head["origin"].endswith(":f"), head["count"]) == (True, N)


def test_cosines_are_those_of_the_stored_vectors(filled: KnowledgeStore) -> None:
    vectors = random_vectors(N // 5, 0)
    ids = [chunk.id for chunk in filled.document_chunks("0.txt")]
    query = vectors[3] / np.linalg.norm(vectors[3])
    expected = vectors @ query / np.linalg.norm(vectors, axis=1)
    cosines = filled.cosines(query, [*ids, 10_000])
    assert list(cosines) == ids
    assert np.allclose([cosines[id] for id in ids], expected, atol=2e-3)
    assert filled.cosines(query, []) == {}


def test_vectors_are_stored_at_unit_length_whatever_the_scale() -> None:
    vectors = random_vectors(10, 4)
    for scale in (1e-3, 25.1, 1e4):
        norms = np.linalg.norm(unpacked(packed(vectors * scale)), axis=1)
        assert np.allclose(norms, 1, atol=1e-3)
    assert not np.isnan(unpacked(packed(np.zeros((1, 4), dtype=np.float32)))).any()


def test_a_store_without_embedding_has_no_dense_leg(store: KnowledgeStore) -> None:
    store.put_documents([new_document("a.txt", ["一段。"])])
    assert store.nearest(random_vectors(1, 1)[0], 5) == []
    assert store.cosines(random_vectors(1, 1)[0], [1]) == {}
    assert store.chunks_without_vectors == 1


def test_a_chunk_without_a_vector_is_counted_and_does_no_harm(filled: KnowledgeStore) -> None:
    assert filled.chunks_without_vectors == 0
    filled.put_documents([new_document("没有向量.txt", ["一段。", "二段。"])])
    assert filled.chunks_without_vectors == 2
    assert_exact(filled)
