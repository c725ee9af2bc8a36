"""Perplexity on held-out generic text, from the last validation of every pretraining run."""
from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..config import RunConfig
from .jobs import LLM, MIX, PN, SLM
from .pretrained import missing_runs, run_names
from .results import Record, read_lines


@dataclass(frozen=True)
class GenericFigures:
    system: str
    parameters: int
    """At pretraining, of all the system's models together."""
    tokens: int
    perplexity: float | None
    """Each block through its own cluster's expert, clusters weighted by their share of the held-out text; None where that was not measured."""
    tokens_per_second: float | None


def generic_figures(config: RunConfig) -> list[GenericFigures]:
    """Of the systems pretrained on the whole generic set and finished."""
    return [_figures_of(config, system) for system in (SLM, MIX, PN, LLM) if not missing_runs(config, system, "")]


def _figures_of(config: RunConfig, system: str) -> GenericFigures:
    folders = [config.work / "runs" / name for name in run_names(config, system, "")]
    runs = [json.loads((folder / "run.json").read_text(encoding="utf-8")) for folder in folders]
    seconds = sum(run["seconds"] for run in runs)
    tokens = sum(run["tokens"] for run in runs)
    loss = _mixture_loss(config, folders) if system == MIX else _validation(folders[0]).get("validation_loss")
    perplexity = math.exp(loss) if isinstance(loss, float) and math.isfinite(loss) else None
    return GenericFigures(system, sum(run["parameters"] for run in runs), tokens, perplexity, tokens / seconds if seconds else None)


def _validation(folder: Path) -> Record:
    """The last validation line of metrics.jsonl; empty without one."""
    return next((line for line in reversed(read_lines(folder / "metrics.jsonl")) if "validation_loss" in line), {})


def _mixture_loss(config: RunConfig, folders: list[Path]) -> float | None:
    """Expert i was validated on cluster i's held-out text alone: the mean weighted by the clusters' held-out tokens."""
    offsets = config.work / "blocks" / "experts" / "held_out.offsets.npy"
    if not offsets.exists():
        return None
    blocks = np.maximum(np.diff(np.load(offsets)) - 1, 0) // config.train.context
    losses = []
    for cluster, folder in enumerate(folders[: len(blocks)]):
        by_cluster = _validation(folder).get("validation_loss_by_cluster") or []
        losses.append(by_cluster[cluster] if cluster < len(by_cluster) else None)
    held_out = [(loss, count) for loss, count in zip(losses, blocks) if count]
    if not held_out or any(loss is None for loss, _ in held_out):
        return None
    return float(sum(loss * count for loss, count in held_out) / sum(count for _, count in held_out))
