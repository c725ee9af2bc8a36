"""The paper's tables in Markdown, from what was measured; what was not is an en dash. RESULTS.md has one section per configuration."""
from __future__ import annotations

import math
import statistics
from typing import Callable, Sequence

from ..config import RunConfig
from ..files import write_atomically
from .experts import FITTED, MOST_FREQUENT
from .generic import generic_figures
from .jobs import DEFAULT_STRATEGIES, DISTILLED, IS, LLM, MIX, NOPT, PN, SLM, STRATEGIES, SYSTEMS, ordered_jobs
from .pretrained import cluster_histograms, domain_names, missing_runs
from .results import Record, job_of
from .summary import MeanOverSeeds, Summary, Variant, current_records

HEADING = "# Results\n\nWritten by `python -m pretrain evaluate CONFIG`; do not edit.\n"
MISSING = "–"
BASELINE: Variant = (SLM, "")
MAIN: tuple[Variant, ...] = (
    BASELINE, (NOPT, ""), (MIX, MOST_FREQUENT), (PN, MOST_FREQUENT), (PN, FITTED), (IS, ""), (DISTILLED, ""), (LLM, ""),
)
EXPERT_CHOICES: tuple[Variant, ...] = tuple((system, strategy) for system in (PN, MIX) for strategy in STRATEGIES[system])
DECIMALS = {"perplexity": 2, "bits_per_byte": 3}


def write_results(config: RunConfig) -> None:
    """Replaces this configuration's section of the file and leaves the others."""
    begin, end = f"<!-- begin {config.name} -->", f"<!-- end {config.name} -->"
    section = f"{begin}\n{markdown_tables(config)}{end}\n"
    path = config.results
    text = path.read_text(encoding="utf-8") if path.exists() else HEADING
    if begin in text and end in text:
        before, rest = text.split(begin, 1)
        text = before + section + rest.split(end, 1)[1].lstrip("\n")
    else:
        text = f"{text.rstrip()}\n\n{section}"
    write_atomically(path, text.encode())


def markdown_tables(config: RunConfig) -> str:
    """All tables of a configuration. Raises ConfigError when the domains are not tokenized."""
    summary = Summary(current_records(config))
    parts = [f"## {config.name}", _setting(config, summary), *_left_out(config), *_failures(summary), *generic_table(config)]
    if summary.domains:
        parts += ["### Macro average", *macro_tables(summary, MAIN), *_domain_tables(summary), *_expert_tables(summary)]
        parts += cost_table(summary) + _text_table(config, summary)
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """First column to the left, figures to the right."""
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def label(variant: Variant) -> str:
    """Without the default strategy."""
    system, strategy = variant
    return system if strategy in ("", MOST_FREQUENT) else f"{system}, {strategy}"


def full_label(variant: Variant) -> str:
    return ", ".join(word for word in variant if word)


def cell(figure: MeanOverSeeds | None, metric: str, usual_seeds: int) -> str:
    """`18.20 ± 0.05`, or `18.20 (1)` where there are fewer seeds than usual."""
    if figure is None:
        return MISSING
    places = DECIMALS[metric]
    text = f"{figure.mean:,.{places}f}"
    if figure.deviation:
        text += f" ± {figure.deviation:,.{places}f}"
    return text if figure.seeds == usual_seeds else f"{text} ({figure.seeds})"


def macro_tables(summary: Summary, variants: Sequence[Variant], name: Callable[[Variant], str] = label) -> list[str]:
    """One table per set of domains that several variants have all of."""
    parts = []
    for domains, having in summary.common_domains(variants):
        parts.append(f"Over {len(domains)} {'domain' if len(domains) == 1 else 'domains'}: {', '.join(domains)}.")
        most = _most_seeds(summary)
        baseline = summary.macro(BASELINE, domains, "after", "perplexity")
        rows = []
        for variant in having:
            figures = [summary.macro(variant, domains, when, metric) for metric in DECIMALS for when in ("before", "after")]
            after = figures[1]
            change = f"{100 * (after.mean / baseline.mean - 1):+.1f}%" if after and baseline and variant != BASELINE else MISSING
            texts = [cell(figure, metric, most) for figure, metric in zip(figures, [metric for metric in DECIMALS for _ in range(2)])]
            rows.append([name(variant), *texts[:2], change, *texts[2:]])
        parts.append(table(["system", "perplexity before", "after", "after, against SLM", "bits per byte before", "after"], rows))
    return parts or ["No two systems have results on the same domains yet."]


