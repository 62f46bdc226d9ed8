"""Several stores as one: the contract of `ChunkStore`, against the stores themselves and one that holds everything."""

import gzip
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_texts import EDGE_TEXTS
from fakes import HashedEmbeddings, new_document

from chains.retrieve import DenseLeg, logistic, retrieve
from core.answers import RetrievalSettings
from core.documents import EmbeddingIdentity
from vectorstores.combined import CombinedStore
from vectorstores.knowledge_store import KnowledgeStore

OpenStore = Callable[..., KnowledgeStore]
EMBEDDINGS = HashedEmbeddings()
DENSE = DenseLeg(EMBEDDINGS, logistic(0.5, 0.1))
SETTINGS = RetrievalSettings(top_k=5, threshold=0.2, dense_weight=0.3, passage_chars=500, context_chars=2000)
RGB = Path(__file__).resolve().parents[3] / "shared" / "bench" / "rgb" / "zh_refine.json.gz"

SUBJECTS = ["年假", "病假", "出差", "报销", "显存", "量化", "阈值", "重建", "GPU", "ChatGLM"]
QUESTIONS = ["年假和病假的规定", "第7条出差报销", "ChatGLM 量化需要多少显存", "GPU 阈值", "火星上有水吗"]
QUESTIONS += EDGE_TEXTS.values()


def written(number: int) -> list[str]:
    chance = random.Random(number)
    return [
        f"第{number}条{part}款：{'、'.join(chance.sample(SUBJECTS, 3))}的规定。" for part in range(chance.randint(1, 6))
    ]


DOCUMENTS = {f"{number}.txt": written(number) for number in range(60)}
VECTORS = {name: np.asarray(EMBEDDINGS.embed_documents(texts), dtype=np.float32) for name, texts in DOCUMENTS.items()}


def fill(store: KnowledgeStore, names: Sequence[str], *, with_vectors: bool = True) -> KnowledgeStore:
    if with_vectors:
        store.use_embedding(EmbeddingIdentity("hashed", "f", EMBEDDINGS.dimensions))
    vectors = VECTORS if with_vectors else dict.fromkeys(names)
    store.put_documents([new_document(name, DOCUMENTS[name], vectors=vectors[name]) for name in names])
    return store


@pytest.fixture
def whole(open_store: OpenStore) -> KnowledgeStore:
    """One store that holds everything."""
    return fill(open_store("whole"), list(DOCUMENTS))


@pytest.fixture
def parts(open_store: OpenStore) -> list[KnowledgeStore]:
    """Three stores that hold everything between them: forty documents, nineteen, and one."""
    names = list(DOCUMENTS)
    return [fill(open_store("a"), names[:40]), fill(open_store("b"), names[40:59]), fill(open_store("c"), names[59:])]


def vector_of(question: str) -> np.ndarray:
    return DENSE.embed(question)


def test_one_store_alone_is_what_it_was(whole: KnowledgeStore) -> None:
    combined = CombinedStore([whole])
    assert combined.chunk_count == whole.chunk_count
    for question in QUESTIONS:
        assert dict(combined.term_weights(question)) == pytest.approx(dict(whole.term_weights(question)))
        for limit, also in ((5, ()), (50, (3, 999_999, 1)), (0, (2, 4))):
            expected = whole.lexical_scores(question, limit, also)
            scores = combined.lexical_scores(question, limit, also)
            assert dict(scores) == pytest.approx(dict(expected))
        vector = vector_of(question)
        nearest = combined.nearest(vector, 20)
        cosines = whole.cosines(vector, nearest)
        assert combined.cosines(vector, [*nearest, 999_999]) == cosines
        assert sorted(cosines.values(), reverse=True) == pytest.approx(
            [whole.cosines(vector, [id])[id] for id in whole.nearest(vector, 20)]
        )
    chunks = whole.chunks(range(1, whole.chunk_count + 3))
    assert combined.chunks(list(range(1, whole.chunk_count + 3))) == chunks
    for chunk in chunks.values():
        assert combined.chunk_at(chunk.document_id, chunk.start) == chunk
        assert combined.neighbours(chunk, 2) == whole.neighbours(chunk, 2)
        assert combined.text(chunk.document_id, chunk.start, chunk.end) == chunk.text


@pytest.mark.parametrize("dense", [None, DENSE], ids=["lexical", "both_legs"])
@pytest.mark.parametrize("question", QUESTIONS[:5], ids=["leave", "number", "mixed", "latin", "unknown"])
def test_one_store_alone_is_retrieved_from_as_before(
    whole: KnowledgeStore, question: str, dense: DenseLeg | None
) -> None:
    expected, found = (retrieve(question, store, SETTINGS, dense) for store in (whole, CombinedStore([whole])))
    assert [hit.chunk for hit in found.hits] == [hit.chunk for hit in expected.hits]
    assert [hit.dropped_by for hit in found.hits] == [hit.dropped_by for hit in expected.hits]
    assert [hit.relevance for hit in found.hits] == pytest.approx([hit.relevance for hit in expected.hits])
    assert [passage.text for passage in found.passages] == [passage.text for passage in expected.passages]


