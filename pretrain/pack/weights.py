"""From a training run's float32 tensors to the tensors a pack stores, and back: F16 or 8-bit on disk, float32 in use."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import PackError
from .layout import EXPERT_VECTORS, SCALE_SUFFIX, trained_shapes
from .quantize import dequantize_rows, quantize_rows
from .safetensors_file import TensorSpec, read_safetensors, write_safetensors_streamed


def pack_weights(trained_file: Path, packed_file: Path, layout: dict[str, TensorSpec]) -> None:
    """Writes the run's weights as `layout` says, one tensor in memory at a time. Raises PackError naming file and tensor: one is missing,
    unexpected, of another shape, not float32, not finite, or too large for half precision."""
    trained = read_trained(trained_file, layout)
    packed_file.parent.mkdir(parents=True, exist_ok=True)
    stored = (stored_tensor(trained, name, spec.dtype, f"{trained_file}: tensor {name}") for name, spec in layout.items())
    write_safetensors_streamed(packed_file, layout, stored, metadata={"format": "pt"})


def read_trained(file: Path, layout: dict[str, TensorSpec]) -> dict[str, np.ndarray]:
    """A run's float32 tensors, checked to be those a file of `layout` is made from. Raises PackError."""
    trained = read_safetensors(file)
    expected = trained_shapes(layout)
    for name, shape in expected.items():
        if name not in trained:
            raise PackError(f"{file} has no tensor {name}, which the configuration asks for.")
        found = trained[name]
        if found.shape != shape or found.dtype != np.float32:
            raise PackError(f"{file}: tensor {name} is {found.dtype} {list(found.shape)}, but the configuration asks for float32 {list(shape)}.")
    unexpected = next((name for name in trained if name not in expected), None)
    if unexpected is not None:
        raise PackError(f"{file} holds a tensor {unexpected[:120]}, which a model of this configuration does not have.")
    return trained


def stored_tensor(trained: Mapping[str, np.ndarray], name: str, dtype: str, where: str) -> np.ndarray:
    """What a pack stores under `name`, which may be the scale of an 8-bit tensor."""
    values = trained[name.removesuffix(SCALE_SUFFIX)]
    if not np.isfinite(values).all():
        raise PackError(f"{where} holds a value that is NaN or infinite.")
    if name.endswith(SCALE_SUFFIX):
        return quantize_rows(values)[1]
    if dtype == "I8":
        return quantize_rows(values)[0]
    if dtype == "F16":
        return to_half(values, where)
    return values


def to_half(values: np.ndarray, where: str) -> np.ndarray:
    """float32 -> float16, rounded to nearest. Raises PackError when a value would become infinite."""
    with np.errstate(over="ignore"):
        halves = values.astype(np.float16)
    if not np.isfinite(halves).all():
        raise PackError(f"{where} holds {np.abs(values).max():.6g}, too large for half precision (at most 65504).")
    return halves


def float_tensor(stored: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """A stored tensor as float32, 8-bit ones through their scale."""
    values = stored[name]
    return dequantize_rows(values, stored[name + SCALE_SUFFIX]) if values.dtype == np.int8 else values.astype(np.float32)


@dataclass(frozen=True)
class RoundingError:
    """What storing a tensor in fewer bits changed."""

    tensor: str
    largest: float
    """Largest absolute change of an entry."""
    relative: float
    """Root mean square of the change over that of the tensor."""


def rounding_errors(trained: Mapping[str, np.ndarray], stored: Mapping[str, np.ndarray]) -> Iterator[RoundingError]:
    """One for each trained tensor, in the stored order."""
    for name in stored:
        if name in trained:
            change = float_tensor(stored, name).astype(np.float64) - trained[name]
            size = float(np.sqrt(np.mean(np.square(trained[name], dtype=np.float64))))
            changed = float(np.sqrt(np.mean(np.square(change))))
            yield RoundingError(name, float(np.abs(change).max()), changed / size if size > 0 else changed)


def expert_coefficients(stored: Mapping[str, np.ndarray], prefix: str) -> np.ndarray:
    """[k, h]: every expert's coefficients E M of the MLP matrix `prefix`."""
    return stored[EXPERT_VECTORS].astype(np.float32) @ stored[f"{prefix}.M"].astype(np.float32)
