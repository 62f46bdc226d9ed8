"""From a checkpoint folder to a decoder, one tensor at a time.

The decoder is first built without memory; its parameters' names and shapes are what the checkpoint must hold. Then
each layer is read, adapted, quantised and packed before the next one is touched, so that memory stays near the size
of the result.
"""

from typing import cast

import torch
from torch import Tensor, nn

from core.answers import Progress, ProgressCallback, ignore_progress
from core.messages import Message
from core.model_errors import AdapterRefused
from models.chatglm.adapters import Adapter
from models.chatglm.config import read_json
from models.chatglm.decoder import Decoder, V1Decoder, V2Decoder
from models.chatglm.footprint import GROUP_SIZE
from models.chatglm.linear import Projection, build_head, build_projection
from models.chatglm.lora import LoraAdapter
from models.chatglm.plan import Plan
from models.chatglm.prefix import PrefixAdapter, prefix_from_checkpoint
from models.chatglm.quantization import QuantizedWeight, quantise
from models.chatglm.route_probe import choose_routes
from models.chatglm.stored import V1_HEAD, V2_HEAD, StoredModel

Matrix = Tensor | QuantizedWeight
_QUANTISED_BASE = Message(
    "LoRA 要合并进未量化的权重；请用 fp16 的底座，量化可在加载时进行（KNOWGLM_PRECISION=int4）",
    "LoRA is merged into weights that are not quantised; use the fp16 checkpoint, which can be quantised while it "
    "loads (KNOWGLM_PRECISION=int4)",
)


class QuantizedEmbedding(nn.Module):
    """The word embedding of an int4-qe checkpoint: rows are gathered first, and only those are expanded."""

    def __init__(self, weight: QuantizedWeight) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, ids: Tensor) -> Tensor:
        """Return [batch, tokens, hidden_size]."""
        return self.weight.rows(ids)


def load_decoder(
    stored: StoredModel, plan: Plan, *, adapter: Adapter | None = None, progress: ProgressCallback = ignore_progress
) -> Decoder:
    """Load a decoder, ready to run.

    Raises:
        CheckpointUnreadable: a tensor is missing, unknown, or of another shape than the configuration says.
        AdapterRefused: the adapter does not fit this model.
    """
    with torch.device("meta"):
        decoder = (V1Decoder if stored.config.family == "v1" else V2Decoder)(stored.config)
    shapes = {name: tuple(parameter.shape) for name, parameter in decoder.named_parameters()}
    stored.check(shapes)
    lora = adapter if isinstance(adapter, LoraAdapter) else None
    if lora:
        if stored.config.bits:
            raise AdapterRefused(path=lora.folder, why=_QUANTISED_BASE)
        lora.check(shapes)
    _Loader(stored, plan, lora).fill(decoder, progress)
    decoder.prefix = _prefix(stored, adapter)
    return decoder.eval()


