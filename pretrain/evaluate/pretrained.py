"""What the train stage left: finished runs, what they cost, and the fingerprint that says whether a figure is still theirs."""
from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..config import ConfigError, RunConfig
from ..files import sha256_of
from ..pack.safetensors_file import read_safetensors
from .experts import FITTED_BETAS, FITTED_LEARNING_RATE, FITTED_STEPS
from .jobs import DISTILLED, IS, LLM, MIX, NOPT, PN, SLM

EVALUATION_VERSION = 1
"""Counted up when the same job would give other figures; older ones then no longer count."""


@dataclass(frozen=True)
class Cost:
    tokens: int = 0
    """Training tokens, with repetition."""
    flops: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.tokens + other.tokens, self.flops + other.flops, self.seconds + other.seconds)


def domain_names(config: RunConfig) -> list[str]:
    """The domains to evaluate, in order. Raises ConfigError when there are none or one is unknown."""
    folder = config.work / "tokens" / "domains"
    known = sorted(path.name.removesuffix(".train") for path in folder.glob("*.train") if path.is_dir())
    if not known:
        raise ConfigError(f"{folder} holds no tokenized domains: set corpus.domains and run the tokenize stage.")
    for domain in config.fine_tune.domains:
        if domain not in known:
            raise ConfigError(f"fine_tune.domains: there is no domain '{domain}' in {folder}; known are {', '.join(known)}.")
    return config.fine_tune.domains or known


def run_names(config: RunConfig, system: str, domain: str) -> list[str]:
    """Folders under runs/ that a system needs for a domain."""
    return {
        SLM: ["slm"], NOPT: [], PN: ["pn"], LLM: ["llm"], IS: [f"is-{domain}"], DISTILLED: ["slm", "llm"],
        MIX: [f"mix-{cluster}" for cluster in range(config.clusters.k)],
    }[system]


def missing_runs(config: RunConfig, system: str, domain: str) -> list[str]:
    """Those of them that are not finished."""
    return [name for name in run_names(config, system, domain) if not _run_file(config, name).exists()]


def read_weights(config: RunConfig, name: str) -> dict[str, Tensor]:
    """float32 tensors of a finished run. Raises PackError for a damaged file."""
    tensors = read_safetensors(config.work / "runs" / name / "final.safetensors")
    return {key: torch.from_numpy(array.copy()) for key, array in tensors.items()}


def pretraining_cost(config: RunConfig, system: str, domain: str) -> Cost:
    """Of all the runs a system needs, as their run.json says."""
    total = Cost()
    for name in run_names(config, system, domain):
        run = json.loads(_run_file(config, name).read_text(encoding="utf-8"))
        total += Cost(int(run["tokens"]), float(run["flops"]), float(run["seconds"]))
    return total


def cluster_histograms(config: RunConfig) -> dict[str, list[float]]:
    """Windows per cluster [k] of every domain's training part. Raises ConfigError when the cluster stage has not run."""
    path = config.work / "clusters" / "domains.json"
    if not path.exists():
        raise ConfigError(f"{path} is missing: run the cluster stage before choosing experts.")
    return {domain: counts["cluster_counts"] for domain, counts in json.loads(path.read_text(encoding="utf-8")).items()}


def weights_hash(config: RunConfig, name: str) -> str:
    path = config.work / "runs" / name / "final.safetensors"
    status = path.stat()
    return _hash_of_file(path, status.st_size, status.st_mtime_ns)


def fingerprint(config: RunConfig, system: str, domain: str) -> str:
    """Everything a job's figures depend on beside its own name: checkpoints, text, settings. 12 hex digits. The runs must be there."""
    fine_tune = {key: value for key, value in dataclasses.asdict(config.fine_tune).items() if key not in ("seeds", "domains")}
    if system != DISTILLED:
        fine_tune = {key: value for key, value in fine_tune.items() if not key.startswith("distillation_")}
    content: dict[str, Any] = {
        "version": EVALUATION_VERSION,
        "fine_tune": fine_tune,
        "optimizer": [config.train.weight_decay, config.train.clip_norm, config.train.beta1, config.train.beta2],
        "shapes": [dataclasses.asdict(config.small), dataclasses.asdict(config.large), config.train.context, config.tokenizer.vocab_size],
        "runs": [weights_hash(config, name) for name in run_names(config, system, domain)],
        "text": text_identity(config, domain),
    }
    if system in (PN, MIX):
        content["histogram"] = cluster_histograms(config).get(domain)
    if system == PN:
        content["fitted"] = [FITTED_STEPS, FITTED_LEARNING_RATE, FITTED_BETAS]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def text_identity(config: RunConfig, domain: str) -> list[str]:
    """Hashes of the domain's token files, training and test."""
    files = [config.work / "tokens" / "domains" / f"{domain}.{part}" / "tokens.bin" for part in ("train", "test")]
    for path in files:
        if not path.exists():
            raise ConfigError(f"{path} is missing: run the tokenize stage.")
    return [_hash_of_file(path, path.stat().st_size, path.stat().st_mtime_ns) for path in files]


@lru_cache(maxsize=None)
def _hash_of_file(path: Path, size: int, modified: int) -> str:
    """Size and time of change are only there so that a file written anew is hashed anew."""
    return sha256_of(path)


def _run_file(config: RunConfig, name: str) -> Path:
    """Written after final.safetensors: its presence says that the run is finished."""
    return config.work / "runs" / name / "run.json"
