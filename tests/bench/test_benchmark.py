"""The benchmark measures what it says: metrics against hand-made cases, and a tiny set through the product."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.datasets import read_dureader, read_medical, read_squad
from bench.metrics import accuracy_at, auroc, best_threshold, percentile, recall_at, reciprocal_rank
from bench.retrieval import measure

PARAGRAPHS = {
    "长江": "长江是中国最长的河流，全长约6300公里。它发源于青藏高原，在上海注入东海。",
    "黄山": "黄山位于安徽省南部，最高峰是莲花峰，海拔1864米。黄山以奇松、怪石、云海、温泉著称。",
    "故宫": "故宫位于北京市中心，是明清两代的皇家宫殿。故宫建成于1420年。",
    "敦煌": "敦煌莫高窟位于甘肃省，始建于前秦时期，以壁画和彩塑闻名。",
}
QUESTIONS = {
    "长江": ("长江全长约多少公里？", "6300公里"),
    "黄山": ("黄山的最高峰是什么？", "莲花峰"),
    "故宫": ("故宫建成于哪一年？", "1420年"),
    "敦煌": ("敦煌莫高窟始建于什么时期？", "前秦时期"),
}


@pytest.fixture
def squad(tmp_path: Path) -> Path:
    articles = [
        {
            "title": title,
            "paragraphs": [
                {
                    "context": context,
                    "qas": [
                        {
                            "id": title,
                            "question": QUESTIONS[title][0],
                            "answers": [
                                {"text": QUESTIONS[title][1], "answer_start": context.index(QUESTIONS[title][1])}
                            ],
                        }
                    ],
                }
            ],
        }
        for title, context in PARAGRAPHS.items()
    ]
    path = tmp_path / "tiny.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"data": articles}, ensure_ascii=False).encode()))
    return path


def test_recall_counts_the_first_k_ranks_and_misses() -> None:
    assert recall_at([1, 2, None, 11], 1) == 0.25
    assert recall_at([1, 2, None, 11], 10) == 0.5


def test_reciprocal_rank_ends_at_k() -> None:
    assert reciprocal_rank([1, 2, None, 11]) == pytest.approx((1 + 0.5) / 4)


def test_auroc_counts_ties_as_half() -> None:
    assert auroc([0.9, 0.8], [0.1, 0.2]) == 1
    assert auroc([0.5], [0.5]) == 0.5
    assert auroc([0.1, 0.9], [0.5]) == 0.5


def test_the_best_threshold_separates_what_can_be_separated() -> None:
    line, accuracy = best_threshold([0.6, 0.7], [0.1, 0.4])
    assert accuracy == 1
    assert 0.4 < line <= 0.6
    assert accuracy_at(0.65, [0.6, 0.7], [0.1, 0.4]) == 0.75


def test_percentile_takes_a_value_that_occurs() -> None:
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile([3, 1, 2], 0.99) == 3


def test_a_half_indexes_every_other_paragraph_and_leaves_the_other_questions_unanswerable(squad: Path) -> None:
    first, second = read_squad(squad, "A"), read_squad(squad, "B")
    assert set(first.documents) == {"长江.txt", "故宫.txt"}
    assert set(second.documents) == {"黄山.txt", "敦煌.txt"}
    assert [question.text for question in first.unanswerable] == [question.text for question in second.answerable]


def test_documents_of_one_title_keep_apart() -> None:
    from bench.datasets import QuestionSet

    questions = QuestionSet("x")
    assert questions.add_document("a/b", "1") != questions.add_document("a/b", "2")
    assert list(questions.documents.values()) == ["1", "2"]


def test_the_other_layouts_are_read(tmp_path: Path) -> None:
    medical = tmp_path / "medical.jsonl"
    medical.write_text(json.dumps({"question": "头疼怎么办", "answer": "多休息。"}) + "\n", encoding="utf-8")
    assert read_medical(medical).answerable[0].documents == frozenset(read_medical(medical).documents)
    page = {"title": "网页", "paragraphs": ["无关。", "有关。"], "is_selected": True, "most_related_para": 1}
    dureader = tmp_path / "dureader.json"
    dureader.write_text(json.dumps({"question": "问", "documents": [page]}) + "\n", encoding="utf-8")
    assert read_dureader(dureader).answerable[0].paragraphs == ("有关。",)


def test_a_tiny_set_goes_through_the_product(squad: Path) -> None:
    figures = measure(read_squad(squad, "A"), embedding="lexical")
    assert figures["documents"] == 2
    assert figures["R@1"] == 1
    assert figures["answer_hit"] == 1
    assert figures["AUROC"] == 1


def test_the_command_line_writes_what_it_measures(squad: Path, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    command = [sys.executable, "bench/retrieval.py", "--squad", str(squad), "--half", "B", "--json", str(out)]
    done = subprocess.run(command, cwd=root, env=os.environ, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text(encoding="utf-8"))["tiny half B"]
    assert figures["questions"] == 2
    assert figures["R@10"] == 1
