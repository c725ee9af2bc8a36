"""Safetensors files (https://huggingface.co/docs/safetensors/index#format): an 8-byte little-endian header length, a JSON header, then the
tensors' bytes. Small enough to need no package. Reading trusts no number in the file that was not bounded first."""
from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import PackError

NUMPY_DTYPES = {
    "F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"), "I32": np.dtype("<i4"), "I16": np.dtype("<i2"), "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"), "U32": np.dtype("<u4"), "U16": np.dtype("<u2"), "U8": np.dtype("u1"), "BOOL": np.dtype("bool"),
}
"""Every dtype of the format that numpy has (bfloat16 is missing)."""

DTYPE_NAMES = {dtype: name for name, dtype in NUMPY_DTYPES.items()}

LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100_000_000
"""The format's own limit."""
MAX_RANK = 8
METADATA_KEY = "__metadata__"


@dataclass(frozen=True)
class TensorSpec:
    shape: tuple[int, ...]
    dtype: str
    """A key of NUMPY_DTYPES."""

    @property
    def num_bytes(self) -> int:
        return math.prod(self.shape) * NUMPY_DTYPES[self.dtype].itemsize


def write_safetensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Raises KeyError for a dtype that the format or numpy does not have."""
    layout = {name: TensorSpec(array.shape, DTYPE_NAMES[array.dtype]) for name, array in tensors.items()}
    write_safetensors_streamed(path, layout, tensors.values())


def write_safetensors_streamed(
    path: Path, layout: Mapping[str, TensorSpec], arrays: Iterable[np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """As write_safetensors, with `arrays` made one at a time, in the layout's order. Raises ValueError for an array that does not fit it."""
    header: dict[str, Any] = {METADATA_KEY: dict(metadata)} if metadata else {}
    offset = 0
    for name, spec in layout.items():
        header[name] = {"dtype": spec.dtype, "shape": list(spec.shape), "data_offsets": [offset, offset + spec.num_bytes]}
        offset += spec.num_bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    # Spaces up to a multiple of eight keep the tensors aligned, so that a reader can view them in place.
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for (name, spec), array in zip(layout.items(), arrays, strict=True):
            if array.shape != spec.shape or array.dtype != NUMPY_DTYPES[spec.dtype]:
                raise ValueError(f"{name} is {array.dtype} {array.shape}, not {spec.dtype} {spec.shape}")
            file.write(np.ascontiguousarray(array, NUMPY_DTYPES[spec.dtype]).tobytes())


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The file's tensors as read-only views of the file (read when touched), in the order of their bytes.
    Raises PackError, one sentence that names the file and, where there is one, the tensor."""
    file_bytes = path.stat().st_size if path.is_file() else -1
    if file_bytes < 0:
        raise PackError(f"{path} is missing.")
    with path.open("rb") as file:
        text = _header_text(file.read(LENGTH_BYTES), file_bytes, path, file)
    data_start = LENGTH_BYTES + len(text)
    placed = _placed_tensors(_parse_header(text, path), file_bytes - data_start, path)
    data = np.memmap(path, dtype=np.uint8, mode="r")
    return {name: _view(data, spec, data_start + begin, f"{path}: tensor {name}") for name, spec, begin in placed}


def _header_text(length_bytes: bytes, file_bytes: int, path: Path, file: Any) -> bytes:
    if len(length_bytes) < LENGTH_BYTES:
        raise PackError(f"{path} has only {file_bytes} bytes, too few for a safetensors file.")
    (length,) = struct.unpack("<Q", length_bytes)
    if length > min(file_bytes - LENGTH_BYTES, MAX_HEADER_BYTES):
        raise PackError(f"{path} has {file_bytes} bytes but declares a header of {length} bytes: it is damaged or no safetensors file.")
    return file.read(length)


def _parse_header(text: bytes, path: Path) -> dict[str, Any]:
    def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            raise PackError(f"{path} has a header that names something twice.")
        return dict(pairs)

    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=without_duplicates)
    except (ValueError, RecursionError) as error:
        raise PackError(f"{path} has a header that is not valid JSON.") from error
    if not isinstance(header, dict):
        raise PackError(f"{path} has a header that is not a JSON object.")
    header.pop(METADATA_KEY, None)
    return header


def _placed_tensors(header: dict[str, Any], data_bytes: int, path: Path) -> list[tuple[str, TensorSpec, int]]:
    """(name, spec, first byte of the data) of every tensor, checked to lie one after the other without gap or overlap to the file's end."""
    entries = [(name, *_checked_entry(entry, f"{path}: tensor {name[:120]}")) for name, entry in header.items()]
    position, placed = 0, []
    for name, begin, end, spec in sorted(entries, key=lambda entry: entry[1:3]):
        where = f"{path}: tensor {name[:120]}"
        if begin != position:
            raise PackError(f"{where} begins at byte {begin} of the data, where {position} was expected.")
        if end > data_bytes:
            raise PackError(f"{where} ends at byte {end} of the data, but the file has only {data_bytes}.")
        placed.append((name, spec, begin))
        position = end
    if position != data_bytes:
        raise PackError(f"{path} has {data_bytes - position} bytes after its last tensor.")
    return placed


def _checked_entry(entry: Any, where: str) -> tuple[int, int, TensorSpec]:
    if not isinstance(entry, dict):
        raise PackError(f"{where} is not described by a JSON object.")
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in NUMPY_DTYPES:
        raise PackError(f"{where} has the unknown dtype {str(dtype)[:20]!r}.")
    if not _are_sizes(shape) or len(shape) > MAX_RANK:
        raise PackError(f"{where} has an impossible shape.")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[1] < offsets[0]:
        raise PackError(f"{where} has impossible data_offsets.")
    spec = TensorSpec(tuple(shape), dtype)
    if offsets[1] - offsets[0] != spec.num_bytes:
        raise PackError(f"{where} takes {offsets[1] - offsets[0]} bytes, but its shape {shape} in {dtype} needs {spec.num_bytes}.")
    return offsets[0], offsets[1], spec


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(size) is int and 0 <= size < 2**63 for size in value)


def _view(data: np.ndarray, spec: TensorSpec, byte_offset: int, where: str) -> np.ndarray:
    try:
        return np.ndarray(spec.shape, NUMPY_DTYPES[spec.dtype], buffer=data, offset=byte_offset)
    except (ValueError, TypeError) as error:
        # An empty tensor can claim sizes that numpy cannot count.
        raise PackError(f"{where} has an impossible shape.") from error