def test_every_chunk_has_an_id_of_its_own_that_leads_back_to_it(parts: list[KnowledgeStore]) -> None:
    combined = CombinedStore(parts)
    expected = [chunk for part in parts for name in DOCUMENTS for chunk in part.document_chunks(name)]
    assert combined.chunk_count == len(expected)
    chunks = combined.chunks(range(3 * len(expected)))
    assert all(id == chunk.id for id, chunk in chunks.items())
    assert {(chunk.source, chunk.ordinal, chunk.text) for chunk in chunks.values()} == {
        (chunk.source, chunk.ordinal, chunk.text) for chunk in expected
    }
    assert len(chunks) == len(expected)
    assert len({chunk.document_id for chunk in chunks.values()}) == len(DOCUMENTS)
    for chunk in chunks.values():
        assert combined.chunk_at(chunk.document_id, chunk.start) == chunk
        assert combined.text(chunk.document_id, chunk.start, chunk.end) == chunk.text
        around = combined.neighbours(chunk, 100)
        assert [other.text for other in around] == DOCUMENTS[chunk.source]
        assert {(other.source, other.document_id) for other in around} == {(chunk.source, chunk.document_id)}
        assert all(chunks[other.id] == other for other in around)
    assert combined.chunk_at(chunk.document_id, 10_000) is None
    assert combined.chunks([]) == {}


def test_the_nearest_are_those_of_brute_force(parts: list[KnowledgeStore]) -> None:
    combined = CombinedStore(parts)
    chunks = combined.chunks(range(3 * combined.chunk_count))
    matrix = np.asarray(EMBEDDINGS.embed_documents([chunk.text for chunk in chunks.values()]), dtype=np.float32)
    for question in QUESTIONS:
        exact = dict(zip(chunks, matrix @ vector_of(question), strict=True))
        nearest = combined.nearest(vector_of(question), 20)
        assert len(nearest) == len(set(nearest)) == 20
        best = sorted(exact.values(), reverse=True)[:20]
        assert [exact[id] for id in nearest] == pytest.approx(best, abs=2e-3)  # fp16
        cosines = combined.cosines(vector_of(question), [*chunks, 999_999])
        assert cosines == pytest.approx(exact, abs=2e-3)


def test_terms_weigh_what_they_weigh_in_one_store_of_everything(
    parts: list[KnowledgeStore], whole: KnowledgeStore
) -> None:
    for question in QUESTIONS:
        expected = dict(whole.term_weights(question))
        assert dict(CombinedStore(parts).term_weights(question)) == pytest.approx(expected)
    weights = CombinedStore(parts).term_weights("年假飞碟的规定")
    assert weights["规定"] < weights["年假"] < weights["飞碟"]


def test_relevance_is_that_of_one_store_of_everything(parts: list[KnowledgeStore], whole: KnowledgeStore) -> None:
    combined = CombinedStore(parts)
    names = {chunk.text: chunk.id for chunk in whole.chunks(range(whole.chunk_count + 1)).values()}
    for question in QUESTIONS:
        scores = combined.lexical_scores(question, 500)
        assert list(scores.values()) == sorted(scores.values(), reverse=True)
        assert all(0 <= score <= 1 for score in scores.values())
        expected = whole.lexical_scores(question, 500)
        chunks = combined.chunks(list(scores))
        assert {chunk.text for chunk in chunks.values()} == {whole.chunks([id])[id].text for id in expected}
        for id, score in scores.items():
            assert score == pytest.approx(expected[names[chunks[id].text]], abs=0.02)


def test_the_limit_and_what_is_asked_for_besides(parts: list[KnowledgeStore]) -> None:
    combined = CombinedStore(parts)
    everything = combined.lexical_scores("年假", 500)
    some = list(everything)[-3:]
    assert list(combined.lexical_scores("年假", 4)) == list(everything)[:4]
    scores = combined.lexical_scores("年假", 4, also=[*some, 999_999])
    assert list(scores) == [*list(everything)[:4], *some, 999_999]
    assert scores[999_999] == 0.0
    assert dict(combined.lexical_scores("？", 4, also=some)) == dict.fromkeys(some, 0.0)
    assert combined.lexical_scores("？", 4) == {}


