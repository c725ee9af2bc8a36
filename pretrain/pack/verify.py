"""Reads a pack back as the studio would and more: sizes and hashes, names, shapes and dtypes, finite weights, every expert's projection,
tokenizer, encoder and clusters that fit each other, the reservoir's offsets. With the configuration it was made from, also the rounding
error of each tensor."""
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..config import ModelShape, ProjectedNetworkShape, RunConfig
from ..files import sha256_of
from .errors import PackError
from .layout import SCALE_SUFFIX, mlp_prefixes, projected_network_layout, small_model_layout
from .manifest import FORMAT, FORMAT_VERSION, MANIFEST_NAME, REQUIRED_FILES, SAFE_PATH, list_files, run_of
from .onnx_shapes import FLOAT, INT64, read_onnx_interface
from .runs import read_json
from .safetensors_file import TensorSpec, read_safetensors
from .verify_reservoir import verify_reservoir
from .weights import RoundingError, expert_coefficients, float_tensor, read_trained, rounding_errors

MAX_TOKENIZER_BYTES = 128 << 20


@dataclass(frozen=True)
class PackReport:
    """What was found in a pack without a fault."""

    folder: Path
    num_files: int
    num_bytes: int
    largest_projected: float
    """Largest absolute entry of any expert's projected weight."""
    rounding: dict[str, list[RoundingError]] = field(default_factory=dict)
    """Per weight file; only where the float32 weights were at hand."""

    @property
    def summary(self) -> str:
        size = f"{self.num_files} files, {self.num_bytes / 1e6:,.1f} MB"
        return f"{size}, whole and as the manifest says; the experts' weights are finite, {self.largest_projected:.3g} at most"

    def lines(self) -> list[str]:
        """For the terminal: the summary and each tensor's rounding error."""
        lines = [f"{self.folder}: {self.summary}"]
        for file, errors in self.rounding.items():
            lines += [f"{file}: {error.tensor} rounded by at most {error.largest:.2g} ({error.relative:.2g} of its size)" for error in errors]
        return lines


def verify_pack(folder: Path, config: RunConfig | None = None) -> PackReport:
    """Raises PackError, one sentence that names the file and what is wrong with it."""
    folder = Path(folder)
    files = _verify_manifest(folder)
    shape, vocab_size, network, k = _read_config(folder / "config.json")
    if config is not None:
        require_settings(folder, config)
    _verify_tokenizer(folder, vocab_size)
    _verify_clusters(folder, k)
    small = small_model_layout(shape, vocab_size)
    pn_file = folder / "pn.safetensors"
    stored = read_safetensors(pn_file)
    t_bits = 8 if any(name.endswith(SCALE_SUFFIX) for name in stored) else 16
    layouts = {"slm.safetensors": small, "pn.safetensors": projected_network_layout(shape, vocab_size, network, k, t_bits)}
    for name in sorted(files):
        if name.startswith("mix/"):
            layouts[name] = small
    if "llm/model.safetensors" in files:
        large, large_vocab = _read_llama_config(folder / "llm" / "config.json")
        if large_vocab != vocab_size:
            raise PackError(f"{folder / 'llm' / 'config.json'}: vocab_size is {large_vocab}, but that of the small model is {vocab_size}.")
        layouts["llm/model.safetensors"] = small_model_layout(large, vocab_size)
    for name, layout in layouts.items():
        _verify_weights(folder / name, layout)
    if "reservoir.bin" in files:
        verify_reservoir(folder, k, vocab_size)
    largest = _verify_projections(pn_file, stored, shape)
    rounding = _measure_rounding(folder, config, layouts) if config is not None else {}
    return PackReport(folder, len(files) + 1, sum(file.stat().st_size for file in files.values()), largest, rounding)


def _verify_manifest(folder: Path) -> dict[str, Path]:
    """The listed files, each checked against its size and hash."""
    manifest_file = folder / MANIFEST_NAME
    manifest = read_json(manifest_file)
    for key, wanted in (("format", FORMAT), ("format_version", FORMAT_VERSION)):
        if manifest.get(key) != wanted:
            raise PackError(f"{manifest_file}: {key} must be {json.dumps(wanted)}, but it is {json.dumps(manifest.get(key))}.")
    name, listed = manifest.get("name"), manifest.get("files")
    if not (isinstance(name, str) and 0 < len(name) <= 100):
        raise PackError(f"{manifest_file}: name must be a text of at most 100 characters.")
    if not isinstance(listed, dict):
        raise PackError(f"{manifest_file}: files must be an object.")
    absent = next((name for name in REQUIRED_FILES if name not in listed), None)
    if absent is not None:
        raise PackError(f"{manifest_file} does not list {absent}, which every pack needs.")
    present = list_files(folder)
    for path, entry in listed.items():
        _verify_file(folder, path, entry, present)
    stray = next((path for path in present if path not in listed), None)
    if stray is not None:
        raise PackError(f"{folder / stray} is in the folder, but {MANIFEST_NAME} does not list it.")
    return present


