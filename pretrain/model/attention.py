"""Causal attention. On CUDA it is PyTorch's fused kernel. On a CPU that kernel took half of a training step (bench/LOG.md), so there the
matrix products are written out, a block of rows at a time: a block never multiplies the keys of later blocks, and its scores are small.

Letters: N sequences times heads, T sequence, HS head size, R rows of a block, S keys a block sees."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

BLOCKS = 4
"""Blocks of a sequence: 1/2 + 1/(2 BLOCKS) of all T x T products are computed."""
SHORTEST_BLOCK = 32
"""Below BLOCKS times this length a sequence is one block: its products are small anyway."""


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision goes up to float32 where sums need it; float64 stays."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(HS)) v with the future masked, all [B, NH, T, HS]."""
    T, HS = q.shape[-2:]
    if q.device.type != "cpu" and hasattr(functional, "scaled_dot_product_attention"):
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    if T < BLOCKS * SHORTEST_BLOCK:
        return _probabilities(q, k, 0).to(v.dtype) @ v
    flat = (x.reshape(-1, T, HS) for x in (q, k, v))
    return _BlockedAttention.apply(*flat).view(q.shape)


def _probabilities(q: Tensor, k: Tensor, start: int) -> Tensor:
    """Rows start, start + 1, ... of the attention matrix: q [..., R, HS], k [..., S, HS] -> [..., R, S], float32 at least."""
    scores = at_least_float32(q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5
    rows, columns = scores.shape[-2:]
    future = torch.ones(rows, columns, dtype=torch.bool, device=q.device).triu(start + 1)
    return scores.masked_fill(future, float("-inf")).softmax(-1)


def _blocks(T: int) -> list[tuple[int, int]]:
    """(first row, row after the last) of each block."""
    rows = -(-T // BLOCKS)
    return [(start, min(start + rows, T)) for start in range(0, T, rows)]


class _BlockedAttention(torch.autograd.Function):
    """q, k, v [N, T, HS] -> [N, T, HS]. The probabilities are kept for the backward pass in the precision of the products."""

    @staticmethod
    def forward(context, q: Tensor, k: Tensor, v: Tensor) -> Tensor:  # type: ignore[override]
        probabilities, outputs = [], []
        for start, end in _blocks(q.shape[1]):
            P = _probabilities(q[:, start:end], k[:, :end], start).to(v.dtype)
            probabilities.append(P)
            outputs.append(P @ v[:, :end])
        output = torch.cat(outputs, dim=1)
        context.save_for_backward(q, k, v, output, *probabilities)
        return output

    @staticmethod
    def backward(context, d_output: Tensor):  # type: ignore[override]
        q, k, v, output, *probabilities = context.saved_tensors
        blocks = _blocks(q.shape[1])
        # sum_s P_s dP_s of each row, by way of the output: dO . O
        row_sums = (at_least_float32(d_output) * output).sum(-1, keepdim=True)
        d_q, d_k, d_v = [], [], []
        for (start, end), P in zip(blocks, probabilities):
            d_rows = d_output[:, start:end]
            d_P = at_least_float32(d_rows @ v[:, :end].transpose(1, 2))
            d_scores = (P * (d_P - row_sums[:, start:end]) * q.shape[-1] ** -0.5).to(q.dtype)
            d_q.append(d_scores @ k[:, :end])
            d_k.append(d_scores.transpose(1, 2) @ q[:, start:end])
            d_v.append(P.transpose(1, 2) @ d_rows)
        return torch.cat(d_q, dim=1), _sum_of_prefixes(d_k, blocks).to(k.dtype), _sum_of_prefixes(d_v, blocks).to(v.dtype)


def _sum_of_prefixes(parts: list[Tensor], blocks: list[tuple[int, int]]) -> Tensor:
    """parts[i] [N, end of block i, HS], what block i adds to the keys it sees -> their sum [N, T, HS], float32 at least."""
    sums = [sum(at_least_float32(part[:, start:end]) for part in parts[index:]) for index, (start, end) in enumerate(blocks)]
    return torch.cat(sums, dim=1)
