"""Starting weights. Matrices are normal with standard deviation 0.02; the two that write to the residual stream are scaled by
1 / sqrt(2 L), as in GPT-2. A projected network starts so that every expert's projected weight has exactly that distribution."""
from __future__ import annotations

import math

import torch
from torch import nn

from .projected import ProjectedLinear, ProjectedLlama

STANDARD_DEVIATION = 0.02
EXPERT_NOISE = 0.5
"""Expert vectors are ones plus normal noise of this size: alike enough to learn together, different enough to part."""


def initialize(model: nn.Module, seed: int) -> None:
    """Fills every parameter in place, in the order of their names, so that the same seed gives the same weights on any PyTorch device."""
    random = torch.Generator().manual_seed(seed)
    num_layers = len(model.model.layers)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if parameter.dim() == 1:
                parameter.fill_(1.0)
                continue
            values = torch.randn(parameter.shape, generator=random, dtype=torch.float32)
            parameter.copy_(values * scale_of(name, model, num_layers))
            if name.endswith("projected_network.E"):
                parameter.add_(1.0)


def scale_of(name: str, model: nn.Module, num_layers: int) -> float:
    """Standard deviation of a parameter at the start; `num_layers` is the L of the residual scaling."""
    if name.endswith(".E"):
        return EXPERT_NOISE
    if name.endswith(".M"):
        assert isinstance(model, ProjectedLlama)
        # The coefficients c = E[i] M then have sum_r c_r^2 = 1 on average, so a projected weight varies like a single slice.
        return 1 / math.sqrt(model.pn.h * model.pn.m * (1 + EXPERT_NOISE**2))
    writes_to_residual = "o_proj" in name or "down_proj" in name
    return STANDARD_DEVIATION / math.sqrt(2 * num_layers) if writes_to_residual else STANDARD_DEVIATION


def slice_learning_rate_share(h: int) -> float:
    """1 / E[sum_r |c_r|] at the start. Under Adam all h slices move together by the learning rate, which moves a projected weight by
    sum_r |c_r| learning rates: sqrt(2 h / pi) for normal coefficients of unit square sum (findings.md saw 1.6 to 1.8 times the plain norm)."""
    return 1 / math.sqrt(2 * h / math.pi)


def projected_matrices(model: ProjectedLlama) -> list[tuple[str, ProjectedLinear]]:
    return [(name, module) for name, module in model.named_modules() if isinstance(module, ProjectedLinear)]
