"""Which text each step sees. One global order, the same on every rank and for any number of ranks: a rank takes its share of a step's groups,
so no two ranks read the same block, and a run resumes exactly on another number of machines. Every block of a cluster is seen once
before any is seen twice."""
from __future__ import annotations

import numpy as np

PERMUTATION_STREAM = 1
CHOICE_STREAM = 2


class GroupSampler:
    """`groups_per_step` groups of `sequences_per_group` blocks; a group is of one cluster, drawn with `probabilities` [k].
    Clusters without a whole block are never drawn."""

    def __init__(self, probabilities: np.ndarray, num_blocks: np.ndarray, groups_per_step: int, sequences_per_group: int, seed: int) -> None:
        weights = np.where(num_blocks > 0, probabilities, 0.0).astype(np.float64)
        if not weights.sum() > 0:
            raise ValueError("No cluster has a whole block of text to train on.")
        self._cumulative = np.cumsum(weights / weights.sum())
        self._num_blocks, self._groups, self._sequences, self._seed = num_blocks, groups_per_step, sequences_per_group, seed
        self.step = 0
        self.drawn = np.zeros(len(num_blocks), np.int64)
        """Blocks drawn so far per cluster."""
        self._permutations: dict[int, tuple[int, np.ndarray]] = {}

    def next_step(self) -> tuple[np.ndarray, np.ndarray]:
        """clusters int64 [G] and block indices int64 [G, b] of the next step."""
        random = np.random.default_rng((self._seed, CHOICE_STREAM, self.step))
        # Systematic sampling: one random offset, G equal strides; each cluster's expected share is its probability, with the least spread.
        points = (random.random() + np.arange(self._groups)) / self._groups
        clusters = np.minimum(np.searchsorted(self._cumulative, points, side="right"), len(self._cumulative) - 1)
        clusters = random.permutation(clusters)
        self.step += 1
        return clusters.astype(np.int64), np.stack([self._draw(int(cluster)) for cluster in clusters])

    def _draw(self, cluster: int) -> np.ndarray:
        count = int(self._num_blocks[cluster])
        positions = self.drawn[cluster] + np.arange(self._sequences)
        self.drawn[cluster] += self._sequences
        return np.array([self._permutation(cluster, int(position) // count)[int(position) % count] for position in positions])

    def _permutation(self, cluster: int, epoch: int) -> np.ndarray:
        kept = self._permutations.get(cluster)
        if kept is None or kept[0] != epoch:
            random = np.random.default_rng((self._seed, PERMUTATION_STREAM, cluster, epoch))
            kept = (epoch, random.permutation(int(self._num_blocks[cluster])))
            self._permutations[cluster] = kept
        return kept[1]

    def state(self) -> dict[str, object]:
        return {"step": self.step, "drawn": self.drawn.tolist()}

    def restore(self, state: dict[str, object]) -> None:
        self.step = int(state["step"])  # type: ignore[call-overload]
        self.drawn = np.array(state["drawn"], np.int64)
