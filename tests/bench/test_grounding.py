"""The grounding benchmark measures what it says: labels made from a tiny set, and RGB rows through the product."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.datasets import QuestionSet, read_squad
from bench.grounding import measure_falsified, measure_noise, measure_verdicts
from bench.rgb import RgbRow, read_rgb, says
from bench.statements import SUPPORTED, statements

TOPICS = ["长江", "黄河", "珠江", "淮河", "海河", "辽河", "钱塘江", "闽江"]
ARTICLES = {
    topic: f"{topic}是中国有名的河流，全长约{1000 + 37 * number}公里，发源于高原。"
    f"{topic}大桥建成于{1951 + number}年，位于城市北部，长{3 + number}公里。"
    for number, topic in enumerate(TOPICS)
}
ROWS = [
    {
        "id": 0,
        "query": "2022年一号大桥有多少米长？",
        "answer": ["1200米"],
        "fakeanswer": "3400米",
        "positive": ["一号大桥全长1200米，2022年建成。", "据报道，2022年一号大桥长1200米。", "一号大桥有1200米。"],
        "positive_wrong": ["一号大桥全长3400米，2022年建成。", "据报道，2022年一号大桥长3400米。"],
        "negative": [f"{name}今天天气晴朗，适合出行。" for name in TOPICS],
    }
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of sets, laid out as the real ones."""
    folder = tmp_path / "data"
    paragraphs = [
        {
            "title": topic,
            "paragraphs": [
                {
                    "context": text,
                    "qas": [
                        _question(text, f"{topic}全长多少公里？", text.split("约")[1].split("，")[0]),
                        _question(text, f"{topic}大桥建成于哪一年？", text.split("建成于")[1].split("，")[0]),
                    ],
                }
            ],
        }
        for topic, text in ARTICLES.items()
        for _ in range(2)
    ]
    _write(folder / "cmrc2018" / "cmrc2018_dev.json.gz", json.dumps({"data": paragraphs}, ensure_ascii=False))
    for name in ("zh_refine", "zh_fact", "en_fact"):
        _write(folder / "rgb" / f"{name}.json.gz", "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS))
    return folder


def _question(text: str, question: str, answer: str) -> dict[str, object]:
    return {"id": question, "question": question, "answers": [{"text": answer, "answer_start": text.index(answer)}]}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))


@pytest.fixture
def questions(data: Path) -> QuestionSet:
    return read_squad(data / "cmrc2018" / "cmrc2018_dev.json.gz", "B")


@pytest.fixture
def rows(data: Path) -> list[RgbRow]:
    return read_rgb(data / "rgb" / "zh_fact.json.gz")


def test_labels_are_what_they_say(questions: QuestionSet) -> None:
    made = statements(questions)
    assert made == statements(questions), "the same every time"
    assert {one.kind for one in made} == {"verbatim", "reworded", "swapped", "swapped and reworded", "elsewhere"}
    for one in made:
        together = "".join(one.passages)
        assert len(one.passages) == 5
        if one.kind == "verbatim":
            assert one.text in together
        if one.kind == "reworded":
            assert one.text not in together
        if one.kind.startswith("swapped"):
            right, wrong = one.exchanged
            assert right != wrong
            assert wrong in one.text
            assert right not in one.text
            assert right[-1] == wrong[-1], "the unit stays"
        if one.kind == "elsewhere":
            assert one.text not in together


def test_a_limit_spreads_over_the_set(questions: QuestionSet) -> None:
    few = statements(questions, 4)
    assert len({one.text for one in few if one.kind == "verbatim"}) == 4
    assert len(few) < len(statements(questions))


def test_verdicts_tell_supported_sentences_from_the_rest(questions: QuestionSet) -> None:
    figures = measure_verdicts(questions)
    assert figures["statements"] == len(statements(questions))
    assert figures["AUROC"] > 0.95
    assert figures["AUROC verbatim/swapped"] == 1
    assert figures["accuracy verbatim"] == 1
    assert SUPPORTED == ("verbatim", "reworded")


def test_an_answer_says_every_part_in_one_of_its_wordings(rows: list[RgbRow]) -> None:
    assert rows[0].answers == (("1200米",),)
    assert rows[0].false_answers == (("3400米",),)
    assert says("中国和日本", (("中国", "我国"), ("日本",)))
    assert not says("我国", (("中国", "我国"), ("日本",)))
    assert not says("无", ())
    assert says("tampa, florida", (("Tampa, Florida",),))


def test_noise_goes_through_the_product(rows: list[RgbRow]) -> None:
    figures = measure_noise(rows)
    assert figures["hit at noise 0.0"] == figures["hit at noise 0.4"] == 1
    assert figures["refused at noise 1.0"] == 1
    assert figures["AUROC answerable"] == 1


def test_falsified_passages_are_repeated_and_the_check_tells_them(rows: list[RgbRow]) -> None:
    figures = measure_falsified(rows)
    assert figures["repeats the documents"] == 1
    assert figures["says otherwise"] == 0
    assert figures["shows both values"] == 1
    assert figures["sentences"] == 1
    assert figures["verdict AUROC"] == figures["verdict accuracy"] == 1


def test_the_command_line_writes_what_it_measures(data: Path, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    command = [sys.executable, "bench/grounding.py", "--data", str(data), "--limit", "6", "--json", str(out)]
    done = subprocess.run(command, cwd=root, env=os.environ, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(out.read_text(encoding="utf-8"))
    assert set(results) == {"verdicts", "noise zh", "falsified zh", "falsified en"}
    assert results["noise zh"]["questions"] == 1


def test_missing_data_is_said(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "bench/grounding.py", "--data", str(tmp_path / "none")]
    done = subprocess.run(command, cwd=root, env=os.environ, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 2
    assert "--data" in done.stderr
