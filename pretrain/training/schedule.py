"""Learning rate over a run: linear warm-up, then a cosine down to a share of the peak."""
from __future__ import annotations

import math

from ..config import TrainConfig


def learning_rate_at(step: int, num_steps: int, config: TrainConfig) -> float:
    """`step` from 0. A run shorter than ten warm-ups warms up for a tenth of itself."""
    warmup = min(config.warmup_steps, max(num_steps // 10, 1))
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(num_steps - warmup, 1)
    floor = config.final_learning_rate_share
    return config.learning_rate * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done)))
