"""Files on their way from a browser: received in pieces, within the limits, everyone's own."""

import errno
import os
import shutil
import time
from collections import namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError, StoreUnwritable
from core.job_errors import UploadNotFound
from core.load_errors import EmptyFile, FileTooLarge, InvalidFileName, LoadError, UnreadableFile, UnsupportedFile
from loaders.registry import SUPPORTED_SUFFIXES
from service.knowledge import receiving
from service.knowledge import uploads as uploads_module
from service.knowledge.uploads import Uploads
from service.knowledge_qa import KnowledgeQA

MB = 1024 * 1024


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / ".uploads"


@pytest.fixture
def uploads(folder: Path) -> Uploads:
    return Uploads(folder, 1, SUPPORTED_SUFFIXES)


def send(uploads: Uploads, batch: str, name: str, *pieces: bytes, owner: str = "王", size: int | None = None) -> None:
    with uploads.receive(batch, owner, name, size) as receiver:
        for piece in pieces:
            receiver.write(piece)


def on_disk(folder: Path, batch: str) -> list[str]:
    return sorted(path.name for path in (folder / batch).iterdir())


def test_files_arrive_in_pieces_and_are_numbers_on_the_disk(uploads: Uploads, folder: Path) -> None:
    batch = uploads.begin("人事", "王")
    send(uploads, batch, "合同\\2024\\甲.PDF", b"%PDF", b"-1.7")
    send(uploads, batch, "$(rm -rf ~).txt", "假期".encode())
    files = uploads.files(batch, "王")
    assert [(file.name, file.path.read_bytes()) for file in files] == [
        ("合同/2024/甲.PDF", b"%PDF-1.7"),
        ("$(rm -rf ~).txt", "假期".encode()),
    ]
    assert on_disk(folder, batch) == ["1.pdf", "2.txt"]
    upload = uploads.get(batch, "王")
    assert (upload.kb, upload.owner, [name for name, _ in upload.files]) == (
        "人事",
        "王",
        [file.name for file in files],
    )


def test_a_piece_is_on_its_way_to_the_disk_before_the_next_one_comes(uploads: Uploads, folder: Path) -> None:
    batch = uploads.begin("人事", "王")
    with uploads.receive(batch, "王", "甲.txt") as receiver:
        receiver.write(b"x" * 300_000)
        (partial,) = (folder / batch).iterdir()
        assert partial.stat().st_size > 200_000
        assert uploads.files(batch, "王") == []


@pytest.mark.parametrize(
    ("name", "pieces", "size", "error"),
    [
        ("程序.exe", [b"MZ"], None, UnsupportedFile),
        ("README", [b"x"], None, UnsupportedFile),
        ("../甲.txt", [b"x"], None, InvalidFileName),
        (".甲.txt", [b"x"], None, InvalidFileName),
        ("甲.txt", [], None, EmptyFile),
        ("甲.txt", [b""], None, EmptyFile),
        ("甲.txt", [b"x" * MB, b"x"], None, FileTooLarge),
        ("甲.txt", [], 7 * MB, FileTooLarge),
        ("甲.txt", [b"x" * 3], 5, UnreadableFile),
    ],
    ids=["program", "no_suffix", "path", "hidden", "empty", "no_bytes", "too_large", "said_too_large", "cut_short"],
)
def test_pain_6_a_file_is_refused_with_its_reason_and_the_others_go_on(
    uploads: Uploads, folder: Path, name: str, pieces: list[bytes], size: int | None, error: type[LoadError]
) -> None:
    batch = uploads.begin("人事", "王")
    send(uploads, batch, "前.txt", b"1")
    with pytest.raises(error) as caught:
        send(uploads, batch, name, *pieces, size=size)
    assert caught.value.values["name"]
    send(uploads, batch, "后.txt", b"2")
    assert [file.name for file in uploads.files(batch, "王")] == ["前.txt", "后.txt"]
    assert len(on_disk(folder, batch)) == 2


def test_a_file_of_exactly_the_limit_is_taken(uploads: Uploads) -> None:
    batch = uploads.begin("人事", "王")
    send(uploads, batch, "甲.txt", b"x" * MB, size=MB)
    assert uploads.files(batch, "王")[0].path.stat().st_size == MB


def test_what_is_supported_is_listed(uploads: Uploads) -> None:
    with pytest.raises(UnsupportedFile) as caught:
        send(uploads, uploads.begin("人事", "王"), "照片.PNG", b"x")
    assert ".png" in caught.value.reason("zh")
    assert ".pdf .docx" in caught.value.advice("zh")


