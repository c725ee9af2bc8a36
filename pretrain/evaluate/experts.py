"""Which expert starts a domain: the paper's strategies, and for projected networks two that choose a vector instead of an expert.

Letters: k experts, m numbers in an expert's vector."""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Sequence

import torch
from torch import Tensor

from ..model.projected import ProjectedLlama
from .domain_text import TrainingWindows
from .model_host import ModelHost, NotFiniteError

MOST_FREQUENT = "most frequent cluster"
BEST_PRETRAINED = "best pretrained"
BEST_FINE_TUNED = "best fine-tuned"
MIXTURE = "mixture"
FITTED = "fitted"

# As in the studio's src/methods/fittedVector.ts.
FITTED_STEPS = 24
FITTED_LEARNING_RATE = 0.05
FITTED_BETAS = (0.9, 0.99)


def most_frequent_cluster(counts: Sequence[float]) -> int:
    """The cluster with the largest count, the lowest on a tie."""
    return max(range(len(counts)), key=lambda cluster: (counts[cluster], -cluster))


def lowest_loss(losses: Sequence[float]) -> int:
    """Index of the lowest loss; NaN never wins. Raises NotFiniteError when none is finite."""
    finite = [index for index, loss in enumerate(losses) if math.isfinite(loss)]
    if not finite:
        raise NotFiniteError("No expert has a finite loss.")
    return min(finite, key=lambda index: losses[index])


def mixture_vector(E: Tensor, counts: Sequence[float]) -> Tensor:
    """The mean [m] of the rows of E [k, m] weighted by the domain's cluster histogram, summed in float64."""
    shares = torch.tensor(counts, dtype=torch.float64, device=E.device)
    return ((shares / shares.sum()) @ E.double()).to(E.dtype)


@dataclass(frozen=True)
class FittedVector:
    vector: Tensor
    """[m]."""
    curve: list[float]
    """Loss of each step's batch before its update, nats per token."""


def fit_vector(
    host: ModelHost, network: ProjectedLlama, start: Tensor, windows: TrainingWindows, steps: int = FITTED_STEPS
) -> FittedVector:
    """Adam on the m numbers of the vector alone, from `start`; `network`'s weights stay. The step size falls linearly, so that the last
    batches average out instead of being chased. Leaves `host` holding some projection. Raises NotFiniteError."""
    vector = start.detach().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([vector], lr=FITTED_LEARNING_RATE, betas=FITTED_BETAS)
    curve: list[float] = []
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = FITTED_LEARNING_RATE * (1 - step / steps)
        projected = network.project(vector)
        host.load({name: tensor.detach() for name, tensor in projected.items()})
        host.model.zero_grad(set_to_none=True)
        loss = host.loss(*windows.next(host.sequences))
        curve.append(loss.item())
        if not math.isfinite(curve[-1]):
            raise NotFiniteError(f"The loss is not a finite number at step {step + 1} of fitting the expert vector.")
        loss.backward()
        # The plain model's gradients go on through the projection to the vector: one compiled model serves both.
        gradients = dict(host.model.named_parameters())
        moving = [name for name, tensor in projected.items() if tensor.grad_fn is not None]
        vector.grad = None
        torch.autograd.backward([projected[name] for name in moving], [gradients[name].grad for name in moving])
        optimizer.step()
    return FittedVector(vector.detach(), curve)
