"""Which cluster a window belongs to: the nearest centroid, by the studio's rule (src/clusters/assign.ts)."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..pack.errors import PackError
from ..pack.safetensors_file import read_safetensors
from .encoder import DocumentEncoder, open_encoder

NO_CLUSTER = -1
_WINDOWS_AT_ONCE = 1 << 14


def nearest_centroids(embeddings: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(cluster int64 [W], margin float64 [W]) for embeddings float32 [W, D] and centroids float32 [k, D].

    The cluster is the one at the least squared Euclidean distance, the lowest on a tie, and NO_CLUSTER where the embedding is zero or not
    finite. The margin is how much farther the second nearest is, in squared distance; infinite where there is no second.
    """
    clusters = np.full(len(embeddings), NO_CLUSTER, np.int64)
    margins = np.full(len(embeddings), np.inf)
    # As in the studio, distances are in float64.
    wide = centroids.astype(np.float64)
    squares = (wide * wide).sum(1)
    for first in range(0, len(embeddings), _WINDOWS_AT_ONCE):
        some = embeddings[first : first + _WINDOWS_AT_ONCE].astype(np.float64)
        norms = (some * some).sum(1)
        placed = np.flatnonzero((norms > 0) & np.isfinite(norms))
        distances = squares - 2 * some[placed] @ wide.T
        clusters[first + placed] = distances.argmin(1)
        if len(wide) > 1:
            two = np.partition(distances, 1, axis=1)
            margins[first + placed] = two[:, 1] - two[:, 0]
    return clusters, margins


@dataclass(frozen=True)
class ClusterModel:
    """An encoder and the centroids of its clusters, from a `clusters/` folder or a pack."""

    encoder: DocumentEncoder
    centroids: np.ndarray
    """float32 [k, D]."""
    importance_centroids: np.ndarray | None
    """float32 [k_is, D]; a pack has none."""

    @staticmethod
    def open(folder: str | Path) -> ClusterModel:
        """Raises PackError or ConfigError when a file is missing or does not fit."""
        folder = Path(folder)
        encoder = open_encoder(folder / "encoder.onnx")
        importance = folder / "importance.safetensors"
        return ClusterModel(
            encoder,
            _read_centroids(folder / "clusters.safetensors", encoder.size),
            _read_centroids(importance, encoder.size) if importance.exists() else None,
        )

    def embed(self, ids: np.ndarray) -> np.ndarray:
        """Embedding float32 [D] of the ids [T] of one window, without an end-of-text id."""
        return self.encoder.embed(ids, np.zeros(1, np.int64), np.array([len(ids)]))[0]

    def assign(self, ids: np.ndarray) -> int:
        """The cluster of one window's ids [T]; NO_CLUSTER where the encoder knows none of them."""
        return int(nearest_centroids(self.embed(ids)[None], self.centroids)[0][0])


def _read_centroids(path: Path, size: int) -> np.ndarray:
    centroids = read_safetensors(path).get("centroids")
    if centroids is None or centroids.dtype != np.float32 or centroids.ndim != 2 or not len(centroids) or centroids.shape[1] != size:
        raise PackError(f"{path}: centroids must be float32 [k, {size}], as encoder.onnx gives {size} numbers.")
    return np.array(centroids)
