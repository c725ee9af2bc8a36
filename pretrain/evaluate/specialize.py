"""One job: the start a system has for a domain, its specialization, and its figures on the test text before and after."""
from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from typing import Any, Callable, Iterator

import torch
from torch import Tensor

from ..model.flops import projection_flops
from ..model.initialization import initialize
from ..training.loop import device_name
from .distillation import distillation_loss
from .experts import (
    BEST_FINE_TUNED, BEST_PRETRAINED, FITTED, FITTED_STEPS, MIXTURE, MOST_FREQUENT, fit_vector, lowest_loss, mixture_vector, most_frequent_cluster,
)
from .fine_tune import BatchLoss, FineTuned, fine_tune
from .jobs import DISTILLED, IS, LLM, MIX, NOPT, PN, Job
from .model_host import HeldOutLoss, ModelHost, NotFiniteError, Weights
from .pretrained import Cost, fingerprint, pretraining_cost, read_weights
from .results import Record, Results
from .teachers import kept_teacher, keep_teacher
from .workbench import Workbench

Report = Callable[[str], None]


@dataclass(frozen=True)
class Specialized:
    start: Weights
    tuned: FineTuned
    cost: Cost
    """Of everything paid once the domain is known: choosing, fine-tuning with its validations, the teacher; not the test."""
    notes: dict[str, Any] = dataclasses.field(default_factory=dict)
    """What is worth keeping beside the figures: the expert, its vector, the experts' losses."""


def run_job(bench: Workbench, job: Job, report: Report = lambda note: None) -> Record:
    """The line of config.result_lines. A loss that is not finite makes it a failed one, with the error and without figures."""
    record: Record = {**dataclasses.asdict(job), "fingerprint": fingerprint(bench.config, job.system, job.domain)}
    try:
        figures = _figures_of_most_frequent(bench, job, record["fingerprint"], report) or _figures(bench, job, report)
        return {**record, "status": "ok", **figures}
    except NotFiniteError as error:
        return {**record, "status": "failed", "error": str(error)}


def _figures(bench: Workbench, job: Job, report: Report) -> Record:
    host = bench.large if job.system == LLM else bench.small
    text = bench.text(job.domain)
    specialized = _specialize(bench, job, report)
    before = bench.held_out_loss(host, specialized.start, job.domain, "test")
    host.load(specialized.tuned.weights)
    after = host.held_out_loss(text.test)
    pretraining = pretraining_cost(bench.config, job.system, job.domain)
    # An importance-sampled model is pretrained for one domain: nothing of it is shared.
    generic, paid = (Cost(), specialized.cost + pretraining) if job.system == IS else (pretraining, specialized.cost)
    tuned = specialized.tuned
    return {
        "before": figure(before), "after": figure(after),
        "validation": {"before": tuned.curve[0][1], "best": tuned.best_loss, "best_step": tuned.best_step, "curve": tuned.curve},
        "steps": tuned.steps, "fine_tuning_tokens": tuned.tokens, "training_text_tokens": text.training_tokens,
        "test_tokens": after.tokens, "test_bytes": after.num_bytes,
        "generic": dataclasses.asdict(generic), "specialization": dataclasses.asdict(paid),
        "precision": str(host.training_dtype).removeprefix("torch."), "device": device_name(bench.device),
        "threads": torch.get_num_threads(), "torch": torch.__version__, **specialized.notes,
    }


def _figures_of_most_frequent(bench: Workbench, job: Job, finished_as: str, report: Report) -> Record | None:
    """Where the best pretrained expert is also that of the most frequent cluster and that job is finished: its figures, with this choice's cost on
    top. Fine-tuning would repeat it step by step. None otherwise."""
    if job.strategy != BEST_PRETRAINED:
        return None
    twin = dataclasses.replace(job, strategy=MOST_FREQUENT)
    finished = Results(bench.config).finished().get((twin.key, finished_as))
    if not finished or finished["status"] != "ok":
        return None
    _, notes, choosing = _best_pretrained(bench, job, report)
    if notes["expert"] != finished["expert"]:
        return None
    own = {key: value for key, value in finished.items() if key not in dataclasses.asdict(job)}
    return {**own, **notes, "specialization": dataclasses.asdict(Cost(**finished["specialization"]) + choosing), "figures_of": MOST_FREQUENT}


def figure(held_out: HeldOutLoss) -> dict[str, float]:
    """Nats per token, perplexity, bits per byte. Raises NotFiniteError where the perplexity is beyond floating point."""
    if held_out.loss > math.log(1e300):
        raise NotFiniteError("The perplexity on held-out text is too large for a number.")
    return {"loss": held_out.loss, "perplexity": held_out.perplexity, "bits_per_byte": held_out.bits_per_byte}


def _specialize(bench: Workbench, job: Job, report: Report) -> Specialized:
    if job.system in (PN, MIX):
        return _expert(bench, job, report)
    if job.system == LLM:
        return _large(bench, job.domain, job.seed, report)
    if job.system == DISTILLED:
        return _distilled(bench, job, report)
    if job.system == NOPT:
        initialize(bench.small.model, job.seed)
        start: Weights = bench.small.weights()
    else:
        start = read_weights(bench.config, f"is-{job.domain}" if job.system == IS else "slm")
    return _tuned_from(bench, bench.small, start, job.domain, job.seed, report)


def _tuned_from(
    bench: Workbench, host: ModelHost, start: Weights, domain: str, seed: int, report: Report,
    batch_loss: BatchLoss | None = None, extra_flops_per_token: float = 0.0,
) -> Specialized:
    started = time.perf_counter()
    config, text = bench.config, bench.text(domain)
    host.load(start)
    tuned = fine_tune(host, bench.windows(domain, seed), text.validation, config.fine_tune, config.train, batch_loss, report)
    per_token = bench.training_flops(host.shape)
    validated = tuned.evaluations * len(text.validation.tokens)
    flops = tuned.tokens * (per_token + extra_flops_per_token) + validated * per_token / 3
    return Specialized(start, tuned, Cost(tuned.tokens, flops, time.perf_counter() - started))


