"""Weights are mapped, not loaded; nothing in a model folder runs; and what is wrong with it is said by file."""

import gc
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import psutil
import pytest
import torch
from golden_cases import TINY
from safetensors.torch import load_file, save_file

from core.model_errors import CheckpointUnreadable
from models.chatglm.checkpoint import Checkpoint

WEIGHTS = {
    "transformer.word_embeddings.weight": torch.arange(12, dtype=torch.float16).view(4, 3),
    "transformer.final_layernorm.bias": torch.ones(3),
    "lm_head.weight": torch.arange(8, dtype=torch.int8).view(4, 2),
}
NAMES = list(WEIGHTS)


def save_shards(folder: Path, suffix: str, *, promised: dict[str, str] | None = None) -> None:
    """Write the weights as two files and their index, whose stated size is wrong as in the released one."""
    stem, save = ("model", save_file) if suffix == "safetensors" else ("pytorch_model", torch.save)
    files = [f"{stem}-0000{number}-of-00002.{suffix}" for number in (1, 2)]
    save({name: WEIGHTS[name] for name in NAMES[:2]}, folder / files[0])
    save({name: WEIGHTS[name] for name in NAMES[2:]}, folder / files[1])
    weight_map = dict(zip(NAMES, [files[0], files[0], files[1]], strict=True)) | (promised or {})
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps(index), "utf-8")


def save_single(name: str) -> Callable[[Path], None]:
    save = save_file if name.endswith(".safetensors") else torch.save
    return lambda folder: save(WEIGHTS, folder / name)


def save_parameters(folder: Path) -> None:
    weights = {name: torch.nn.Parameter(WEIGHTS[name], requires_grad=False) for name in NAMES}
    weights[NAMES[1]].requires_grad_()
    torch.save(weights, folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    "save",
    [
        save_single("model.safetensors"),
        save_single("chatglm-int4.safetensors"),
        save_single("pytorch_model.bin"),
        save_parameters,
        lambda folder: save_shards(folder, "safetensors"),
        lambda folder: save_shards(folder, "bin"),
    ],
    ids=["safetensors", "other_name", "bin", "parameters", "safetensors_shards", "bin_shards"],
)
def test_every_layout_gives_the_same_tensors(tmp_path: Path, save: Callable[[Path], None]) -> None:
    save(tmp_path)
    with Checkpoint(tmp_path) as checkpoint:
        assert checkpoint.names == set(NAMES)
        for name, weight in WEIGHTS.items():
            held = checkpoint.tensor(name)
            assert torch.equal(held, weight)
            assert (checkpoint.dtype(name), checkpoint.shape(name)) == (weight.dtype, tuple(weight.shape))
            assert held.device.type == "cpu"
            assert not held.requires_grad
            assert checkpoint.file_of(name).parent == tmp_path
        assert checkpoint.size_bytes() == 24 + 12 + 8
        assert checkpoint.size_bytes(NAMES[:1]) == 24
    assert not checkpoint.names


@pytest.mark.parametrize("name", ["v1_fp", "v1_int4_qe", "v2_int4"])
def test_recorded_checkpoints_are_read_without_their_rotary_tables(name: str) -> None:
    whole = load_file(TINY / name / "model.safetensors")
    with Checkpoint(TINY / name) as checkpoint:
        assert checkpoint.names == {key for key in whole if "inv_freq" not in key}
        assert all(torch.equal(checkpoint.tensor(key), whole[key]) for key in checkpoint.names)


def test_rotary_tables_are_neither_offered_nor_missed(tmp_path: Path) -> None:
    tables = ["transformer.layers.0.attention.rotary_emb.inv_freq", "transformer.rotary_pos_emb.inv_freq"]
    save_shards(tmp_path, "bin", promised=dict.fromkeys(tables, "pytorch_model-00001-of-00002.bin"))
    assert Checkpoint(tmp_path).names == set(NAMES)
    save_file({tables[0]: torch.ones(2), "lm_head.weight": torch.ones(2)}, tmp_path / "model.safetensors")
    assert Checkpoint(tmp_path).names == {"lm_head.weight"}


def test_sources_are_tried_in_order(tmp_path: Path) -> None:
    """Each step adds a file that comes before those that are there; an adapter beside them is none of them."""
    torch.save({"d": torch.ones(1)}, tmp_path / "pytorch_model.bin")
    save_file({"adapter": torch.ones(1)}, tmp_path / "adapter_model.safetensors")
    assert Checkpoint(tmp_path).names == {"d"}
    save_shards(tmp_path, "bin")
    assert Checkpoint(tmp_path).names == set(NAMES)
    save_file({"b": torch.ones(1)}, tmp_path / "model.safetensors")
    assert Checkpoint(tmp_path).names == {"b"}
    save_shards(tmp_path, "safetensors")
    assert Checkpoint(tmp_path).names == set(NAMES)


