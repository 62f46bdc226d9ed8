"""Documents in: what becomes of each file, alone and beside bad ones, once and again."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import HashedEmbeddings
from langchain_core.documents import Document

from chains import ingest as module
from chains.ingest import ingest
from chains.splitting import IngestPipeline, SourceFile
from core.answers import Progress
from core.documents import EmbeddingIdentity, IngestReport, Renewal
from core.jobs import FileProgress
from core.load_errors import CorruptFile, EmptyFile
from core.messages import Message
from splitters.chinese import ChineseTextSplitter
from vectorstores.knowledge_store import KnowledgeStore

BROKEN = Message("坏了", "broken")


def load(path: Path, name: str) -> list[Document]:
    text = path.read_text("utf-8")
    if "BROKEN" in text:
        raise CorruptFile(name=name, detail=BROKEN)
    if not text.strip():
        raise EmptyFile(name=name, detail=BROKEN)
    return [Document(page_content=text, metadata={"kind": "text", "pages": 7})]


class Desk:
    """A knowledge base, a folder of files, and `add`."""

    def __init__(self, folder: Path) -> None:
        self.store = KnowledgeStore(folder / "kb")
        self.folder = folder
        self.embeddings: HashedEmbeddings | None = None
        self.loaded: list[str] = []

    def write(self, **files: str) -> None:
        for stem, text in files.items():
            (self.folder / f"{stem}.txt").write_text(text, encoding="utf-8")

    def load(self, path: Path, name: str) -> list[Document]:
        self.loaded.append(name)
        return load(path, name)

    def add(
        self,
        *stems: str,
        progress: Callable[[Progress], None] = lambda _: None,
        renewal: Renewal | None = None,
    ) -> IngestReport:
        files = [SourceFile(self.folder / f"{stem}.txt", f"{stem}.txt") for stem in stems]
        pipeline = IngestPipeline(self.load, ChineseTextSplitter(100), self.embeddings)
        return ingest(self.store, files, pipeline, renewal=renewal, progress=progress)

    def outcomes(self, *stems: str, **about: Any) -> list[str]:
        return [report.outcome for report in self.add(*stems, **about).files]

    def states(self) -> dict[str, str]:
        return {document.name: document.state for document in self.store.documents()}

    def found(self, question: str) -> set[str]:
        scores = self.store.lexical_scores(question, 50)
        return {chunk.source for chunk in self.store.chunks(list(scores)).values()}


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    desk = Desk(tmp_path)
    yield desk
    desk.store.close()


def test_a_file_goes_from_added_to_unchanged_to_replaced(desk: Desk) -> None:
    desk.write(甲="年假有五天。")
    assert desk.outcomes("甲") == ["added"]
    assert desk.outcomes("甲") == ["unchanged"]
    assert desk.loaded == ["甲.txt"]
    desk.write(甲="病毒检测须知。")
    assert desk.outcomes("甲") == ["replaced"]
    assert desk.found("年假") == set()
    assert desk.found("病毒") == {"甲.txt"}
    assert desk.outcomes("甲", renewal=Renewal(None, {})) == ["replaced"]
    assert desk.store.chunk_count == 1


def test_pain_33_adding_twice_multiplies_nothing(desk: Desk) -> None:
    desk.write(甲="年假有五天。" * 50)
    desk.add("甲")
    before = desk.store.manifest(), desk.states()
    for _ in range(3):
        desk.add("甲", "甲")
    assert (desk.store.manifest(), desk.states()) == before


def test_pain_33_the_same_bytes_under_two_names_are_indexed_once(desk: Desk) -> None:
    desk.write(甲="年假有五天。", 乙="年假有五天。")
    report = desk.add("甲", "乙")
    assert [file.outcome for file in report.files] == ["added", "duplicate"]
    assert report.files[1].reason is not None
    assert "甲.txt" in report.files[1].reason.text("zh")
    assert "甲.txt" in report.files[1].reason.text("en")
    assert desk.states() == {"甲.txt": "indexed", "乙.txt": "duplicate"}
    assert desk.store.chunk_count == 1
    assert desk.outcomes("甲", "乙") == ["unchanged", "unchanged"]


def test_pain_6_one_bad_file_never_stops_the_rest(desk: Desk) -> None:
    desk.write(甲="年假有五天。", 坏="BROKEN", 空="  ", 乙="病毒检测须知。")
    report = desk.add("甲", "坏", "没有", "空", "乙")
    assert [file.outcome for file in report.files] == ["added", "failed", "failed", "failed", "added"]
    assert [file.name for file in report.failed] == ["坏.txt", "没有.txt", "空.txt"]
    for file in report.failed:
        assert file.reason is not None
        assert file.cure is not None
        assert file.name in file.reason.text("zh")
        assert file.reason.text("zh") != file.reason.text("en")
    assert desk.states() == {"甲.txt": "indexed", "坏.txt": "failed", "空.txt": "failed", "乙.txt": "indexed"}
    assert report.chunks == desk.store.chunk_count == 2


def test_a_file_that_may_not_be_read_does_not_stop_the_rest(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write(甲="年假有五天。", 禁="秘密。", 乙="病毒检测须知。")
    real = Path.open

    def guarded(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "禁.txt":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", guarded)
    assert desk.outcomes("甲", "禁", "乙") == ["added", "failed", "added"]


def test_a_failed_file_is_tried_again(desk: Desk) -> None:
    desk.write(甲="BROKEN")
    assert desk.outcomes("甲") == ["failed"]
    assert desk.outcomes("甲") == ["failed"]
    assert desk.loaded == ["甲.txt"] * 2
    desk.write(甲="修好了的年假规定。")
    assert desk.outcomes("甲") == ["added"]
    assert desk.states() == {"甲.txt": "indexed"}


def test_a_broken_new_version_keeps_the_old_one(desk: Desk) -> None:
    desk.write(甲="年假有五天。")
    desk.add("甲")
    before = desk.store.document("甲.txt")
    desk.write(甲="BROKEN")
    assert desk.outcomes("甲") == ["failed"]
    assert desk.store.document("甲.txt") == before
    assert desk.found("年假") == {"甲.txt"}
    assert before is not None
    assert desk.store.originals.path(before.stored_as).read_text("utf-8") == "年假有五天。"


def test_pain_4_work_that_was_interrupted_is_resumed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH_CHUNKS", 2)
    names = [f"{n}号" for n in range(9)]
    desk.write(**{name: f"{name}文件的内容。" for name in names})

    def stop_at_the_sixth(progress: Progress) -> None:
        if progress.label == "6号.txt":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.add(*names, progress=stop_at_the_sixth)
    kept = desk.states()
    assert list(kept.values()) == ["indexed"] * 6
    desk.loaded.clear()
    assert desk.outcomes(*names) == ["unchanged"] * 6 + ["added"] * 3
    assert desk.loaded == [f"{name}.txt" for name in names[6:]]
    assert desk.store.chunk_count == 9


def test_an_interrupted_run_leaves_no_stray_copies(desk: Desk, tmp_path: Path) -> None:
    desk.write(甲="年假有五天。", 乙="病毒检测须知。")

    def stop(progress: Progress) -> None:
        if progress.label == "乙.txt":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.add("甲", "乙", progress=stop)
    desk.store.close()
    desk.store = KnowledgeStore(tmp_path / "kb")
    desk.add("乙")
    stored = {document.stored_as for document in desk.store.documents()}
    assert {path.name for path in (tmp_path / "kb" / "content").iterdir()} == stored


def test_pain_5_progress_names_each_file_and_ends_complete(desk: Desk) -> None:
    desk.embeddings = HashedEmbeddings(16)
    desk.store.use_embedding(EmbeddingIdentity("hashed", "f", 16))
    desk.write(甲="年假有五天。", 坏="BROKEN", 乙="病毒检测须知。")
    seen: list[Progress] = []
    desk.add("甲", "坏", "乙", progress=seen.append)
    files = [progress for progress in seen if progress.total == 3]
    started = [progress.label for progress in files if progress.label and not isinstance(progress, FileProgress)]
    assert started == ["甲.txt", "坏.txt", "乙.txt"]
    known = {progress.report.name: progress.report.outcome for progress in seen if isinstance(progress, FileProgress)}
    assert known == {"甲.txt": "added", "坏.txt": "failed", "乙.txt": "added"}
    assert all(0 <= progress.done <= progress.total for progress in seen)
    assert seen[-1] == Progress(3, 3, "")


def test_pain_5_texts_are_embedded_in_batches_across_files(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH_CHUNKS", 10)
    calls: list[int] = []

    class Counting(HashedEmbeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            calls.append(len(texts))
            return super().embed_documents(texts)

    desk.embeddings = Counting(16)
    desk.store.use_embedding(EmbeddingIdentity("hashed", "f", 16))
    names = [f"{n}号" for n in range(25)]
    desk.write(**{name: f"{name}文件的内容。" for name in names})
    desk.add(*names)
    assert sum(calls) == 25
    assert len(calls) <= 4
    for name in names:
        (chunk,) = desk.store.document_chunks(f"{name}.txt")
        vector = desk.embeddings.embed_query(f"{name}\n{chunk.text}")
        assert desk.store.nearest(np.asarray(vector, dtype=np.float32), 1) == [chunk.id]


def test_titles_are_searched_but_not_shown(desk: Desk) -> None:
    desk.write(云杉公司员工手册="年假有五天。")
    desk.add("云杉公司员工手册")
    assert desk.found("云杉") == {"云杉公司员工手册.txt"}
    (chunk,) = desk.store.document_chunks("云杉公司员工手册.txt")
    assert chunk.text == "年假有五天。"


def test_the_text_and_the_offsets_are_those_of_the_whole_file(desk: Desk) -> None:
    text = "".join(f"第{n}条：年假的规定如此这般。\n" for n in range(60))
    desk.write(甲=text)
    desk.add("甲")
    document = desk.store.document("甲.txt")
    assert document is not None
    assert (document.chars, document.pages) == (len(text), 7)
    assert desk.store.text(document.id, 0, document.chars) == text
    for chunk in desk.store.document_chunks("甲.txt"):
        assert chunk.text == text[chunk.start : chunk.end]


def test_the_original_is_kept_byte_for_byte(desk: Desk) -> None:
    data = "﻿年假\r\n有五天。".encode()
    (desk.folder / "甲.txt").write_bytes(data)
    desk.add("甲")
    document = desk.store.document("甲.txt")
    assert document is not None
    assert desk.store.originals.path(document.stored_as).read_bytes() == data
    assert document.size == len(data)


def test_a_file_whose_twin_changes_takes_its_place(desk: Desk) -> None:
    """甲 and 乙 are the same; 甲 changes: the old text is 乙's alone now and must stay searchable."""
    desk.write(甲="年假有五天。", 乙="年假有五天。")
    desk.add("甲", "乙")
    desk.write(甲="病毒检测须知。")
    desk.add("甲")
    assert desk.found("病毒") == {"甲.txt"}
    desk.add("乙")  # at the latest when the user adds it again
    assert desk.found("年假") == {"乙.txt"}


