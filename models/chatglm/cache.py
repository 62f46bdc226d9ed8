"""Keys and values of the tokens seen so far."""

import torch
from torch import Tensor

from models.chatglm.config import ChatGLMConfig


class KeyValueCache:
    """A static cache: room for every token of one generation is taken once, and filled from the left.

    Args:
        batch: sequences.
        tokens: most tokens that a sequence will have, prefix included.
        devices: of each layer.
        dtype: type of keys and values.
        prefix: P-Tuning v2 keys and values [layers, 2, kv_heads, prefix, head_dim] that come before every token.
    """

    def __init__(
        self,
        config: ChatGLMConfig,
        *,
        batch: int,
        tokens: int,
        devices: list[torch.device],
        dtype: torch.dtype,
        prefix: Tensor | None = None,
    ) -> None:
        self.length = 0
        shape = (2, batch, config.kv_heads, tokens, config.head_dim)
        self._layers = [torch.empty(shape, dtype=dtype, device=device) for device in devices]
        if prefix is not None:
            self.length = prefix.shape[-2]
            for layer, own in zip(self._layers, prefix, strict=True):
                layer[..., : self.length, :] = own[:, None].to(layer)

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store a layer's new keys and values [batch, kv_heads, new, head_dim]; return those of all tokens so far.

        `advance` follows when every layer has stored its own.
        """
        end = self.length + keys.shape[2]
        held = self._layers[layer]
        held[0].narrow(2, self.length, keys.shape[2]).copy_(keys)  # which fails where the room is used up
        held[1].narrow(2, self.length, keys.shape[2]).copy_(values)
        return held[0, :, :, :end], held[1, :, :, :end]

    def advance(self, tokens: int) -> None:
        """Count `tokens` that every layer has stored."""
        self.length += tokens
