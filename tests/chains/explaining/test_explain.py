"""Why was it not found? Every stage can be the one that loses a passage, and what is recommended does bring it back."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from edge_texts import EDGE_TEXTS
from fakes import HashedEmbeddings, new_document
from langchain_core.documents import Document

from chains.explaining.expected import parse_expected, spans_of
from chains.explaining.explain import explain
from core.answers import RetrievalSettings
from core.documents import DocumentRow
from core.evaluation import Expected
from core.explanations import STAGES, Explanation
from core.messages import Message
from splitters.chinese import ChineseTextSplitter

Bench = Any
DEFAULTS = {"top_k": 5, "threshold": 0.2, "dense_weight": 0.3, "passage_chars": 500, "context_chars": 2000}
LEAVE = ["员工入职满一年后有五天年假。", "年假须提前三天申请。", "病假须提供医院证明。", "出差补贴每天一百元。"]


def why(bench: Bench, question: str, expect: str | Expected, **changed: Any) -> Explanation:
    """Explain, and check what holds for every explanation."""
    names = [record.name for record in bench.store.documents()]
    expected = parse_expected(expect, names) if isinstance(expect, str) else expect
    settings = RetrievalSettings(**{**DEFAULTS, **changed})
    explanation = explain(question, expected, bench.store, settings, bench.dense)
    order = [STAGES.index(step.stage) for step in explanation.steps]
    assert order == sorted(set(order))
    assert [step.outcome == "lost" for step in explanation.steps[:-1]] == [False] * (len(order) - 1)
    for step in explanation.steps:
        assert (step.advice is not None) is (step.outcome == "lost")
        for language in ("zh", "en"):
            told = step.seen.text(language) + (step.advice.text(language) if step.advice else "")
            assert told
            assert "Message(" not in told
            assert "None" not in told
    assert explanation.found is (explanation.passage is not None)
    assert explanation.found or not explanation.changes or is_past(bench, explanation, question, expected, settings)
    return explanation


def is_past(
    bench: Bench, explanation: Explanation, question: str, expected: Expected, settings: RetrievalSettings
) -> bool:
    """Tell whether the recommended settings, put in force, bring the passage to a later stage, and as it was said."""
    changed = {name: getattr(settings, name) for name in DEFAULTS} | dict(explanation.changes)
    after = explain(question, expected, bench.store, RetrievalSettings(**changed), bench.dense)
    assert after.found is ("reaches the answer" in english(explanation))
    return after.found or STAGES.index(after.lost.stage) > STAGES.index(explanation.lost.stage)


def put_many(bench: Bench, documents: dict[str, list[str]]) -> None:
    """Store documents in one transaction."""
    new = [new_document(name, texts, vectors=vectors(bench, texts)) for name, texts in documents.items()]
    bench.store.put_documents(new)


def vectors(bench: Bench, texts: list[str]) -> Any:
    if bench.embeddings is None:
        return None
    return np.asarray(bench.embeddings.embed_documents(texts), dtype=np.float32)


def lost_at(explanation: Explanation) -> str | None:
    return explanation.lost.stage if explanation.lost else None


def english(explanation: Explanation) -> str:
    return explanation.lost.advice.text("en")


def seen(explanation: Explanation, stage: str) -> str:
    return next(step.seen.text("en") for step in explanation.steps if step.stage == stage)


def outcomes(explanation: Explanation) -> dict[str, str]:
    return {step.stage: step.outcome for step in explanation.steps}


# --- what is expected -------------------------------------------------------------------------------------------------

NAMES = ["假期.txt", "a/手册.pdf", "b/手册.pdf", "c/表.xlsx", "会议 10:30", "Guide.MD"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("假期.txt", Expected(file="假期.txt")),
        ("假期.txt:3", Expected(file="假期.txt", page=3)),
        ("假期.txt：12", Expected(file="假期.txt", page=12)),
        (" 假期.txt : ３ ", Expected(file="假期.txt", page=3)),
        ("guide.md", Expected(file="Guide.MD")),
        ("表.xlsx:2", Expected(file="c/表.xlsx", page=2)),
        ("手册.pdf", Expected(file="手册.pdf")),  # which of the two?
        ("会议 10:30", Expected(file="会议 10:30")),
        ("会议 10:30:2", Expected(file="会议 10:30", page=2)),
        ("没有的.docx", Expected(file="没有的.docx")),
        ("没有的.docx:7", Expected(file="没有的.docx", page=7)),
        ('"假期.txt"', Expected(text="假期.txt")),
        ("“年假五天”", Expected(text="年假五天")),
        ("「年假」", Expected(text="年假")),
        ("“甲”和“乙”", Expected(text="“甲”和“乙”")),
        ("会议于 9:30 开始，10:45", Expected(text="会议于 9:30 开始，10:45")),
        ("年假有五天。", Expected(text="年假有五天。")),
        ("版本 0.1.17 的得分是 3.14", Expected(text="版本 0.1.17 的得分是 3.14")),
        ("", Expected()),
        ("\ud800", Expected(text="?")),
    ],
)
def test_an_expectation_is_read_as_it_is_written(written: str, expected: Expected) -> None:
    assert parse_expected(written, NAMES) == expected


@pytest.mark.parametrize("text", EDGE_TEXTS.values(), ids=EDGE_TEXTS.keys())
def test_every_text_is_found_in_itself(text: str) -> None:
    [span] = spans_of(text, f"前。{text}后。")
    assert span.of(f"前。{text}后。").strip() == text.strip()


def test_a_text_is_found_whatever_its_layout() -> None:
    text = "｜ 需要 １３ＧＢ\n显存，須經批准 |"
    [span] = spans_of("需要13gb显存，须经批准", text)
    assert span.of(text) == "需要 １３ＧＢ\n显存，須經批准"
    assert spans_of("需要14GB", text) == []
    assert spans_of(" | ", text) == []
    assert [span.start for span in spans_of("年假", "年假、年 假")] == [0, 3]


def test_nothing_expected_is_an_error(bench: Bench) -> None:
    with pytest.raises(ValueError, match="nothing is expected"):
        why(bench, "年假有几天", Expected())


# --- the documents ------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there(bench: Bench) -> None:
    bench.put("员工假期.txt", LEAVE)
    explanation = why(bench, "年假有几天", "员工假日.txt")
    assert lost_at(explanation) == "file"
    assert "员工假期.txt" in seen(explanation, "file")
    assert explanation.retrieval is None
    assert why(bench, "年假有几天", "员工假期.txt").found
    assert "nowhere" in seen(why(bench, "年假有几天", "zzz.zip"), "file")


def test_a_file_that_failed_to_load(bench: Bench) -> None:
    reason = Message("文件已加密：{{x}}", "the file is encrypted: {{x}}")
    bench.store.put_unindexed(DocumentRow("合同.pdf", "h", "failed", 10, reason))
    explanation = why(bench, "合同金额", "合同.pdf")
    assert lost_at(explanation) == "loading"
    assert explanation.lost.seen.text("zh").endswith("文件已加密：{x}")
    bench.put("合同.pdf", ["合同金额为五万元。"])
    assert why(bench, "合同金额", "合同.pdf").found


def test_a_file_without_chunks(bench: Bench) -> None:
    bench.put("空.txt", [])
    assert lost_at(why(bench, "年假", "空.txt")) == "loading"


def test_a_duplicate_is_searched_by_the_other_name(bench: Bench) -> None:
    bench.put("假期.txt", LEAVE)
    sha256 = bench.store.document("假期.txt").sha256
    bench.store.put_unindexed(DocumentRow("副本.txt", sha256, "duplicate", 10, Message("同", "same")))
    explanation = why(bench, "年假有几天", "副本.txt")
    assert lost_at(explanation) == "copy"
    assert "“假期.txt”" in english(explanation)
    assert why(bench, "年假有几天", "假期.txt").found


def test_a_page_without_text(bench: Bench) -> None:
    bench.put("手册.pdf", LEAVE[:2], metadata=[{"page": 1}, {"page": 3}])
    explanation = why(bench, "年假有几天", "手册.pdf:2")
    assert lost_at(explanation) == "page"
    assert "1, 3" in english(explanation)
    assert why(bench, "年假有几天", "手册.pdf:1").found
    assert lost_at(why(bench, "年假有几天", "手册.pdf:0")) == "page"
    bench.put("手册.pdf", LEAVE[:3], metadata=[{"page": 1}, {"page": 2}, {"page": 3}])
    assert why(bench, "年假有几天", "手册.pdf:2").found


def test_a_page_beyond_the_last(bench: Bench) -> None:
    new = new_document("手册.pdf", LEAVE[:2], metadata=[{"page": 1}, {"page": 2}])
    row = DocumentRow("手册.pdf", "h", "indexed", 10, pages=4, chars=new.row.chars)
    bench.store.put_documents([type(new)(row, new.text, new.chunks, new.indexed_texts, None)])
    assert "has 4" in seen(why(bench, "年假", "手册.pdf:5"), "page")
    assert "blank, a scan" in seen(why(bench, "年假", "手册.pdf:4"), "page")


def test_a_slide_counts_as_a_page(bench: Bench) -> None:
    bench.put("讲稿.pptx", LEAVE[:2], metadata=[{"slide": 1}, {"slide": 2}])
    assert why(bench, "年假申请", "讲稿.pptx:2").found


def test_a_format_without_pages(bench: Bench) -> None:
    bench.put("假期.txt", LEAVE)
    explanation = why(bench, "年假有几天", "假期.txt:1")
    assert lost_at(explanation) == "page"
    assert "without a page" in english(explanation)


def test_a_text_that_no_document_holds(bench: Bench, others: Callable[[], None]) -> None:
    others()
    bench.put("假期.txt", LEAVE)
    explanation = why(bench, "年假有几天", "员工入职满两年后有十天年假")
    assert lost_at(explanation) == "text"
    assert "假期.txt, chunk 1" in seen(explanation, "text")
    assert LEAVE[0] in seen(explanation, "text")
    assert why(bench, "年假有几天", LEAVE[0]).found
    assert lost_at(why(bench, "年假有几天", Expected(file="别的1.txt", text=LEAVE[0]))) == "text"
    within = seen(why(bench, "年假有几天", Expected(file="别的1.txt", text="混凝土标号不明")), "text")
    assert "别的1.txt" in within


def test_a_text_in_an_empty_knowledge_base(bench: Bench) -> None:
    assert lost_at(why(bench, "年假有几天", "年假五天")) == "text"


def test_a_text_on_another_page(bench: Bench) -> None:
    bench.put("手册.pdf", LEAVE[:2], metadata=[{"page": 1}, {"page": 2}])
    assert lost_at(why(bench, "年假", Expected("手册.pdf", 2, "五天年假"))) == "text"
    assert why(bench, "年假", Expected("手册.pdf", 1, "五天年假")).found


# --- the splitter -------------------------------------------------------------------------------------------------


def test_a_text_cut_by_the_splitter(bench: Bench, others: Callable[[], None]) -> None:
    others()
    bench.store.set_manifest(chunk_chars=250, overlap_chars=0)
    bench.put("假期.txt", LEAVE)
    cut = LEAVE[0] + LEAVE[1]
    assert outcomes(why(bench, "年假有几天", cut))["splitter"] == "missed"  # grown by its neighbour
    explanation = why(bench, "年假有几天", cut, passage_chars=0, top_k=1)
    assert lost_at(explanation) == "splitter"
    assert "假期.txt, chunk 1 to 2 (chunk_chars=250, chunk_overlap_chars=0)" in seen(explanation, "splitter")
    assert "passage_chars" in explanation.changes
    joined = why(bench, "年假提前几天申请，员工有几天年假", cut, passage_chars=0, threshold=0.0)
    assert joined.found  # both are hits, and touch


def test_a_long_passage_needs_a_budget_too(bench: Bench) -> None:
    texts = [f"第{number}条，" + f"年假规定之{number}。" * 20 for number in range(4)]
    bench.put("假期.txt", texts)
    explanation = why(bench, "第0条年假规定", texts[0] + texts[1], passage_chars=0, context_chars=150, top_k=1)
    assert lost_at(explanation) == "splitter"
    assert set(explanation.changes) >= {"passage_chars", "context_chars"}


def test_rows_are_never_one_passage(bench: Bench) -> None:
    bench.put("表.xlsx", LEAVE[:2], metadata=[{"kind": "row", "row": 1}, {"kind": "row", "row": 2}])
    explanation = why(bench, "年假有几天", LEAVE[0] + LEAVE[1])
    assert lost_at(explanation) == "splitter"
    assert not explanation.changes
    assert "shorter part" in english(explanation)


def test_a_text_without_words(bench: Bench) -> None:
    new = new_document("a.txt", LEAVE, between="\n※※※\n")
    bench.store.put_documents([new])
    explanation = why(bench, "年假有几天", "※※※", passage_chars=0)
    assert lost_at(explanation) == "splitter"


@pytest.mark.parametrize("seed", range(8))
def test_splitting_again_as_recommended_puts_the_text_in_one_chunk(bench: Bench, seed: int) -> None:
    dice = random.Random(seed)
    sentences = [f"第{number}条规定{'应当遵守' * dice.randint(2, 12)}。" for number in range(60)]
    text = "".join(sentences)

    def split(chars: int, overlap: int) -> None:
        chunks = ChineseTextSplitter(chars, overlap).split_documents([Document(page_content=text)])
        new = new_document("规定.txt", [text])
        titles = [chunk.page_content for chunk in chunks]
        bench.store.put_documents([type(new)(new.row, text, chunks, titles, None)])
        bench.store.set_manifest(chunk_chars=chars, overlap_chars=overlap)

    split(150, 0)
    end = dice.choice(bench.store.document_chunks("规定.txt")[:-1]).end
    number = next(n for n in range(60) if len("".join(sentences[:n])) == end)
    cut = sentences[number - 1] + sentences[number]
    explanation = why(bench, "规定", cut, passage_chars=0, top_k=1)
    assert lost_at(explanation) == "splitter"
    advised = english(explanation).split("chunk_overlap_chars=")[1]
    overlap, chars = (int(part.split()[0].rstrip(",")) for part in (advised, advised.split("chunk_chars=")[1]))
    assert chars >= 2 * overlap
    split(chars, overlap)
    after = why(bench, "规定", cut, passage_chars=0, top_k=1)
    assert outcomes(after)["splitter"] == "passed"


# --- the legs -----------------------------------------------------------------------------------------------------


def test_no_shared_term(bench: Bench, others: Callable[[], None]) -> None:
    others()
    bench.put("假期.txt", LEAVE)
    question = "vacation 图纸"
    explanation = why(bench, question, LEAVE[0])
    assert lost_at(explanation) == "lexical"
    assert "“vacat” nowhere" in seen(explanation, "lexical")
    assert "“图纸” 别的0.txt, 别的1.txt …" in seen(explanation, "lexical")
    assert LEAVE[0] in english(explanation)
    assert "embedding model" in english(explanation)
    assert lost_at(why(bench, f"{question} {LEAVE[0]}", LEAVE[0])) != "lexical"


def test_the_words_recommended_are_not_the_answer(bench: Bench, others: Callable[[], None]) -> None:
    others()
    bench.put("假期.txt", ["员工入职满一年后可以休假。年假有五天。"])
    explanation = why(bench, "vacation", "年假有五天")
    assert "“员工入职满一年后可以休假。”" in english(explanation)


def test_a_lexical_rank_too_low(bench: Bench) -> None:
    put_many(bench, {f"年假{number}.txt": [f"年假有几天：{number}天年假。"] for number in range(70)})
    bench.put("假期.txt", ["假日。" + "员工手册的其他内容与此无关。" * 8])
    explanation = why(bench, "年假有几天", "假期.txt")
    assert lost_at(explanation) == "lexical"
    assert "not among the best 50 (rank 71)" in seen(explanation, "lexical")
    words = english(explanation).split("“")[1].split("”")[0]
    assert lost_at(why(bench, f"年假有几天 {words}", "假期.txt")) != "lexical"


def test_the_title_counts_as_shared(bench: Bench, others: Callable[[], None]) -> None:
    others()
    bench.put("手册.txt", ["须提前三天申请。"], title="年假")
    explanation = why(bench, "年假", "须提前三天申请")
    assert explanation.found
    assert seen(explanation, "lexical").endswith("shared terms: 年假")  # rather than 年 and 假


class Scripted(HashedEmbeddings):
    """Vectors by hand: texts are as near to every question as `nearness` says, 0 where it says nothing."""

    def __init__(self, nearness: dict[str, float]) -> None:
        super().__init__(dimensions=2)
        self.nearness = nearness

    def embed_query(self, text: str) -> list[float]:
        return [1.0, 0.0]

    def _vector(self, text: str) -> list[float]:
        near = next((value for part, value in self.nearness.items() if part in text), 0.0)
        return [near, (1 - near**2) ** 0.5]


def test_found_by_the_dense_leg_alone(bench: Bench) -> None:
    bench.use(Scripted({"年假须": 1.0}))
    bench.put("假期.txt", LEAVE)
    explanation = why(bench, "vacation", LEAVE[1], dense_weight=0.8)
    assert explanation.found
    assert outcomes(explanation)["lexical"] == "missed"
    assert outcomes(explanation)["dense"] == "passed"
    assert "rank 1" in seen(explanation, "dense")


def test_no_vector_and_no_shared_term(bench: Bench) -> None:
    bench.put("旧.txt", LEAVE)
    bench.use(Scripted({"年假须": 1.0}))
    explanation = why(bench, "vacation", LEAVE[1], dense_weight=0.8)
    assert lost_at(explanation) == "dense"
    assert outcomes(explanation)["lexical"] == "missed"
    assert "kb rebuild" in english(explanation)
    assert outcomes(why(bench, "年假须申请", LEAVE[1]))["dense"] == "missed"  # the lexical leg brings it
    bench.put("旧.txt", LEAVE)
    assert why(bench, "vacation", LEAVE[1], dense_weight=0.8).found


def test_a_dense_rank_too_low(bench: Bench) -> None:
    bench.use(Scripted({"图纸": 0.9, "年假": 0.1}))
    put_many(bench, {f"{number}.txt": [f"图纸{number}号。"] for number in range(60)})
    bench.put("假期.txt", LEAVE[:1])
    explanation = why(bench, "drawing", LEAVE[0])
    assert lost_at(explanation) == "dense"
    assert "not among the nearest 50" in seen(explanation, "dense")
    words = english(explanation).split("“")[1].split("”")[0]
    assert STAGES.index(lost_at(why(bench, f"drawing {words}", LEAVE[0])) or "budget") > STAGES.index("dense")


@pytest.mark.parametrize(("nearness", "weight", "leg"), [(0.0, 0.8, "dense"), (1.0, 0.0, "lexical")])
def test_pushed_down_by_the_other_leg(bench: Bench, nearness: float, weight: float, leg: str) -> None:
    bench.use(Scripted({"年假": nearness, "出差": 0.2}))
    bench.put("假期.txt", [LEAVE[0], LEAVE[3]])
    question = "员工入职满一年后有五天年假" if leg == "dense" else "出差补贴年假"
    threshold = 0.5 if leg == "dense" else 0.6
    explanation = why(bench, question, LEAVE[0], dense_weight=weight, threshold=threshold, passage_chars=0)
    assert lost_at(explanation) == "fusion"
    assert f"pushed down by the {leg} leg" in seen(explanation, "fusion")
    assert set(explanation.changes) == {"dense_weight"}
    assert "reaches the answer" in english(explanation)


def test_fused_out_of_the_candidates(bench: Bench) -> None:
    bench.use(Scripted({"图纸": 0.9, "年假": -1.0}))
    put_many(bench, {f"{number}.txt": [f"图纸{number}号。"] for number in range(60)})
    bench.put("假期.txt", ["年假的各种规定，见员工手册的第三章和第四章。"])
    explanation = why(bench, "年假", "假期.txt", dense_weight=0.9)
    assert lost_at(explanation) == "fusion"
    assert explanation.hit is None
    assert "not among the best 50" in seen(explanation, "fusion")
    assert explanation.changes["dense_weight"] < 0.9
    strict = why(bench, "年假", "假期.txt", dense_weight=0.9, threshold=0.999)  # no weight alone will do
    assert list(strict.changes)[:2] == ["dense_weight", "threshold"]


# --- the selection ------------------------------------------------------------------------------------------------


def test_below_the_threshold(bench: Bench, others: Callable[[], None]) -> None:
    others()
    bench.put("假期.txt", LEAVE)
    explanation = why(bench, "年假申请要几天", LEAVE[0], threshold=0.9, passage_chars=0)
    assert lost_at(explanation) == "threshold"
    relevance = explanation.hit.relevance
    assert f"relevance {relevance:.1%} < threshold 90.0%" in seen(explanation, "threshold")
    assert "above it" in seen(explanation, "threshold")
    assert "below it" in seen(explanation, "threshold")
    assert relevance - 0.0011 < explanation.changes["threshold"] <= relevance
    assert why(bench, "年假申请要几天", LEAVE[0], threshold=explanation.changes["threshold"], passage_chars=0).found


def test_several_settings_at_once(bench: Bench) -> None:
    for number in range(8):
        bench.put(f"{number}.txt", [f"年假规定{number}：" + "年假" * (8 - number) + "。"])
    explanation = why(bench, "年假规定", "7.txt", threshold=0.99, top_k=2, passage_chars=0)
    assert lost_at(explanation) == "threshold"
    assert set(explanation.changes) == {"threshold", "top_k"}
    assert "reaches the answer" in english(explanation)


def test_the_same_text_ranks_higher(bench: Bench, others: Callable[[], None]) -> None:
    others()
    bench.put("甲.txt", LEAVE[:1])
    bench.put("乙.txt", [LEAVE[0], "与此无关。"])
    explanation = why(bench, "入职满一年有五天年假", "乙.txt", threshold=0.3)
    assert lost_at(explanation) == "duplicate"
    assert "甲.txt" in seen(explanation, "duplicate")
    assert "“甲.txt”" in english(explanation)
    assert not explanation.changes
    assert why(bench, "入职满一年有五天年假", "甲.txt", threshold=0.3).found
    assert why(bench, "入职满一年有五天年假", LEAVE[0], threshold=0.3).found  # either will do


def test_a_copy_beyond_top_k_is_a_copy(bench: Bench) -> None:
    bench.put("0.txt", ["年假规定，年假规定。"])
    for name in "甲乙":
        bench.put(f"{name}.txt", ["年假规定见手册。"])
    explanation = why(bench, "年假规定", "乙.txt", threshold=0.0, top_k=1, passage_chars=0)
    assert lost_at(explanation) == "duplicate"
    assert lost_at(why(bench, "年假规定", "甲.txt", threshold=0.0, top_k=1, passage_chars=0)) == "top_k"


def test_beyond_top_k(bench: Bench) -> None:
    for number in range(8):
        bench.put(f"{number}.txt", [f"年假规定{number}：" + "年假" * (8 - number) + "。"])
    bench.put("副本.txt", [bench.retrieve("年假规定").hits[0].chunk.text])  # takes no place
    explanation = why(bench, "年假规定", "5.txt", threshold=0.0, top_k=2, passage_chars=0)
    assert lost_at(explanation) == "top_k"
    needed = explanation.changes["top_k"]
    assert f"number {needed}, only 2 are taken" in seen(explanation, "top_k")
    assert why(bench, "年假规定", "5.txt", threshold=0.0, top_k=needed, passage_chars=0).found
    assert lost_at(why(bench, "年假规定", "5.txt", threshold=0.0, top_k=needed - 1, passage_chars=0)) == "top_k"


def test_over_the_budget(bench: Bench) -> None:
    for number in range(4):
        bench.put(f"{number}.txt", [f"年假规定{number}：" + "年假" * (9 - number) + "，其余见手册。" * 12])
    explanation = why(bench, "年假规定", "3.txt", threshold=0.0, context_chars=250)
    assert lost_at(explanation) == "budget"
    assert set(explanation.changes) == {"context_chars"}
    assert "at most 250" in seen(explanation, "budget")


def test_found_in_the_passage_of_a_neighbour(bench: Bench, others: Callable[[], None]) -> None:
    others()
    bench.put("假期.txt", LEAVE)
    explanation = why(bench, "病假证明", LEAVE[3], threshold=0.4)
    assert explanation.found
    assert outcomes(explanation)["lexical"] in ("missed", "passed")
    assert "passed" not in outcomes(explanation).get("threshold", "missed")
    assert f"in passage {explanation.passage}" in seen(explanation, "budget")


def test_the_best_chunk_speaks_for_its_file(bench: Bench, others: Callable[[], None]) -> None:
    others()
    bench.put("假期.txt", LEAVE)
    lost = why(bench, "年假申请须提前几天", "假期.txt", threshold=0.99)
    ranks = [hit.rank for hit in lost.retrieval.hits if hit.chunk.source == "假期.txt"]
    assert len(ranks) > 1
    assert lost.hit.rank == min(ranks)
    found = why(bench, "年假申请须提前几天", "假期.txt", top_k=1)
    assert found.hit.kept  # though the passage holds its neighbours, too
    assert found.chunk.text == LEAVE[1]
    assert set(outcomes(found).values()) == {"passed"}


def test_found_holds_in_the_answers_passages(bench: Bench) -> None:
    bench.put("假期.txt", LEAVE)
    explanation = why(bench, "年假有几天", "五天年假")
    assert explanation.found
    assert explanation.lost is None
    assert explanation.hit.kept
    assert explanation.retrieval.passages == bench.retrieve("年假有几天").passages
    assert "五天年假" in explanation.retrieval.passages[explanation.passage - 1].text
    assert explanation.chunk.text == LEAVE[0]


def test_the_question_is_embedded_once(bench: Bench) -> None:
    asked: list[str] = []

    class Counting(HashedEmbeddings):
        def embed_query(self, text: str) -> list[float]:
            asked.append(text)
            return super().embed_query(text)

    bench.use(Counting())
    bench.put("假期.txt", LEAVE)
    why(bench, "年假有几天", LEAVE[3], threshold=0.9, passage_chars=0)
    assert asked.count("年假有几天") <= 2  # once an explanation, of which `why` asks two


@pytest.mark.parametrize("seed", range(10))
def test_whatever_is_recommended_helps(bench: Bench, seed: int) -> None:
    """Random documents, settings and expectations; `why` puts the recommended settings in force."""
    dice = random.Random(seed)
    words = ["年假", "病假", "申请", "三天", "五天", "员工", "入职", "证明", "医院", "补贴", "出差", "hotel", "GPU"]

    def sentence() -> str:
        return "".join(dice.choices(words, k=dice.randint(2, 9))) + "。"

    if seed % 2:
        bench.use(HashedEmbeddings(64), midpoint=dice.choice([0.3, 0.6]))
    count = dice.choice([3, 25, 60])
    put_many(bench, {f"{number}.txt": [sentence() for _ in range(dice.randint(1, 5))] for number in range(count)})
    found = set()
    for _ in range(8):
        name = f"{dice.randrange(3)}.txt"
        chunks = bench.store.document_chunks(name)
        chunk = dice.choice(chunks)
        after = bench.store.text(chunk.document_id, chunk.start, chunk.end + dice.choice([0, 0, 12]))
        explanation = why(
            bench,
            sentence() if dice.random() < 0.8 else "unrelated",
            dice.choice([Expected(file=name), Expected(text=after.strip()), Expected(file=name, text=after.strip())]),
            threshold=dice.choice([0.0, 0.2, 0.5]),
            top_k=dice.choice([1, 5, 50]),
            dense_weight=dice.choice([0.0, 0.3, 0.8, 1.0]),
            passage_chars=dice.choice([0, 30, 500]),
            context_chars=dice.choice([20, 100, 2000]),
        )
        found.add(lost_at(explanation))
    assert len(found) > 1