def domain_table(summary: Summary, variants: Sequence[Variant], when: str, metric: str, name: Callable[[Variant], str] = label) -> str:
    rows = [
        [domain, *(cell(summary.in_domain(variant, domain, when, metric), metric, _most_seeds(summary)) for variant in variants)]
        for domain in summary.domains
    ]
    return table(["domain", *map(name, variants)], rows)


def cost_table(summary: Summary) -> list[str]:
    rows = []
    for variant in (*MAIN, *(choice for choice in EXPERT_CHOICES if choice not in MAIN)):
        records = [record for domain in summary.domains for record in summary.of(variant, domain)]
        if not records:
            rows.append([label(variant), *[MISSING] * 6])
            continue
        generic, specialization = ([record[part] for record in records] for part in ("generic", "specialization"))
        rows.append([label(variant), *_cost_cells(generic), *_cost_cells(specialization)])
    note = (
        "Generic: pretraining that all domains share; SLM-d's is its own and the teacher's. Specialization: the mean over domains and seeds of "
        "all that is paid once the domain is known: choosing the expert, fine-tuning with its validations until it stopped, SLM-d's teacher, "
        "SLM-is's pretraining; tests are not counted. Seconds are those of the machine, threads and other load each job had."
    )
    header = ["system", "generic: tokens", "TFLOP", "seconds", "specialization: tokens", "TFLOP", "seconds"]
    return ["### Cost", note, table(header, rows)]


def generic_table(config: RunConfig) -> list[str]:
    rows = [
        [
            figures.system, f"{figures.parameters:,}", f"{figures.tokens:,}",
            MISSING if figures.perplexity is None else f"{figures.perplexity:.2f}",
            MISSING if figures.tokens_per_second is None else f"{figures.tokens_per_second:,.0f}",
        ]
        for figures in generic_figures(config)
    ]
    if not rows:
        return []
    note = "Perplexity on held-out generic documents at the end of pretraining; mixture and projected network: every window through its own cluster's expert."
    header = ["system", "parameters at pretraining", "training tokens", "perplexity", "tokens/s in training"]
    return ["### Generic text", note, table(header, rows)]


def _cost_cells(costs: Sequence[Record]) -> list[str]:
    means = {key: statistics.fmean(cost[key] for cost in costs) for key in ("tokens", "flops", "seconds")}
    return [f"{means['tokens']:,.0f}", _significant(means["flops"] / 1e12), f"{means['seconds']:,.0f}"]


def _significant(value: float) -> str:
    """Three digits, no exponent."""
    if value == 0:
        return "0"
    return f"{value:,.{max(0, 2 - math.floor(math.log10(value)))}f}"


def _most_seeds(summary: Summary) -> int:
    return max((len(by_seed) for by_domain in summary.records.values() for by_seed in by_domain.values()), default=0)


