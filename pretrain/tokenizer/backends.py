"""What learns merges and encodes text: Hugging Face's Rust library, by its Python package where that is installed and else by its
npm package. Both learn the same merges from the same text and give the same ids."""
from __future__ import annotations

import importlib.util
import json
from typing import Any, Iterable, Protocol

import numpy as np

from .tokenizer_files import END_OF_TEXT, for_encoding


class Encoder(Protocol):
    def encode(self, texts: list[str]) -> list[np.ndarray]:
        """Ids of each text, uint16 [n], without special tokens: text that spells one is encoded as text."""

    def close(self) -> None:
        """Frees what the encoder holds outside this process's memory."""


class TokenizerBackend(Protocol):
    name: str

    def learn_merges(self, texts: Iterable[str], vocab_size: int) -> list[list[str]]:
        """Merges of a byte-level BPE, the most frequent first: enough to fill `vocab_size` entries where the text has as many."""

    def encoder(self, tokenizer: dict[str, Any]) -> Encoder:
        """An encoder for a parsed tokenizer.json."""


class PythonBackend:
    """The `tokenizers` package from PyPI."""

    name = "python"

    def learn_merges(self, texts: Iterable[str], vocab_size: int) -> list[list[str]]:
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size, special_tokens=[END_OF_TEXT], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
        )
        tokenizer.train_from_iterator(texts, trainer)
        merges = json.loads(tokenizer.to_str())["model"]["merges"]
        # Older versions write a merge as "left right".
        return [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]

    def encoder(self, tokenizer: dict[str, Any]) -> Encoder:
        return _PythonEncoder(for_encoding(tokenizer))


class _PythonEncoder:
    def __init__(self, json_text: str) -> None:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(json_text)
        # The fast one leaves out character offsets, which nobody here wants; older versions lack it.
        self._encode = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)

    def encode(self, texts: list[str]) -> list[np.ndarray]:
        return [np.array(encoding.ids, dtype=np.uint16) for encoding in self._encode(texts, add_special_tokens=False)]

    def close(self) -> None:
        pass


def choose_backend() -> TokenizerBackend:
    """The Python package when it is installed, else the npm one. Raises ConfigError when there is neither."""
    if importlib.util.find_spec("tokenizers") is not None:
        return PythonBackend()
    from .node_backend import NodeBackend

    return NodeBackend()
