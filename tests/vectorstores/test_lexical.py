"""The lexical leg against an independent brute force, and the properties that its scores promise."""

import math
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from edge_texts import EDGE_TEXTS
from fakes import new_document
from Stemmer import Stemmer

from analysis.folding import fold
from vectorstores.knowledge_store import KnowledgeStore

STEM = Stemmer("english").stemWord
ROOT = Path(__file__).resolve().parents[2]
K1, B, POOLING = 0.6, 0.3, 0.5


def runs_of(text: str) -> list[str]:
    """Cut folded text into hanzi runs and words, one character after the other."""
    runs, last = [], ""
    folded = fold(text)
    for place, sign in enumerate(folded):
        kind = "hanzi" if "\u3400" <= sign <= "\u9fff" else "word" if sign.isalnum() else ""
        if sign == "." and last == "word" and folded[place + 1 : place + 2].isdigit():
            kind = "word"
        if kind == last == "word" and sign.isalpha() and "." in runs[-1]:
            last = ""  # "1.5b" is 1.5 and b
        if kind and kind == last:
            runs[-1] += sign
        elif kind:
            runs.append(sign)
        last = kind
    return runs


def counted(text: str) -> tuple[Counter[str], int]:
    """Return the terms of a text with their number, and its length."""
    terms: Counter[str] = Counter()
    length = 0
    for run in runs_of(text):
        if "\u3400" <= run[0] <= "\u9fff":
            terms.update(run)
            terms.update(run[i : i + 2] for i in range(len(run) - 1))
            length += len(run)
        else:
            terms[STEM(run) if run.isascii() and run.isalpha() else run] += 1
            length += 1
    return terms, length


def weight_of(term: str) -> float:
    return 2.0 if not "\u3400" <= term[0] <= "\u9fff" else 1.0 if len(term) == 1 else 0.5


def brute_force(question: str, texts: dict[int, str], documents: dict[int, str]) -> list[tuple[int, float]]:
    """Score every chunk by BM25 as RETRIEVAL.md has it: weights by kind, share of the reachable score, pooling."""
    forms = {id: counted(text) for id, text in texts.items()}
    mean = sum(length for _, length in forms.values()) / len(forms)
    wanted = counted(question)[0]
    idf = {}
    for term in wanted:
        holding = sum(term in terms for terms, _ in forms.values())
        idf[term] = weight_of(term) * math.log(1 + (len(forms) - holding + 0.5) / (holding + 0.5))
    reachable = (K1 + 1) * sum(idf.values())
    scores = {}
    for id, (terms, length) in forms.items():
        saturation = K1 * (1 - B + B * length / mean)
        scores[id] = sum(w * terms[t] * (K1 + 1) / (terms[t] + saturation) for t, w in idf.items()) / reachable
    best: dict[str, float] = {}
    for id, score in scores.items():
        best[documents[id]] = max(best.get(documents[id], 0), score)
    sharing = {id: score for id, score in scores.items() if score}  # the others are no candidates
    pooled = {id: (score + POOLING * best[documents[id]]) / (1 + POOLING) for id, score in sharing.items()}
    return sorted(pooled.items(), key=lambda item: (-item[1], item[0]))


@pytest.fixture
def manual(store: KnowledgeStore) -> KnowledgeStore:
    """The samples' texts, a chunk a line, and the edge texts."""
    for path in sorted((ROOT / "knowledge_base/samples/content").rglob("*")):
        if path.suffix not in {".md", ".txt", ".csv"}:
            continue
        lines = [line for line in path.read_text("utf-8").splitlines() if any(sign.isalnum() for sign in line)]
        store.put_documents([new_document(path.name, lines)])
    edges = [text for name, text in EDGE_TEXTS.items() if name not in {"emoji", "rare_characters", "blank_lines"}]
    store.put_documents([new_document("边角.txt", edges)])
    assert store.chunk_count > 200
    return store