def _large(bench: Workbench, domain: str, seed: int, report: Report) -> Specialized:
    """The fine-tuned LLM, kept for SLM-d, whose teacher it is."""
    start = read_weights(bench.config, "llm")
    kept = kept_teacher(bench.config, domain, seed)
    if kept is not None:
        return Specialized(start, *kept)
    specialized = _tuned_from(bench, bench.large, start, domain, seed, report)
    keep_teacher(bench.config, domain, seed, specialized.tuned, specialized.cost)
    return specialized


def _distilled(bench: Workbench, job: Job, report: Report) -> Specialized:
    """The pretrained SLM trained on the domain's text mixed with the fine-tuned LLM's distributions, computed as it goes."""
    teacher = _large(bench, job.domain, job.seed, lambda note: report(f"teacher: {note}"))
    large, small = bench.large, bench.small
    large.load(teacher.tuned.weights)

    def batch_loss(tokens: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            teacher_hidden = large.hidden(tokens)
        targets = targets.flatten().to(small.device)
        heads = small.model.head_weight, large.model.head_weight
        weight, temperature = bench.config.fine_tune.distillation_weight, bench.config.fine_tune.distillation_temperature
        return distillation_loss(small.hidden(tokens), heads[0], targets, teacher_hidden, heads[1], weight, small.training_dtype, temperature)

    teaching = bench.training_flops(large.shape) / 3
    start = read_weights(bench.config, "slm")
    student = _tuned_from(bench, small, start, job.domain, job.seed, report, batch_loss, teaching)
    return dataclasses.replace(student, cost=teacher.cost + student.cost)


def _expert(bench: Workbench, job: Job, report: Report) -> Specialized:
    """A projected network or a hard mixture: choose the start, then fine-tune it."""
    if job.strategy == BEST_FINE_TUNED:
        return _best_fine_tuned(bench, job, report)
    started = time.perf_counter()
    counts = bench.histogram(job.domain)
    if job.strategy == MOST_FREQUENT:
        expert = most_frequent_cluster(counts)
        start, notes, choosing = _expert_weights(bench, job.system, expert), {"expert": expert}, Cost()
    elif job.strategy == BEST_PRETRAINED:
        start, notes, choosing = _best_pretrained(bench, job, report)
    else:
        vector = mixture_vector(bench.network.E, counts)
        notes, choosing = {}, Cost()
        if job.strategy == FITTED:
            fitted = fit_vector(bench.small, bench.network, vector, bench.windows(job.domain, job.seed))
            vector, notes["fitting_curve"] = fitted.vector, fitted.curve
            tokens = FITTED_STEPS * bench.small.sequences * bench.small.length
            projecting = FITTED_STEPS * projection_flops(bench.config.small, bench.config.projected_network)
            choosing = Cost(tokens, tokens * bench.training_flops(bench.config.small) + projecting, time.perf_counter() - started)
        elif job.strategy != MIXTURE:
            raise ValueError(f"{job.system} has no strategy called {job.strategy}")
        notes["vector"] = vector.tolist()
        start = _projection(bench, vector)
    specialized = _tuned_from(bench, bench.small, start, job.domain, job.seed, report)
    return dataclasses.replace(specialized, cost=choosing + specialized.cost, notes=notes)


def _best_pretrained(bench: Workbench, job: Job, report: Report) -> tuple[Weights, dict[str, Any], Cost]:
    """The expert with the lowest validation loss before fine-tuning: k evaluations, counted whether or not they were known already."""
    losses, seconds = [], 0.0
    for expert in range(bench.config.clusters.k):
        held_out = bench.held_out_loss(bench.small, _expert_weights(bench, job.system, expert), job.domain, "validation")
        losses.append(held_out.loss)
        seconds += held_out.seconds
        report(f"expert {expert} of {bench.config.clusters.k}, validation loss {held_out.loss:.4f}")
    expert = lowest_loss(losses)
    tokens = len(losses) * len(bench.text(job.domain).validation.tokens)
    cost = Cost(0, tokens * bench.training_flops(bench.config.small) / 3, seconds)
    return _expert_weights(bench, job.system, expert), {"expert": expert, "expert_losses": losses}, cost


def _best_fine_tuned(bench: Workbench, job: Job, report: Report) -> Specialized:
    """All k fine-tuned, the one with the lowest validation loss kept, all of them paid."""
    best, losses, total = None, [], Cost()
    for expert, start in _all_experts(bench, job.system):
        specialized = _tuned_from(bench, bench.small, start, job.domain, job.seed, lambda note: report(f"expert {expert}: {note}"))
        losses.append(specialized.tuned.best_loss)
        total += specialized.cost
        if lowest_loss(losses) == expert:
            best = specialized
    assert best is not None  # k is above zero
    return dataclasses.replace(best, cost=total, notes={"expert": lowest_loss(losses), "expert_losses": losses})


def _all_experts(bench: Workbench, system: str) -> Iterator[tuple[int, Weights]]:
    for expert in range(bench.config.clusters.k):
        yield expert, _expert_weights(bench, system, expert)


def _expert_weights(bench: Workbench, system: str, expert: int) -> Weights:
    if system == MIX:
        return read_weights(bench.config, f"mix-{expert}")
    return _projection(bench, bench.network.E[expert])


@torch.no_grad()
def _projection(bench: Workbench, vector: Tensor) -> Weights:
    return {name: tensor.clone() for name, tensor in bench.network.project(vector).items()}
