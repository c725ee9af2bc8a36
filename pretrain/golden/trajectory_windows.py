"""The text that the golden trajectories are trained and validated on: windows of the sample text by the trainer's own draw, and generic text of the
reservoir by the studio's.

Letters: B windows in a batch, T tokens in a window."""
from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import torch

from ..evaluate.domain_text import TrainingWindows
from .bundled_pack import SAMPLE, encoded, end_of_text, reservoir_texts
from .studio_random import drawn_windows

B, T, STEPS = 2, 32, 20
VALIDATION_WINDOWS = 8
SEED = 7
CLUSTER_COUNTS = (0, 17, 31, 0, 0, 0, 0, 0, 0, 5, 9, 0, 0, 2, 0, 0)
"""A made histogram of the text's windows over the clusters. The sum is a power of two, so that shares are exact."""


@dataclass(frozen=True)
class Windows:
    """int64 [..., T + 1]: T tokens, and of each the next one as its target."""

    domain: np.ndarray
    """[STEPS, B, T + 1] of the sample text."""
    validation: np.ndarray
    """[VALIDATION_WINDOWS, T + 1] of its last document, which no training window reads."""
    reservoir: np.ndarray
    """[STEPS, B, T + 1] of generic text resampled to the histogram."""


def histogram() -> list[float]:
    """Shares of the clusters."""
    return [count / sum(CLUSTER_COUNTS) for count in CLUSTER_COUNTS]


def draw_windows() -> Windows:
    """The same ones every time. Raises PackError or ConfigError (from the readers)."""
    end = end_of_text()
    texts = [json.loads(line)["text"] for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    documents = [np.append(ids.astype(np.int64), end) for ids in encoded(texts)]
    source = TrainingWindows(documents[:-1], end, T, SEED)
    batches = [torch.cat([tokens, targets[:, -1:]], dim=1).numpy() for tokens, targets in (source.next(B) for _ in range(STEPS))]
    held_out = np.concatenate([[end], documents[-1]])
    validation = [held_out[i * T : i * T + T + 1] for i in range(VALIDATION_WINDOWS)]
    return Windows(np.stack(batches), np.stack(validation), resampled_windows())


def resampled_windows() -> np.ndarray:
    """Windows.reservoir."""
    texts = reservoir_texts()
    assert all(len(text) > T for text in texts), "a cluster without windows would leave its share to the others"
    numbers = [math.ceil((len(text) - 1) / T) for text in texts]
    drawn = drawn_windows(numbers, histogram(), SEED, STEPS * B)
    starts = [(cluster, min(window * T, len(texts[cluster]) - 1 - T)) for cluster, window in drawn]
    return np.stack([texts[cluster][start : start + T + 1] for cluster, start in starts]).astype(np.int64).reshape(STEPS, B, T + 1)
