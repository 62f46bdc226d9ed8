"""Folders that look like a model's: right names, right headers, a few bytes of weights. Nothing could load them."""

import io
import json
import struct
import zipfile
from pathlib import Path

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab\nsize 1947\n"


def safetensors(size: int = 400) -> bytes:
    """A safetensors file with one tensor of `size` bytes: length of the header, header, data."""
    header = json.dumps({"__metadata__": {}, "w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


def archive() -> bytes:
    """A zip archive, as which PyTorch saves weights."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as content:
        content.writestr("archive/data.pkl", bytes(2000))
    return stream.getvalue()


def chatglm(folder: Path, *, shards: int = 2) -> Path:
    """A complete ChatGLM-6B folder in the published form: shards of PyTorch weights, an index, and code."""
    names = [f"pytorch_model-{number:05}-of-{shards:05}.bin" for number in range(1, shards + 1)]
    index = {"weight_map": {f"layer.{number}": name for number, name in enumerate(names)}}
    files = {
        "config.json": b'{"model_type": "chatglm"}',
        "tokenizer_config.json": b"{}",
        "ice_text.model": b"\x0a" * 3000,
        "pytorch_model.bin.index.json": json.dumps(index).encode(),
        "modeling_chatglm.py": b"raise SystemExit('this must never run')",
        **dict.fromkeys(names, archive()),
    }
    return put(folder, files)


def embedding(folder: Path) -> Path:
    """A complete sentence-transformers folder."""
    modules = [
        {"path": "", "type": "sentence_transformers.models.Transformer"},
        {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    files = {
        "config.json": b"{}",
        "vocab.txt": b"[PAD]",
        "modules.json": json.dumps(modules).encode(),
        "1_Pooling/config.json": b"{}",
        "model.safetensors": safetensors(),
    }
    return put(folder, files)


def put(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files into a folder and return it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
