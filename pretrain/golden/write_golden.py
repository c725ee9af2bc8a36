"""Writes the golden runs that the studio's tests replay: initial weights, ten batches, step 1's logits and gradients, every step's loss
and gradient norm, and the weights after ten AdamW steps. The trainer's model, with the loss and the clipping written out; computed in
float64, tensors stored as float32.

    /usr/bin/python3 -m pretrain.golden.write_golden
"""
from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..config import ModelShape
from ..model.llama import Llama
from ..model.loss import IGNORED_TARGET
from ..pack.safetensors_file import write_safetensors

FOLDER = Path(__file__).resolve().parents[2] / "src" / "testing" / "fixtures" / "golden"
NUM_STEPS = 10
OPTIMIZER = {"learningRate": 1e-3, "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "weightDecay": 0.1}


@dataclass(frozen=True)
class GoldenRun:
    name: str
    shape: ModelShape
    vocab_size: int
    max_positions: int
    B: int
    T: int
    seed: int
    clip_norm: float
    ignored: tuple[tuple[int, int, int], ...]
    """(step, sequence, position) of targets that do not count; steps from 0."""


RUNS = [
    # Sizes that are no multiple of any workgroup or tile; every step is clipped.
    GoldenRun(
        "golden",
        ModelShape(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3),
        vocab_size=101,
        max_positions=16,
        B=3,
        T=13,
        seed=1,
        clip_norm=1.0,
        ignored=((3, 0, 12), (7, 1, 0), (7, 2, 5)),
    ),
    # The bundled pack's head size; some steps are clipped and some are not.
    GoldenRun(
        "golden-head32",
        ModelShape(hidden_size=32, intermediate_size=52, num_hidden_layers=1, num_attention_heads=1),
        vocab_size=67,
        max_positions=16,
        B=2,
        T=11,
        seed=2,
        clip_norm=3.8,
        ignored=((5, 1, 10),),
    ),
]


def studio_config(shape: ModelShape, vocab_size: int, max_positions: int) -> dict[str, int | float]:
    """A model as the studio's ModelConfig names it."""
    return {
        "vocabSize": vocab_size,
        "hiddenSize": shape.hidden_size,
        "intermediateSize": shape.intermediate_size,
        "numHiddenLayers": shape.num_hidden_layers,
        "numAttentionHeads": shape.num_attention_heads,
        "headDim": shape.head_dim,
        "maxPositionEmbeddings": max_positions,
        "rmsNormEps": shape.rms_norm_eps,
        "ropeTheta": shape.rope_theta,
    }


def initial_model(run: GoldenRun, random: torch.Generator) -> Llama:
    """Random weights that are exact in float32; norms near but not at 1, so that a dropped norm weight shows."""
    model = Llama(run.shape, run.vocab_size).double()
    with torch.no_grad():
        for weight in model.parameters():
            values = torch.randn(weight.shape, generator=random, dtype=torch.float64)
            values = values * 0.15 if weight.dim() == 2 else 1 + values * 0.2
            weight.copy_(values.float())
    return model


def batches(run: GoldenRun, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """tokens, targets [steps, B, T]: a noisy walk over the vocabulary, so that there is something to learn."""
    noise = torch.randint(0, 3, (NUM_STEPS, run.B, run.T + 1), generator=random)
    start = torch.randint(0, run.vocab_size, (NUM_STEPS, run.B, 1), generator=random)
    walk = (start + torch.cumsum(noise, dim=-1)) % run.vocab_size
    tokens, targets = walk[..., :-1].contiguous(), walk[..., 1:].clone()
    for index in run.ignored:
        targets[index] = IGNORED_TARGET
    return tokens, targets


def mean_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean negative log-likelihood in nats over the targets [B, T] that are not ignored. logits [B, T, V]."""
    return functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED_TARGET)


def as_float32(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().numpy()


def write_run(run: GoldenRun, folder: Path) -> None:
    """Writes NAME.safetensors and NAME.json into `folder`."""
    random = torch.Generator().manual_seed(run.seed)
    model = initial_model(run, random)
    tokens, targets = batches(run, random)
    parameters = dict(model.named_parameters())
    stored = {f"initial/{name}": as_float32(weight).copy() for name, weight in parameters.items()}
    stored["tokens"] = tokens.int().numpy()
    stored["targets"] = targets.int().numpy()

    matrices = [weight for weight in parameters.values() if weight.dim() == 2]
    norms = [weight for weight in parameters.values() if weight.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": OPTIMIZER["weightDecay"]}, {"params": norms, "weight_decay": 0.0}],
        lr=OPTIMIZER["learningRate"],
        betas=(OPTIMIZER["beta1"], OPTIMIZER["beta2"]),
        eps=OPTIMIZER["epsilon"],
    )
    losses: list[float] = []
    gradient_norms: list[float] = []
    for step in range(NUM_STEPS):
        optimizer.zero_grad()
        logits = model(tokens[step])
        loss = mean_loss(logits, targets[step])
        loss.backward()
        norm = math.sqrt(sum(weight.grad.pow(2).sum().item() for weight in parameters.values()))
        losses.append(loss.item())
        gradient_norms.append(norm)
        if step == 0:
            stored["logits"] = as_float32(logits)
            stored |= {f"gradient/{name}": as_float32(weight.grad).copy() for name, weight in parameters.items()}
        # Not clip_grad_norm_, which divides by norm + 1e-6.
        scale = min(1.0, run.clip_norm / norm)
        for weight in parameters.values():
            weight.grad.mul_(scale)
        optimizer.step()
    stored |= {f"final/{name}": as_float32(weight).copy() for name, weight in parameters.items()}

    path = folder / f"{run.name}.safetensors"
    write_safetensors(path, stored)
    description = {
        "config": studio_config(run.shape, run.vocab_size, run.max_positions),
        "optimizer": {**OPTIMIZER, "clipNorm": run.clip_norm},
        "B": run.B,
        "T": run.T,
        "losses": losses,
        "gradientNorms": gradient_norms,
        "torch": torch.__version__,
    }
    path.with_suffix(".json").write_text(json.dumps(description, indent=2) + "\n")
    num_clipped = sum(norm > run.clip_norm for norm in gradient_norms)
    print(f"{path.name}: {path.stat().st_size:,} bytes, loss {losses[0]:.4f} -> {losses[-1]:.4f}, {num_clipped} of {NUM_STEPS} steps clipped")
    print("  norms", " ".join(f"{norm:.3f}" for norm in gradient_norms))


if __name__ == "__main__":
    for run in RUNS:
        write_run(run, FOLDER)
