"""Figures of the tables: means over seeds and the macro average, from the result lines that still hold."""
from __future__ import annotations

import math
import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import Iterable, Sequence

from ..config import RunConfig
from .jobs import Job
from .pretrained import domain_names, fingerprint, missing_runs
from .results import Record, Results, job_of

Variant = tuple[str, str]
"""System and strategy."""

METRICS = ("perplexity", "bits_per_byte")


@dataclass(frozen=True)
class MeanOverSeeds:
    mean: float
    deviation: float | None
    """Sample standard deviation over seeds; None for one seed."""
    seeds: int


class Summary:
    """Results by variant, domain and seed; `failed` are those that ended without a figure."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records: dict[Variant, dict[str, dict[int, Record]]] = defaultdict(lambda: defaultdict(dict))
        self.failed: list[Record] = []
        for record in records:
            if record["status"] == "ok":
                self.records[record["system"], record["strategy"]][record["domain"]][record["seed"]] = record
            else:
                self.failed.append(record)

    def all(self) -> list[Record]:
        """Every result with figures."""
        return [record for by_domain in self.records.values() for by_seed in by_domain.values() for record in by_seed.values()]

    @property
    def domains(self) -> list[str]:
        return sorted({domain for by_domain in self.records.values() for domain in by_domain})

    def covered(self, variant: Variant) -> frozenset[str]:
        """Domains with at least one result."""
        return frozenset(self.records[variant]) if variant in self.records else frozenset()

    def of(self, variant: Variant, domain: str) -> list[Record]:
        """One record per seed, in the order of seeds."""
        if domain not in self.covered(variant):
            return []
        by_seed = self.records[variant][domain]
        return [by_seed[seed] for seed in sorted(by_seed)]

    def in_domain(self, variant: Variant, domain: str, when: str, metric: str) -> MeanOverSeeds | None:
        """`when`: before or after fine-tuning. A perplexity's mean is exp of the mean loss."""
        return _mean([record[when] for record in self.of(variant, domain)], metric)

    def macro(self, variant: Variant, domains: Sequence[str], when: str, metric: str) -> MeanOverSeeds | None:
        """exp(mean over domains of the mean negative log-likelihood per token), as in the paper; of bits per byte the mean over domains. Over the
        seeds that have a result in every one of the domains; None when there are none."""
        by_domain = [{record["seed"]: record[when] for record in self.of(variant, domain)} for domain in domains]
        if not by_domain:
            return None
        seeds = sorted(set.intersection(*(set(by_seed) for by_seed in by_domain)))
        figures = []
        for seed in seeds:
            loss = statistics.fmean(by_seed[seed]["loss"] for by_seed in by_domain)
            bits = statistics.fmean(by_seed[seed]["bits_per_byte"] for by_seed in by_domain)
            figures.append({"loss": loss, "perplexity": math.exp(loss), "bits_per_byte": bits})
        return _mean(figures, metric)

    def common_domains(self, variants: Sequence[Variant]) -> list[tuple[list[str], list[Variant]]]:
        """What can be averaged over the same domains: for every set of domains some variant has, the variants that have all of it. The largest
        set first; sets that only one variant has are left out."""
        sets = sorted({self.covered(variant) for variant in variants} - {frozenset()}, key=lambda domains: (-len(domains), sorted(domains)))
        comparisons = [(sorted(domains), [variant for variant in variants if domains <= self.covered(variant)]) for domains in sets]
        return [(domains, having) for domains, having in comparisons if len(having) > 1]


def _mean(figures: Sequence[Record], metric: str) -> MeanOverSeeds | None:
    if not figures:
        return None
    values = [figure[metric] for figure in figures]
    mean = math.exp(statistics.fmean(figure["loss"] for figure in figures)) if metric == "perplexity" else statistics.fmean(values)
    return MeanOverSeeds(mean, statistics.stdev(values) if len(values) > 1 else None, len(values))


def current_records(config: RunConfig) -> list[Record]:
    """The results whose checkpoints, texts and settings are the present ones, in the order they were written."""
    known = set(domain_names(config))
    current: dict[tuple[str, str], str | None] = {}
    kept = []
    for (_, found), record in Results(config).finished().items():
        job: Job = job_of(record)
        place = (job.system, job.domain)
        if place not in current:
            runnable = job.domain in known and not missing_runs(config, *place)
            current[place] = fingerprint(config, *place) if runnable else None
        if found == current[place]:
            kept.append(record)
    return kept
