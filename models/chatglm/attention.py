"""Scaled dot-product attention by the fastest exact way for the device and the shape."""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

_HEADS_AT_ONCE = 4  # of the score matrices that are held at the same time


def attend(queries: Tensor, keys: Tensor, values: Tensor, *, mask: Tensor | None, causal: bool) -> Tensor:
    """Return softmax(q kᵀ / √d) v as [batch, tokens, heads · head_dim].

    Args:
        queries: [batch, heads, tokens, head_dim].
        keys, values: [batch, kv_heads, seen, head_dim]; `heads / kv_heads` queries share one of them.
        mask: boolean, broadcastable to [batch, 1, tokens, seen]: True where a query may look. None hides nothing.
        causal: a query sees no later token; the last query sees all of `seen`.
    """
    tokens, seen = queries.shape[2], keys.shape[2]
    causal = causal and tokens > 1
    if causal and (mask is not None or tokens < seen):
        earlier = torch.ones(tokens, seen, dtype=torch.bool, device=queries.device).tril(seen - tokens)
        mask, causal = (earlier if mask is None else earlier & mask), False
    if mask is None and not causal and queries.device.type == "cpu" and keys.dtype == torch.bfloat16:
        mixed = _one_token(queries, keys, values) if tokens == 1 else _by_heads(queries, keys, values)
    else:
        mixed = scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, is_causal=causal, enable_gqa=queries.shape[1] != keys.shape[1]
        )
    return mixed.transpose(1, 2).flatten(2)


def _one_token(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attention of one token on a processor: products and sums in one sweep each over the cache.

    The flash kernel of torch's processor backend takes three times as long here, since it is made for many queries.
    """
    batch, heads, _, width = queries.shape
    if heads != keys.shape[1]:
        grouped = queries.view(batch, keys.shape[1], -1, width)
        weights = (grouped @ keys.transpose(2, 3) * width**-0.5).softmax(-1)
        return (weights @ values).view(batch, heads, 1, width)
    scores = (keys * queries).sum(-1, keepdim=True)  # [batch, heads, seen, 1]
    return (values * (scores * width**-0.5).softmax(2)).sum(2, keepdim=True)


def _by_heads(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attention of a whole prompt on a processor: plain matrix products, a few heads at a time to bound memory."""
    keys, values = (_for_each_query(part, queries.shape[1]) for part in (keys, values))
    scaled, mixed = queries * queries.shape[-1] ** -0.5, torch.empty_like(queries)
    for first in range(0, queries.shape[1], _HEADS_AT_ONCE):
        some = slice(first, first + _HEADS_AT_ONCE)
        mixed[:, some] = (scaled[:, some] @ keys[:, some].transpose(2, 3)).softmax(-1) @ values[:, some]
    return mixed


def _for_each_query(part: Tensor, heads: int) -> Tensor:
    """Repeat keys or values [batch, kv_heads, …] to one for each query head."""
    return part if part.shape[1] == heads else part.repeat_interleave(heads // part.shape[1], dim=1)
