"""A checkpoint seen as the parameters of one decoder: which are there, which are quantised, what each holds."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from torch import Tensor

from core.messages import Message
from core.model_errors import CheckpointUnreadable
from models.chatglm.checkpoint import Checkpoint
from models.chatglm.config import ChatGLMConfig, load_config
from models.chatglm.quantization import QuantizedWeight, from_checkpoint
from models.chatglm.weight_files import let_go

Shape = tuple[int, ...]
V1_EMBEDDING, V1_HEAD = "transformer.word_embeddings.weight", "lm_head.weight"
V2_EMBEDDING, V2_HEAD = "transformer.embedding.word_embeddings.weight", "transformer.output_layer.weight"

_QUANTISED = (".query_key_value.weight", ".dense.weight", ".dense_h_to_4h.weight", ".dense_4h_to_h.weight")
_PREFIX = ".prefix_encoder."
_NAMES_SHOWN = 6
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
        self.checkpoint = Checkpoint(folder)
        held = self.checkpoint.names
        rows = self.checkpoint.shape(V1_EMBEDDING)[0] if V1_EMBEDDING in held else None
        self.config: ChatGLMConfig = load_config(folder, rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.checkpoint.close()

    def check(self, shapes: Mapping[str, Shape]) -> None:
        """Compare what is stored with the parameters of a decoder, by name and shape.

        Raises:
            CheckpointUnreadable: parameters are missing, unknown or of another shape; their names are listed.
        """
        expected = self._stored_shapes(shapes)
        held = {name: self.checkpoint.shape(name) for name in self.checkpoint.names if _PREFIX not in name}
        missing = [name for name in expected if name not in held and not name.startswith("lm_head.")]
        unknown = held.keys() - expected.keys()
        wrong = [f"{name} {held[name]} ≠ {shape}" for name, shape in expected.items() if held.get(name, shape) != shape]
        self._refuse(missing, Message("缺少 {count} 个张量：{names}", "{count} tensors are missing: {names}"))
        self._refuse(unknown, Message("有 {count} 个不认识的张量：{names}", "{count} tensors are unknown: {names}"))
        self._refuse(wrong, Message("{count} 个张量形状不符：{names}", "{count} tensors are of another shape: {names}"))

    def parameter(self, name: str) -> Tensor | QuantizedWeight:
        """Return a parameter, a view of its file; v1's head, where none is stored, is its embedding."""
        if name == V1_HEAD and name not in self.checkpoint.names:
            name = V1_EMBEDDING
        tensor = self._rows(name)
        if not self.is_quantised(name):
            return tensor
        return from_checkpoint(tensor, self._rows(f"{name}_scale"), tensor.shape[1] * 8 // self.config.bits)

    def let_go(self, name: str) -> None:
        """Take a parameter out of memory again, after it has been copied."""
        for own in {name, f"{name}_scale"} & self.checkpoint.names:
            let_go(self.checkpoint.tensor(own))

    def is_quantised(self, name: str) -> bool:
        """Tell whether a parameter is stored as codes and scales."""
        in_layer = name.endswith(_QUANTISED)
        return bool(self.config.bits) and (in_layer or (self.config.quantized_embedding and _of_vocabulary(name)))

    def _stored_shapes(self, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
        stored: dict[str, Shape] = {}
        for name, shape in shapes.items():
            rows = shape[0] + (self.config.image_tokens if _of_vocabulary(name) else 0)
            stored[name] = (rows, *shape[1:])
            if self.is_quantised(name):
                stored[name] = (rows, shape[1] * self.config.bits // 8)
                stored[f"{name}_scale"] = (rows,)
        return stored

    def _rows(self, name: str) -> Tensor:
        tensor = self.checkpoint.tensor(name)
        return tensor[self.config.image_tokens :] if _of_vocabulary(name) else tensor

    def _refuse(self, names: Iterable[str], why: Message) -> None:
        ordered = sorted(names)
        if ordered:
            shown = ", ".join(ordered[:_NAMES_SHOWN]) + (" …" if len(ordered) > _NAMES_SHOWN else "")
            reason = why.filled(count=len(ordered), names=shown)
            raise CheckpointUnreadable(file=self.folder, why=reason, remedy=_WHOLE)


def _of_vocabulary(name: str) -> bool:
    """Tell whether a parameter, or its scale, has one row for each token."""
    return name.removesuffix("_scale") in {V1_EMBEDDING, V1_HEAD, V2_EMBEDDING, V2_HEAD}
