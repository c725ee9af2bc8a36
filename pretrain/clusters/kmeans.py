"""Spherical k-means: points and centroids have norm 1, so that the nearest centroid by angle is also the nearest by Euclidean distance,
which is the studio's rule."""
from __future__ import annotations

import numpy as np
from scipy import sparse

RESTARTS = 4
MAX_ITERATIONS = 60


def spherical_kmeans(points: np.ndarray, k: int, seed: int, restarts: int = RESTARTS) -> np.ndarray:
    """Centroids float32 [k, D] of norm 1 for points float32 [N, D] of norm 1: the best of several runs from k-means++ starts.

    Raises ValueError when there are fewer than k distinct points.
    """
    if len(np.unique(points, axis=0)) < k:
        raise ValueError(f"{k} clusters need at least {k} different points")
    random = np.random.default_rng(seed)
    best, best_similarity = None, -np.inf
    for _ in range(restarts):
        centroids, similarity = _lloyd(points, _distant_points(points, k, random))
        if similarity > best_similarity:
            best, best_similarity = centroids, similarity
    if best is None:
        raise ValueError("the points are not all finite")
    return best


def _distant_points(points: np.ndarray, k: int, random: np.random.Generator) -> np.ndarray:
    """k-means++ (Arthur and Vassilvitskii, 2007): each next start is drawn in proportion to its squared distance from those before.
    Of several candidates the one that lowers the sum of distances most is kept."""
    num_candidates = 2 + int(np.log(k))
    chosen = points[random.integers(len(points))][None]
    distance = _squared_distance(points, chosen)[:, 0]
    for _ in range(k - 1):
        cumulative = np.cumsum(distance, dtype=np.float64)
        drawn = np.searchsorted(cumulative, random.random(num_candidates) * cumulative[-1], side="right")
        candidates = points[np.minimum(drawn, len(points) - 1)]
        distances = np.minimum(distance[:, None], _squared_distance(points, candidates))
        best = int(distances.sum(0).argmin())
        chosen, distance = np.concatenate([chosen, candidates[best][None]]), distances[:, best]
    return chosen


def _squared_distance(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """[N, K] between vectors of norm 1."""
    return np.maximum(2 - 2 * points @ others.T, 0)


def _lloyd(points: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, float]:
    """Alternates assignment and means until no point moves. Returns the centroids and the sum of cosines to them."""
    before = None
    for _ in range(MAX_ITERATIONS):
        similarity = points @ centroids.T
        nearest = similarity.argmax(1)
        if before is not None and np.array_equal(nearest, before):
            break
        before = nearest
        membership = sparse.csr_matrix((np.ones(len(points)), (nearest, np.arange(len(points)))), shape=(len(centroids), len(points)))
        sums = membership @ points.astype(np.float64)
        # A cluster that lost all its points starts anew at the point that is served worst.
        empty = np.flatnonzero(np.bincount(nearest, minlength=len(centroids)) == 0)
        sums[empty] = points[similarity.max(1).argsort(kind="stable")[: len(empty)]]
        centroids = (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32)
    return centroids, float((points @ centroids.T).max(1).sum(dtype=np.float64))
