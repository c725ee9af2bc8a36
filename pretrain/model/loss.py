"""Next-token loss in float32 without ever holding all logits: rows go through the head a chunk at a time, and the gradient of each chunk is
taken while its logits are at hand. Memory is CHUNK_ROWS * V floats however long the batch is."""
from __future__ import annotations

from typing import Callable, Tuple

import torch
from torch import Tensor
from torch.nn import functional

IGNORED_TARGET = -1
"""The target of a position that does not count."""

CHUNK_ROWS = 512
"""Logits of a chunk (4 MB in bfloat16 for a vocabulary of 4,096) are read again at once, so they should still be in a cache."""

RowGradients = Callable[[Tensor, Tensor, Tensor], Tuple[Tensor, Tensor]]


def row_gradients(logits: Tensor, targets: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
    """logits [R, V], targets [R] (any value below zero counts for nothing), scales [R] -> negative log-likelihood of each row [R], and
    scales * d NLL / d logits [R, V] in the logits' own precision. Sums are float32 at least. Compiled it is one pass over the logits' rows."""
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    log_sums = wide.logsumexp(-1)
    picked = wide.gather(1, targets.clamp(min=0)[:, None])[:, 0]
    is_target = torch.arange(logits.shape[1], device=logits.device) == targets[:, None]
    d_logits = ((wide - log_sums[:, None]).exp() - is_target.to(wide.dtype)) * scales[:, None]
    return (log_sums - picked) * (targets >= 0), d_logits.to(logits.dtype)


class _ChunkedLoss(torch.autograd.Function):
    """Liger kernel's and Apple's cut cross-entropy work alike: the backward pass only scales what the forward pass kept."""

    @staticmethod
    def forward(  # type: ignore[override]
        context, hidden: Tensor, head_weight: Tensor, targets: Tensor, dtype: torch.dtype, gradients: RowGradients
    ) -> Tensor:
        wide = torch.promote_types(head_weight.dtype, torch.float32)
        counted = targets != IGNORED_TARGET
        num_counted = counted.sum().clamp(min=1)
        scales = counted.to(wide) / num_counted
        inputs, weight = hidden.to(dtype), head_weight.to(dtype)
        d_hidden = torch.empty_like(hidden, dtype=dtype)
        d_weight = torch.zeros_like(head_weight, dtype=wide)
        total = torch.zeros((), dtype=wide, device=hidden.device)
        for start in range(0, hidden.shape[0], CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            losses, d_logits = gradients(inputs[rows] @ weight.t(), targets[rows], scales[rows])
            total += losses.sum()
            torch.mm(d_logits, weight, out=d_hidden[rows])
            if dtype == wide:
                d_weight.addmm_(d_logits.t(), inputs[rows])
            else:
                d_weight += d_logits.t() @ inputs[rows]
        context.save_for_backward(d_hidden, d_weight)
        context.hidden_dtype = hidden.dtype
        return total / num_counted

    @staticmethod
    def backward(context, d_loss: Tensor):  # type: ignore[override]
        d_hidden, d_weight = context.saved_tensors
        return (d_hidden * d_loss).to(context.hidden_dtype), d_weight * d_loss, None, None, None


def chunked_loss(
    hidden: Tensor, head_weight: Tensor, targets: Tensor, dtype: torch.dtype | None = None, gradients: RowGradients = row_gradients
) -> Tensor:
    """Mean negative log-likelihood in nats over the targets that count. hidden [N, C], head_weight [V, C], targets [N] (int64);
    `dtype` multiplies the matrices (the head's own by default), sums are float32 at least. `gradients`: `row_gradients`, or it compiled."""
    return _ChunkedLoss.apply(hidden, head_weight, targets, dtype or head_weight.dtype, gradients)


@torch.no_grad()
def token_losses(hidden: Tensor, head_weight: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood in nats of every row [N], zero where the target does not count."""
    wide = torch.promote_types(head_weight.dtype, torch.float32)
    losses = torch.empty(hidden.shape[0], dtype=wide, device=hidden.device)
    weight = head_weight.to(hidden.dtype)
    for start in range(0, hidden.shape[0], CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        logits = (hidden[rows] @ weight.t()).to(wide)
        losses[rows] = functional.cross_entropy(logits, targets[rows], ignore_index=IGNORED_TARGET, reduction="none")
    return losses
