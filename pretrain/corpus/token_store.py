"""Tokenized documents on disk. A folder of them is whole or absent: it is written as `<name>.partial` and renamed when finished.

    tokens.bin             uint16 little-endian [T]: every document's ids, each followed by the end-of-text id
    documents.npy          int64 [D + 1]: where each document starts in tokens.bin; the last entry is T
    document_bytes.npy     int64 [D]: UTF-8 bytes of the text
    document_source.npy    int16 [D]: index into the summary's sources
    document_held_out.npy  bool [D]: kept for validation
    summary.json           totals, totals per source, eos_id, vocab_size, and the recipe: what it was made from
"""
from __future__ import annotations

import json
import os
from array import array
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

import numpy as np

from ..files import atomic_path
from .documents import CorpusError

MAX_SOURCES = np.iinfo(np.int16).max


class TokenStoreWriter:
    """Appends documents to the files of a folder; memory holds 19 bytes a document. Use through `writing_token_store`."""

    def __init__(self, folder: Path, sources: list[str], eos_id: int, vocab_size: int) -> None:
        if len(sources) > MAX_SOURCES:
            raise CorpusError(f"{folder}: {len(sources)} sources, over {MAX_SOURCES}; use sub-folders.")
        folder.mkdir()
        self._folder, self._sources, self._eos_id, self._vocab_size = folder, sources, eos_id, vocab_size
        self._source_index = {name: index for index, name in enumerate(sources)}
        self._starts, self._bytes = array("q", [0]), array("q")
        self._source, self._held_out = array("h"), array("b")
        self._tokens = open(folder / "tokens.bin", "wb", buffering=1 << 20)

    def append(self, ids: np.ndarray, num_bytes: int, source: str, held_out: bool) -> None:
        """Adds one document: `ids` [n] without the end-of-text id, which is added here. Raises ValueError for an id outside the vocabulary."""
        if len(ids) and not (0 <= int(ids.min()) and int(ids.max()) < self._vocab_size):
            raise ValueError(f"token id outside the vocabulary of {self._vocab_size}")
        self._tokens.write(np.append(ids, self._eos_id).astype("<u2").tobytes())
        self._starts.append(self._starts[-1] + len(ids) + 1)
        self._bytes.append(num_bytes)
        self._source.append(self._source_index[source])
        self._held_out.append(held_out)

    def finish(self, recipe: dict[str, Any]) -> None:
        self._tokens.flush()
        os.fsync(self._tokens.fileno())
        self._tokens.close()
        starts, num_bytes = np.array(self._starts, np.int64), np.array(self._bytes, np.int64)
        source = np.array(self._source, np.int16)
        np.save(self._folder / "documents.npy", starts)
        np.save(self._folder / "document_bytes.npy", num_bytes)
        np.save(self._folder / "document_source.npy", source)
        np.save(self._folder / "document_held_out.npy", np.array(self._held_out, bool))
        per_source = []
        for index, name in enumerate(self._sources):
            of_source = source == index
            per_source.append({
                "name": name,
                "documents": int(of_source.sum()),
                "tokens": int(np.diff(starts)[of_source].sum()),
                "bytes": int(num_bytes[of_source].sum()),
            })
        summary = {
            "documents": len(source),
            "tokens": int(starts[-1]),
            "bytes": int(num_bytes.sum()),
            "sources": per_source,
            "eos_id": self._eos_id,
            "vocab_size": self._vocab_size,
            "recipe": recipe,
        }
        (self._folder / "summary.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def close(self) -> None:
        self._tokens.close()


@contextmanager
def writing_token_store(
    folder: Path, sources: list[str], eos_id: int, vocab_size: int, recipe: dict[str, Any]
) -> Iterator[TokenStoreWriter]:
    """A writer whose documents appear at `folder`, all at once, when the block succeeds; nothing appears when it fails."""
    with atomic_path(folder) as partial:
        writer = TokenStoreWriter(partial, sources, eos_id, vocab_size)
        try:
            yield writer
            writer.finish(recipe)
        finally:
            writer.close()


@dataclass(frozen=True)
class TokenStore:
    """A finished folder, read in place: tokens stay on disk until they are touched."""

    tokens: np.ndarray
    """uint16 [T], memory-mapped."""
    documents: np.ndarray
    """int64 [D + 1], token offsets."""
    document_bytes: np.ndarray
    """int64 [D]."""
    document_source: np.ndarray
    """int16 [D]."""
    document_held_out: np.ndarray
    """bool [D]."""
    summary: dict[str, Any]

    @staticmethod
    def open(folder: str | Path) -> TokenStore:
        """Raises CorpusError when the folder is absent or its files do not fit each other."""
        folder = Path(folder)
        try:
            summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
            store = TokenStore(
                np.memmap(folder / "tokens.bin", dtype="<u2", mode="r"),
                np.load(folder / "documents.npy"),
                np.load(folder / "document_bytes.npy"),
                np.load(folder / "document_source.npy"),
                np.load(folder / "document_held_out.npy"),
                summary,
            )
        except (OSError, ValueError) as error:
            raise CorpusError(f"{folder}: no finished tokens here ({error}); run the tokenize stage.") from error
        count = store.num_documents
        per_document = (store.document_bytes, store.document_source, store.document_held_out)
        fit = all(len(values) == count for values in per_document) and summary.get("documents") == count
        if not fit or store.documents[-1] != len(store.tokens):
            raise CorpusError(f"{folder}: its files are of different lengths; remove the folder and run the tokenize stage again.")
        return store

    @property
    def num_documents(self) -> int:
        return len(self.documents) - 1

    @property
    def eos_id(self) -> int:
        return self.summary["eos_id"]

    def document(self, index: int) -> np.ndarray:
        """Ids of one document, its end-of-text id included, as a view."""
        return self.tokens[self.documents[index] : self.documents[index + 1]]