def test_a_browser_that_goes_away_leaves_nothing(uploads: Uploads, folder: Path) -> None:
    batch = uploads.begin("人事", "王")
    with pytest.raises(ConnectionResetError), uploads.receive(batch, "王", "甲.txt") as receiver:
        receiver.write(b"x")
        raise ConnectionResetError
    assert on_disk(folder, batch) == []


def test_a_file_that_is_sent_again_takes_the_place_of_the_first(uploads: Uploads, folder: Path) -> None:
    batch = uploads.begin("人事", "王")
    send(uploads, batch, "甲.txt", b"1")
    send(uploads, batch, "甲.txt", b"2")
    assert [file.path.read_bytes() for file in uploads.files(batch, "王")] == [b"2"]
    assert on_disk(folder, batch) == ["2.txt"]
    with pytest.raises(EmptyFile):
        send(uploads, batch, "甲.txt")
    assert [file.path.read_bytes() for file in uploads.files(batch, "王")] == [b"2"]


def test_several_files_may_arrive_at_once(uploads: Uploads) -> None:
    batch = uploads.begin("人事", "王")

    def one(number: int) -> None:
        send(uploads, batch, f"{number}.txt", *(bytes([65 + number]) * 1000 for _ in range(20)))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(one, range(12)))
    files = uploads.files(batch, "王")
    assert sorted(file.name for file in files) == sorted(f"{number}.txt" for number in range(12))
    assert all(file.path.read_bytes() == bytes([65 + int(file.name[:-4])]) * 20_000 for file in files)


def test_others_uploads_are_as_if_they_were_not_there(uploads: Uploads) -> None:
    batch = uploads.begin("人事", "王")
    for call in (
        lambda: send(uploads, batch, "甲.txt", b"x", owner="李"),
        lambda: uploads.files(batch, "李"),
        lambda: uploads.get(batch, "李"),
        lambda: uploads.finish(batch, "李"),
        lambda: uploads.discard(batch, "李"),
        lambda: uploads.files("../" + batch, "王"),
        lambda: uploads.discard("", "王"),
    ):
        with pytest.raises(UploadNotFound):
            call()
    send(uploads, batch, "甲.txt", b"x")


def test_a_complete_upload_takes_no_more_files(uploads: Uploads, folder: Path) -> None:
    batch = uploads.begin("人事", "王")
    send(uploads, batch, "甲.txt", b"1")
    with pytest.raises(UploadNotFound), uploads.receive(batch, "王", "乙.txt") as late:
        late.write(b"2")
        uploads.finish(batch, "王")
    with pytest.raises(UploadNotFound):
        send(uploads, batch, "丙.txt", b"3")
    uploads.finish(batch, "王")
    assert [file.name for file in uploads.files(batch, "王")] == ["甲.txt"]
    assert on_disk(folder, batch) == ["1.txt", "lock", "upload.json"]


