"""The reservoir: generic text as token ids, grouped by cluster, for importance sampling and for generic perplexity in the studio.

Its training part takes as many tokens from every cluster (or all a small one has): whoever resamples by a domain's histogram then repeats
windows least, whatever the domain. Its held-out part comes from held-out documents only and is an even sample of them, so that the plain mean
of its losses is generic perplexity. Windows are taken whole.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import PackError

HELD_OUT_SHARE = 0.05
"""Share of the reservoir's tokens for the held-out part, as far as there are any."""

WINDOW_START, WINDOW_LENGTH, WINDOW_CLUSTER = 0, 1, 2
"""Columns of windows.npy."""


@dataclass(frozen=True)
class Reservoir:
    tokens: np.ndarray
    """uint16 [N]: cluster by cluster, each cluster's training windows, then its held-out windows."""
    description: dict[str, Any]
    """For clusters.json: per cluster and part [begin, end) in tokens and the windows' lengths in order."""


def build_reservoir(tokens: np.ndarray, windows: np.ndarray, held_out: np.ndarray, k: int, num_tokens: int, seed: int) -> Reservoir:
    """At most `num_tokens` of `tokens` uint16 [T]. `windows` int64 [W, 3 or more] (start, length, cluster, ...), `held_out` bool [W].
    The same arguments give the same reservoir."""
    order = np.random.default_rng(seed).permutation(len(windows))
    lengths, clusters = windows[:, WINDOW_LENGTH], windows[:, WINDOW_CLUSTER]
    validation = _first_that_fit(order[held_out[order]], lengths, int(num_tokens * HELD_OUT_SHARE))
    budget = num_tokens - int(lengths[validation].sum())

    candidates = [order[(clusters[order] == cluster) & ~held_out[order]] for cluster in range(k)]
    budgets = even_shares([int(lengths[of_cluster].sum()) for of_cluster in candidates], budget)
    pieces: list[np.ndarray] = []
    entries: list[dict[str, Any]] = []
    position = 0
    for cluster in range(k):
        training = _first_that_fit(candidates[cluster], lengths, budgets[cluster])
        parts = {"train": training, "held_out": validation[clusters[validation] == cluster]}
        entry: dict[str, Any] = {"index": cluster}
        for part, chosen in parts.items():
            chosen = np.sort(chosen)
            pieces += [tokens[start : start + length] for start, length in windows[chosen, :2]]
            size = int(lengths[chosen].sum())
            entry[part] = {"begin": position, "end": position + size, "windows": lengths[chosen].tolist()}
            position += size
        entries.append(entry)
    joined = np.concatenate(pieces).astype("<u2") if pieces else np.zeros(0, "<u2")
    return Reservoir(joined, {"file": "reservoir.bin", "dtype": "uint16", "tokens": position, "clusters": entries})


def windows_held_out(windows: np.ndarray, documents: np.ndarray, document_held_out: np.ndarray) -> np.ndarray:
    """bool [W]: whether a window's document (`documents` int64 [D + 1], token offsets) is held out."""
    # An empty document would share its offset with the next one, but every document ends with the end-of-text id.
    return document_held_out[np.searchsorted(documents, windows[:, WINDOW_START], side="right") - 1]


def windows_of_sources(windows: np.ndarray, documents: np.ndarray, document_source: np.ndarray, known: list[str], wanted: list[str]) -> np.ndarray:
    """bool [W]: whether a window's document comes from one of the sources `wanted`; `document_source` int16 [D] indexes `known`.
    Raises PackError for a source that the corpus does not have."""
    for name in wanted:
        if name not in known:
            raise PackError(f"reservoir_sources: the tokenized corpus has no source '{name}'; it has {', '.join(known)}.")
    indices = [known.index(name) for name in wanted]
    return np.isin(document_source[np.searchsorted(documents, windows[:, WINDOW_START], side="right") - 1], indices)


def even_shares(available: list[int], total: int) -> list[int]:
    """`total` dealt out evenly, to nobody more than `available`; what one cannot take goes to the others."""
    shares = [0] * len(available)
    remaining = total
    by_size = sorted(range(len(available)), key=lambda index: available[index])
    for served, index in enumerate(by_size):
        shares[index] = min(available[index], remaining // (len(available) - served))
        remaining -= shares[index]
    return shares


def _first_that_fit(order: np.ndarray, lengths: np.ndarray, num_tokens: int) -> np.ndarray:
    """The longest beginning of `order` (window indices) whose windows have at most `num_tokens` together."""
    return order[np.cumsum(lengths[order]) <= num_tokens]