def _verify_file(folder: Path, path: str, entry: Any, present: dict[str, Path]) -> None:
    if not SAFE_PATH.fullmatch(path):
        raise PackError(f"{folder / MANIFEST_NAME} lists a file named {path[:80]!r}, which is no plain path inside the pack.")
    if path not in present:
        raise PackError(f"{folder / path} is missing, but {MANIFEST_NAME} lists it.")
    size, digest = (entry.get("bytes"), entry.get("sha256")) if isinstance(entry, dict) else (None, None)
    found = present[path].stat().st_size
    if found != size:
        raise PackError(f"{folder / path} has {found} bytes, but {MANIFEST_NAME} says {size}.")
    if sha256_of(present[path]) != digest:
        raise PackError(f"{folder / path} is damaged: its SHA-256 is not the one in {MANIFEST_NAME}.")


def _read_llama_config(file: Path) -> tuple[ModelShape, int]:
    """(shape, vocab_size)."""
    values = read_json(file)
    numbers = {name: values.get(name) for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")}
    for name, value in numbers.items():
        if type(value) is not int or value < 1:
            raise PackError(f"{file}: {name} must be a whole number above zero, but it is {json.dumps(value)}.")
    # A head of odd size has no rotary pairs; the studio's kernels want multiples of four throughout.
    for name in ("hidden_size", "intermediate_size"):
        if numbers[name] % 4:
            raise PackError(f"{file}: {name} must be a multiple of 4, but it is {numbers[name]}.")
    if numbers["hidden_size"] % (4 * numbers["num_attention_heads"]):
        raise PackError(f"{file}: hidden_size / num_attention_heads must be a multiple of 4.")
    vocab_size = numbers.pop("vocab_size")
    return ModelShape(**numbers, rms_norm_eps=values.get("rms_norm_eps", 1e-5), rope_theta=values.get("rope_theta", 1e4)), vocab_size


def _read_config(file: Path) -> tuple[ModelShape, int, ProjectedNetworkShape, int]:
    """(shape, vocab_size, network, k)."""
    shape, vocab_size = _read_llama_config(file)
    network = read_json(file).get("projected_network")
    sizes = [network.get(name) for name in ("h", "k", "m")] if isinstance(network, dict) else [None]
    if not all(type(size) is int and size > 0 for size in sizes):
        raise PackError(f"{file}: projected_network must hold h, k and m, whole numbers above zero.")
    h, k, m = sizes
    return shape, vocab_size, ProjectedNetworkShape(h, m), k


def require_settings(folder: Path, config: RunConfig) -> None:
    """Raises PackError when the pack's models are of other sizes than the configuration's. Does not look at its files otherwise."""
    shape, vocab_size, network, k = _read_config(folder / "config.json")
    found_and_wanted: dict[str, tuple[Any, Any]] = {
        "small": (shape, config.small),
        "tokenizer.vocab_size": (vocab_size, config.tokenizer.vocab_size),
        "projected_network": (network, config.projected_network),
        "clusters.k": (k, config.clusters.k),
    }
    large_config = folder / "llm" / "config.json"
    if large_config.exists():
        found_and_wanted["large"] = (_read_llama_config(large_config)[0], config.large)
    for name, (found, wanted) in found_and_wanted.items():
        if found != wanted:
            raise PackError(f"{folder / 'config.json'} says {found} where the configuration's {name} is {wanted}.")


def _verify_tokenizer(folder: Path, vocab_size: int) -> None:
    """Every id from 0 to vocab_size - 1 has an entry, and no other id has."""
    file = folder / "tokenizer.json"
    if file.stat().st_size > MAX_TOKENIZER_BYTES:
        raise PackError(f"{file} is too large for a tokenizer.")
    tokenizer = read_json(file)
    read_json(folder / "tokenizer_config.json")
    model = tokenizer.get("model")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    added = tokenizer.get("added_tokens") or []
    if not isinstance(vocab, dict) or not isinstance(added, list) or not all(isinstance(token, dict) for token in added):
        raise PackError(f"{file}: model.vocab or added_tokens is not what a tokenizer has.")
    ids = list(vocab.values())
    if len(set(ids)) != len(ids):
        raise PackError(f"{file}: two entries of model.vocab have the same id.")
    every = set(ids) | {token.get("id") for token in added}
    if every != set(range(vocab_size)):
        raise PackError(f"{file} has {len(every)} token ids, which are not those from 0 to vocab_size - 1 = {vocab_size - 1} of config.json.")


def _verify_clusters(folder: Path, k: int) -> None:
    tensors_file, json_file, encoder_file = folder / "clusters.safetensors", folder / "clusters.json", folder / "encoder.onnx"
    tensors = read_safetensors(tensors_file)
    for name, rank in (("centroids", 2), ("generic_frequency", 1)):
        array = tensors.get(name)
        if array is None or array.dtype != np.float32 or array.ndim != rank or array.shape[0] != k:
            raise PackError(f"{tensors_file}: tensor {name} must be F32 with {k} rows, one for each expert of config.json.")
        if not np.isfinite(array).all():
            raise PackError(f"{tensors_file}: tensor {name} holds a value that is NaN or infinite.")
    frequency = tensors["generic_frequency"]
    if not (frequency.min() >= 0 and frequency.sum() > 0):
        raise PackError(f"{tensors_file}: tensor generic_frequency must hold shares that are not negative and not all zero.")
    clusters = read_json(json_file).get("clusters")
    if not isinstance(clusters, list) or [entry.get("index") if isinstance(entry, dict) else None for entry in clusters] != list(range(k)):
        raise PackError(f"{json_file}: clusters must describe clusters 0 to {k - 1}, in order.")
    dimension = tensors["centroids"].shape[1]
    inputs, outputs = read_onnx_interface(encoder_file)
    if [(tensor.name, tensor.element_type, len(tensor.shape)) for tensor in inputs] != [("input_ids", INT64, 2)]:
        raise PackError(f"{encoder_file}: its input must be input_ids, int64 [1, T].")
    fits = len(outputs) == 1 and outputs[0].name == "embedding" and outputs[0].element_type == FLOAT and len(outputs[0].shape) == 2
    # A dimension without a number is known only when the encoder runs.
    if not fits or outputs[0].shape[1] not in (dimension, *(size for size in outputs[0].shape if isinstance(size, str))):
        raise PackError(f"{encoder_file}: its output must be embedding, float32 [1, {dimension}], as long as the centroids.")


def _verify_weights(file: Path, layout: dict[str, TensorSpec]) -> None:
    stored = read_safetensors(file)
    for name, spec in layout.items():
        if name not in stored:
            raise PackError(f"{file} has no tensor {name}, which config.json asks for.")
        found = TensorSpec(stored[name].shape, _dtype_name(stored[name]))
        if found != spec:
            wanted = f"{spec.dtype} {list(spec.shape)}"
            raise PackError(f"{file}: tensor {name} is {found.dtype} {list(found.shape)}, but config.json asks for {wanted}.")
        if not np.isfinite(stored[name]).all():
            raise PackError(f"{file}: tensor {name} holds a value that is NaN or infinite.")
    unexpected = next((name for name in stored if name not in layout), None)
    if unexpected is not None:
        raise PackError(f"{file} holds a tensor {unexpected[:120]}, which a model of this shape does not have.")


def _dtype_name(array: np.ndarray) -> str:
    return {np.dtype("float16"): "F16", np.dtype("float32"): "F32", np.dtype("int8"): "I8"}.get(array.dtype, str(array.dtype))


def _verify_projections(file: Path, stored: dict[str, np.ndarray], shape: ModelShape) -> float:
    """Projects every expert, as float32. Returns the largest absolute weight."""
    largest = 0.0
    for prefix, _ in mlp_prefixes(shape):
        T = float_tensor(stored, f"{prefix}.T")
        for expert, coefficients in enumerate(_without_warnings(expert_coefficients, stored, prefix)):
            weight = _without_warnings(np.tensordot, coefficients, T, 1)
            if not np.isfinite(weight).all():
                raise PackError(f"{file}: the projection of expert {expert} has a weight in {prefix} that is NaN or infinite.")
            largest = max(largest, float(np.abs(weight).max()))
    return largest


def _without_warnings(compute: Callable[..., np.ndarray], *arguments: Any) -> np.ndarray:
    """What overflows is looked for in the result."""
    with np.errstate(over="ignore", invalid="ignore"):
        return compute(*arguments)


def _measure_rounding(folder: Path, config: RunConfig, layouts: dict[str, dict[str, TensorSpec]]) -> dict[str, list[RoundingError]]:
    rounding = {}
    for name, layout in layouts.items():
        trained = config.work / "runs" / run_of(name) / "final.safetensors"
        if trained.is_file():
            rounding[name] = list(rounding_errors(read_trained(trained, layout), read_safetensors(folder / name)))
    return rounding
