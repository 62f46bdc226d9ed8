"""Questions drafted from documents without a language model, to start a list with.

Table rows, questions that the text asks itself (FAQ), headings, definitions, dates and numbers give one question each,
with the file, page and text where its answer stands. Drafts use the documents' own words, so they are easier to find
than what people ask: they show what is broken, and a list should not stay made of them alone.
"""

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, zip_longest

from analysis.sentences import sentence_spans
from chains.evaluation.draft_sentences import draft_from_sentence
from chains.table_rows import in_words, is_table_row, only_frames
from core.documents import Chunk
from core.evaluation import Expected, LabelledQuestion

_QUESTION_CHARS = range(5, 81)
_LONGEST_TEXT = 80
_SHORTEST_ANSWER = 6  # "可以。" stands everywhere
_LONGEST_VALUE = 40
_LONGEST_KEY = 30
_LEAD = re.compile(r"^(?:#+\s*|[-*•]\s+|(?:问题?|[Qq](?:uestion)?\s?\d*)\s?[：:.]\s*|\d{1,3}[.、)）]\s*)+")
_ANSWER_LEAD = re.compile(r"^(?:答案?|[Aa](?:nswer)?)\s?[：:.]\s*")
_NUMBERING = re.compile(
    r"^(?:#+\s*)?(?:第[一二三四五六七八九十百\d]+[章节条部分篇]+\s*|[（(]?[一二三四五六七八九十]+[）)、.]\s*|\d+(?:\.\d+)*[.、)]?\s+)?"
)
_HANZI = re.compile(r"[\u4e00-\u9fff]")

_Draft = tuple[str, LabelledQuestion]  # the rule, and what it made


def draft_questions(documents: Mapping[str, Sequence[Chunk]], count: int) -> list[LabelledQuestion]:
    """Return up to `count` questions, spread over the documents and over the rules; the same ones each time.

    Args:
        documents: each document's chunks, in document order.
    """
    shelves: list[list[LabelledQuestion]] = []
    for chunks in documents.values():
        by_rule: dict[str, list[LabelledQuestion]] = defaultdict(list)
        for rule, question in _drafts(chunks):
            by_rule[rule].append(question)
        shelves.append(_in_turn([sorted(made, key=_scattered) for made in by_rule.values()]))
    drafted: dict[str, LabelledQuestion] = {}
    for question in _in_turn(shelves):
        known = drafted.get(question.question, question)
        places = tuple(dict.fromkeys((*known.expected, *question.expected)))
        drafted[question.question] = LabelledQuestion(question.question, places)
    return list(drafted.values())[:count]


def _in_turn(shelves: Sequence[Sequence[LabelledQuestion]]) -> list[LabelledQuestion]:
    """Return one of each, then the second of each, and so on."""
    return [one for row in zip_longest(*shelves) for one in row if one is not None]


def _scattered(question: LabelledQuestion) -> int:
    """A number that has nothing to do with where in the document the question stands."""
    return zlib.crc32(question.question.encode("utf-8", "replace"))


def _drafts(chunks: Sequence[Chunk]) -> Iterator[_Draft]:
    yield from _from_rows(chunks)
    for chunk in chunks:
        if chunk.kind == "row":
            continue
        lines = [" ".join(span.of(chunk.text).split()) for span in sentence_spans(chunk.text)]
        sentences = [line for line in lines if not is_table_row(line)]
        yield from _from_structure(chunk, sentences)
        for sentence in sentences:
            for drafted in draft_from_sentence(sentence):
                yield drafted.rule, _labelled(chunk, drafted.question, drafted.text)


def _from_structure(chunk: Chunk, sentences: Sequence[str]) -> Iterator[_Draft]:
    """Draft from lines that what follows them answers: questions, and the chunk's heading."""
    heading = _bare(chunk.heading.rpartition(" > ")[2])
    for line, following in pairwise(sentences):
        asked = _LEAD.sub("", line)
        answer = _ANSWER_LEAD.sub("", following)
        if following.endswith(("?", "？", ":", "：")) or following.startswith("#") or len(answer) < _SHORTEST_ANSWER:
            continue
        if asked.endswith(("?", "？")) and len(asked) in _QUESTION_CHARS:
            yield "faq", _labelled(chunk, asked, answer)
        elif heading and _bare(line) == heading:
            template = "关于{}，有哪些说明？" if _HANZI.search(answer) else "What is said about {}?"
            yield "heading", _labelled(chunk, template.format(heading), answer)


def _bare(heading: str) -> str:
    return _NUMBERING.sub("", heading).strip()


def _from_rows(chunks: Sequence[Chunk]) -> Iterator[_Draft]:
    """Draft one question a table row: the value of one column for what the first column, or the first two, name."""
    rows = [(chunk, text, pairs) for chunk in chunks for text, pairs in _rows(chunk)]
    leads = [Counter(tuple(pairs[:width]) for _, _, pairs in rows) for width in (1, 2)]
    for number, (chunk, text, pairs) in enumerate(rows):
        question, answer = (dict(pairs).get(name, "") for name in ("问题", "答案"))
        if question and answer:
            yield "faq", _labelled(chunk, question, answer)
            continue
        width = next((width for width in (1, 2) if leads[width - 1][tuple(pairs[:width])] == 1), None)
        asked = [pair for pair in pairs[width:] if len(pair[1]) <= _LONGEST_VALUE] if width else []
        key = " ".join(value for _, value in pairs[:width])
        if asked and len(key) <= _LONGEST_KEY:
            column, value = asked[number % len(asked)]
            has_hanzi = _HANZI.search(column + key)
            wording = f"{key}的{column}是什么？" if has_hanzi else f"What is the {column} of {key}?"
            yield "row", _labelled(chunk, wording, _up_to(text, value))


def _rows(chunk: Chunk) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield a chunk's table rows: as they stand, and as pairs of column and value."""
    if chunk.kind == "row":
        lines = {chunk.text.strip(): re.sub(r"\n(?=答案：)", "；", chunk.text.strip())}
    else:
        spans = sentence_spans(chunk.text)
        texts = [(span.of(chunk.text), chunk.text[span.end :]) for span in spans]
        kept = [text for text, following in texts if is_table_row(text) and not only_frames(text, following)]
        lines = {text: in_words(text, chunk.text) for text in kept}
    for text, words in lines.items():
        pairs = [tuple(part.split("：", 1)) for part in words.split("；")]
        named = [(pair[0], pair[1]) for pair in pairs if len(pair) == 2 and pair[0] and pair[1].strip()]
        if len(named) >= 2 and len(named) == len(pairs):
            yield text, named


def _up_to(row: str, value: str) -> str:
    """Return a row up to a value, which tells it from equal ones of other rows; the value alone where that is long."""
    found = re.search(rf"{re.escape(value)}(?=\s*(?:[；|\n]|$))", row)
    beginning = row[: found.end()].strip() if found else value
    return beginning if len(beginning) <= _LONGEST_TEXT else value


def _labelled(chunk: Chunk, question: str, text: str) -> LabelledQuestion:
    page = chunk.page or chunk.slide
    return LabelledQuestion(question.strip(), (Expected(chunk.source, page, text[:_LONGEST_TEXT].strip()),))