@pytest.mark.parametrize(
    "question",
    [
        "显存不足 量化",
        "ChatGLM-6B 需要 13GB 显存",
        "批准請假的部門主管",
        "版本 0.1.17 的得分",
        "相关度阈值 知识库 大小",
        "扫描件 文字识别 OCR PDF",
        "KV 缓存 token 占用 448 KiB",
        "温度 采样参数 top_p 0.7",
    ],
    ids=["memory", "mixed", "traditional", "decimals", "threshold", "scan", "cache", "sampling"],
)
def test_the_ten_best_are_those_of_an_independent_brute_force(manual: KnowledgeStore, question: str) -> None:
    chunks = [chunk for document in manual.documents() for chunk in manual.document_chunks(document.name)]
    expected = brute_force(
        question, {chunk.id: chunk.text for chunk in chunks}, {chunk.id: chunk.source for chunk in chunks}
    )[:10]
    scores = manual.lexical_scores(question, 10)
    assert list(scores) == [id for id, _ in expected]
    assert list(scores.values()) == pytest.approx([score for _, score in expected], abs=1e-9)


def test_scores_lie_between_0_and_1_for_any_question(manual: KnowledgeStore) -> None:
    chance = random.Random(1)
    chunks = [chunk for document in manual.documents() for chunk in manual.document_chunks(document.name)]
    questions = [chance.choice(chunks).text[:80] for _ in range(40)] + list(EDGE_TEXTS.values())
    for question in questions:
        scores = list(manual.lexical_scores(question, 50).values())
        assert all(0 < score <= 1 for score in scores)
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("word", ["年假", "补贴", "显存"], ids=["leave", "allowance", "memory"])
def test_a_word_of_two_characters_is_found(store: KnowledgeStore, word: str) -> None:
    """The trigram tokenizer that others recommend finds nothing here."""
    store.put_documents([new_document("a.txt", [f"关于{word}的规定。", "别的内容在这里。"])])
    (best, *_) = store.lexical_scores(word, 5)
    assert word in store.chunks([best])[best].text


def test_a_single_character_is_found(store: KnowledgeStore) -> None:
    store.put_documents([new_document("a.txt", ["我家有一只猫在睡。", "狗在外面跑步。"])])
    assert len(store.lexical_scores("猫", 5)) == 1


def test_a_perfect_restatement_scores_higher_than_a_partial_one(store: KnowledgeStore) -> None:
    question = "年假可以分次休完"
    store.put_documents([new_document("全.txt", ["年假可以分次休完"]), new_document("半.txt", ["年假须提前申请"])])
    store.put_documents([new_document(f"别{n}.txt", [f"第{n}条：出差按标准报销。"]) for n in range(20)])
    whole, part, *_ = store.lexical_scores(question, 5).items()
    chunks = store.chunks([whole[0], part[0]])
    assert chunks[whole[0]].source == "全.txt"
    assert chunks[part[0]].source == "半.txt"
    assert whole[1] > 0.6
    assert part[1] < 0.4


def test_a_longer_question_does_not_raise_relevance(store: KnowledgeStore) -> None:
    """Raw BM25 grows with the question; what is shown as a percentage may not."""
    store.put_documents([new_document("a.txt", ["员工入职满一年后有五天年假。"])])
    store.put_documents([new_document(f"{n}.txt", [f"第{n}条：出差按标准报销。"]) for n in range(20)])
    short = max(store.lexical_scores("年假五天", 5).values())
    repeated = max(store.lexical_scores("年假五天" * 50, 5).values())
    padded = max(store.lexical_scores("年假五天，另外火星上有没有水呢", 5).values())
    assert repeated <= 1
    assert padded < short


def test_pooling_never_changes_the_first_rank(store: KnowledgeStore) -> None:
    chance = random.Random(2)
    words = ["年假", "病假", "报销", "出差", "显存", "量化", "阈值", "重建"]
    texts = {f"{n}.txt": ["，".join(chance.choices(words, k=4)) + "。" for _ in range(4)] for n in range(30)}
    store.put_documents([new_document(name, lines) for name, lines in texts.items()])
    chunks = {chunk.id: chunk for name in texts for chunk in store.document_chunks(name)}
    for question in ("年假和病假", "显存量化阈值", "出差报销的年假"):
        alone = brute_force(question, {id: c.text for id, c in chunks.items()}, {id: str(id) for id in chunks})
        best = [id for id, score in alone if score == pytest.approx(alone[0][1])]
        assert next(iter(store.lexical_scores(question, 5))) in best


