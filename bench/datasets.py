"""Public question sets as documents and questions. Each reader returns a `QuestionSet` of the same form."""

import gzip
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Half = Literal["A", "B"]


@dataclass(frozen=True, slots=True)
class LabelledQuestion:
    """A question and where its answer is.

    Attributes:
        documents: names of the documents that hold it; empty for a question that these documents cannot answer.
        answers: texts of which a right chunk holds one; empty if any chunk of the documents is right.
        paragraphs: texts of which a right chunk shares a part; used where answers are not literal.
    """

    text: str
    documents: frozenset[str]
    answers: tuple[str, ...] = ()
    paragraphs: tuple[str, ...] = ()


@dataclass(slots=True)
class QuestionSet:
    """Documents by name, questions that they answer, and questions that they do not."""

    name: str
    documents: dict[str, str] = field(default_factory=dict)
    answerable: list[LabelledQuestion] = field(default_factory=list)
    unanswerable: list[LabelledQuestion] = field(default_factory=list)

    def add_document(self, title: str, text: str) -> str:
        """Add a document under a file name made of its title, and return the name."""
        stem = re.sub(r'[\\/:*?"<>|\x00-\x1f]', " ", title).strip()[:60] or "untitled"
        name, number = f"{stem}.txt", 1
        while name in self.documents:
            number += 1
            name = f"{stem} {number}.txt"
        self.documents[name] = text
        return name


def read_squad(path: Path, half: Half | None = None) -> QuestionSet:
    """Read a set in SQuAD layout.

    Args:
        path: `.json` or `.json.gz`.
        half: index every other paragraph only (A: the even ones, B: the odd ones, counted from 0); the questions of the
            rest are unanswerable. None indexes all of them.
    """
    articles = json.loads(_read(path))["data"]
    paragraphs = [(article.get("title", ""), paragraph) for article in articles for paragraph in article["paragraphs"]]
    questions = QuestionSet(f"{path.name.split('.')[0]}{f' half {half}' if half else ''}")
    for number, (title, paragraph) in enumerate(paragraphs):
        indexed = half is None or number % 2 == "AB".index(half)
        name = questions.add_document(title, paragraph["context"]) if indexed else ""
        for item in paragraph["qas"]:
            answers = tuple(dict.fromkeys(answer["text"] for answer in item.get("answers", ())))
            if indexed and answers:
                questions.answerable.append(LabelledQuestion(item["question"], frozenset({name}), answers))
            elif not answers or not indexed:
                questions.unanswerable.append(LabelledQuestion(item["question"], frozenset()))
    return questions


def read_medical(path: Path) -> QuestionSet:
    """Read patients' questions with the passages that doctors answered; the answer's passage is what must be found."""
    questions = QuestionSet("medical_zh")
    for number, row in enumerate(_lines(path)):
        name = questions.add_document(f"{number:04d}", row["answer"])
        questions.answerable.append(LabelledQuestion(row["question"], frozenset({name})))
    return questions


def read_dureader(path: Path) -> QuestionSet:
    """Read search-engine questions with five web pages each; right is the most related paragraph of a selected page."""
    questions = QuestionSet("dureader")
    for row in _lines(path):
        right, paragraphs = set(), []
        for page in row["documents"]:
            name = questions.add_document(page["title"], "\n".join(page["paragraphs"]))
            if page["is_selected"]:
                right.add(name)
                paragraphs.append(page["paragraphs"][page["most_related_para"]])
        if right:
            label = LabelledQuestion(row["question"], frozenset(right), paragraphs=tuple(paragraphs))
            questions.answerable.append(label)
    return questions


def read_news(path: Path) -> QuestionSet:
    """Read news articles, one a line: bulk without questions."""
    bulk = QuestionSet("news")
    for number, line in enumerate(_read(path).splitlines()):
        if line.strip():
            bulk.add_document(f"news {number}", line)
    return bulk


STANDARD_SETS: dict[str, tuple[str, Callable[[Path], QuestionSet]]] = {
    "cmrc2018": ("cmrc2018/cmrc2018_dev.json.gz", read_squad),
    "medical_zh": ("medical_zh/qa_shared.jsonl.gz", read_medical),
    "dureader": ("dureader/search.dev.json.gz", read_dureader),
    "xquad_en": ("xquad/xquad.en.json.gz", read_squad),
    "news": ("news_distractors/news_part_1_1.txt.gz", read_news),
}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in _read(path).splitlines() if line.strip())


def _read(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")
