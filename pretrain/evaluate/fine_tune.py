"""Fine-tuning with early stopping on validation loss (Prechelt 1998); the best weights seen are the result."""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable

import torch
from torch import Tensor

from ..config import FineTuneConfig, TrainConfig
from ..training.optimizer import make_optimizer, set_learning_rate
from .domain_text import HeldOutText, TrainingWindows
from .model_host import ModelHost, NotFiniteError

BatchLoss = Callable[[Tensor, Tensor], Tensor]
"""tokens, targets [B, T] -> scalar to descend."""


class EarlyStopping:
    """NaN never counts as an improvement."""

    def __init__(self, patience: int) -> None:
        """patience: evaluations without improvement that end the run; 0 never ends it."""
        self.best_loss, self.best_step = math.inf, 0
        self._patience, self._since_best = patience, 0

    def record(self, step: int, loss: float) -> bool:
        """True when it is the best so far."""
        if loss < self.best_loss:
            self.best_loss, self.best_step, self._since_best = loss, step, 0
            return True
        self._since_best += 1
        return False

    @property
    def should_stop(self) -> bool:
        return self._patience > 0 and self._since_best >= self._patience


@dataclass(frozen=True)
class FineTuned:
    weights: dict[str, Tensor]
    """The best ones by validation loss; the model holds them too."""
    best_loss: float
    """Validation loss of the weights, nats per token."""
    best_step: int
    steps: int
    """Steps taken, those after the best one included."""
    tokens: int
    """Training tokens read, with repetition."""
    evaluations: int
    curve: list[tuple[int, float]]
    """(step, validation loss), from step 0 on."""


def learning_rate_at(step: int, settings: FineTuneConfig) -> float:
    """Rate of step `step` (from 1): linear warm-up, then constant, or linear down to zero after max_steps."""
    warm = min(1.0, step / settings.warmup_steps) if settings.warmup_steps else 1.0
    if settings.schedule == "constant":
        return settings.learning_rate * warm
    left = (settings.max_steps - step + 1) / max(1, settings.max_steps - settings.warmup_steps)
    return settings.learning_rate * min(warm, left)


def fine_tune(
    host: ModelHost,
    windows: TrainingWindows,
    validation: HeldOutText,
    settings: FineTuneConfig,
    optimization: TrainConfig,
    batch_loss: BatchLoss | None = None,
    report: Callable[[str], None] = lambda note: None,
) -> FineTuned:
    """Trains the weights `host` holds. `optimization` gives AdamW's decay, betas and the clip norm. Raises NotFiniteError."""
    batch_loss = batch_loss or host.loss
    optimizer = make_optimizer(host.model, optimization)
    stopping = EarlyStopping(settings.patience)
    curve: list[tuple[int, float]] = []
    best = {}
    step = 0

    def validate() -> None:
        nonlocal best
        loss = host.held_out_loss(validation).loss
        curve.append((step, loss))
        if stopping.record(step, loss):
            best = host.weights()
        report(f"step {step}, validation loss {loss:.4f}")

    validate()
    while step < settings.max_steps and not stopping.should_stop:
        step += 1
        set_learning_rate(optimizer, learning_rate_at(step, settings))
        optimizer.zero_grad(set_to_none=True)
        loss = batch_loss(*windows.next(host.sequences))
        if not math.isfinite(loss.item()):
            raise NotFiniteError(f"The training loss is not a finite number at step {step} of fine-tuning.")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(host.model.parameters(), optimization.clip_norm)
        optimizer.step()
        if step % settings.evaluate_every_steps == 0 or step == settings.max_steps:
            validate()
    host.load(best)
    tokens = step * host.sequences * host.length
    return FineTuned(best, stopping.best_loss, stopping.best_step, step, tokens, len(curve), curve)
