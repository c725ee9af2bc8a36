"""Our document encoder is one table: a window's embedding is the mean of its tokens' rows, scaled to norm 1. The table comes from latent
semantic analysis (Deerwester et al., 1990): the leading directions of the windows' idf-weighted token counts."""
from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD

from ..corpus.token_store import TokenStore
from .windows import Windows

MIN_WINDOWS_WITH_TOKEN = 5
"""Rarer tokens in the sample say too little about kinds of text."""
POWER_ITERATIONS = 4


def count_tokens(store: TokenStore, windows: Windows, chosen: np.ndarray) -> sparse.csr_matrix:
    """float32 [len(chosen), V]: how often each token occurs in the text of the chosen windows."""
    lengths = windows.text_length[chosen]
    ids = np.concatenate([store.tokens[start : start + length] for start, length in zip(windows.start[chosen], lengths)]).astype(np.int64)
    rows = np.repeat(np.arange(len(chosen)), lengths)
    return sparse.csr_matrix((np.ones(len(ids), np.float32), (rows, ids)), shape=(len(chosen), store.summary["vocab_size"]))


def fit_table(counts: sparse.csr_matrix, size: int, end_of_text: int, seed: int) -> np.ndarray:
    """The table float32 [V, size] fitted to windows' token counts [N, V]. Raises ValueError when there are too few windows or too alike.

    The mean window is subtracted from every row, which subtracts it from every mean of rows: what all text has in common says nothing about
    kinds, and without it fewer clusters are one source. The end-of-text row is zero, so that the id does not turn an embedding.
    """
    num_windows, vocab_size = counts.shape
    if size >= min(num_windows, vocab_size):
        raise ValueError(f"embeddings of {size} numbers need more than {num_windows} windows")
    windows_with_token = np.bincount(counts.indices, minlength=vocab_size)
    idf = np.where(windows_with_token >= MIN_WINDOWS_WITH_TOKEN, np.log((num_windows + 1) / (windows_with_token + 1)), 0)
    shares = _scale_rows(counts, counts.sum(1))
    weighted = (shares @ sparse.diags(idf)).tocsr()
    if not weighted.data.any():
        raise ValueError("the windows do not differ in their tokens")
    # Windows of norm 1, as they are clustered: otherwise a few windows of rare tokens take the leading directions.
    unit = _scale_rows(weighted, np.sqrt(weighted.multiply(weighted).sum(1)))
    directions = TruncatedSVD(size, n_iter=POWER_ITERATIONS, random_state=seed).fit(unit).components_
    table = idf[:, None] * directions.T
    table = table - (shares @ table).mean(0)
    largest = np.abs(table).max()
    if not (np.isfinite(largest) and largest > 0):
        raise ValueError("the windows do not differ in their tokens")
    table = (table / largest).astype(np.float32)
    table[end_of_text] = 0
    return table


def _scale_rows(matrix: sparse.csr_matrix, scale: np.ndarray) -> sparse.csr_matrix:
    """Each row over its scale [N, 1]; rows of scale zero stay."""
    scale = np.asarray(scale, np.float64).ravel()
    return sparse.diags(1 / np.where(scale > 0, scale, 1)) @ matrix
