"""The embedded reader quotes: verbatim, in place, at most two, and only what can be an answer."""

from typing import Any

import pytest
from edge_texts import EDGE_TEXTS
from fakes import HashedEmbeddings

from chains.reader import read

Bench = Any


def assert_quotes_are_verbatim(bench: Bench, answer: Any) -> None:
    for citation in answer.citations:
        stored = bench.store.text(citation.chunk.document_id, citation.start, citation.end)
        assert stored == citation.quote
        assert citation.quote == citation.quote.strip() != ""


@pytest.mark.parametrize("text", EDGE_TEXTS.values(), ids=EDGE_TEXTS)
def test_quotes_are_verbatim_at_their_offsets(bench: Bench, text: str) -> None:
    bench.put("前.txt", ["挡在前面的文件。"])
    bench.put("a.txt", ["开头的一段话。", text, "结尾的一段话。"])
    answer = bench.ask(text[:60].strip(), threshold=0.0)
    assert not answer.refused
    assert_quotes_are_verbatim(bench, answer)
    assert any(citation.quote in text or text.strip() in citation.quote for citation in answer.citations)


def test_the_sentence_with_the_answer_is_quoted(bench: Bench) -> None:
    text = "公司成立于2015年。总部位于杭州市。员工入职满一年后有五天年假。食堂在二楼。"
    bench.put("手册.txt", [text])
    assert "五天年假" in bench.ask("年假有几天？", threshold=0.1).text
    assert "2015年" in bench.ask("公司是哪一年成立的？", threshold=0.1).text
    assert "杭州" in bench.ask("总部在哪里？", threshold=0.1).text


def test_at_most_two_sentences_are_quoted(bench: Bench) -> None:
    bench.put("手册.txt", ["".join(f"年假的第{n}条规定是这样。" for n in range(12))])
    answer = bench.ask("年假的规定", threshold=0.1)
    assert 1 <= len(answer.citations) <= 2
    assert answer.text.count("规定是这样") == 2


@pytest.mark.parametrize(
    ("texts", "not_quoted"),
    [
        (["# 年假天数\n员工入职满一年后有五天年假。"], "#"),
        (["年假有几天？\n满一年后有五天年假。"], "？"),
        (["How many days of leave?\nFive days of leave after a year."], "?"),
        (["| 工龄 | 年假天数 |\n| --- | --- |\n| 一年 | 五天 |\n| 十年 | 十天 |"], "---"),
    ],
    ids=["heading", "question", "english_question", "ruling"],
)
def test_what_only_leads_to_an_answer_is_not_quoted(bench: Bench, texts: list[str], not_quoted: str) -> None:
    bench.put("手册.md", texts)
    answer = bench.ask("leave days" if texts[0].isascii() else "年假天数", threshold=0.0)
    assert answer.citations
    assert all(not_quoted not in citation.quote for citation in answer.citations)


@pytest.mark.parametrize(
    "text",
    ["年假有几天？", "# 年假有几天", "年假有几天？\n病假有几天？\n"],
    ids=["question", "heading", "questions"],
)
def test_an_answer_is_never_blank(bench: Bench, text: str) -> None:
    """Where nothing in the passages can be an answer, either something is shown or the answer is a refusal."""
    bench.put("问题.md", [text])
    answer = bench.ask("年假有几天", threshold=0.1)
    assert answer.text
    assert answer.refused or answer.citations


def test_pain_16_a_question_and_answer_row_is_quoted_whole(bench: Bench) -> None:
    rows = ["问题：年假有几天？\n答案：五天。满十年后十天。", "问题：食堂在哪里？\n答案：在二楼。周末关门。"]
    bench.put("问答.csv", rows, metadata=[{"kind": "row", "row": n + 2} for n in range(2)])
    answer = bench.ask("年假有几天？", threshold=0.1, top_k=1)
    (citation,) = answer.citations
    assert citation.quote == rows[0]
    assert citation.chunk.row == 2
    assert "满十年后十天" in answer.text


def test_a_table_row_reads_as_its_cells(bench: Bench) -> None:
    bench.put("显存.md", ["| 精度 | 显存 |\n| --- | --- |\n| FP16 | 13 GB |\n| INT4 | 6 GB |"])
    answer = bench.ask("INT4 精度要多少显存", threshold=0.0)
    (line,) = [line for line in answer.text.splitlines() if "INT4" in line]
    assert "6 GB" in line
    assert "|" not in answer.text
    assert_quotes_are_verbatim(bench, answer)


def test_sentences_that_follow_each_other_are_one_quote(bench: Bench) -> None:
    bench.put("手册.txt", ["年假为五天。年假须申请。食堂在二楼，周末不开门。"])
    (citation,) = bench.ask("年假", threshold=0.0).citations
    assert citation.quote == "年假为五天。年假须申请。"


def test_quotes_come_in_reading_order_and_are_numbered_from_1(bench: Bench) -> None:
    bench.put("甲.txt", ["年假为五天。食堂在二楼，周末不开门，平时十一点开饭。年假须申请。"])
    answer = bench.ask("年假", threshold=0.0)
    assert [citation.n for citation in answer.citations] == [1, 2]
    assert answer.citations[0].start < answer.citations[1].start
    assert answer.text.splitlines() == ["年假为五天。 [1]", "年假须申请。 [2]"]


def test_a_quote_from_the_next_page_is_cited_with_that_page(bench: Bench) -> None:
    """A hit grows over the page's end; what is quoted there does not stand on the hit's page."""
    pages = ["年假与病假的规定，适用于全体员工。", "# 天数\n满一年者为五天。"]
    bench.put("手册.pdf", pages, metadata=[{"page": 1}, {"page": 2}])
    answer = bench.ask("年假有几天", top_k=1, threshold=0.0)
    assert [hit.chunk.page for hit in answer.retrieval.hits if hit.kept] == [1]
    cited = {citation.quote: citation.chunk.page for citation in answer.citations}
    assert cited["满一年者为五天。"] == 2


def test_no_passages_no_quotes() -> None:
    assert read("年假", [], [], {}) == []


def test_relevance_0_is_no_obstacle(bench: Bench) -> None:
    """Threshold 0 and weight 0 let hits through that the lexical leg gives nothing."""
    bench.use(HashedEmbeddings())
    bench.put("假期.txt", ["员工入职满一年后有五天年假。"])
    answer = bench.ask("zebra", threshold=0.0, dense_weight=0.0)
    assert answer.text
