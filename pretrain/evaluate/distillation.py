"""SLM-d's loss (Hinton et al., arXiv 1503.02531): the text, mixed with the teacher's next-token distributions.

Letters: N rows (positions), C and D hidden sizes of student and teacher, V vocabulary."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from ..model.attention import at_least_float32
from ..model.loss import CHUNK_ROWS, IGNORED_TARGET


def distillation_loss(
    hidden: Tensor, head_weight: Tensor, targets: Tensor, teacher_hidden: Tensor, teacher_head_weight: Tensor, weight: float,
    dtype: torch.dtype | None = None, temperature: float = 1.0,
) -> Tensor:
    """(1 - weight) * NLL + weight * temperature^2 * KL(teacher || student), mean nats over the targets that count; the KL is between the
    distributions of both models' logits divided by the temperature. No gradient reaches the teacher.
    hidden [N, C], head_weight [V, C], targets [N] (int64, -1 ignored), teacher_hidden [N, D], teacher_head_weight [V, D].
    Products are in `dtype` (the student head's own by default), the distributions in float32. Logits exist for CHUNK_ROWS rows at a time:
    the backward pass computes them again."""
    dtype = dtype or head_weight.dtype
    teacher_hidden, teacher_head_weight = teacher_hidden.detach(), teacher_head_weight.detach()

    def rows_loss(hidden: Tensor, head_weight: Tensor, targets: Tensor, teacher_hidden: Tensor) -> Tensor:
        counted = targets != IGNORED_TARGET
        student = _log_probabilities(hidden, head_weight, dtype)
        with torch.no_grad():
            teacher = _softened(_log_probabilities(teacher_hidden, teacher_head_weight, dtype), temperature)
            probabilities = teacher.exp()
        nll = -student.gather(1, targets.clamp(min=0)[:, None])[:, 0]
        kl = (probabilities * (teacher - _softened(student, temperature))).sum(-1)
        return (((1 - weight) * nll + weight * temperature**2 * kl) * counted).sum()

    total = sum(
        checkpoint(rows_loss, rows, head_weight, row_targets, teacher_rows, use_reentrant=False)
        for rows, row_targets, teacher_rows in zip(hidden.split(CHUNK_ROWS), targets.split(CHUNK_ROWS), teacher_hidden.split(CHUNK_ROWS))
    )
    return total / (targets != IGNORED_TARGET).sum().clamp(min=1)


def _log_probabilities(hidden: Tensor, head_weight: Tensor, dtype: torch.dtype) -> Tensor:
    return functional.log_softmax(at_least_float32(hidden.to(dtype) @ head_weight.to(dtype).t()), dim=-1)


def _softened(log_probabilities: Tensor, temperature: float) -> Tensor:
    """log softmax(logits / temperature), which a constant added to a row of logits does not change: log-probabilities serve as logits."""
    return log_probabilities if temperature == 1 else functional.log_softmax(log_probabilities / temperature, dim=-1)
