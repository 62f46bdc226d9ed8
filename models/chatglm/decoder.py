"""The two decoders. A module's attributes are named as the checkpoint's tensors are, so that one is the other's map.

Shapes: hidden states are [batch, tokens, hidden_size]; a linear layer of a loaded model is a
`models.chatglm.linear.Projection`, which computes in whatever way its device does best.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, silu

from models.chatglm.attention import attend
from models.chatglm.cache import KeyValueCache
from models.chatglm.config import ChatGLMConfig
from models.chatglm.layout import BidirectionalLayout, CausalLayout, Pass, PromptLayout
from models.chatglm.rotary import HalfRotary, TwoDimensionalRotary

Rotation = tuple[Tensor, Tensor]
Linear = Callable[[Tensor], Tensor]  # an empty nn.Linear, until a Projection takes its place
_ALPHA = sqrt(2 * 28)  # residual weight of v1; the release uses its 28 layers even for a model of another depth


class SelfAttention(nn.Module):
    """Attention of one layer, of either family: projection, rotation, cache, mixing, projection."""

    def __init__(self, config: ChatGLMConfig, rotary: TwoDimensionalRotary | HalfRotary, *, bias: bool) -> None:
        super().__init__()
        self._heads, self._kv_heads, self._width = config.heads, config.kv_heads, config.head_dim
        self._rotary = rotary
        self._interleaved = config.family == "v1"
        qkv = (config.heads + 2 * config.kv_heads) * config.head_dim
        self.query_key_value: Linear = nn.Linear(config.hidden_size, qkv)
        self.dense: Linear = nn.Linear(config.heads * config.head_dim, config.hidden_size, bias=bias)

    def forward(self, hidden: Tensor, rotation: Rotation, cache: KeyValueCache, layer: int, view: Pass) -> Tensor:
        """Return [batch, tokens, hidden_size]; keys and values go into the cache."""
        queries, keys, values = self._split(self.query_key_value(hidden))
        queries, keys = (self._rotary.turn(part, *rotation) for part in (queries, keys))
        keys, values = cache.extend(layer, keys, values)
        mask = view.mask if view.mask is None else view.mask.to(hidden.device)
        mixed = attend(queries.to(keys.dtype), keys, values, mask=mask, causal=view.causal)
        return self.dense(mixed.to(hidden.dtype))

    def _split(self, qkv: Tensor) -> list[Tensor]:
        """Return queries, keys, values as [batch, heads, tokens, head_dim]; v1 keeps the three of a head together."""
        if self._interleaved:
            parts = qkv.unflatten(-1, (self._heads, 3 * self._width)).split(self._width, dim=-1)
        else:
            widths = [heads * self._width for heads in (self._heads, self._kv_heads, self._kv_heads)]
            parts = tuple(part.unflatten(-1, (-1, self._width)) for part in qkv.split(widths, dim=-1))
        return [part.transpose(1, 2) for part in parts]


class GeluMLP(nn.Module):
    """v1's feed-forward layer: W₂ gelu(W₁ x + b₁) + b₂ with the tanh form of gelu."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.dense_h_to_4h: Linear = nn.Linear(config.hidden_size, config.ffn_size)
        self.dense_4h_to_h: Linear = nn.Linear(config.ffn_size, config.hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return [batch, tokens, hidden_size]."""
        return self.dense_4h_to_h(gelu(self.dense_h_to_4h(hidden), approximate="tanh"))


class SwigluMLP(nn.Module):
    """v2's feed-forward layer: W₂ (silu(g) · u) with [g | u] = W₁ x (Shazeer, 2020)."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.dense_h_to_4h: Linear = nn.Linear(config.hidden_size, 2 * config.ffn_size, bias=False)
        self.dense_4h_to_h: Linear = nn.Linear(config.ffn_size, config.hidden_size, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return [batch, tokens, hidden_size]."""
        gate, up = self.dense_h_to_4h(hidden).chunk(2, dim=-1)
        return self.dense_4h_to_h(silu(gate) * up)


class V1Block(nn.Module):
    """One layer of v1: both residuals come from the normalised input, weighted with alpha."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(config.hidden_size, config.norm_epsilon)
        self.attention = SelfAttention(config, TwoDimensionalRotary(config.head_dim), bias=True)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, config.norm_epsilon)
        self.mlp = GeluMLP(config)

    def forward(self, hidden: Tensor, rotation: Rotation, cache: KeyValueCache, layer: int, view: Pass) -> Tensor:
        """Return [batch, tokens, hidden_size]."""
        normed = self.input_layernorm(hidden)
        hidden = _ALPHA * normed + self.attention(normed, rotation, cache, layer, view)
        normed = self.post_attention_layernorm(hidden)
        return _ALPHA * normed + self.mlp(normed)


class V2Block(nn.Module):
    """One layer of v2: pre-norm with plain residuals; RMSNorm (Zhang and Sennrich, 2019) with fp32 statistics."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config.hidden_size, config.norm_epsilon)
        self.self_attention = SelfAttention(config, HalfRotary(config.head_dim), bias=False)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden_size, config.norm_epsilon)
        self.mlp = SwigluMLP(config)

    def forward(self, hidden: Tensor, rotation: Rotation, cache: KeyValueCache, layer: int, view: Pass) -> Tensor:
        """Return [batch, tokens, hidden_size]."""
        normed = self.input_layernorm(hidden)
        hidden = hidden + self.self_attention(normed, rotation, cache, layer, view)
        return hidden + self.mlp(self.post_attention_layernorm(hidden))


class Decoder(nn.Module):
    """What the families share: embedding, layers, last norm and head, over one device or several.

    Attributes:
        config: sizes and ids.
        devices: of each layer; the embedding is on the first, the head on the last.
        activations: type of the hidden states.
        cache_dtype: type of keys and values.
        prefix: P-Tuning v2 keys and values [layers, 2, kv_heads, prefix, head_dim], or None.
    """

    layout: type[PromptLayout]

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.config = config
        self.devices = [torch.device("cpu")] * config.layers
        self.activations = self.cache_dtype = torch.float32
        self.prefix: Tensor | None = None

    @abstractmethod
    def parts(self) -> tuple[nn.Module, nn.ModuleList, nn.Module, nn.Module]:
        """Return embedding, layers, last norm and head."""

    @abstractmethod
    def rotary(self) -> TwoDimensionalRotary | HalfRotary:
        """Return how positions turn queries and keys."""

    def new_cache(self, batch: int, tokens: int) -> KeyValueCache:
        """Return an empty cache for `batch` sequences of at most `tokens` tokens, prefix not counted."""
        room = tokens + self.prefix_tokens
        return KeyValueCache(
            self.config, batch=batch, tokens=room, devices=self.devices, dtype=self.cache_dtype, prefix=self.prefix
        )

    @property
    def prefix_tokens(self) -> int:
        """Length of the P-Tuning prefix."""
        return 0 if self.prefix is None else self.prefix.shape[-2]

    def forward(self, view: Pass, cache: KeyValueCache, *, every: bool = False) -> Tensor:
        """Run one pass and return its logits, in fp32.

        Args:
            every: logits of every token [batch, tokens, vocab_size]; otherwise of the last one [batch, 1, vocab_size].
        """
        hidden = self.read(view, cache)
        return self.predict(hidden if every else hidden[:, -1:])

    def read(self, view: Pass, cache: KeyValueCache, between: Callable[[], None] | None = None) -> Tensor:
        """Run one pass through the layers and return the hidden states [batch, tokens, hidden_size].

        Args:
            between: called before each layer; what it raises ends the pass.
        """
        hidden = self.parts()[0](view.ids.to(self.devices[0])).to(self.activations)
        for number, layer, rotation in self._turned_layers(view):
            if between is not None:
                between()
            hidden = layer(hidden.to(self.devices[number]), rotation, cache, number, view)
        cache.advance(view.ids.shape[1])
        return hidden

    def predict(self, hidden: Tensor) -> Tensor:
        """Return the logits [batch, tokens, vocab_size] of hidden states, in fp32."""
        _, _, last_norm, head = self.parts()
        return head(last_norm(hidden)).float()

    def _turned_layers(self, view: Pass) -> Iterator[tuple[int, nn.Module, Rotation]]:
        """Yield each layer with its number and the rotation of this pass, computed once for each device."""
        rotations: dict[torch.device, Rotation] = {}
        for number, layer in enumerate(self.parts()[1]):
            device = self.devices[number]
            if device not in rotations:
                rotations[device] = self.rotary().at(view.positions.to(device), self.activations)
            yield number, layer, rotations[device]


class V1Decoder(Decoder):
    """ChatGLM-6B."""

    layout = BidirectionalLayout

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__(config)
        self._rotary = TwoDimensionalRotary(config.head_dim)
        self.transformer = nn.Module()
        self.transformer.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.transformer.layers = nn.ModuleList(V1Block(config) for _ in range(config.layers))
        self.transformer.final_layernorm = nn.LayerNorm(config.hidden_size, config.norm_epsilon)
        self.lm_head: Linear = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def parts(self) -> tuple[nn.Module, nn.ModuleList, nn.Module, nn.Module]:
        """Return embedding, layers, last norm and head."""
        inner = self.transformer
        return inner.word_embeddings, inner.layers, inner.final_layernorm, self.lm_head  # type: ignore[return-value]

    def rotary(self) -> TwoDimensionalRotary:
        """Return the two-dimensional rotation."""
        return self._rotary


class V2Decoder(Decoder):
    """ChatGLM2-6B and ChatGLM3-6B."""

    layout = CausalLayout

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__(config)
        self._rotary = HalfRotary(config.head_dim)
        self.transformer = nn.Module()
        self.transformer.embedding = nn.Module()
        self.transformer.embedding.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.transformer.encoder = nn.Module()
        self.transformer.encoder.layers = nn.ModuleList(V2Block(config) for _ in range(config.layers))
        self.transformer.encoder.final_layernorm = nn.RMSNorm(config.hidden_size, config.norm_epsilon)
        self.transformer.output_layer = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def parts(self) -> tuple[nn.Module, nn.ModuleList, nn.Module, nn.Module]:
        """Return embedding, layers, last norm and head."""
        inner, encoder = self.transformer, self.transformer.encoder
        embedding = inner.embedding.word_embeddings  # type: ignore[union-attr]
        return embedding, encoder.layers, encoder.final_layernorm, inner.output_layer  # type: ignore[union-attr,return-value]

    def rotary(self) -> HalfRotary:
        """Return the rotation of half a head."""
        return self._rotary