def test_a_renamed_file_and_its_successor_in_one_batch_are_both_searchable(desk: Desk) -> None:
    """规定.txt becomes 规定-旧.txt, a new 规定.txt is written, and the folder is added again."""
    desk.write(规定="年假有五天。")
    desk.add("规定")
    desk.write(规定="病毒检测须知。", 规定旧="年假有五天。")
    desk.add("规定", "规定旧")
    assert desk.found("病毒") == {"规定.txt"}
    assert desk.found("年假") == {"规定旧.txt"}


@pytest.mark.parametrize("order", list(itertools.permutations(["甲", "乙"])), ids=["forward", "backward"])
def test_two_files_that_swap_their_contents_are_both_searchable(desk: Desk, order: tuple[str, str]) -> None:
    desk.write(甲="年假有五天。", 乙="病毒检测须知。")
    desk.add("甲", "乙")
    desk.write(甲="病毒检测须知。", 乙="年假有五天。")
    desk.add(*order)
    desk.add(*order)
    assert desk.found("病毒") != set()
    assert desk.found("年假") != set()
    assert set(desk.states().values()) == {"indexed"}


def test_two_files_of_one_name_are_both_reported(desk: Desk) -> None:
    """`kb add KB 2023/说明.txt 2024/说明.txt`: the second must not silently take the first one's place."""
    (desk.folder / "a").mkdir()
    (desk.folder / "a" / "说明.txt").write_text("年假有五天。", encoding="utf-8")
    desk.write(说明="病毒检测须知。")
    files = [SourceFile(desk.folder / "a" / "说明.txt", "说明.txt"), SourceFile(desk.folder / "说明.txt", "说明.txt")]
    pipeline = IngestPipeline(load, ChineseTextSplitter(100), None)
    report = ingest(desk.store, files, pipeline, progress=lambda _: None)
    assert len(report.files) == 2
