"""Which files of a repository are fetched: one format of weights, what configures them, and nothing else."""

import pytest

from models.hub_files import RemoteFile, needed_files


def _listed(*names: str) -> list[RemoteFile]:
    return [RemoteFile(name, 1, "0" * 40) for name in names]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("model.safetensors pytorch_model.bin", "model.safetensors"),
        ("pytorch_model.bin tf_model.h5 flax_model.msgpack", "pytorch_model.bin"),
        (
            "model-00001-of-00002.safetensors model-00002-of-00002.safetensors model.safetensors.index.json "
            "pytorch_model-00001-of-00001.bin pytorch_model.bin.index.json",
            "model-00001-of-00002.safetensors model-00002-of-00002.safetensors model.safetensors.index.json",
        ),
        (
            "model.safetensors 1_Pooling/config.json 2_Dense/pytorch_model.bin modules.json",
            "modules.json 1_Pooling/config.json model.safetensors 2_Dense/pytorch_model.bin",
        ),
        ("model.fp16.safetensors openvino_model.bin training_args.bin model-q4.gguf", ""),
        ("onnx/config.json openvino/model.bin coreml/a.json checkpoint-10/model.safetensors", ""),
        ("../config.json 1_Pooling/../../a.json /etc/a.json ..\\a.json .hidden.json 1_A/2_B/c.json C:a.json", ""),
        (
            "merges.txt vocab.txt chat_template.jinja tokenizer.model",
            "merges.txt vocab.txt chat_template.jinja tokenizer.model",
        ),
    ],
    ids=["both", "bin", "sharded", "modules", "variants", "folders", "traversal", "tokenizers"],
)
def test_only_one_format_and_no_other_framework(names: str, expected: str) -> None:
    assert {file.name for file in needed_files(_listed(*names.split()))} == set(expected.split())
