"""Question lists of knowledge bases: files that are read, files that are refused, marks of many hands."""

import io
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import KnowledgeBaseNotFound
from core.evaluation import Expected, LabelledQuestion
from core.evaluation_errors import WrongQuestionList
from core.load_errors import CorruptFile, FileTooLarge, LoadError, UnsupportedFile
from service.knowledge_qa import KnowledgeQA

KB = "法务"


@pytest.fixture
def qa(app: KnowledgeQA, write: Callable[..., list[Path]]) -> KnowledgeQA:
    app.create(KB)
    app.add(KB, write(**{"合同.md": "# 合同\n\n租约有三年。\n", "附件.md": "# 附件\n\n租约的押金是两个月。\n"}))
    return app


def bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (30 * 1024 * 1024))
    return stream.getvalue()


def archive_of_something_else() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "a")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("list.pdf", b"%PDF-1.4", UnsupportedFile),
        ("no_suffix", b"question\nq\n", UnsupportedFile),
        ("", b"question\nq\n", UnsupportedFile),
        ("../../etc/passwd", b"question\nq\n", UnsupportedFile),
        ("list.xlsx", b"no workbook", CorruptFile),
        ("list.xlsx", b"PK\x03\x04 cut off", CorruptFile),
        ("list.xlsx", archive_of_something_else(), LoadError),
        ("list.xlsx", bomb(), FileTooLarge),
        ("list.csv", "问题\n".encode() + b"x" * 1_100_000, FileTooLarge),
        ("list.csv", "页\n1\n".encode(), WrongQuestionList),
    ],
    ids=["pdf", "no_suffix", "no_name", "path", "no_zip", "cut_off", "other_zip", "bomb", "too_large", "no_questions"],
)
def test_a_file_that_is_no_list_is_refused_as_a_whole(
    make_app: Callable[..., KnowledgeQA], name: str, data: bytes, error: type[Exception]
) -> None:
    app = make_app(max_file_mb=1)
    app.create(KB)
    with pytest.raises(error):
        app.question_book.import_file(KB, name, data)
    assert app.question_book.all(KB) == []


def test_an_import_replaces_the_same_question_and_counts_what_is_new(qa: KnowledgeQA) -> None:
    qa.add_questions(KB, [LabelledQuestion("租约几年？", (Expected("合同.md"),))], "draft")
    added = qa.question_book.import_file(
        KB, "LIST.CSV", "问题,原文\n租约几年？,三年\n押金多少？,两个月\n".encode("gb18030")
    )
    assert added == 2
    assert qa.questions(KB) == [
        LabelledQuestion("租约几年？", (Expected(text="三年"),)),
        LabelledQuestion("押金多少？", (Expected(text="两个月"),)),
    ]
    assert {one.origin for one in qa.question_book.all(KB)} == {"user"}


def test_a_hit_that_the_list_expects_already_is_right(qa: KnowledgeQA) -> None:
    qa.add_questions(KB, [LabelledQuestion("租约几年？", (Expected("合同.md"), Expected(text="押金")))], "draft")
    chunks = {name: qa.chunks(KB, name)[0] for name in ("合同.md", "附件.md")}
    book = qa.question_book
    assert book.right(KB, " 租约几年？ ", chunks.values()) == {chunk.id for chunk in chunks.values()}
    book.mark_right(KB, "租约几年？", chunks["合同.md"])
    assert [one.origin for one in book.all(KB)] == ["draft"], "nothing new was said"
    book.unmark(KB, "租约几年？", chunks["合同.md"])
    assert book.right(KB, "租约几年？", chunks.values()) == {chunks["附件.md"].id}
    assert qa.questions(KB) == [LabelledQuestion("租约几年？", (Expected(text="押金"),))]


def test_a_marked_chunk_is_still_right_when_the_document_is_split_otherwise(
    make_app: Callable[..., KnowledgeQA], write: Callable[..., list[Path]]
) -> None:
    text = "".join(
        f"第{n}条，违约金是合同金额的百分之{n}。甲方应当在收到通知后{n}日内书面答复乙方。" for n in range(1, 30)
    )
    before = make_app(chunk_chars=400)
    before.create(KB)
    before.add(KB, write(**{"长.txt": text}))
    chunk = before.chunks(KB, "长.txt")[1]
    before.question_book.mark_right(KB, "违约金？", chunk)
    before.close()
    after = make_app(chunk_chars=60)
    after.rebuild(KB)
    chunks = after.chunks(KB, "长.txt")
    right = after.question_book.right(KB, "违约金？", chunks)
    assert len(right) == 1
    (found,) = [one for one in chunks if one.id in right]
    assert found.start < chunk.end and chunk.start < found.end


def test_marks_set_at_the_same_time_are_all_kept(qa: KnowledgeQA, write: Callable[..., list[Path]]) -> None:
    qa.add(KB, write(**{f"{n}.md": f"第 {n} 份补充协议另有约定。" for n in range(12)}))
    chunks = [qa.chunks(KB, f"{n}.md")[0] for n in range(12)]
    marking = [threading.Thread(target=qa.question_book.mark_right, args=(KB, "另有约定？", one)) for one in chunks]
    for thread in marking:
        thread.start()
    for thread in marking:
        thread.join()
    (asked,) = qa.questions(KB)
    assert {one.file for one in asked.expected} == {f"{n}.md" for n in range(12)}


def test_a_question_is_withdrawn_only_while_it_is_open(qa: KnowledgeQA) -> None:
    qa.add_questions(KB, [LabelledQuestion("火星？")], "user")
    qa.add_questions(KB, [LabelledQuestion("为什么？")], "feedback")
    for question in ("火星？", "为什么？", "不在列表里？"):
        qa.question_book.withdraw(KB, question)
    assert [one.labelled.question for one in qa.question_book.all(KB)] == ["火星？"]


def test_no_knowledge_base_no_list(qa: KnowledgeQA) -> None:
    with pytest.raises(KnowledgeBaseNotFound):
        qa.question_book.export_file("没有", "csv")
