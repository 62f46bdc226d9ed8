"""Folders that do not hold a sound model, or hold code: the first are named as such, the second never runs."""

import json
import pickle
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer

from core.model_errors import ModelFailed
from models.embeddings import SentenceTransformerEmbeddings


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "original"
    folder.mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"请假批准"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A sound model in a folder of its own, for a test to spoil."""
    return Path(shutil.copytree(original, tmp_path / "坏模型"))


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """The file that code in the folder would write."""
    return tmp_path / "executed"


def change(file: Path, **values: Any) -> None:
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(content | values), encoding="utf-8")


def load_failure(folder: Path) -> ModelFailed:
    with pytest.raises(ModelFailed) as caught:
        SentenceTransformerEmbeddings(folder, device="cpu").embed_query("请假")
    return caught.value


def test_the_model_is_sound_before_it_is_spoilt(folder: Path) -> None:
    assert len(SentenceTransformerEmbeddings(folder, device="cpu").embed_query("请假")) == 16


class TestBroken:
    def test_the_error_names_the_model_and_the_folder_in_both_languages(self, folder: Path) -> None:
        (folder / "config.json").write_text("{")
        error = load_failure(folder)
        assert error.__cause__ is not None
        assert error.http_status == 503
        assert "模型 坏模型 出错" in error.text("zh")
        assert "The model 坏模型 failed" in error.text("en")
        for language in ("zh", "en"):
            assert str(folder) in error.text(language)

    def test_no_folder(self, tmp_path: Path) -> None:
        assert "missing" in load_failure(tmp_path / "missing").text("en")

    def test_no_weights(self, folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        load_failure(folder)

    def test_an_unknown_architecture(self, folder: Path) -> None:
        change(folder / "config.json", model_type="nothing-like-it")
        load_failure(folder)

    def test_weights_of_another_shape(self, folder: Path) -> None:
        change(folder / "config.json", hidden_size=32)
        load_failure(folder)

    @pytest.mark.parametrize(
        "content",
        [b"", b"version https://git-lfs.github.com/spec/v1\n", b"\x08" + b"\x00" * 7 + b"garbage!"],
        ids=["empty", "lfs_pointer", "garbage"],
    )
    def test_weights_that_are_none(self, folder: Path, content: bytes) -> None:
        """An interrupted download, or a clone without Git LFS."""
        (folder / "model.safetensors").write_bytes(content)
        load_failure(folder)

    def test_weights_cut_short(self, folder: Path) -> None:
        whole = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
        load_failure(folder)

    @pytest.mark.parametrize("content", [b"", b"garbage", pickle.dumps({"a": 1})], ids=["empty", "garbage", "pickle"])
    def test_older_weights_that_are_none(self, folder: Path, content: bytes) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "pytorch_model.bin").write_bytes(content)
        load_failure(folder)

    def test_weights_that_lack_layers_are_not_filled_up_at_random(self, folder: Path) -> None:
        """A checkpoint of something else would give random vectors without a word."""
        from safetensors.torch import load_file, save_file

        weights = load_file(folder / "model.safetensors")
        kept = {name: tensor for name, tensor in weights.items() if "encoder" not in name}
        save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
        load_failure(folder)

    def test_no_tokenizer(self, folder: Path) -> None:
        for file in folder.iterdir():
            if file.name not in ("config.json", "model.safetensors"):
                file.unlink()
        load_failure(folder)

    def test_modules_that_are_no_json(self, folder: Path) -> None:
        (folder / "modules.json").write_text("[")
        load_failure(folder)

    def test_a_module_whose_files_are_missing(self, folder: Path) -> None:
        types = ("Transformer", "Pooling")
        modules = [
            {
                "idx": n,
                "name": str(n),
                "path": f"{n}_{kind}" if n else "",
                "type": f"sentence_transformers.models.{kind}",
            }
            for n, kind in enumerate(types)
        ]
        (folder / "modules.json").write_text(json.dumps(modules))
        load_failure(folder)

    @pytest.mark.parametrize("device", ["cuda:99", "no-such-device"])
    def test_a_device_that_is_not_there(self, folder: Path, device: str) -> None:
        with pytest.raises(ModelFailed):
            SentenceTransformerEmbeddings(folder, device=device)


class TestCodeInTheFolder:
    """The class never runs code from a model's folder, nor asks at the terminal whether it may."""

    @pytest.fixture(autouse=True)
    def _poison(self, folder: Path, marker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def ask(prompt: str = "") -> str:
            pytest.fail(f"asked at the terminal: {prompt}")

        monkeypatch.setattr("builtins.input", ask)
        code = (
            "from pathlib import Path\n"
            f"Path({str(marker)!r}).write_text('executed')\n"
            "from transformers import BertConfig as XConfig, BertModel as XModel, BertTokenizer as XTokenizer\n"
            "from sentence_transformers.sentence_transformer.modules import Pooling as XPooling\n"
        )
        (folder / "modeling_x.py").write_text(code)

    def load(self, folder: Path) -> None:
        """Load a poisoned folder; either its code is passed over or the folder is refused."""
        with suppress(ModelFailed):
            SentenceTransformerEmbeddings(folder, device="cpu").embed_query("请假")

    @pytest.mark.parametrize("model_type", ["bert", "x"], ids=["known_type", "unknown_type"])
    def test_auto_map_in_the_configuration(self, folder: Path, marker: Path, model_type: str) -> None:
        names = {"AutoConfig": "modeling_x.XConfig", "AutoModel": "modeling_x.XModel"}
        change(folder / "config.json", model_type=model_type, auto_map=names)
        self.load(folder)
        assert not marker.exists()

    def test_auto_map_in_the_tokenizer(self, folder: Path, marker: Path) -> None:
        names = {"AutoTokenizer": ["modeling_x.XTokenizer", None]}
        change(folder / "tokenizer_config.json", tokenizer_class="XTokenizer", auto_map=names)
        self.load(folder)
        assert not marker.exists()

    def test_a_module_from_the_folder(self, folder: Path, marker: Path) -> None:
        modules = [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "", "type": "modeling_x.XPooling"},
        ]
        (folder / "modules.json").write_text(json.dumps(modules))
        load_failure(folder)
        assert not marker.exists()

    def test_a_pickle_in_the_weights(self, folder: Path, marker: Path) -> None:
        class Poison:
            def __reduce__(self) -> tuple[Any, ...]:
                return Path.write_text, (marker, "executed")

        (folder / "model.safetensors").unlink()
        torch.save({"embeddings.word_embeddings.weight": Poison()}, folder / "pytorch_model.bin")
        load_failure(folder)
        assert not marker.exists()