def test_words_that_every_search_result_holds_count_as_much_as_elsewhere(open_store: OpenStore) -> None:
    """A store of search results alone takes the question's own words for common ones."""
    base, web = open_store("base"), open_store("web")
    base.put_documents([new_document(f"{n}.txt", [f"第{n}号工程按图纸施工，混凝土标号为C{n}。"]) for n in range(300)])
    found = [f"量子纠缠的第{n}种解释。" for n in range(7)] + ["量子纠缠由薛定谔在1935年命名。"]
    web.put_documents([new_document(f"网页{n}", [text]) for n, text in enumerate(found)])
    question = "量子纠缠这个词是谁提出的"
    alone = max(web.lexical_scores(question, 5).values())
    combined = CombinedStore([base, web])
    (id, score), *_ = combined.lexical_scores(question, 5).items()
    assert combined.chunks([id])[id].text in found
    for n, text in enumerate(found):
        base.put_documents([new_document(f"网页{n}", [text])])
    in_one = max(base.lexical_scores(question, 5).values())
    assert score == pytest.approx(in_one, abs=0.03)
    assert abs(alone - in_one) > 0.1


def test_hits_never_mix_documents(parts: list[KnowledgeStore]) -> None:
    """Chunks and documents of different stores have the same ids within them."""
    combined, stores = CombinedStore(parts), set()
    for question in QUESTIONS[:5]:
        retrieval = retrieve(question, combined, replace(SETTINGS, threshold=0.0, top_k=50, context_chars=9000), DENSE)
        assert {hit.chunk.source for hit in retrieval.hits} <= set(DOCUMENTS)
        stores |= {hit.chunk.id % 3 for hit in retrieval.hits}
        for passage in retrieval.passages:
            whole_text = "\n".join(DOCUMENTS[passage.chunk.source])
            assert passage.text == whole_text[passage.start : passage.end]
    assert stores == {0, 1, 2}


def test_a_store_without_vectors_and_an_empty_one_do_no_harm(open_store: OpenStore) -> None:
    names = list(DOCUMENTS)
    plain = fill(open_store("plain"), names[:5], with_vectors=False)
    combined = CombinedStore([open_store("empty"), plain, fill(open_store("dense"), names[5:10])])
    retrieval = retrieve("年假和病假的规定", combined, replace(SETTINGS, threshold=0.0), DENSE)
    by_leg = {hit.chunk.id % 3: hit.dense is None for hit in retrieval.hits}
    assert by_leg == {1: True, 2: False}
    assert combined.chunk_count == sum(len(DOCUMENTS[name]) for name in names[:10])


def test_the_vectors_of_some_stores_can_be_left_alone(open_store: OpenStore) -> None:
    """They may be of another embedding, with which nothing here could be compared."""
    names = list(DOCUMENTS)
    other = open_store("other")
    other.use_embedding(EmbeddingIdentity("other", "g", 3))
    vectors = np.ones((len(DOCUMENTS["6.txt"]), 3), dtype=np.float32)
    other.put_documents([new_document("6.txt", DOCUMENTS["6.txt"], vectors=vectors)])
    dense = fill(open_store("dense"), names[:5])
    combined = CombinedStore([other, dense], dense=[1])
    hits = retrieve("年假和病假的规定", combined, replace(SETTINGS, threshold=0.0), DENSE).hits
    assert {hit.chunk.id % 2: hit.dense is None for hit in hits} == {0: True, 1: False}
    assert {id % 2 for id in combined.nearest(vector_of("年假"), 100)} == {1}


def test_the_same_text_in_two_stores_is_used_once(open_store: OpenStore) -> None:
    stores = [fill(open_store(name), ["7.txt"]) for name in ("one", "two")]
    retrieval = retrieve("第7条", CombinedStore(stores), replace(SETTINGS, threshold=0.0), DENSE)
    assert [hit.dropped_by for hit in retrieval.hits].count("duplicate") == len(DOCUMENTS["7.txt"])


@pytest.mark.skipif(not RGB.exists(), reason="the benchmark is not beside the project")
def test_search_results_with_the_answer_pass_the_threshold_of_a_large_knowledge_base(open_store: OpenStore) -> None:
    """News found for fifteen questions, four pages with the answer and four without, beside 1,000 other chunks."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in gzip.decompress(RGB.read_bytes()).splitlines() if line]
    base, web = open_store("base"), open_store("web")
    other = [page[:250] for row in rows[40:] for page in row["negative"][:5] if isinstance(page, str)][:1000]
    base.put_documents([new_document(f"{n}.txt", [text]) for n, text in enumerate(other)])
    combined, passed = CombinedStore([base, web]), 0
    for row in rows[:15]:
        right = [page[:250] for page in row["positive"] if isinstance(page, str)][:4]
        pages = [*right, *(page[:250] for page in row["negative"][:4])]
        web.put_documents([new_document(f"{n}", [text]) for n, text in enumerate(pages)])
        hits = retrieve(row["query"], combined, replace(SETTINGS, threshold=0.367)).hits
        passed += any(hit.kept and hit.chunk.text in right for hit in hits)
        for n in range(8):
            web.delete_document(f"{n}")
    assert passed >= 14