class _Loader:
    """Puts loaded modules into the places of a decoder's empty ones."""

    def __init__(self, stored: StoredModel, plan: Plan, lora: LoraAdapter | None) -> None:
        self._stored, self._plan, self._lora = stored, plan, lora
        self._embedding: Matrix | None = None

    def fill(self, decoder: Decoder, progress: ProgressCallback) -> None:
        decoder.devices = [torch.device(name) for name in self._plan.placement]
        decoder.activations, decoder.cache_dtype = self._plan.activations, self._plan.cache
        leaves = [(name, leaf) for name, leaf in decoder.named_modules() if dict(leaf.named_parameters(recurse=False))]
        leaves.sort(key=lambda item: ".layers." in item[0])  # the largest, embedding and head, while there is room
        for number, (name, leaf) in enumerate(leaves, start=1):
            parent, _, own = name.rpartition(".")
            place = decoder.get_submodule(parent)
            delattr(place, own)  # a projection is no nn.Module, and could not take the place of one
            setattr(place, own, self._loaded(name, leaf, _device(name, decoder)))
            for parameter, _ in leaf.named_parameters():
                self._stored.let_go(f"{name}.{parameter}")
            progress(Progress(number, len(leaves), name))

    def _loaded(self, name: str, leaf: nn.Module, device: torch.device) -> nn.Module | Projection:
        if isinstance(leaf, nn.Embedding):
            return self._table(f"{name}.weight", device)
        if not isinstance(leaf, nn.Linear):
            return self._norm(name, leaf, device)
        routes = choose_routes(device, self._plan.activations, self._plan.fast)
        if f"{name}.weight" in (V1_HEAD, V2_HEAD):
            return build_head(self._head(f"{name}.weight", device), routes)
        bias = None if leaf.bias is None else self._tensor(f"{name}.bias", device, self._plan.activations)
        return build_projection(self._layer_matrix(f"{name}.weight", device), bias, routes)

    def _norm(self, name: str, leaf: nn.Module, device: torch.device) -> nn.Module:
        leaf = leaf.to_empty(device=device)
        for own in dict(leaf.named_parameters()):
            value = self._tensor(f"{name}.{own}", device, self._plan.activations)
            setattr(leaf, own, nn.Parameter(value, requires_grad=False))
        return leaf

    def _table(self, name: str, device: torch.device) -> nn.Module:
        """Return the word embedding, the first leaf of a decoder, and keep it for the head."""
        self._embedding = self._matrix(name, device, self._plan.tables)
        if isinstance(self._embedding, QuantizedWeight):
            return QuantizedEmbedding(self._embedding)
        return nn.Embedding.from_pretrained(self._embedding)

    def _head(self, name: str, device: torch.device) -> Matrix:
        """Return the head, which shares the embedding's memory where the two are the same and on one device."""
        head, embedding = self._matrix(name, device, self._plan.tables), cast(Matrix, self._embedding)
        return embedding if _equal(head, embedding) else head

    def _layer_matrix(self, name: str, device: torch.device) -> Matrix:
        """Return the matrix of a layer, quantised now where the checkpoint's is not and the plan wants it."""
        if not self._plan.bits or self._stored.is_quantised(name):
            return self._matrix(name, device, self._plan.weights)
        groups = GROUP_SIZE if self._plan.bits == 4 else None
        try:
            return quantise(self._adapted(name), self._plan.bits, groups).to(device)
        except ValueError as error:
            raise self._stored.not_finite(name) from error

    def _matrix(self, name: str, device: torch.device, dtype: torch.dtype | None) -> Matrix:
        if self._stored.is_quantised(name):
            return cast(QuantizedWeight, self._stored.parameter(name)).to(device, copy=True)
        return self._tensor(name, device, dtype)

    def _tensor(self, name: str, device: torch.device, dtype: torch.dtype | None) -> Tensor:
        """Return a copy: what is computed with must not change with its file."""
        return self._adapted(name).to(device=device, dtype=dtype, copy=True)

    def _adapted(self, name: str) -> Tensor:
        tensor = cast(Tensor, self._stored.parameter(name))
        return self._lora.merge(name, tensor) if self._lora else tensor


def _device(name: str, decoder: Decoder) -> torch.device:
    """Return where a module goes: a layer by its number, the embedding first, last norm and head last."""
    if ".layers." in name:
        return decoder.devices[int(name.partition(".layers.")[2].partition(".")[0])]
    return decoder.devices[0 if name.endswith("word_embeddings") else -1]


def _prefix(stored: StoredModel, adapter: Adapter | None) -> Tensor | None:
    config = stored.config
    prefix = adapter if isinstance(adapter, PrefixAdapter) else None
    prefix = prefix or prefix_from_checkpoint(stored.checkpoint, read_json(stored.folder / "config.json"))
    if prefix is None:
        return None
    return prefix.keys_values(layers=config.layers, kv_heads=config.kv_heads, head_dim=config.head_dim)


def _equal(one: Matrix, other: Matrix) -> bool:
    if isinstance(one, QuantizedWeight) and isinstance(other, QuantizedWeight):
        return _equal(one.codes, other.codes) and _equal(one.scale, other.scale)
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.device == other.device and torch.equal(one, other)
    return False
