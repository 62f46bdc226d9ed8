"""Every way to compute attention gives softmax(q kᵀ / √d) v over what a query may see, and never NaN."""

from math import exp, sqrt

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.chatglm import attention
from models.chatglm.attention import attend

FP32, BF16, FP16 = torch.float32, torch.bfloat16, torch.float16
ERRORS = {FP32: 1e-6, FP16: 2e-3, BF16: 1.5e-2}  # of the norm
DTYPES = pytest.mark.parametrize("dtype", ERRORS, ids=["fp32", "fp16", "bf16"])


def make(
    batch: int, heads: int, kv_heads: int, tokens: int, seen: int, *, width: int = 8, dtype: torch.dtype = FP32
) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values laid out in memory as the decoder has them: split heads, part of a cache."""
    numbers = torch.Generator().manual_seed(batch + 7 * heads + 31 * tokens + 101 * seen)
    queries = torch.randn(batch, tokens, heads, width, generator=numbers).transpose(1, 2)
    cache = torch.randn(2, batch, kv_heads, seen + 3, width, generator=numbers)
    cache[:, :, :, seen:] = torch.nan  # what nobody has written yet
    keys, values = cache.to(dtype)[:, :, :, :seen]
    return queries.to(dtype), keys, values


def visible(queries: Tensor, keys: Tensor, mask: Tensor | None, *, causal: bool) -> Tensor:
    """Return what each query sees, [batch, tokens, seen], by the definition."""
    batch, _, tokens, _ = queries.shape
    seen = keys.shape[2]
    table = torch.ones(batch, tokens, seen, dtype=torch.bool)
    for row in range(batch):
        for query in range(tokens):
            for key in range(seen):
                later = key > query + seen - tokens
                hidden = mask is not None and not mask.expand(batch, 1, tokens, seen)[row, 0, query, key]
                table[row, query, key] = not hidden and not (causal and later)
    return table


def naive(queries: Tensor, keys: Tensor, values: Tensor, sees: Tensor) -> Tensor:
    """Return attention in fp64, query by query; zero for one that sees nothing."""
    batch, heads, tokens, width = queries.shape
    shared = heads // keys.shape[1]
    mixed = torch.zeros(batch, tokens, heads * width, dtype=torch.float64)
    for row in range(batch):
        for head in range(heads):
            for token in range(tokens):
                open_keys = sees[row, token].nonzero()[:, 0].tolist()
                query = queries[row, head, token].double()
                scores = [float(query @ keys[row, head // shared, key].double()) / sqrt(width) for key in open_keys]
                weights = [exp(score - max(scores)) for score in scores]
                for key, weight in zip(open_keys, weights, strict=True):
                    part = values[row, head // shared, key].double() * weight / sum(weights)
                    mixed[row, token, head * width : (head + 1) * width] += part
    return mixed


def error(found: Tensor, expected: Tensor) -> float:
    assert found.shape == expected.shape
    return float((found.double() - expected).norm() / expected.norm())


def check(parts: tuple[Tensor, Tensor, Tensor], mask: Tensor | None = None, *, causal: bool = False) -> None:
    sees, before = visible(parts[0], parts[1], mask, causal=causal), [part.clone() for part in parts]
    found = attend(*parts, mask=mask, causal=causal)
    assert all(torch.equal(part, held) for part, held in zip(parts, before, strict=True))
    assert found.dtype == parts[0].dtype
    assert torch.isfinite(found).all()
    rows = sees.any(-1)
    assert error(found[rows], naive(*parts, sees)[rows]) < ERRORS[parts[0].dtype]


HEADS = pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (6, 6), (6, 2), (5, 1), (1, 1), (9, 3)], ids=str)


@DTYPES
@HEADS
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("seen", [1, 9])
@pytest.mark.parametrize("causal", [False, True], ids=["plain", "causal"])
def test_one_token(dtype: torch.dtype, heads: int, kv_heads: int, batch: int, seen: int, causal: bool) -> None:
    """The last token sees everything, whether or not it is asked to look backwards only."""
    check(make(batch, heads, kv_heads, 1, seen, dtype=dtype), causal=causal)


@DTYPES
@HEADS
@pytest.mark.parametrize("tokens", [2, 7])
@pytest.mark.parametrize("causal", [False, True], ids=["both_directions", "causal"])
def test_a_whole_prompt(dtype: torch.dtype, heads: int, kv_heads: int, tokens: int, causal: bool) -> None:
    check(make(2, heads, kv_heads, tokens, tokens, dtype=dtype), causal=causal)


@DTYPES
@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (6, 2)], ids=["own", "shared"])
@pytest.mark.parametrize("causal", [False, True], ids=["both_directions", "causal"])
def test_a_cache_that_is_longer_than_the_queries(dtype: torch.dtype, heads: int, kv_heads: int, causal: bool) -> None:
    """The last query stands at the last key, not the first at the first."""
    check(make(2, heads, kv_heads, 3, 8, dtype=dtype), causal=causal)


def masks(tokens: int, seen: int) -> dict[str, Tensor]:
    """Return masks for three sequences of which the first has no pad."""
    pads = torch.tensor([0, 1, seen - 1])
    real = (torch.arange(seen)[None] >= pads[:, None])[:, None, None]
    each = torch.rand(3, 1, tokens, seen, generator=torch.Generator().manual_seed(5)) > 0.4
    return {"pads": real, "for_each_query": each, "one_for_all": each[:1], "nothing_hidden": torch.ones_like(each)}


@DTYPES
@pytest.mark.parametrize("kind", ["pads", "for_each_query", "one_for_all", "nothing_hidden"])
@pytest.mark.parametrize(("tokens", "seen"), [(1, 6), (6, 6), (3, 6)], ids=["one", "prompt", "longer_cache"])
@pytest.mark.parametrize("causal", [False, True], ids=["both_directions", "causal"])
def test_masks(dtype: torch.dtype, kind: str, tokens: int, seen: int, causal: bool) -> None:
    check(make(3, 4, 2, tokens, seen, dtype=dtype), masks(tokens, seen)[kind], causal=causal)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    dtype=st.sampled_from([FP32, BF16]),
    batch=st.integers(1, 3),
    kv_heads=st.integers(1, 3),
    shared=st.integers(1, 3),
    tokens=st.integers(1, 5),
    cached=st.integers(0, 4),
    causal=st.booleans(),
    masked=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_shape(
    *,
    dtype: torch.dtype,
    batch: int,
    kv_heads: int,
    shared: int,
    tokens: int,
    cached: int,
    causal: bool,
    masked: bool,
    seed: int,
) -> None:
    seen = tokens + cached
    numbers = torch.Generator().manual_seed(seed)
    mask = torch.rand(batch, 1, tokens, seen, generator=numbers) > 0.5 if masked else None
    parts = make(batch, kv_heads * shared, kv_heads, tokens, seen, dtype=dtype)
    assume(bool(visible(parts[0], parts[1], mask, causal=causal).any()))
    check(parts, mask, causal=causal)


@DTYPES
@pytest.mark.parametrize("tokens", [1, 4])
@pytest.mark.parametrize("causal", [False, True], ids=["both_directions", "causal"])
def test_a_query_that_sees_nothing_is_not_nan(dtype: torch.dtype, tokens: int, causal: bool) -> None:
    """NaN in the answer of a pad would spread to every token by way of the next layer's values."""
    mask = torch.ones(2, 1, tokens, 6, dtype=torch.bool)
    mask[1] = False
    check(make(2, 4, 4, tokens, 6, dtype=dtype), mask, causal=causal)


