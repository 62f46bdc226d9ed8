"""Rotary position embeddings (Su et al., 2021) of the two families.

v1 turns the first half of every head by the token's position and the second half by its place in the answer; v2 turns
the first half only, in neighbouring pairs.
"""

import torch
from torch import Tensor

_BASE = 10_000.0


def rotary_table(dims: int, positions: Tensor, dtype: torch.dtype, *, half_frequencies: bool) -> tuple[Tensor, Tensor]:
    """Return cosines and sines of shape (*positions, dims / 2).

    Args:
        dims: width that is turned, in pairs.
        dtype: type of the result. In fp16 the angle itself is rounded, as the released v1 model does and was most
            likely trained with; bf16 and fp32 keep fp32 angles.
        half_frequencies: round the frequencies to fp16 first, as v1 does in every precision. At position 2047 that
            moves a cosine by up to 0.32, so it is no matter of taste. v2's release computes everything in the model's
            type, which makes positions above 2048 collide in fp16; fp32 is used here, as ChatGLM3's release does.
    """
    exponents = torch.arange(0, dims, 2, dtype=torch.float32, device=positions.device) / dims
    frequencies = 1.0 / _BASE**exponents
    if half_frequencies:
        frequencies = frequencies.half().float()
    angles = positions[..., None].float() * frequencies
    if half_frequencies and dtype == torch.float16:
        angles = angles.half().float()
    return angles.cos().to(dtype), angles.sin().to(dtype)


class TwoDimensionalRotary:
    """v1: position in the first half of a head, block position in the second.

    Args:
        head_dim: width of a head.
    """

    def __init__(self, head_dim: int) -> None:
        self._dims = head_dim // 2

    def at(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return cosines and sines of shape [batch, 1, tokens, 2, 1, head_dim / 4] for positions [batch, 2, tokens]."""
        cos, sin = rotary_table(self._dims, positions, dtype, half_frequencies=True)  # [batch, 2, tokens, dims / 2]
        return cos.transpose(1, 2)[:, None, :, :, None], sin.transpose(1, 2)[:, None, :, :, None]

    def turn(self, heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Turn queries or keys [batch, heads, tokens, head_dim]; element j of a half pairs with j + dims / 2."""
        pairs = heads.unflatten(-1, (2, 2, -1))
        swapped = torch.stack((-pairs[..., 1, :], pairs[..., 0, :]), dim=-2)
        return (pairs * cos + swapped * sin).flatten(-3)


class HalfRotary:
    """v2: the first half of a head by the position, in pairs (2i, 2i + 1); the second half stays.

    Args:
        head_dim: width of a head.
    """

    def __init__(self, head_dim: int) -> None:
        self._dims = head_dim // 2

    def at(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return cosines and sines of shape [batch, 1, tokens, head_dim / 4] for positions [batch, tokens]."""
        cos, sin = rotary_table(self._dims, positions, dtype, half_frequencies=False)
        return cos[:, None], sin[:, None]

    def turn(self, heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Turn queries or keys [batch, heads, tokens, head_dim]."""
        turned, rest = heads.split((self._dims, heads.shape[-1] - self._dims), dim=-1)
        even, odd = turned.unflatten(-1, (-1, 2)).unbind(-1)
        pairs = torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1)
        return torch.cat((pairs.flatten(-2), rest), dim=-1)
