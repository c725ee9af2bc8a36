"""What the training runs left in the work folder, as the pack and its card need it."""
from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import RunConfig
from .errors import PackError

RECORDED_DETAILS = ("tokens", "flops", "seconds", "tokens_per_second", "parameters", "precision", "threads", "torch", "device", "started_from", "rounding")
"""Of run.json. Its settings are the configuration's, which pack.json has once for all runs. rounding: weights.RoundingError of the tensor that
storing the run in a pack changed most; a run that was restored from one has it already, and weights that are rounded already."""


@dataclass(frozen=True)
class TrainedRun:
    """A finished run: it has its weights and, written after them, run.json."""

    system: str
    """slm, pn, llm, mix-3, ..."""
    weights: Path
    details: dict[str, Any]
    """run.json: tokens, FLOPs, seconds, parameters, ..."""
    validation: list[tuple[int, float]]
    """(training tokens so far, validation loss in nats per token), in order."""
    validation_by_cluster: list[float | None] | None = None
    """At the last validation, where the system was validated cluster by cluster."""

    @property
    def validation_perplexity(self) -> float | None:
        """At the last validation."""
        return math.exp(self.validation[-1][1]) if self.validation else None

    @property
    def record(self) -> dict[str, Any]:
        """What pack.json keeps of the run, so that a pack without its work folder can be gone on from and evaluated."""
        kept = {name: self.details[name] for name in RECORDED_DETAILS if name in self.details}
        by_cluster = {"validation_loss_by_cluster": self.validation_by_cluster} if self.validation_by_cluster else {}
        return {**kept, "validation_losses": [[tokens, loss] for tokens, loss in self.validation], **by_cluster}


def find_run(config: RunConfig, system: str) -> TrainedRun | None:
    """The run of `system`, or None when it has not finished. Raises PackError for files that are not JSON."""
    folder = config.work / "runs" / system
    weights, details = folder / "final.safetensors", folder / "run.json"
    if not (weights.is_file() and details.is_file()):
        return None
    return TrainedRun(system, weights, read_json(details), *_validation_losses(folder / "metrics.jsonl"))


def require_run(config: RunConfig, system: str) -> TrainedRun:
    """Raises PackError when the run has not finished."""
    run = find_run(config, system)
    if run is None:
        folder = config.work / "runs" / system
        raise PackError(f"{folder}: there is no finished run here, and a pack needs {system}; run the train stage for it.")
    return run


def mixture_runs(config: RunConfig) -> dict[int, TrainedRun]:
    """Expert index -> finished run of the hard mixture, in order."""
    folder = config.work / "runs"
    indices = sorted(int(path.name[4:]) for path in folder.glob("mix-*") if re.fullmatch(r"mix-(0|[1-9][0-9]*)", path.name))
    found = {index: find_run(config, f"mix-{index}") for index in indices}
    return {index: run for index, run in found.items() if run is not None and index < config.clusters.k}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object. Raises PackError naming the file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PackError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise PackError(f"{path} is not valid JSON.") from error
    if not isinstance(value, dict):
        raise PackError(f"{path} is not a JSON object.")
    return value


def _validation_losses(metrics: Path) -> tuple[list[tuple[int, float]], list[float | None] | None]:
    """Of metrics.jsonl, where anything was held out to validate on: the losses, and the last one's by cluster. A last line that a kill cut short is
    left out; where steps were repeated, the later line counts."""
    losses: dict[int, float] = {}
    by_cluster: list[float | None] | None = None
    lines = metrics.read_text(encoding="utf-8").splitlines() if metrics.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                break
            raise PackError(f"{metrics}, line {number} is not valid JSON.") from error
        if math.isfinite(entry.get("validation_loss", math.nan)):
            losses[entry["tokens"]] = entry["validation_loss"]
            by_cluster = entry.get("validation_loss_by_cluster")
    return sorted(losses.items()), by_cluster