@DTYPES
@pytest.mark.parametrize("tokens", [1, 4])
def test_a_mask_that_hides_nothing_changes_nothing(dtype: torch.dtype, tokens: int) -> None:
    parts = make(2, 4, 2, tokens, 6, dtype=dtype)
    mask = torch.ones(1, 1, 1, 6, dtype=torch.bool)
    for causal in (False, True):
        without = attend(*parts, mask=None, causal=causal)
        assert error(attend(*parts, mask=mask, causal=causal), without.double()) < ERRORS[dtype]


@DTYPES
def test_what_is_hidden_has_no_influence(dtype: torch.dtype) -> None:
    queries, keys, values = make(1, 4, 2, 3, 6, dtype=dtype)
    mask = torch.tensor([False, False, True, True, True, True])[None, None, None]
    before = attend(queries, keys, values, mask=mask, causal=True)
    keys, values = keys.clone(), values.clone()
    keys[:, :, :2], values[:, :, :2] = 1e3, -1e3
    assert attend(queries, keys, values, mask=mask, causal=True).equal(before)


@DTYPES
@pytest.mark.parametrize("tokens", [1, 3])
def test_large_scores_do_not_overflow(dtype: torch.dtype, tokens: int) -> None:
    """exp of a score beyond 89 is infinite in fp32; only differences count."""
    queries, keys, values = make(1, 4, 4, tokens, 5, dtype=dtype)
    check((queries * 100, keys * 100 if dtype != FP16 else keys, values))


@pytest.mark.parametrize("at_once", [1, 4, 64])
def test_heads_are_mixed_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """The scores of a long prompt are large: 2,048 tokens of 32 heads would take 268 MB in bf16."""
    held: list[int] = []
    softmax = Tensor.softmax
    monkeypatch.setattr(Tensor, "softmax", lambda self, dim: held.append(self.shape[1]) or softmax(self, dim))
    monkeypatch.setattr(attention, "_HEADS_AT_ONCE", at_once)
    check(make(2, 6, 3, 4, 4, dtype=BF16))
    assert sum(held) == 6
    assert max(held) <= at_once


@pytest.mark.parametrize("tokens", [1, 16], ids=["one", "prompt"])
@pytest.mark.parametrize("scale", [1, 4], ids=["flat", "peaked"])
def test_rounding_stays_small_over_a_whole_context(tokens: int, scale: int) -> None:
    """2,048 keys of the width of ChatGLM-6B: bf16 sums must not drift with their length."""
    queries, keys, values = make(1, 4, 4, tokens, 2048, width=128, dtype=BF16)
    queries = queries * scale
    whole = queries.double() @ keys.double().transpose(2, 3) / sqrt(128)
    expected = (whole.softmax(-1) @ values.double()).transpose(1, 2).flatten(2)
    assert error(attend(queries, keys, values, mask=None, causal=False), expected) < 0.02
