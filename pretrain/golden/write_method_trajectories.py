"""Writes the golden trajectories that the studio's tests replay: every method of the paper, trained for 20 AdamW steps a phase from the bundled
pack's own files on the sample text, with the loss of every step and of held-out text before and after. The trainer's models, losses, optimizer
and expert choice; the studio's schedule and clipping, written out. Computed in float64.

    /usr/bin/python3 -m pretrain.golden.write_method_trajectories
"""
from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import numpy as np
import torch
from torch import Tensor

from ..config import TrainConfig
from ..evaluate.distillation import distillation_loss
from ..evaluate.experts import mixture_vector, most_frequent_cluster
from ..model.llama import Llama
from ..model.loss import chunked_loss, token_losses
from ..pack.safetensors_file import write_safetensors
from ..training.optimizer import make_optimizer, set_learning_rate
from .bundled_pack import blank_small_model, large_model, projected_network, small_model
from .studio_random import random_weights
from .trajectory_windows import B, CLUSTER_COUNTS, SEED, STEPS, T, Windows, draw_windows, histogram
from .write_golden import FOLDER

NAME = "method-trajectories"
SETTINGS: dict[str, Any] = {
    "steps": STEPS, "batchSize": B, "seqLen": T, "learningRate": 1e-3, "warmupSteps": 4, "schedule": "cosine", "finalLearningRateShare": 0.1,
    "weightDecay": 0.5, "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "clipNorm": 4.3, "seed": SEED, "evaluateEvery": STEPS,
}
"""As the studio's RunConfig names them; the same in every phase. Validation comes before the first step and after the last. So much decay and such
a clip norm (some steps are clipped, some are not) that losses would show it if either were another."""
CHOICES: tuple[dict[str, Any], ...] = (
    {"method": "SLM"},
    {"method": "SLM-nopt"},
    {"method": "SLM-pn", "strategy": "mostFrequent"},
    {"method": "SLM-pn", "strategy": "mixture"},
    {"method": "SLM-mix", "strategy": "mostFrequent"},
    {"method": "SLM-is", "start": "slm", "pretrainingSteps": STEPS},
    {"method": "SLM-d", "weight": 0.5, "temperature": 1.5, "teacherSteps": STEPS},
    {"method": "LLM"},
)
"""As the studio's MethodChoice names them (src/config/method.ts)."""

BatchLoss = Callable[[Tensor, Tensor], Tensor]
"""tokens, targets [B, T] -> mean nats per token."""


@dataclass(frozen=True)
class Phase:
    name: str
    losses: list[float]
    """Of each step's batch before its update, nats per token."""
    gradient_norms: list[float]
    """Before clipping."""
    validation: list[float]
    """Nats per token before the first step and after the last."""
    model: Llama
    """With the weights that are the phase's result."""


def learning_rate_at(step: int) -> float:
    """Of step `step` (from 1), as in src/training/schedule.ts: its last step is on the floor, where the trainer's cosine is a step behind."""
    peak, warmup, floor = SETTINGS["learningRate"], SETTINGS["warmupSteps"], SETTINGS["finalLearningRateShare"]
    if step <= warmup:
        return peak * step / warmup
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (STEPS - warmup))))


def train(name: str, model: Llama, batches: np.ndarray, validation: np.ndarray, judged: bool = True, batch_loss: BatchLoss | None = None) -> Phase:
    """Takes one step per batch [B, T + 1]. As in the studio a phase that is judged ends with the weights of the better validation, any other with
    the last ones."""
    batch_loss = batch_loss or (lambda tokens, targets: chunked_loss(model.hidden(tokens).flatten(0, 1), model.head_weight, targets.flatten()))
    optimizer = make_optimizer(
        model,
        TrainConfig(
            tokens=1, context=T, sequences_per_group=1, groups_per_step=1,
            learning_rate=SETTINGS["learningRate"], weight_decay=SETTINGS["weightDecay"], beta1=SETTINGS["beta1"], beta2=SETTINGS["beta2"],
        ),
    )
    assert optimizer.defaults["eps"] == SETTINGS["epsilon"]
    start = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    before = held_out_loss(model, validation)
    losses: list[float] = []
    norms: list[float] = []
    for step, batch in enumerate(torch.from_numpy(batches), start=1):
        set_learning_rate(optimizer, learning_rate_at(step))
        optimizer.zero_grad()
        loss = batch_loss(batch[:, :-1], batch[:, 1:])
        loss.backward()
        losses.append(loss.item())
        norms.append(math.sqrt(sum(weight.grad.pow(2).sum().item() for weight in model.parameters())))
        # Not clip_grad_norm_, which divides by norm + 1e-6.
        for weight in model.parameters():
            weight.grad.mul_(min(1.0, SETTINGS["clipNorm"] / norms[-1]))
        optimizer.step()
    after = held_out_loss(model, validation)
    if judged and not after < before:
        model.load_state_dict(start)
    return Phase(name, losses, norms, [before, after], model)