def test_a_full_disk_is_said_before_it_is_full(uploads: Uploads, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    batch = uploads.begin("人事", "王")
    monkeypatch.setattr(receiving.shutil, "disk_usage", lambda _: usage(0, 0, receiving.RESERVE_BYTES + 1000))
    send(uploads, batch, "小.txt", b"x" * 900)
    for pieces, size in (([b"x" * 2000], None), ([], 2000)):
        with pytest.raises(StoreUnwritable) as caught:
            send(uploads, batch, "大.txt", *pieces, size=size)
        assert "64 MB" in caught.value.reason("zh")
    assert on_disk(folder, batch) == ["1.txt"]


@pytest.mark.parametrize("where", ["write", "sync"])
def test_a_disk_that_is_full_all_the_same_leaves_no_half_file(
    uploads: Uploads, folder: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    class Full:
        def __init__(self, stream: Any) -> None:
            self.flush, self.fileno, self.close = stream.flush, stream.fileno, stream.close
            self.write = full

    batch = uploads.begin("人事", "王")
    if where == "sync":
        monkeypatch.setattr(receiving.os, "fsync", full)
    else:
        opened = Path.open
        monkeypatch.setattr(Path, "open", lambda *arguments: Full(opened(*arguments)))
    with pytest.raises(StoreUnwritable, match="No space"):
        send(uploads, batch, "甲.txt", b"x")
    monkeypatch.undo()
    assert on_disk(folder, batch) == []
    assert uploads.files(batch, "王") == []


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnwritable):
        Uploads(tmp_path / "file" / ".uploads", 1, SUPPORTED_SUFFIXES).begin("人事", "王")


def test_a_complete_upload_is_there_after_a_restart_and_no_other(uploads: Uploads, folder: Path) -> None:
    whole, half = uploads.begin("人事", "王"), uploads.begin("人事", "王")
    for batch in (whole, half):
        send(uploads, batch, "合同/甲.txt", b"1")
    uploads.finish(whole, "王")
    uploads.note_attempts(whole, "王", 2)
    uploads.close()
    again = Uploads(folder, 1, SUPPORTED_SUFFIXES)
    (upload,) = again.unfinished()
    assert (upload.id, upload.kb, upload.owner, upload.attempts) == (whole, "人事", "王", 2)
    assert [(file.name, file.path.read_bytes()) for file in again.files(whole, "王")] == [("合同/甲.txt", b"1")]
    with pytest.raises(UploadNotFound):
        again.files(half, "王")
    again.discard(whole, "王")
    assert again.unfinished() == []
    assert not (folder / whole).exists()
    assert Uploads(folder, 1, SUPPORTED_SUFFIXES).unfinished() == []


def test_an_upload_that_another_program_is_reading_is_not_taken_up(uploads: Uploads, folder: Path) -> None:
    batch = uploads.begin("人事", "王")
    send(uploads, batch, "甲.txt", b"1")
    uploads.finish(batch, "王")
    other = Uploads(folder, 1, SUPPORTED_SUFFIXES)
    assert other.unfinished() == []
    assert [upload.id for upload in uploads.unfinished()] == [batch]


def test_a_discarding_cut_short_leaves_no_complete_upload(
    uploads: Uploads, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = uploads.begin("人事", "王")
    uploads.finish(batch, "王")
    monkeypatch.setattr(uploads_module.shutil, "rmtree", lambda *_, **__: None)
    uploads.discard(batch, "王")
    assert Uploads(folder, 1, SUPPORTED_SUFFIXES).unfinished() == []


def test_a_marker_that_cannot_be_read_harms_nobody(uploads: Uploads, folder: Path) -> None:
    for number, marker in enumerate((b"", b"{}", b"[1]", b"\xff", b'{"kb": 1, "owner": "", "attempts": "x"}')):
        (folder / str(number)).mkdir(parents=True)
        (folder / str(number) / "upload.json").write_bytes(marker)
    assert uploads.unfinished() == []


def test_what_was_never_completed_is_swept_after_a_day(uploads: Uploads, folder: Path) -> None:
    whole, old, new = (uploads.begin("人事", "王") for _ in range(3))
    for batch in (whole, old, new):
        send(uploads, batch, "甲.txt", b"1")
    uploads.finish(whole, "王")
    for batch in (whole, old):
        os.utime(folder / batch, (time.time() - 90_000,) * 2)
    uploads.begin("人事", "王")
    assert not (folder / old).exists()
    assert (folder / new).exists()
    with pytest.raises(UploadNotFound):
        uploads.files(old, "王")
    assert [upload.id for upload in uploads.unfinished()] == [whole]


def test_an_upload_follows_a_renamed_knowledge_base_even_after_a_restart(uploads: Uploads, folder: Path) -> None:
    whole, half, other = uploads.begin("旧", "王"), uploads.begin("旧", "王"), uploads.begin("别", "王")
    uploads.finish(whole, "王")
    uploads.rename_kb("旧", "新")
    assert [uploads.get(batch, "王").kb for batch in (whole, half, other)] == ["新", "新", "别"]
    uploads.close()
    assert [upload.kb for upload in Uploads(folder, 1, SUPPORTED_SUFFIXES).unfinished()] == ["新"]


def test_an_upload_that_is_deleted_by_hand_is_no_obstacle(uploads: Uploads, folder: Path) -> None:
    batch = uploads.begin("人事", "王")
    shutil.rmtree(folder)
    with pytest.raises(StoreUnwritable):
        send(uploads, batch, "甲.txt", b"1")
    uploads.discard(batch, "王")
    send(uploads, batch := uploads.begin("人事", "王"), "甲.txt", b"1")
    assert len(uploads.files(batch, "王")) == 1


def test_only_the_types_that_the_settings_name_may_be_uploaded(make_app: Callable[..., KnowledgeQA]) -> None:
    app = make_app(upload_types=".PDF .docx")
    batch = app.uploads.begin("samples", "me")
    with pytest.raises(UnsupportedFile) as caught, app.uploads.receive(batch, "me", "甲.txt"):
        pass
    assert ".pdf .docx" in caught.value.text("zh")
    with pytest.raises(ConfigError, match="exe"):
        make_app(upload_types=".pdf .exe")
    with pytest.raises(ConfigError):
        make_app(upload_types="pdf")
