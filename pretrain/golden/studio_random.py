"""The studio's seeded random numbers and what its methods draw with them, so that PyTorch can start where the studio starts and read what it
reads: numbers (src/core/random.ts: xoshiro128** seeded through SplitMix32), SLM-nopt's weights (src/model/initialization.ts), SLM-is's order of
the reservoir's windows (src/data/reservoirDraws.ts)."""
from __future__ import annotations

import math
from typing import Mapping, Sequence

import numpy as np

MASK = 0xFFFFFFFF
GOLDEN_RATIO = 0x9E3779B9
CLUSTER_STRIDE = 0x9E3779B1
"""Keeps the seeds of the clusters' orders apart."""


class StudioRandom:
    def __init__(self, seed: int) -> None:
        mix = seed & MASK
        self._state: list[int] = []
        for _ in range(4):
            mix = (mix + GOLDEN_RATIO) & MASK
            z = ((mix ^ mix >> 16) * 0x21F0AAAD) & MASK
            z = ((z ^ z >> 15) * 0x735A2D97) & MASK
            self._state.append(z ^ z >> 15)

    def uniform(self, count: int) -> np.ndarray:
        """The next numbers in [0, 1), float64 [count]."""
        a, b, c, d = self._state
        numbers = [0] * count
        for i in range(count):
            scrambled = (b * 5) & MASK
            numbers[i] = ((scrambled << 7 & MASK | scrambled >> 25) * 9) & MASK
            shifted = b << 9 & MASK
            c ^= a
            d ^= b
            b ^= c
            a ^= d
            c ^= shifted
            d = d << 11 & MASK | d >> 21
        self._state = [a, b, c, d]
        return np.array(numbers, dtype=np.float64) / 2**32

    def normal(self, count: int) -> np.ndarray:
        """Box-Muller, two uniform numbers each, float64 [count]."""
        u = self.uniform(2 * count)
        return np.sqrt(-2 * np.log(1 - u[0::2])) * np.cos(2 * np.pi * u[1::2])

    def shuffle(self, items: list[int]) -> None:
        """Fisher-Yates, in place."""
        for i in range(len(items) - 1, 0, -1):
            j = int(self.uniform(1)[0] * (i + 1))
            items[i], items[j] = items[j], items[i]


def random_weights(shapes: Mapping[str, Sequence[int]], num_layers: int, seed: int) -> dict[str, np.ndarray]:
    """Starting weights as float32, `shapes` in the order of a Llama's parameters: its matrices are drawn in that order, norms are one."""
    random = StudioRandom(seed)
    weights: dict[str, np.ndarray] = {}
    for name, shape in shapes.items():
        if len(shape) == 1:
            weights[name] = np.ones(shape, dtype=np.float32)
        else:
            values = _standard_deviation(name, shape[1], num_layers) * random.normal(math.prod(shape))
            weights[name] = values.astype(np.float32).reshape(shape)
    return weights


def _standard_deviation(name: str, inputs: int, num_layers: int) -> float:
    if name == "model.embed_tokens.weight":
        return 2 / 3 / math.sqrt(inputs)
    writes_to_residual = name.endswith(("o_proj.weight", "down_proj.weight"))
    return 1 / math.sqrt(3) / math.sqrt(2 * num_layers * inputs if writes_to_residual else inputs)


def drawn_windows(num_windows: Sequence[int], shares: Sequence[float], seed: int, count: int) -> list[tuple[int, int]]:
    """(cluster, window within it) of the first `count` draws. num_windows, shares: per cluster; shares sum to 1 and are 0 where there is no
    window. Clusters are drawn by their shares, a cluster's windows in shuffled order, all of them once before any comes again."""
    cumulative = np.cumsum(shares)
    last = max(cluster for cluster, share in enumerate(shares) if share > 0)
    orderings = [StudioRandom(seed + (cluster + 1) * CLUSTER_STRIDE) for cluster in range(len(shares))]
    orders = [list(range(number)) for number in num_windows]
    counts = [0] * len(shares)
    drawn = []
    for point in StudioRandom(seed).uniform(count):
        cluster = min(int(np.searchsorted(cumulative, point, side="right")), last)
        place = counts[cluster] % num_windows[cluster]
        if place == 0:
            orderings[cluster].shuffle(orders[cluster])
        counts[cluster] += 1
        drawn.append((cluster, orders[cluster][place]))
    return drawn
