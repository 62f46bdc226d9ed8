"""A checkpoint seen as the parameters of one decoder: which are there, which are quantised, what each holds."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from core.messages import Message
from core.model_errors import CheckpointUnreadable
from models.chatglm.checkpoint import Checkpoint
from models.chatglm.config import ChatGLMConfig, load_config, read_json
from models.chatglm.quantization import QuantizedWeight, from_checkpoint
from models.chatglm.weight_files import let_go

Shape = tuple[int, ...]
V1_EMBEDDING, V1_HEAD = "transformer.word_embeddings.weight", "lm_head.weight"
V2_EMBEDDING, V2_HEAD = "transformer.embedding.word_embeddings.weight", "transformer.output_layer.weight"

_QUANTISED = (".query_key_value.weight", ".dense.weight", ".dense_h_to_4h.weight", ".dense_4h_to_h.weight")
_TABLES = {V1_EMBEDDING, V1_HEAD, V2_EMBEDDING, V2_HEAD}
_PREFIX = ".prefix_encoder."
_NAMES_SHOWN = 6
_MISSING = Message("缺少 {count} 个张量：{names}", "{count} tensors are missing: {names}")
_UNKNOWN = Message("有 {count} 个不认识的张量：{names}", "{count} tensors are unknown: {names}")
_MISSHAPEN = Message("{count} 个张量形状不符：{names}", "{count} tensors are of another shape: {names}")
_MISTYPED = Message("{count} 个张量类型不符：{names}", "{count} tensors are of another type: {names}")
_NOT_FINITE = Message("{name} 里有 NaN 或无穷大", "{name} holds NaN or infinity")
_WHOLE = Message(
    "确认目录里是同一个模型的全部文件，或重新下载。",
    "Make sure that the folder holds all files of one model, or fetch it again.",
)


class StoredModel:
    """The parameters in a folder, in the terms of the current vocabulary.

    Args:
        folder: the model's files.

    Raises:
        CheckpointUnreadable: a file is missing or damaged.
        ModelUnsupported: the folder holds another kind of model.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        read_json(folder / "config.json")  # before the weights, which may be missing too
        self.checkpoint = Checkpoint(folder)
        held = self.checkpoint.names
        rows = self.checkpoint.shape(V1_EMBEDDING)[0] if V1_EMBEDDING in held else None
        self.config: ChatGLMConfig = load_config(folder, rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.checkpoint.close()

    def check(self, shapes: Mapping[str, Shape]) -> None:
        """Compare what is stored with the parameters of a decoder, by name, shape and type.

        Raises:
            CheckpointUnreadable: parameters are missing, unknown or of another shape; their names are listed.
        """
        expected = self._stored_shapes(shapes)
        held = {name: self.checkpoint.shape(name) for name in self.checkpoint.names if _PREFIX not in name}
        both = expected.keys() & held
        self._refuse(_MISSING, expected.keys() - held)
        self._refuse(_UNKNOWN, held.keys() - expected)
        self._refuse(
            _MISSHAPEN, [f"{name} {held[name]} ≠ {expected[name]}" for name in both if held[name] != expected[name]]
        )
        self._refuse(_MISTYPED, [f"{name} {self.checkpoint.dtype(name)}" for name in both if self._is_mistyped(name)])

    def parameter(self, name: str) -> Tensor | QuantizedWeight:
        """Return a parameter, a view of its file; v1's head, where none is stored, is its embedding."""
        name = self._stored_name(name)
        if not self.is_quantised(name):
            return self._rows(name)
        codes = self._rows(name)
        return from_checkpoint(codes, self._rows(f"{name}_scale"), codes.shape[1] * 8 // self.config.bits)

    def not_finite(self, name: str) -> CheckpointUnreadable:
        """Return the error for a parameter that holds NaN or infinity."""
        why = _NOT_FINITE.filled(name=name)
        return CheckpointUnreadable(file=self.checkpoint.file_of(name), why=why, remedy=_WHOLE)

    def let_go(self, name: str) -> None:
        """Take a parameter out of memory again, after it has been copied."""
        stored = self._stored_name(name)
        for own in {stored, f"{stored}_scale"} & self.checkpoint.names:
            let_go(self.checkpoint.tensor(own))

    def is_quantised(self, name: str) -> bool:
        """Tell whether a parameter is stored as codes and scales."""
        is_table = self.config.quantized_embedding and name in _TABLES
        return bool(self.config.bits) and (is_table or name.endswith(_QUANTISED))

    def _stored_shapes(self, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
        stored: dict[str, Shape] = {}
        for name, shape in shapes.items():
            rows = shape[0] + (self.config.image_tokens if _of_vocabulary(name) else 0)
            stored[name] = (rows, *shape[1:])
            if self.is_quantised(name):
                stored[name] = (rows, shape[1] * self.config.bits // 8)
                stored[f"{name}_scale"] = (rows,)
        head = {V1_HEAD, f"{V1_HEAD}_scale"}
        return {name: shape for name, shape in stored.items() if name not in head or head & self.checkpoint.names}

    def _stored_name(self, name: str) -> str:
        return V1_EMBEDDING if name == V1_HEAD and name not in self.checkpoint.names else name

    def _is_mistyped(self, name: str) -> bool:
        """Tell whether codes are not int8, or anything else no floating-point numbers."""
        dtype = self.checkpoint.dtype(name)
        return dtype != torch.int8 if self.is_quantised(name) else not dtype.is_floating_point

    def _rows(self, name: str) -> Tensor:
        tensor = self.checkpoint.tensor(name)
        return tensor[self.config.image_tokens :] if _of_vocabulary(name) else tensor

    def _refuse(self, why: Message, names: Iterable[str]) -> None:
        ordered = sorted(names)
        if ordered:
            shown = ", ".join(ordered[:_NAMES_SHOWN]) + (" …" if len(ordered) > _NAMES_SHOWN else "")
            reason = why.filled(count=len(ordered), names=shown)
            raise CheckpointUnreadable(file=self.folder, why=reason, remedy=_WHOLE)


def _of_vocabulary(name: str) -> bool:
    """Tell whether a parameter, or its scale, has one row for each token."""
    return name.removesuffix("_scale") in _TABLES
