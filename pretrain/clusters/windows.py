"""Cuts tokenized documents into the windows that are embedded and clustered: at most `window` tokens, never across documents."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..corpus.token_store import TokenStore


@dataclass(frozen=True)
class Windows:
    """Every token of a store lies in exactly one window; windows are in the order of the tokens.

    A document's text is cut as the studio cuts it: every `window` tokens, the last piece shorter. Its end-of-text id, which the studio
    does not have, belongs to the last piece, or, where that is full, to a window of its own (text_length 0) that takes the cluster of the
    piece before.
    """

    start: np.ndarray
    """int64 [W], offset in the store's tokens."""
    length: np.ndarray
    """int64 [W], 1 to `window`, the end-of-text id included."""
    text_length: np.ndarray
    """int64 [W], tokens that count for the embedding."""
    document: np.ndarray
    """int64 [W], the document's index."""
    source: np.ndarray
    """int64 [W], index into the store's sources."""
    is_training: np.ndarray
    """bool [W], whether the document is not held out for validation."""

    def __len__(self) -> int:
        return len(self.start)


def cut_windows(store: TokenStore, window: int) -> Windows:
    """The windows of all documents of a store."""
    document_start, document_end = store.documents[:-1], store.documents[1:]
    per_document = -(-(document_end - document_start) // window)
    document = np.repeat(np.arange(store.num_documents, dtype=np.int64), per_document)
    first_of_document = np.cumsum(per_document) - per_document
    start = document_start[document] + window * (np.arange(len(document), dtype=np.int64) - first_of_document[document])
    end = np.minimum(start + window, document_end[document])
    text_end = np.minimum(end, document_end[document] - 1)
    source = store.document_source[document].astype(np.int64)
    return Windows(start, end - start, text_end - start, document, source, ~store.document_held_out[document])
