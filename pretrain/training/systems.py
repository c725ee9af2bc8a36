"""The runs that make up a comparison: which model, on which text, for how many tokens. Names are the folders under runs/."""
from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from ..config import ConfigError, ModelShape, RunConfig
from .blocks import GroupedTokens, grouped_tokens


@dataclass(frozen=True)
class TrainingRun:
    name: str
    """slm, pn, mix-3, is-dc_law, llm, nopt."""
    system: str
    shape: ModelShape
    projected: bool
    labels: str
    """Which clustering groups the text: experts or importance."""
    cluster_probabilities: np.ndarray | None
    """What share of the text comes from each cluster [k]; None: as in the corpus."""
    tokens: int
    """0: nothing to train."""


def training_runs(config: RunConfig, systems: list[str]) -> list[TrainingRun]:
    """The runs of these systems, in order. Raises ConfigError when a stage they need has not run."""
    runs: list[TrainingRun] = []
    for system in systems:
        runs += _RUNS_OF[system](config)
    return runs


def _plain(name: str, config: RunConfig, tokens: int, shape: ModelShape | None = None) -> list[TrainingRun]:
    return [TrainingRun(name, name, shape or config.small, False, "experts", None, tokens)]


def _projected(config: RunConfig) -> list[TrainingRun]:
    return [TrainingRun("pn", "pn", config.small, True, "experts", None, config.train.tokens)]


def _mixture(config: RunConfig) -> list[TrainingRun]:
    """Independent models, one per cluster. Together they see as many tokens as the plain model: equal cost, as the paper compares."""
    train, _ = grouped_tokens(config.work, "experts")
    shares = cluster_shares(train)
    one_hot = np.eye(train.num_clusters)
    return [
        TrainingRun(f"mix-{i}", "mix", config.small, False, "experts", one_hot[i], int(config.train.tokens * shares[i]))
        for i in range(train.num_clusters)
    ]


def _importance_sampled(config: RunConfig) -> list[TrainingRun]:
    """One model per domain, on generic text whose histogram over the importance clusters is the domain's: drawing a cluster by the domain's
    histogram and then a block of it evenly is resampling with w(x) = P(c(x) | domain) / P(c(x) | generic)."""
    histograms_file = config.work / "clusters" / "domains.json"
    if not histograms_file.exists():
        raise ConfigError(f"{histograms_file} is missing: importance sampling needs corpus.domains and the cluster stage.")
    histograms = json.loads(histograms_file.read_text())
    runs = []
    for domain in config.train.importance_domains or sorted(histograms):
        if domain not in histograms:
            raise ConfigError(f"train.importance_domains: there is no domain '{domain}' in {histograms_file}; known are {', '.join(histograms)}.")
        counts = np.array(histograms[domain]["importance_counts"], np.float64)
        tokens = config.train.importance_tokens or config.train.tokens
        runs.append(TrainingRun(f"is-{domain}", "is", config.small, False, "importance", counts / counts.sum(), tokens))
    return runs


_RUNS_OF = {
    "slm": lambda config: _plain("slm", config, config.train.tokens),
    "pn": _projected,
    "mix": _mixture,
    "is": _importance_sampled,
    "llm": lambda config: _plain("llm", config, config.train.large_tokens or config.train.tokens, config.large),
    "nopt": lambda config: _plain("nopt", config, 0),
}


def cluster_shares(text: GroupedTokens) -> np.ndarray:
    """Each cluster's share of the tokens, float64 [k]."""
    counts = text.num_tokens().astype(np.float64)
    return counts / counts.sum()