def _setting(config: RunConfig, summary: Summary) -> str:
    fine_tune = config.fine_tune
    seeds = _most_seeds(summary)
    text = (
        f"Fine-tuning: at most {fine_tune.tokens:,} tokens of each domain, {100 * fine_tune.validation_share:g}% of them for validation; "
        f"AdamW, rate {fine_tune.learning_rate:g} ({fine_tune.schedule}, warm-up steps: {fine_tune.warmup_steps}), {fine_tune.batch_sequences} "
        f"sequences of {config.train.context} tokens a step, at most {fine_tune.max_steps} steps, validated every "
        f"{fine_tune.evaluate_every_steps} (patience {fine_tune.patience}), the best weights tested. Every token of the test documents and each "
        "document's end is predicted once; bits per byte are over the documents' UTF-8 bytes. Expert by the most frequent cluster of the "
        "domain's training part unless said otherwise."
    )
    if seeds:
        over = f"{seeds} {'seed' if seeds == 1 else 'seeds'}"
        text += f" Mean ± standard deviation over {over} of fine-tuning (fewer: in brackets); pretraining has one seed."
        machines = sorted({f"{record['precision']} on {record['device']} with PyTorch {record['torch']}" for record in summary.all()})
        text += f" Fine-tuned in {'; '.join(machines)}; losses are measured in float32."
    return text


def _left_out(config: RunConfig) -> list[str]:
    """What is missing from the tables, and why."""
    sentences, missing_of = [], {}
    domains = domain_names(config)
    for system in SYSTEMS:
        without = [domain for domain in domains if missing_runs(config, system, domain)]
        if without:
            runs = sorted({name for domain in without for name in missing_runs(config, system, domain)})
            named = ", ".join(runs[:3]) + (f" and {len(runs) - 3} more" if len(runs) > 3 else "")
            where = "" if len(without) == len(domains) else f" for {', '.join(without)}"
            sentences.append(f"- {system} is left out{where}: not pretrained ({named}).")
            missing_of[system] = set(without)
    jobs = ordered_jobs(domains, config.fine_tune.seeds, SYSTEMS, DEFAULT_STRATEGIES)
    runnable = {job.key for job in jobs if job.domain not in missing_of.get(job.system, ())}
    done = {job_of(record).key for record in current_records(config)}
    if runnable - done:
        sentences.append(f"- {len(runnable - done)} of {len(runnable)} jobs are not run yet.")
    return ["\n".join(sentences)] if sentences else []


def _failures(summary: Summary) -> list[str]:
    lines = [
        f"- {label((record['system'], record['strategy']))} on {record['domain']}, seed {record['seed']}, has no figure: {record['error']}"
        for record in summary.failed
    ]
    return ["\n".join(lines)] if lines else []


def _domain_tables(summary: Summary) -> list[str]:
    parts = []
    for metric, name in (("perplexity", "Perplexity"), ("bits_per_byte", "Bits per byte")):
        for when in ("before", "after"):
            parts += [f"### {name} {when} fine-tuning", domain_table(summary, MAIN, when, metric)]
    return parts


def _expert_tables(summary: Summary) -> list[str]:
    variants = [variant for variant in EXPERT_CHOICES if summary.covered(variant)]
    if not variants:
        return []
    parts = ["### Choosing the expert", *macro_tables(summary, [BASELINE, *variants], full_label)]
    for when in ("before", "after"):
        parts += [f"Perplexity {when} fine-tuning:", domain_table(summary, variants, when, "perplexity", full_label)]
    return parts


def _text_table(config: RunConfig, summary: Summary) -> list[str]:
    """How much text there is, and over how many clusters the domain spreads: the paper sees spread domains gain least from one expert."""
    histograms = cluster_histograms(config) if (config.work / "clusters" / "domains.json").exists() else {}
    rows = []
    for domain in summary.domains:
        record = next(records[0] for variant in summary.records if (records := summary.of(variant, domain)))
        spread = f"{effective_clusters(histograms[domain]):.1f}" if domain in histograms else MISSING
        rows.append([domain, f"{record['training_text_tokens']:,}", f"{record['test_tokens']:,}", f"{record['test_bytes']:,}", spread])
    note = f"Effective clusters: exp of the entropy of the domain's histogram over the {config.clusters.k} clusters."
    return ["### Domains", note, table(["domain", "training tokens", "test tokens", "test bytes", "effective clusters"], rows)]


def effective_clusters(counts: Sequence[float]) -> float:
    total = sum(counts)
    return math.exp(-sum(count / total * math.log(count / total) for count in counts if count > 0))