def held_out_loss(model: Llama, windows: np.ndarray) -> float:
    """Mean nats per token of windows [N, T + 1]."""
    tokens = torch.from_numpy(windows)
    with torch.no_grad():
        return token_losses(model.hidden(tokens[:, :-1]).flatten(0, 1), model.head_weight, tokens[:, 1:].flatten()).mean().item()


def starting_model(choice: dict[str, Any]) -> Llama:
    """What the fine-tuning of the method starts from; for SLM-is what its pretraining does."""
    method = choice["method"]
    if method == "LLM":
        return large_model()
    if method == "SLM-mix":
        return small_model(f"mix/{most_frequent_cluster(CLUSTER_COUNTS)}.safetensors")
    if method == "SLM-nopt":
        return random_model()
    return projected_model(choice["strategy"]) if method == "SLM-pn" else small_model()


def random_model() -> Llama:
    model = blank_small_model()
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    weights = random_weights(shapes, model.shape.num_hidden_layers, SEED)
    model.load_state_dict({name: torch.from_numpy(values.astype(np.float64)) for name, values in weights.items()})
    return model


@torch.no_grad()
def projected_model(strategy: str) -> Llama:
    network = projected_network()
    cluster = most_frequent_cluster(CLUSTER_COUNTS)
    vector = network.E[cluster] if strategy == "mostFrequent" else mixture_vector(network.E.float(), CLUSTER_COUNTS).double()
    model = blank_small_model()
    model.load_state_dict(network.project(vector))
    return model


def phases_of(choice: dict[str, Any], windows: Windows, last_steps: int = STEPS) -> list[Phase]:
    """`last_steps`: how many steps to take of the last phase."""
    model, batches = starting_model(choice), windows.domain[:last_steps]
    if choice["method"] == "SLM-is":
        pretrained = train("pretraining", model, windows.reservoir, windows.validation, judged=False)
        return [pretrained, train("fineTuning", pretrained.model, batches, windows.validation)]
    if choice["method"] == "SLM-d":
        teacher = train("teacher", large_model(), windows.domain, windows.validation)
        return [teacher, train("fineTuning", model, batches, windows.validation, batch_loss=taught_loss(choice, model, teacher.model))]
    return [train("fineTuning", model, batches, windows.validation)]


def taught_loss(choice: dict[str, Any], student: Llama, teacher: Llama) -> BatchLoss:
    def batch_loss(tokens: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            teacher_hidden = teacher.hidden(tokens).flatten(0, 1)
        mix = {"weight": choice["weight"], "temperature": choice["temperature"]}
        return distillation_loss(student.hidden(tokens).flatten(0, 1), student.head_weight, targets.flatten(), teacher_hidden, teacher.head_weight, **mix)

    return batch_loss


def ends_of_matrices(model: Llama) -> dict[str, list[float]]:
    """First and last value of every matrix: alike only if all numbers between were drawn alike."""
    return {name: [weight.flatten()[0].item(), weight.flatten()[-1].item()] for name, weight in model.named_parameters() if weight.dim() == 2}


def write_trajectories(folder: Path) -> None:
    """Writes method-trajectories.safetensors (windows) and method-trajectories.json into `folder`."""
    windows = draw_windows()
    path = folder / f"{NAME}.safetensors"
    write_safetensors(path, {name: array.astype(np.int32) for name, array in vars(windows).items()})
    runs = []
    for choice in CHOICES:
        phases = phases_of(choice, windows)
        described = [{"name": phase.name, "validation": phase.validation, "losses": phase.losses, "gradientNorms": phase.gradient_norms} for phase in phases]
        expert = {"expert": most_frequent_cluster(CLUSTER_COUNTS)} if choice.get("strategy") == "mostFrequent" else {}
        runs.append({"choice": choice, **expert, "phases": described})
        for phase in phases:
            print(f"{choice}: {phase.name} {phase.losses[0]:.4f} -> {phase.losses[-1]:.4f}, held out {phase.validation[0]:.4f} -> {phase.validation[1]:.4f}")
    description = {"settings": SETTINGS, "histogram": histogram(), "randomWeights": ends_of_matrices(random_model()), "runs": runs, "torch": torch.__version__}
    path.with_suffix(".json").write_text(json.dumps(description, indent=2) + "\n")


if __name__ == "__main__":
    write_trajectories(FOLDER)
