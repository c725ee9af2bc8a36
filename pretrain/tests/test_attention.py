"""Attention in blocks of rows against the plain formula, values and gradients."""
from __future__ import annotations

import math

import pytest
import torch

from pretrain.model.attention import BLOCKS, SHORTEST_BLOCK, causal_attention

BLOCKED_FROM = BLOCKS * SHORTEST_BLOCK


def plain_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return scores.masked_fill(future, -math.inf).softmax(-1) @ v


def random_heads(length: int, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(length)
    return [torch.randn(2, 3, length, 4, generator=random).to(dtype).requires_grad_() for _ in range(3)]


@pytest.mark.parametrize("length", [1, 5, BLOCKED_FROM - 1, BLOCKED_FROM, BLOCKED_FROM + 1, BLOCKED_FROM + BLOCKS + 2])
def test_values_and_gradients_are_the_plain_ones(length: int) -> None:
    heads = random_heads(length)
    d_output = torch.randn(2, 3, length, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected, found = plain_attention(*heads), causal_attention(*heads)
    assert torch.allclose(found, expected, rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(torch.autograd.grad(found, heads, d_output), torch.autograd.grad(expected, heads, d_output)):
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-11)


def test_bfloat16_stays_near_float32() -> None:
    exact = causal_attention(*random_heads(BLOCKED_FROM, torch.float32))
    rounded = causal_attention(*random_heads(BLOCKED_FROM, torch.bfloat16))
    assert rounded.dtype == torch.bfloat16
    assert (rounded - exact).abs().max() < 0.03 and not torch.equal(rounded.float(), exact)


def test_a_nan_reaches_its_own_and_later_rows_only() -> None:
    q, k, v = (tensor.detach() for tensor in random_heads(BLOCKED_FROM))
    k[0, 0, 70] = math.nan
    rows = causal_attention(q, k, v)[0, 0].isnan().any(-1)
    assert rows[70:].all() and not rows[:70].any()
