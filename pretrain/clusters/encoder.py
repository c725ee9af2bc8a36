"""Document encoders: token ids of a window -> embedding of norm 1, as encoder.onnx computes it in the studio."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from ..config import ConfigError
from ..pack.errors import PackError
from ..pack.onnx_shapes import FLOAT, INT64, DeclaredTensor, read_onnx_interface
from ..progress import Progress
from .onnx_file import INPUT, OUTPUT, read_table

TOKENS_AT_ONCE = 1 << 21
NORM_TOLERANCE = 1e-3


class DocumentEncoder(Protocol):
    size: int
    """Numbers of an embedding, D."""

    def embed(self, tokens: np.ndarray, start: np.ndarray, length: np.ndarray, progress: Progress | None = None) -> np.ndarray:
        """float32 [W, D]: the embedding of tokens[start : start + length] of each of W windows, of norm 1; zeros for a window of length 0
        and for one whose tokens all have zero rows. `start` must not decrease, and windows must not overlap. `progress` advances by
        windows."""


class TableEncoder:
    """The mean of the tokens' rows of a table, scaled to norm 1, in float32 as the runtime of the studio computes it."""

    def __init__(self, table: np.ndarray) -> None:
        """`table`: float32 [V, D]."""
        self._table = torch.from_numpy(np.array(table, np.float32))
        self.size = table.shape[1]

    def embed(self, tokens: np.ndarray, start: np.ndarray, length: np.ndarray, progress: Progress | None = None) -> np.ndarray:
        embeddings = np.zeros((len(start), self.size), np.float32)
        first = 0
        while first < len(start):
            # The windows that begin within TOKENS_AT_ONCE tokens from here; at least this one.
            last = max(first + 1, int(np.searchsorted(start, start[first] + TOKENS_AT_ONCE)))
            embeddings[first:last] = self._embed_some(tokens, start[first:last], length[first:last])
            if progress is not None:
                progress.advance(last - first)
            first = last
        return embeddings

    def _embed_some(self, tokens: np.ndarray, start: np.ndarray, length: np.ndarray) -> np.ndarray:
        end = start + length
        text = np.asarray(tokens[start[0] : end[-1]]).astype(np.int64)
        # Between windows lie end-of-text ids, which do not count.
        opens_and_closes = np.zeros(len(text) + 1, np.int64)
        np.add.at(opens_and_closes, start - start[0], 1)
        np.add.at(opens_and_closes, end - start[0], -1)
        ids = text[np.cumsum(opens_and_closes[:-1]) > 0]
        offsets = np.cumsum(length) - length
        means = torch.nn.functional.embedding_bag(torch.from_numpy(ids), self._table, torch.from_numpy(offsets), mode="mean").numpy()
        norms = np.sqrt((means * means).sum(1, keepdims=True))
        return np.divide(means, norms, out=np.zeros_like(means), where=norms > 0)


class OnnxEncoder:
    """An encoder of the user's own, run by onnxruntime (an optional package) one window at a time."""

    def __init__(self, path: Path, session: Any = None) -> None:
        """`session` stands in for onnxruntime.InferenceSession. Raises ConfigError when the file is no encoder or nothing can run it."""
        self._path = path
        try:
            inputs, outputs = read_onnx_interface(path)
        except (OSError, PackError) as error:
            raise ConfigError(f"clusters.encoder: {path} cannot be read as an ONNX model ({error}).") from error
        if not _is_row(inputs, INPUT, INT64) or not _is_row(outputs, OUTPUT, FLOAT):
            raise ConfigError(
                f"clusters.encoder: {path} must map {INPUT} int64 [1, T] to {OUTPUT} float32 [1, D], "
                f"but it maps {_described(inputs)} to {_described(outputs)}."
            )
        self._session = session or _open_session(path)
        self.size = len(self._run(np.zeros(1, np.int64)))

    def embed(self, tokens: np.ndarray, start: np.ndarray, length: np.ndarray, progress: Progress | None = None) -> np.ndarray:
        embeddings = np.zeros((len(start), self.size), np.float32)
        for index, (first, count) in enumerate(zip(start, length)):
            if count:
                embeddings[index] = self._run(np.asarray(tokens[first : first + count]).astype(np.int64))
            if progress is not None:
                progress.advance(1)
        return embeddings

    def _run(self, ids: np.ndarray) -> np.ndarray:
        """Embedding float32 [D] of ids int64 [T]. Raises ConfigError when the encoder fails or gives something else."""
        try:
            (output,) = self._session.run([OUTPUT], {INPUT: ids[None]})
        except Exception as error:  # onnxruntime raises classes of its own
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
            raise ConfigError(f"clusters.encoder: {self._path} failed on a window of {len(ids)} tokens: {first_line}.") from error
        if output.dtype != np.float32 or output.ndim != 2 or output.shape[0] != 1 or not output.shape[1]:
            found = f"{output.dtype} {list(output.shape)}"
            raise ConfigError(f"clusters.encoder: {self._path} gives {found}, where float32 [1, D] is expected.")
        norm = float(np.linalg.norm(output.astype(np.float64)))
        # Not `abs(...) > tolerance`, which NaN would pass.
        if not abs(norm - 1) <= NORM_TOLERANCE:
            raise ConfigError(
                f"clusters.encoder: {self._path} gives an embedding of norm {norm:.4g}, where 1 is expected; let it normalise its output."
            )
        return output[0]


def _is_row(tensors: list[DeclaredTensor], name: str, element_type: int) -> bool:
    """Whether this is the one tensor, of two dimensions."""
    return len(tensors) == 1 and tensors[0].name == name and tensors[0].element_type == element_type and len(tensors[0].shape) == 2


def _described(tensors: list[DeclaredTensor]) -> str:
    names = {FLOAT: "float32", INT64: "int64"}
    return ", ".join(f"{t.name} {names.get(t.element_type, f'of type {t.element_type}')} {list(t.shape)}" for t in tensors) or "nothing"


def _open_session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError(f"clusters.encoder: running {path} needs the package onnxruntime: pip install onnxruntime.") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ConfigError(f"clusters.encoder: {path} could not be opened: {(str(error).splitlines() or [''])[0]}.") from error


def open_encoder(path: Path) -> DocumentEncoder:
    """The encoder in an ONNX file: ours without any ONNX package, any other through onnxruntime. Raises PackError or ConfigError."""
    table = read_table(path)
    return TableEncoder(table) if table is not None else OnnxEncoder(path)
