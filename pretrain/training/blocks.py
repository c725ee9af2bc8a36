"""Training text grouped by cluster: the clustered windows of `clusters/windows.npy`, windows of one cluster end to end, on disk and memory-mapped,
read in blocks of T + 1 tokens. Held-out documents are kept apart for validation. Built once per labelling, whole or absent."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from ..config import ConfigError
from ..corpus.token_store import TokenStore
from ..files import atomic_path, only_one_process

LABEL_COLUMNS = {"experts": 2, "importance": 3}
"""Which column of windows.npy labels a window: its expert's cluster, or the finer cluster of importance sampling."""


class GroupedTokens:
    """Tokens of every cluster in a row: `tokens` uint16, cluster c from offsets[c] to offsets[c + 1]."""

    def __init__(self, folder: Path, part: str) -> None:
        self.tokens = np.memmap(folder / f"{part}.bin", dtype="<u2", mode="r") if (folder / f"{part}.bin").stat().st_size else np.zeros(0, "<u2")
        self.offsets = np.load(folder / f"{part}.offsets.npy")

    @property
    def num_clusters(self) -> int:
        return len(self.offsets) - 1

    def num_tokens(self) -> np.ndarray:
        """Tokens per cluster, int64 [k]."""
        return np.diff(self.offsets)

    def num_blocks(self, context: int) -> np.ndarray:
        """Blocks of context + 1 tokens per cluster, each sharing its last token with the next block's first; int64 [k]."""
        return np.maximum(self.num_tokens() - 1, 0) // context

    def blocks(self, cluster: int, indices: np.ndarray, context: int) -> np.ndarray:
        """int64 [len(indices), context + 1]."""
        starts = self.offsets[cluster] + np.asarray(indices, np.int64) * context
        return self.tokens[starts[:, None] + np.arange(context + 1)].astype(np.int64)


def grouped_tokens(work: Path, labels: str) -> tuple[GroupedTokens, GroupedTokens]:
    """(training, held-out) text grouped by `experts` or `importance` clusters, built when it is not there yet."""
    folder = work / "blocks" / labels
    with only_one_process(work / "blocks" / f"{labels}.lock"):
        if not folder.exists():
            with atomic_path(folder) as partial:
                partial.mkdir()
                _build(work, LABEL_COLUMNS[labels], partial)
    return GroupedTokens(folder, "train"), GroupedTokens(folder, "held_out")


def _build(work: Path, column: int, folder: Path) -> None:
    windows_file = work / "clusters" / "windows.npy"
    if not windows_file.exists():
        raise ConfigError(f"{windows_file} is missing: run the cluster stage first.")
    windows = np.load(windows_file)
    store = TokenStore.open(work / "tokens" / "generic")
    document_of_window = np.searchsorted(store.documents, windows[:, 0], side="right") - 1
    held_out = store.document_held_out[document_of_window]
    num_clusters = int(windows[:, column].max()) + 1
    for part, chosen in (("train", ~held_out), ("held_out", held_out)):
        rows = windows[chosen]
        rows = rows[np.argsort(rows[:, column], kind="stable")]
        lengths = np.bincount(rows[:, column], weights=rows[:, 1], minlength=num_clusters).astype(np.int64)
        np.save(folder / f"{part}.offsets.npy", np.concatenate([[0], np.cumsum(lengths)]))
        with open(folder / f"{part}.bin", "wb") as file:
            for start, length in rows[:, :2]:
                file.write(store.tokens[start : start + length].tobytes())
