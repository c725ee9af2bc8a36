"""A domain's text as the studio sees it (src/data/windows.ts): one stream in which the end-of-text token stands before the first document and
after every document. Windows are T tokens and, one place further, their targets; -1 where nothing is to be predicted.

Letters: B sequences in a batch, T tokens in a window."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import numpy as np
import torch
from torch import Tensor

from ..config import FineTuneConfig
from ..corpus.token_store import TokenStore
from ..model.loss import IGNORED_TARGET

FIXED_ORDER_SEED = 20240201
"""Which documents are validation, training or a capped test is the same for every seed, system and machine."""

Batch = tuple[Tensor, Tensor]
"""tokens and targets, int64 [B, T]."""


@dataclass(frozen=True)
class HeldOutText:
    """Whole documents, each followed by the end-of-text token: every one of these tokens is predicted once."""

    tokens: np.ndarray
    """int64 [N]."""
    num_bytes: int
    """UTF-8 bytes of the documents' text; the end-of-text token has none, yet its nats count (as in the studio)."""
    end_of_text: int

    def batches(self, sequences: int, length: int) -> Iterator[Batch]:
        """Non-overlapping windows, `sequences` at a time; the last batch is filled up with ignored targets so that all have one shape."""
        inputs = np.concatenate([[self.end_of_text], self.tokens[:-1]])
        rows = sequences * length
        for start in range(0, len(self.tokens), rows):
            tokens = np.full(rows, self.end_of_text, dtype=np.int64)
            targets = np.full(rows, IGNORED_TARGET, dtype=np.int64)
            part = slice(start, min(start + rows, len(self.tokens)))
            tokens[: part.stop - start] = inputs[part]
            targets[: part.stop - start] = self.tokens[part]
            yield torch.from_numpy(tokens).view(sequences, length), torch.from_numpy(targets).view(sequences, length)


class TrainingWindows:
    """The training documents as endless batches. Per epoch the documents' order and then the windows' order are drawn from (seed, epoch);
    windows do not overlap but for the last, which reaches back so that every token is predicted."""

    def __init__(self, documents: list[np.ndarray], end_of_text: int, length: int, seed: int) -> None:
        """documents: int64 arrays, each with its end-of-text token unless it was cut. Raises ValueError without a single token."""
        if not sum(map(len, documents)):
            raise ValueError("there is no text to train on")
        self._documents, self._end_of_text, self._length, self._seed = documents, end_of_text, length, seed
        self._epoch = 0
        self._windows = self._windows_of(0)

    def next(self, sequences: int) -> Batch:
        """The next windows, tokens and targets [sequences, T]."""
        rows = []
        while len(rows) < sequences:
            row = next(self._windows, None)
            if row is None:
                self._epoch += 1
                self._windows = self._windows_of(self._epoch)
            else:
                rows.append(row)
        both = torch.from_numpy(np.stack(rows))
        return both[:, 0].contiguous(), both[:, 1].contiguous()

    def _windows_of(self, epoch: int) -> Iterator[np.ndarray]:
        """int64 [2, T] each: tokens, targets."""
        random = np.random.default_rng([self._seed, epoch])
        order = random.permutation(len(self._documents))
        stream = np.concatenate([[self._end_of_text], *(self._documents[i] for i in order)]).astype(np.int64)
        missing = self._length + 1 - len(stream)
        if missing > 0:
            stream = np.concatenate([stream, np.full(missing, IGNORED_TARGET)])
        last = len(stream) - 1 - self._length
        for window in random.permutation(-(-(len(stream) - 1) // self._length)):
            start = min(int(window) * self._length, last)
            tokens = np.where(stream[start : start + self._length] < 0, self._end_of_text, stream[start : start + self._length])
            yield np.stack([tokens, stream[start + 1 : start + 1 + self._length]])


@dataclass(frozen=True)
class DomainText:
    """What the owner of a domain has, and the test text that judges."""

    training: list[np.ndarray]
    """Documents with their end-of-text token; the last may be cut, so that training and validation have fine_tune.tokens at most."""
    validation: HeldOutText
    test: HeldOutText

    @property
    def training_tokens(self) -> int:
        return sum(map(len, self.training))


def load_domain_text(token_folder: Path, domain: str, settings: FineTuneConfig) -> DomainText:
    """token_folder: tokens/domains. Raises ConfigError or CorpusError where a file is missing or broken (from TokenStore)."""
    train = TokenStore.open(token_folder / f"{domain}.train")
    training, validation = split_training_documents(train, settings)
    test_store = TokenStore.open(token_folder / f"{domain}.test")
    return DomainText(training, validation, held_out_text(test_store, capped_documents(test_store, settings.test_tokens)))


def split_training_documents(store: TokenStore, settings: FineTuneConfig) -> tuple[list[np.ndarray], HeldOutText]:
    """Validation takes whole documents in a fixed random order, as near to its share of the budget as they allow, and at least one; training takes
    the others in the same order until the budget, validation included, is spent."""
    order = _fixed_order(store.num_documents)
    lengths = np.diff(store.documents)
    budget = min(settings.tokens, int(lengths.sum()))
    wanted = settings.validation_share * budget
    chosen: list[int] = []
    taken = 0
    for index in order:
        if taken + lengths[index] / 2 <= wanted and len(chosen) < len(order) - 1:
            chosen.append(int(index))
            taken += int(lengths[index])
    if not chosen:
        # Every document is longer than the share: the shortest overshoots least.
        chosen = [int(np.argmin(lengths))]
        taken = int(lengths[chosen[0]])
    training = []
    left = budget - taken
    for index in order:
        if left <= 0:
            break
        if int(index) not in chosen:
            training.append(_document(store, int(index))[:left])
            left -= len(training[-1])
    # A single document, or a budget below the validation document: train on the text there is rather than on none.
    return training or [_document(store, int(order[0]))[: settings.tokens]], held_out_text(store, chosen)


def capped_documents(store: TokenStore, most_tokens: int) -> list[int]:
    """All documents (0), or whole documents in the fixed order while they fit into `most_tokens`, at least one; ascending."""
    if not most_tokens:
        return list(range(store.num_documents))
    lengths = np.diff(store.documents)
    chosen: list[int] = []
    left = most_tokens
    for index in _fixed_order(store.num_documents):
        if lengths[index] <= left:
            chosen.append(int(index))
            left -= int(lengths[index])
    return sorted(chosen) or [int(np.argmin(lengths))]


def held_out_text(store: TokenStore, documents: list[int]) -> HeldOutText:
    tokens = np.concatenate([_document(store, index) for index in documents])
    return HeldOutText(tokens, int(np.asarray(store.document_bytes)[documents].sum()), int(store.summary["eos_id"]))


def _fixed_order(count: int) -> np.ndarray:
    return np.random.default_rng(FIXED_ORDER_SEED).permutation(count)


def _document(store: TokenStore, index: int) -> np.ndarray:
    """int64, the end-of-text token included."""
    return np.asarray(store.tokens[store.documents[index] : store.documents[index + 1]], dtype=np.int64)