def test_the_index_decides_between_two_files_with_one_name(tmp_path: Path) -> None:
    save_shards(tmp_path, "bin")
    second = tmp_path / "pytorch_model-00002-of-00002.bin"
    torch.save({**WEIGHTS, NAMES[0]: torch.zeros(1)}, second)
    checkpoint = Checkpoint(tmp_path)
    assert checkpoint.shape(NAMES[0]) == (4, 3)
    assert checkpoint.file_of(NAMES[2]) == second


def test_a_tied_head_counts_once(tmp_path: Path) -> None:
    tied = torch.ones(10, 10)
    torch.save({"embedding": tied, "head": tied, "other": torch.ones(5)}, tmp_path / "pytorch_model.bin")
    assert Checkpoint(tmp_path).size_bytes() == 400 + 20


def save_sparse(folder: Path, suffix: str) -> int:
    """Write a file of 1 GiB in 16 tensors, as holes that take no disk; return the bytes of one."""
    count, size = 16, 1 << 26
    if suffix == "bin":
        with torch.serialization.skip_data():
            torch.save({f"t{number}": torch.empty(size // 4) for number in range(count)}, folder / "pytorch_model.bin")
        return size
    entries = {
        f"t{number}": {"dtype": "F32", "shape": [size // 4], "data_offsets": [number * size, (number + 1) * size]}
        for number in range(count)
    }
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    path = folder / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    os.truncate(path, 8 + len(header) + count * size)
    return size


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_one_tensor_is_read_without_the_rest(tmp_path: Path, suffix: str) -> None:
    size = save_sparse(tmp_path, suffix)
    gc.collect()
    before = psutil.Process().memory_info().rss
    with Checkpoint(tmp_path) as checkpoint:
        assert checkpoint.size_bytes() == 16 * size
        assert checkpoint.shape("t3") == (size // 4,)
        opened = psutil.Process().memory_info().rss
        assert not checkpoint.tensor("t3").any()
        read = psutil.Process().memory_info().rss
    assert opened - before < size / 2
    assert read - opened < 2 * size


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_a_change_to_a_tensor_leaves_its_file(tmp_path: Path, suffix: str) -> None:
    save_shards(tmp_path, suffix)
    Checkpoint(tmp_path).tensor(NAMES[0])[:] = 9
    assert torch.equal(Checkpoint(tmp_path).tensor(NAMES[0]), WEIGHTS[NAMES[0]])


class Touch:
    """Unpickling it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch '{self.path}'",)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old_pickle"])
def test_code_in_a_bin_is_refused_and_not_run(tmp_path: Path, zipped: bool) -> None:
    ran = tmp_path / "ran"
    path = tmp_path / "pytorch_model.bin"
    torch.save({"w": torch.ones(1), "x": Touch(ran)}, path, _use_new_zipfile_serialization=zipped)
    if zipped:  # the trap works where it is not guarded against
        torch.load(path, weights_only=False)
        assert ran.exists()
        ran.unlink()
    with pytest.raises(CheckpointUnreadable) as caught:
        Checkpoint(tmp_path)
    assert not ran.exists()
    assert str(path) in str(caught.value)
    assert "safetensors" in caught.value.advice("en")
    assert ("system" if zipped else "old pickle") in caught.value.reason("en")


def test_what_a_scan_for_code_overlooks_is_not_run_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.serialization, "get_unsafe_globals_in_checkpoint", lambda path: [])
    torch.save({"x": Touch(tmp_path / "ran")}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointUnreadable, match="Weights only load failed"):
        Checkpoint(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_python_files_of_the_folder_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("modeling_chatglm.py", "quantization.py", "torch.py", "__init__.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')", "utf-8")
    save_shards(tmp_path, "bin")
    assert Checkpoint(tmp_path).names == set(NAMES)
    assert not (tmp_path / "ran").exists()


def save_pointer(folder: Path, name: str) -> None:
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 134\n", "utf-8")


def cut(path: Path, keep: float) -> None:
    os.truncate(path, int(path.stat().st_size * keep))


def spoil(name: str, content: object) -> Callable[[Path], None]:
    return lambda folder: torch.save(content, folder / name)


def cut_single(name: str, keep: float) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        save_single(name)(folder)
        cut(folder / name, keep)

    return save


def lose_shards(folder: Path) -> None:
    weight_map = {f"w{number:02}": f"pytorch_model-{number:05}-of-00008.bin" for number in range(1, 9)}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}), "utf-8")


def lose_index(folder: Path) -> None:
    save_shards(folder, "safetensors")
    (folder / "model.safetensors.index.json").unlink()


def lose_all_but_one(folder: Path) -> None:
    lose_index(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()


def break_promise(folder: Path) -> None:
    save_shards(folder, "bin", promised={"transformer.gone.weight": "pytorch_model-00002-of-00002.bin"})


def break_index(content: str) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        (folder / "model.safetensors.index.json").write_text(content, "utf-8")

    return save


def point_outside(file: str) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        save_single("pytorch_model.bin")(folder.parent)
        save_shards(folder, "bin", promised={NAMES[0]: file})

    return save


BIN, SAFE, INDEX = "pytorch_model.bin", "model.safetensors", "pytorch_model.bin.index.json"
PROBLEMS: dict[str, tuple[Callable[[Path], None], str, str, str]] = {
    "nothing": (lambda folder: None, "", "no weights", "download"),
    "lfs_bin": (lambda folder: save_pointer(folder, BIN), BIN, "Git LFS pointer", "git lfs pull"),
    "lfs_safetensors": (lambda folder: save_pointer(folder, SAFE), SAFE, "Git LFS pointer", "git lfs pull"),
    "lost_shards": (lose_shards, INDEX, "pytorch_model-00001-of-00008.bin, pytorch_model-00002", "download"),
    "lost_index": (lose_index, "", "in parts", "download"),
    "one_shard": (lose_all_but_one, "", "in parts", "download"),
    "broken_promise": (break_promise, "pytorch_model-00002-of-00002.bin", "transformer.gone.weight", "download"),
    "cut_bin": (cut_single(BIN, 0.6), BIN, "damaged", "download"),
    "empty_bin": (cut_single(BIN, 0), BIN, "damaged", "download"),
    "cut_safetensors": (cut_single(SAFE, 0.95), SAFE, "damaged", "download"),
    "cut_header": (cut_single(SAFE, 0.1), SAFE, "damaged", "download"),
    "empty_safetensors": (cut_single(SAFE, 0), SAFE, "damaged", "download"),
    "module": (spoil(BIN, {"layer": torch.nn.Linear(2, 2)}), BIN, "run code: torch.nn.modules.linear", "save_file"),
    "nested": (spoil(BIN, {"model": WEIGHTS, "step": 3}), BIN, "more than tensors: model, step", "save_file"),
    "list": (spoil(BIN, [torch.ones(1)]), BIN, "more than tensors: list", "save_file"),
    "numbers_as_names": (spoil(BIN, {1: torch.ones(1)}), BIN, "more than tensors: 1", "save_file"),
    "no_content": (spoil(BIN, {"w": torch.ones(1, device="meta")}), BIN, "more than tensors: w", "save_file"),
    "sparse": (spoil(BIN, {"w": torch.eye(2).to_sparse()}), BIN, "more than tensors: w", "save_file"),
    "index_no_json": (break_index("{"), f"{SAFE}.index.json", "JSON", "download"),
    "index_a_list": (break_index("[]"), f"{SAFE}.index.json", "JSON", "download"),
    "index_without_map": (break_index("{}"), f"{SAFE}.index.json", "weight_map", "download"),
    "index_of_numbers": (break_index('{"weight_map": {"w": 1}}'), f"{SAFE}.index.json", "weight_map", "download"),
    "index_outside": (point_outside("../pytorch_model.bin"), INDEX, "outside", "Do not use"),
    "index_absolute": (point_outside("/etc/passwd"), INDEX, "outside", "Do not use"),
    "index_windows": (point_outside("..\\pytorch_model.bin"), INDEX, "outside", "Do not use"),
    "index_parent": (point_outside(".."), INDEX, "outside", "Do not use"),
}


@pytest.mark.parametrize(("save", "file", "reason", "advice"), PROBLEMS.values(), ids=PROBLEMS)
def test_each_problem_names_its_file_and_a_remedy(
    tmp_path: Path, save: Callable[[Path], None], file: str, reason: str, advice: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    save(folder)
    with pytest.raises(CheckpointUnreadable) as caught:
        Checkpoint(folder)
    assert caught.value.values["file"] == folder / file
    assert reason in caught.value.reason("en")
    assert advice in caught.value.advice("en")
    assert caught.value.reason("zh").startswith(f"模型文件 {folder / file} 用不了：")


def test_many_missing_shards_are_counted(tmp_path: Path) -> None:
    lose_shards(tmp_path)
    with pytest.raises(CheckpointUnreadable, match=r"00005-of-00008\.bin … \(8\)"):
        Checkpoint(tmp_path)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_lack_of_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """The system's answer is imitated: a test that runs as root may read everything."""
    save_single("model.safetensors")(tmp_path)

    def refuse(*_: object, **__: object) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open" if what == "file" else "is_file", refuse)
    with pytest.raises(CheckpointUnreadable, match="Permission denied") as caught:
        Checkpoint(tmp_path)
    assert caught.value.values["file"] == (tmp_path / "model.safetensors" if what == "file" else tmp_path)
    assert "permissions" in caught.value.advice("en")
