"""Writes the golden distillation that the studio's tests replay: a tiny student and a larger teacher, one batch, and for several mixes of
text and teacher the loss of every row and the gradient of the mean with respect to every weight of the student. The trainer's models with the
loss written out; computed in float64, tensors stored as float32.

    /usr/bin/python3 -m pretrain.golden.write_distillation_golden
"""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..config import ModelShape
from ..model.llama import Llama
from ..model.loss import IGNORED_TARGET
from ..pack.safetensors_file import write_safetensors
from .write_golden import FOLDER, as_float32, studio_config

NAME = "distillation"
STUDENT = ModelShape(hidden_size=16, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2)
TEACHER = ModelShape(hidden_size=24, intermediate_size=28, num_hidden_layers=1, num_attention_heads=3)
VOCAB_SIZE = 29
MAX_POSITIONS = 16
B, T = 2, 11
IGNORED = ((0, 10), (1, 4))
"""(sequence, position) of targets that do not count."""
MIXES = ({"weight": 0.5, "temperature": 1.0}, {"weight": 0.7, "temperature": 2.5})
SEED = 4


def random_model(shape: ModelShape, random: torch.Generator) -> Llama:
    """A float64 model whose weights are exact in float32."""
    model = Llama(shape, VOCAB_SIZE).double()
    with torch.no_grad():
        for weight in model.parameters():
            values = torch.randn(weight.shape, generator=random, dtype=torch.float64)
            weight.copy_((values * 0.3 if weight.dim() == 2 else 1 + values * 0.2).float())
    return model


def row_losses(student: Tensor, teacher: Tensor, targets: Tensor, weight: float, temperature: float) -> Tensor:
    """Nats per row [N], zero where the target does not count. student, teacher [N, V] logits, targets [N]."""
    nll = functional.cross_entropy(student, targets, ignore_index=IGNORED_TARGET, reduction="none")
    softened = [functional.log_softmax(logits / temperature, dim=-1) for logits in (student, teacher)]
    kl = functional.kl_div(*softened, reduction="none", log_target=True).sum(-1)
    return (1 - weight) * nll + weight * temperature**2 * kl * (targets != IGNORED_TARGET)


def write_distillation(folder: Path) -> None:
    """Writes distillation.safetensors and distillation.json (configs, mixes, mean losses) into `folder`."""
    random = torch.Generator().manual_seed(SEED)
    student, teacher = random_model(STUDENT, random), random_model(TEACHER, random)
    tokens, targets = (torch.randint(0, VOCAB_SIZE, (B, T), generator=random) for _ in range(2))
    for place in IGNORED:
        targets[place] = IGNORED_TARGET
    stored: dict[str, np.ndarray] = {"tokens": tokens.int().numpy(), "targets": targets.int().numpy()}
    for whose, model in (("student", student), ("teacher", teacher)):
        stored |= {f"{whose}/{name}": as_float32(weight) for name, weight in model.named_parameters()}
    parameters = dict(student.named_parameters())
    with torch.no_grad():
        teacher_logits = teacher(tokens).flatten(0, 1)
    losses: list[float] = []
    for index, mix in enumerate(MIXES):
        rows = row_losses(student(tokens).flatten(0, 1), teacher_logits, targets.flatten(), **mix)
        loss = rows.sum() / (targets != IGNORED_TARGET).sum()
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        stored[f"losses/{index}"] = as_float32(rows)
        stored |= {f"gradient/{index}/{name}": as_float32(gradient) for name, gradient in zip(parameters, gradients)}
        losses.append(loss.item())
    path = folder / f"{NAME}.safetensors"
    write_safetensors(path, stored)
    description = {
        "student": studio_config(STUDENT, VOCAB_SIZE, MAX_POSITIONS),
        "teacher": studio_config(TEACHER, VOCAB_SIZE, MAX_POSITIONS),
        "B": B,
        "T": T,
        "mixes": MIXES,
        "losses": losses,
        "torch": torch.__version__,
    }
    path.with_suffix(".json").write_text(json.dumps(description, indent=2) + "\n")


if __name__ == "__main__":
    write_distillation(FOLDER)
