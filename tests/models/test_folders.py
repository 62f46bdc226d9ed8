"""What a model's folder lacks is named; what is whole passes; nothing in it is loaded."""

from pathlib import Path

import pytest
from model_folders import POINTER, archive, chatglm, embedding, put, safetensors

from models.folders import FolderReport, inspect_folder
from models.hub_files import WORK_FOLDER


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return chatglm(tmp_path / "chatglm-6b")


def problems(folder: Path, *, is_chatglm: bool = True) -> list[str]:
    report = inspect_folder(folder, is_chatglm=is_chatglm)
    assert (report.state == "complete") == (not report.problems)
    return [problem.text("en") for problem in report.problems]


def test_a_published_folder_is_complete_and_its_code_is_named(folder: Path) -> None:
    report = inspect_folder(folder, is_chatglm=True)
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert report == FolderReport("complete", (), size, ("modeling_chatglm.py",))


def test_no_folder_an_empty_one_and_one_of_code_are_absent(tmp_path: Path) -> None:
    assert inspect_folder(tmp_path / "none") == FolderReport("absent")
    assert inspect_folder(tmp_path) == FolderReport("absent")
    put(tmp_path, {"modeling_chatglm.py": b"x"})
    assert inspect_folder(tmp_path).state == "absent"


def test_a_download_that_has_just_begun_is_incomplete(tmp_path: Path) -> None:
    put(tmp_path, {f"{WORK_FOLDER}/{'0' * 64}": b"x"})
    assert inspect_folder(tmp_path).state == "incomplete"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("config.json", "config.json is missing"),
        ("ice_text.model", "the tokenizer file is missing (ice_text.model / tokenizer.model)"),
        ("pytorch_model-00002-of-00002.bin", "pytorch_model-00002-of-00002.bin is missing"),
    ],
    ids=["config", "tokenizer", "shard"],
)
def test_a_missing_file_is_named(folder: Path, name: str, expected: str) -> None:
    (folder / name).unlink()
    assert problems(folder) == [expected]


@pytest.mark.parametrize("name", ["ice_text.model", "pytorch_model-00001-of-00002.bin", "config.json"])
def test_pain_40_a_git_lfs_pointer_is_told_from_the_file(folder: Path, name: str) -> None:
    (folder / name).write_bytes(POINTER)
    assert problems(folder) == [f"{name} is a Git LFS pointer, not the file itself"]


def test_a_configuration_that_is_no_json_is_named(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"<html>\xff")
    assert problems(folder)[0].startswith("config.json is not valid JSON")


def _cut(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


@pytest.mark.parametrize(
    ("name", "content", "whole"),
    [
        ("pytorch_model.bin", archive(), True),
        ("pytorch_model.bin", _cut(archive()), False),
        ("pytorch_model.bin", b"\x80\x02 an old pickle", True),
        ("pytorch_model.bin", b"<html>not found</html>", False),
        ("pytorch_model.bin", b"", False),
        ("model.safetensors", safetensors(), True),
        ("model.safetensors", _cut(safetensors()), False),
        ("model.safetensors", safetensors() + b"more", False),
        ("model.safetensors", safetensors()[:5], False),
        ("model.safetensors", b"\xff" * 100, False),
        ("model.safetensors", b"\x02" + bytes(7) + b"[]", False),
        ("model.safetensors", b"\x0a" + bytes(7) + b'{"w": 123}', False),
    ],
    ids=[
        "archive", "archive_cut", "pickle", "page", "empty", "tensors", "tensors_cut", "tensors_long", "length_cut",
        "length_wrong", "header_list", "header_wrong",
    ],
)  # fmt: skip
def test_pain_a_weight_file_must_be_as_long_as_it_says(tmp_path: Path, name: str, content: bytes, whole: bool) -> None:
    put(tmp_path, {"config.json": b"{}", "vocab.txt": b"a", name: content})
    assert problems(tmp_path, is_chatglm=False) == (
        [] if whole else [f"{name} is cut short or damaged ({len(content)} bytes)"]
    )


def test_one_format_that_is_whole_is_enough(folder: Path) -> None:
    put(folder, {"model.safetensors": _cut(safetensors())})
    assert problems(folder) == []
    (folder / "pytorch_model-00001-of-00002.bin").unlink()
    assert any("model.safetensors is cut short" in problem for problem in problems(folder))


def test_without_any_weights_that_is_said(folder: Path) -> None:
    for path in folder.glob("pytorch_model*"):
        path.unlink()
    assert problems(folder) == ["the weight files are missing"]


@pytest.mark.parametrize("index", [b"{", b"[]", b'{"weight_map": 3}'], ids=["cut", "list", "number"])
def test_a_damaged_index_counts_as_none(folder: Path, index: bytes) -> None:
    (folder / "pytorch_model.bin.index.json").write_bytes(index)
    assert problems(folder) == []


def test_an_embedding_without_its_pooling_is_incomplete(tmp_path: Path) -> None:
    folder = embedding(tmp_path / "m3e")
    assert problems(folder, is_chatglm=False) == []
    (folder / "1_Pooling" / "config.json").unlink()
    assert problems(folder, is_chatglm=False) == ["1_Pooling/config.json is missing"]
    (folder / "modules.json").write_bytes(b'{"not": "a list"}')
    assert problems(folder, is_chatglm=False) == []


def test_any_tokenizer_serves_a_model_that_is_no_chatglm(tmp_path: Path) -> None:
    files: dict[str, bytes] = {"config.json": b"{}", "model.safetensors": safetensors()}
    put(tmp_path, files)
    assert "tokenizer" in problems(tmp_path, is_chatglm=False)[0]
    put(tmp_path, {"tokenizer.json": b"{}"})
    assert problems(tmp_path, is_chatglm=False) == []
    assert "ice_text.model" in problems(tmp_path, is_chatglm=True)[0]


def test_problems_are_said_in_both_languages(folder: Path) -> None:
    (folder / "ice_text.model").write_bytes(POINTER)
    (problem,) = inspect_folder(folder, is_chatglm=True).problems
    assert problem.text("zh") == "ice_text.model 只是 Git LFS 指针，不是文件本身"
