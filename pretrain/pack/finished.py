"""A finished pack as training and evaluation take it up again: its weights as float32, and what each run's training took."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..config import RunConfig
from ..files import sha256_of
from .errors import PackError
from .layout import SCALE_SUFFIX
from .manifest import MANIFEST_NAME, SAFE_PATH, weight_file
from .runs import read_json
from .safetensors_file import read_safetensors
from .verify import require_settings, verify_pack
from .weights import float_tensor


@dataclass(frozen=True)
class TrainingSoFar:
    """What a run's training took."""

    tokens: int = 0
    flops: float = 0.0
    seconds: float = 0.0
    validation_losses: tuple[tuple[int, float], ...] = ()
    """(training tokens, nats per token), in order."""


@dataclass(frozen=True)
class FinishedPack:
    folder: Path
    name: str
    fingerprint: str
    """SHA-256 of pack.json, which holds that of every other file."""
    records: dict[str, dict[str, Any]]
    """pack.json's provenance.training: a run's name (slm, pn, llm, mix-3) -> runs.TrainedRun.record."""

    def tokenizer(self) -> dict[str, Any]:
        return read_json(self.folder / "tokenizer.json")

    def centroids(self) -> np.ndarray:
        """float32 [k, D]."""
        return np.array(read_safetensors(self.folder / "clusters.safetensors")["centroids"])

    def holds(self, run: str) -> bool:
        """Never for a name that leads out of the pack: the names of `records` are the pack's own."""
        return bool(SAFE_PATH.fullmatch(weight_file(run))) and (self.folder / weight_file(run)).is_file()

    def weights(self, run: str) -> dict[str, np.ndarray]:
        """float32 by name, as training knows them: what half precision or 8 bits left of them."""
        stored = read_safetensors(self.folder / weight_file(run))
        return {name: float_tensor(stored, name) for name in stored if not name.endswith(SCALE_SUFFIX)}

    def training_so_far(self, run: str) -> TrainingSoFar:
        """Raises PackError when the pack does not say."""
        try:
            record = self.records[run]
            losses = tuple((int(tokens), float(loss)) for tokens, loss in record.get("validation_losses", []))
            return TrainingSoFar(int(record["tokens"]), float(record["flops"]), float(record["seconds"]), losses)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise PackError(f"{self.folder / MANIFEST_NAME}: provenance.training does not say what {run}'s training took (tokens, flops, seconds).") from error


def open_finished_pack(folder: Path, config: RunConfig) -> FinishedPack:
    """Reads pack.json only. Raises PackError when it cannot be read or its models are of other sizes than the configuration's."""
    manifest = read_json(folder / MANIFEST_NAME)
    require_settings(folder, config)
    provenance = manifest.get("provenance")
    records = provenance.get("training") if isinstance(provenance, dict) else None
    return FinishedPack(folder, str(manifest.get("name")), sha256_of(folder / MANIFEST_NAME), records if isinstance(records, dict) else {})


def open_verified_pack(folder: Path, config: RunConfig) -> FinishedPack:
    """As open_finished_pack, after checking every byte. Raises PackError."""
    if not (folder / MANIFEST_NAME).is_file():
        raise PackError(f"{folder} holds no {MANIFEST_NAME}, so it is no pack.")
    verify_pack(folder)
    return open_finished_pack(folder, config)
