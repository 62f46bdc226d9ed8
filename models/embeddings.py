"""Embedding models on this machine, behind LangChain's `Embeddings`."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from langchain_core.embeddings import Embeddings

from core.model_errors import ModelFailed

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_BATCH_TEXTS = 16
_WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin")
_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
_SAMPLE_BYTES, _SAMPLES = 65_536, 16  # how much of a weight file goes into the fingerprint
_SAFE = {"local_files_only": True, "trust_remote_code": False}  # no network, and no question whether to run code


class SentenceTransformerEmbeddings(Embeddings):
    """A sentence-transformers folder, or a plain transformers encoder with explicit pooling.

    Vectors have unit length. Texts of one call are sorted by length and computed in batches; on a CPU with bf16
    arithmetic the weights are held in bf16, which is about four times as fast as fp32 and changes a cosine by less
    than 0.0001. Code in the folder is never run.

    Args:
        folder: the model's files.
        pooling: how token vectors become one where the folder has no `modules.json`.
        max_tokens: longest text read where the folder does not say; the rest of a longer one is ignored.
        query_instruction: put before a question.
        device: "auto" or a torch device.

    Raises:
        ModelFailed: the folder does not load.
    """

    def __init__(
        self,
        folder: Path,
        *,
        pooling: Literal["mean", "cls"] = "mean",
        max_tokens: int = 512,
        query_instruction: str = "",
        device: str = "auto",
    ) -> None:
        self.folder = folder
        self.query_instruction = query_instruction
        try:
            self._model = _load(folder, pooling, max_tokens, device)
        except Exception as error:  # damaged weights make five libraries raise whatever they like
            raise ModelFailed(name=folder.name, detail=error, path=folder) from error
        self.dimensions = int(self._model.get_embedding_dimension() or 0)
        self.fingerprint = _fingerprint(folder, pooling)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one unit vector per text."""
        return self._encode(texts)

    def embed_query(self, text: str) -> list[float]:
        """Return the unit vector of a question."""
        return self._encode([self.query_instruction + text])[0]

    def _encode(self, texts: Sequence[str]) -> list[list[float]]:
        if not texts:
            return []
        vectors = np.asarray(
            self._model.encode(list(texts), batch_size=_BATCH_TEXTS, convert_to_numpy=True, show_progress_bar=False),
            dtype=np.float32,
        )
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)  # here, not in the model, whose type may be bf16
        rows: list[list[float]] = (vectors / np.maximum(norms, 1e-12)).tolist()
        return rows


def has_weights(folder: Path) -> bool:
    """Tell whether a folder holds a model's configuration and weights."""
    return (folder / "config.json").is_file() and any(
        next(folder.rglob(pattern), None) is not None for pattern in _WEIGHT_FILES
    )


def _load(folder: Path, pooling: str, max_tokens: int, device: str) -> "SentenceTransformer":
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    chosen = None if device == "auto" else device
    options: dict[str, Any] = {
        "model_kwargs": {"dtype": _dtype(torch, chosen), **_SAFE},
        "processor_kwargs": dict(_SAFE),
        "config_kwargs": dict(_SAFE),
    }
    _require_tokenizer(folder)
    if (folder / "modules.json").is_file():
        return SentenceTransformer(str(folder), device=chosen, local_files_only=True, **options)
    encoder = Transformer(str(folder), max_seq_length=max_tokens, **options)
    positions = getattr(encoder.auto_model.config, "max_position_embeddings", max_tokens)
    encoder.max_seq_length = min(max_tokens, positions)
    _require_complete(encoder.auto_model, folder)
    layers = [encoder, Pooling(encoder.get_embedding_dimension(), pooling_mode=pooling)]
    return SentenceTransformer(modules=layers, device=chosen)


def _require_complete(model: Any, folder: Path) -> None:
    """Raise ValueError where the weights lack a layer: transformers would fill it at random."""
    from safetensors import safe_open

    held: set[str] = set()
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as weights:
            held.update(weights.keys())
    held = {name.replace("Norm.gamma", "Norm.weight").replace("Norm.beta", "Norm.bias") for name in held}
    held |= {name.partition(".")[2] for name in held}  # checkpoints may prefix every name with the model's
    missing = [name for name in model.state_dict() if name not in held and not name.startswith("pooler.")]
    if held and missing:
        raise ValueError(f"weights are missing: {', '.join(missing[:3])} …")


def _require_tokenizer(folder: Path) -> None:
    """Raise ValueError without one: transformers would make up a tokenizer that knows no word."""
    if not any(next(folder.rglob(name), None) for name in _TOKENIZER_FILES):
        raise ValueError("no tokenizer: none of " + ", ".join(_TOKENIZER_FILES))


def _dtype(torch: Any, device: str | None) -> Any:
    """Return bf16 where the processor computes in it, else fp32."""
    on_cpu = device == "cpu" or (
        device is None and not torch.cuda.is_available() and not torch.backends.mps.is_available()
    )
    if on_cpu and torch.cpu._is_avx512_bf16_supported():
        return torch.bfloat16
    return torch.float32 if on_cpu else torch.float16


def _fingerprint(folder: Path, pooling: str) -> str:
    """Return a hash of what makes the vectors what they are: configuration, pooling, and the sizes of the weights."""
    digest = hashlib.sha256(pooling.encode())
    for path in sorted(folder.rglob("*.json")):
        digest.update(path.read_bytes())
    for pattern in _WEIGHT_FILES:
        for path in sorted(folder.rglob(pattern)):
            size = path.stat().st_size
            digest.update(f"{path.relative_to(folder).as_posix()}:{size}".encode())
            with path.open("rb") as stream:
                for number in range(_SAMPLES):
                    stream.seek(size * number // _SAMPLES)
                    digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()
