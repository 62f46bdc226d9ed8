"""P-Tuning v2: trained keys and values that every query sees before the prompt (Liu et al., 2021).

The official ChatGLM fine-tuning scripts store them as `transformer.prefix_encoder.*`: either one row per prefix token
that holds the keys and values of all layers, or, with `prefix_projection`, rows that a small perceptron expands to
that. ChatGLM-6B and ChatGLM2-6B differ only in sizes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from core.messages import literal
from core.model_errors import AdapterRefused
from models.chatglm.checkpoint import Checkpoint
from models.chatglm.config import read_json

_PREFIX = "transformer.prefix_encoder."
_ROWS = "embedding.weight"
_PERCEPTRON = ("trans.0.weight", "trans.0.bias", "trans.2.weight", "trans.2.bias")


class PrefixAdapter:
    """A trained prefix.

    Attributes:
        folder: where it was read from.
        tokens: its length; positions of the prompt do not shift by it.
    """

    def __init__(self, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        self.folder = folder
        self.tokens = tensors[_ROWS].shape[0]
        self._tensors = tensors

    def keys_values(self, *, layers: int, kv_heads: int, head_dim: int) -> Tensor:
        """Return what stands in the cache before the first token, [layers, 2, kv_heads, tokens, head_dim], fp32.

        Index 0 of the second dimension are the keys, not to be rotated, 1 the values.

        Raises:
            AdapterRefused: the prefix was trained for a model of other sizes.
        """
        try:
            by_token = self._rows().reshape(self.tokens, layers, 2, kv_heads, head_dim)
        except RuntimeError as error:  # torch's word for shapes that do not fit
            sizes = f"{layers} × 2 × {kv_heads} × {head_dim}"
            why = literal(
                f"前缀的大小与底座模型不符（每个词元应有 {sizes} 个数）",
                f"the prefix does not fit the base model, which has {sizes} numbers per token",
            )
            raise AdapterRefused(path=self.folder, why=why) from error
        return by_token.permute(1, 2, 3, 0, 4).contiguous()

    def _rows(self) -> Tensor:
        rows, *perceptron = (self._tensors[name].float() for name in (_ROWS, *_PERCEPTRON) if name in self._tensors)
        if not perceptron:
            return rows
        weight_in, bias_in, weight_out, bias_out = perceptron
        return linear(torch.tanh(linear(rows, weight_in, bias_in)), weight_out, bias_out)


def load_prefix(folder: Path) -> PrefixAdapter:
    """Read a folder of the official P-Tuning v2 scripts: its `config.json` and, of its weights, the prefix encoder.

    Raises:
        AdapterRefused: there is no prefix in it, or the weights are not what the configuration says.
        CheckpointUnreadable: one of its files is missing, damaged, could run code, or cannot be opened.
    """
    config = read_json(folder / "config.json")
    with Checkpoint(folder) as checkpoint:
        prefix = prefix_from_checkpoint(checkpoint, config)
    if prefix is None:
        why = literal("里面没有 P-Tuning v2 的前缀", "it holds no prefix of P-Tuning v2")
        raise AdapterRefused(path=folder, why=why)
    return prefix


def prefix_from_checkpoint(checkpoint: Checkpoint, config: Mapping[str, Any]) -> PrefixAdapter | None:
    """Return the prefix that a checkpoint holds in itself, None where it has none.

    The adapter stays valid after the checkpoint is closed.

    Args:
        config: the checkpoint's `config.json`.

    Raises:
        AdapterRefused: `pre_seq_len` or `prefix_projection` of the configuration contradict the weights.
    """
    tensors = {
        name.removeprefix(_PREFIX): checkpoint.tensor(name) for name in checkpoint.names if name.startswith(_PREFIX)
    }
    length = config.get("pre_seq_len") or 0
    if not tensors and not length:
        return None
    expected = {_ROWS, *(_PERCEPTRON if config.get("prefix_projection") else ())}
    if not length or tensors.keys() != expected or tensors[_ROWS].shape[:1] != (length,):
        held = {name: tuple(tensor.shape) for name, tensor in sorted(tensors.items())}
        said = f"pre_seq_len={length}, prefix_projection={bool(config.get('prefix_projection'))}"
        why = literal(
            f"config.json 说 {said}，权重里却是 {held}", f"config.json says {said}, but the weights are {held}"
        )
        raise AdapterRefused(path=checkpoint.folder, why=why)
    return PrefixAdapter(checkpoint.folder, tensors)
