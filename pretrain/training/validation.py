"""Perplexity on held-out generic text: blocks of every cluster, through the cluster's own expert, as many of each as its share of the text."""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from .blocks import GroupedTokens
from .model_on_device import ModelOnDevice


@dataclass(frozen=True)
class ValidationLoss:
    mean: float
    """Nats per token over all blocks."""
    by_cluster: list[float | None]
    """Nats per token of each cluster's blocks; None where nothing was held out."""


def validate(model: ModelOnDevice, text: GroupedTokens, clusters: list[int], tokens: int, context: int, groups: int, sequences: int) -> ValidationLoss:
    """The first blocks of each of `clusters`, about `tokens` in all."""
    available = text.num_blocks(context)
    wanted = np.zeros_like(available)
    total = max(int(available[clusters].sum()), 1)
    for cluster in clusters:
        wanted[cluster] = min(available[cluster], math.ceil(tokens / context * available[cluster] / total))
    sums, counts = np.zeros(len(available)), np.zeros(len(available))
    batch: list[tuple[int, np.ndarray]] = []

    def flush() -> None:
        if not batch:
            return
        padded = [(cluster, np.resize(indices, sequences)) for cluster, indices in batch]
        padded += [padded[-1]] * (groups - len(padded))
        blocks = np.stack([text.blocks(cluster, indices, context) for cluster, indices in padded])
        losses = block_losses(model, torch.from_numpy(blocks), torch.tensor([cluster for cluster, _ in padded]))
        for row, (cluster, indices) in enumerate(batch):
            sums[cluster] += float(losses[row, : len(indices)].sum())
            counts[cluster] += len(indices) * context
        batch.clear()

    for cluster in clusters:
        for start in range(0, int(wanted[cluster]), sequences):
            batch.append((cluster, np.arange(start, min(start + sequences, int(wanted[cluster])))))
            if len(batch) == groups:
                flush()
    flush()
    by_cluster = [float(s / n) if n else None for s, n in zip(sums, counts)]
    return ValidationLoss(float(sums.sum() / counts.sum()) if counts.sum() else math.nan, by_cluster)


def block_losses(model: ModelOnDevice, blocks: torch.Tensor, experts: torch.Tensor) -> torch.Tensor:
    """Summed negative log-likelihood [G, b] of blocks [G, b, T + 1] through experts [G]."""
    return model.token_losses(blocks, experts).double().sum(-1).cpu()
