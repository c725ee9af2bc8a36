"""Next-token loss in float32 without ever holding all logits: rows go through the head a chunk at a time, and the gradient of each chunk is
taken while its logits are at hand. Memory is CHUNK_ROWS * V floats however long the batch is."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

IGNORED_TARGET = -1
"""The target of a position that does not count."""

CHUNK_ROWS = 1024


class _ChunkedLoss(torch.autograd.Function):
    """Liger kernel's and Apple's cut cross-entropy work alike: the backward pass only scales what the forward pass kept."""

    @staticmethod
    def forward(context, hidden: Tensor, head_weight: Tensor, targets: Tensor, dtype: torch.dtype) -> Tensor:  # type: ignore[override]
        wide = torch.promote_types(head_weight.dtype, torch.float32)
        counted = targets != IGNORED_TARGET
        num_counted = counted.sum().clamp(min=1)
        weight = head_weight.to(dtype)
        d_hidden = torch.empty_like(hidden, dtype=dtype)
        d_weight = torch.zeros_like(head_weight, dtype=wide)
        total = torch.zeros((), dtype=wide, device=hidden.device)
        for start in range(0, hidden.shape[0], CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            inputs = hidden[rows].to(dtype)
            log_probabilities = functional.log_softmax((inputs @ weight.t()).to(wide), dim=-1)
            picked = targets[rows].clamp(min=0)[:, None]
            total -= (log_probabilities.gather(1, picked)[:, 0] * counted[rows]).sum()
            d_logits = log_probabilities.exp_()
            d_logits.scatter_add_(1, picked, torch.full_like(picked, -1, dtype=wide))
            d_logits *= (counted[rows].to(wide) / num_counted)[:, None]
            d_logits = d_logits.to(dtype)
            torch.mm(d_logits, weight, out=d_hidden[rows])
            if dtype == wide:
                d_weight.addmm_(d_logits.t(), inputs)
            else:
                d_weight += d_logits.t() @ inputs
        context.save_for_backward(d_hidden, d_weight)
        context.hidden_dtype = hidden.dtype
        return total / num_counted

    @staticmethod
    def backward(context, d_loss: Tensor):  # type: ignore[override]
        d_hidden, d_weight = context.saved_tensors
        return (d_hidden * d_loss).to(context.hidden_dtype), d_weight * d_loss, None, None


def chunked_loss(hidden: Tensor, head_weight: Tensor, targets: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Mean negative log-likelihood in nats over the targets that count. hidden [N, C], head_weight [V, C], targets [N] (int64);
    `dtype` multiplies the matrices (the head's own by default), sums are float32 at least."""
    return _ChunkedLoss.apply(hidden, head_weight, targets, dtype or head_weight.dtype)


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
