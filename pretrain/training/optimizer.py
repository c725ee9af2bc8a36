"""AdamW with three kinds of parameters: matrices decay; norms and the expert vectors do not; the slices T move by a share of the learning rate
(and decay by as much more, so that their decay per step stays the matrices')."""
from __future__ import annotations

import inspect

import torch
from torch import nn

from ..config import TrainConfig
from ..model.initialization import slice_learning_rate_share
from ..model.projected import ProjectedLlama


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Groups carry "lr_share"; set_learning_rate multiplies it."""
    matrices, vectors, slices = [], [], []
    for name, parameter in model.named_parameters():
        kind = slices if name.endswith(".T") else vectors if parameter.dim() == 1 or name.endswith((".E", ".M")) else matrices
        kind.append(parameter)
    share = config.slice_learning_rate_share
    if not share:
        share = slice_learning_rate_share(model.pn.h) if isinstance(model, ProjectedLlama) else 1.0
    groups = [
        {"params": matrices, "lr_share": 1.0, "weight_decay": config.weight_decay},
        {"params": vectors, "lr_share": 1.0, "weight_decay": 0.0},
        {"params": slices, "lr_share": share, "weight_decay": config.weight_decay / share},
    ]
    # Fused steps run on the CPU from PyTorch 2.4; older ones refuse them there.
    options = {"fused": True} if _fused_works(matrices[0]) else {}
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=config.learning_rate, betas=(config.beta1, config.beta2), **options
    )


def _fused_works(parameter: torch.Tensor) -> bool:
    if "fused" not in inspect.signature(torch.optim.AdamW).parameters:
        return False
    try:
        torch.optim.AdamW([torch.zeros(1, device=parameter.device, requires_grad=True)], fused=True)
    except RuntimeError:
        return False
    return True


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group.get("lr_share", 1.0)