def test_the_target_is_found_among_thousands_although_frequent_terms_look_for_nothing(store: KnowledgeStore) -> None:
    chance = random.Random(4)
    subjects = ["公司", "员工", "部门", "主管", "财务", "系统", "合同", "项目"]
    texts = [
        f"{chance.choice(subjects)}{chance.choice(subjects)}的管理规定第{n}条：由{chance.choice(subjects)}负责执行。"
        for n in range(3_000)
    ]
    targets = {217: "公司食堂的管理规定：周五供应羊肉泡馍。", 1999: "员工宿舍的管理规定：晚上十一点熄灯。"}
    for place, text in targets.items():
        texts[place] = text
    store.put_documents([new_document(f"{n}.txt", texts[n : n + 100]) for n in range(0, 3_000, 100)])
    for question, place in (("公司食堂的管理规定里周五供应什么", 217), ("员工宿舍管理规定几点熄灯", 1999)):
        (best,) = store.chunks(list(store.lexical_scores(question, 1))).values()
        assert best.text == texts[place]
    assert len(store.lexical_scores("管理规定", 10)) == 10  # frequent terms look after all where there are no others


@pytest.mark.parametrize(
    "question",
    ["", "   ", "？？？！", "。", "\x00", '" OR 1=1 --', "terms:年假", "年假 NEAR 病假", "年假*", "NOT", "("],
    ids=["empty", "blank", "marks", "stop", "nul", "sql", "column", "near", "star", "not", "bracket"],
)
def test_any_question_is_only_words(store: KnowledgeStore, question: str) -> None:
    store.put_documents([new_document("a.txt", ["年假有五天。"])])
    scores = store.lexical_scores(question, 5)
    assert set(scores.values()) <= {0.0} or "年假" in question


def test_pain_2_a_very_long_question_is_answered_in_reasonable_time(manual: KnowledgeStore) -> None:
    chance = random.Random(6)
    question = "".join(chr(chance.randrange(0x4E00, 0x9FA5)) for _ in range(20_000))
    started = time.perf_counter()
    scores = manual.lexical_scores(question, 10)
    assert all(0 <= score <= 1 for score in scores.values())
    assert time.perf_counter() - started < 10


def test_chunks_asked_for_by_the_other_leg_are_scored_too(store: KnowledgeStore) -> None:
    store.put_documents([new_document("a.txt", ["年假有五天。", "病假须有证明。"])])
    first, second = (chunk.id for chunk in store.document_chunks("a.txt"))
    scores = store.lexical_scores("年假", 1, also=[second, 999])
    assert list(scores) == [first, second, 999]
    assert scores[first] > scores[second] >= 0
    assert scores[999] == 0
    assert store.lexical_scores("？", 1, also=[second]) == {second: 0.0}


def test_traditional_and_full_width_questions_find_simplified_text(store: KnowledgeStore) -> None:
    store.put_documents([new_document("a.txt", ["请假须经部门主管批准。", "ChatGLM 需要 13GB。"])])
    first, second = (chunk.id for chunk in store.document_chunks("a.txt"))
    assert next(iter(store.lexical_scores("請假批准", 5))) == first
    full_width = "chatglm".translate({sign: sign + 0xFEE0 for sign in range(ord("a"), ord("z") + 1)})
    assert next(iter(store.lexical_scores(full_width, 5))) == second


def test_rare_terms_weigh_more_and_unknown_ones_most(store: KnowledgeStore) -> None:
    store.put_documents([new_document("a.txt", ["公司年假。", "公司病假。", "公司报销。"])])
    weights = store.term_weights("公司年假飞碟")
    assert weights["公司"] < weights["年假"] < weights["飞碟"]
    assert store.term_weights("？") == {}


def test_an_empty_store_finds_nothing(store: KnowledgeStore) -> None:
    assert store.lexical_scores("年假", 5) == {}
    assert store.chunk_count == 0
