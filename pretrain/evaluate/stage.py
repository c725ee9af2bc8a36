"""The evaluate stage: the paper's comparison on every domain. Finished jobs are kept, so it can be stopped at any moment and started again, in as
many processes as wanted; RESULTS.md is written from what there is."""
from __future__ import annotations

import argparse
import multiprocessing
import os
import threading
from dataclasses import dataclass, field

import torch

from ..config import ConfigError, RunConfig
from ..model.flops import training_flops_per_token
from ..progress import Progress
from ..training.allocator import keep_freed_memory
from .experts import BEST_FINE_TUNED
from .jobs import DEFAULT_STRATEGIES, DISTILLED, LLM, SYSTEMS, Job, named, ordered_jobs
from .pretrained import domain_names, fingerprint, missing_runs
from .results import Record, Results
from .specialize import run_job
from .tables import write_results
from .teachers import discard_teacher
from .workbench import Workbench


@dataclass(frozen=True)
class EvaluateOptions:
    """Empty lists take all; of the strategies all but `best fine-tuned`, which costs k times as much and must be named."""

    systems: list[str] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    strategies: list[str] = field(default_factory=list)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The stage's part of the command line; lists are separated by commas."""
    parser.add_argument("--systems", type=word_list, default=[], help=f"of {', '.join(SYSTEMS)}; default all")
    parser.add_argument("--domains", type=word_list, default=[], help="default: fine_tune.domains, or all")
    parser.add_argument("--seeds", type=number_list, default=[], help="default: fine_tune.seeds")
    strategies = f"ways to choose an expert; default {', '.join(DEFAULT_STRATEGIES)}; also {BEST_FINE_TUNED}"
    parser.add_argument("--strategies", type=word_list, default=[], help=strategies)
    parser.add_argument("--workers", type=int, default=1, help="processes of one thread each; 1: one process with all threads")


def word_list(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def number_list(text: str) -> list[int]:
    return [int(word) for word in word_list(text)]


def options_from(arguments: argparse.Namespace) -> EvaluateOptions:
    return EvaluateOptions(arguments.systems, arguments.domains, arguments.seeds, arguments.strategies)


def run_evaluate(config: RunConfig, workers: int = 1, options: EvaluateOptions = EvaluateOptions()) -> None:
    """Runs what is not done yet and writes RESULTS.md, also when it is interrupted. Raises ConfigError."""
    if workers < 1:
        raise ConfigError(f"--workers must be above zero, found {workers}.")
    jobs = runnable_jobs(config, options)
    try:
        if workers == 1:
            work_through(config, jobs)
        else:
            _in_processes(config, jobs, workers)
    finally:
        write_results(config)


def runnable_jobs(config: RunConfig, options: EvaluateOptions) -> list[Job]:
    """The wanted jobs whose pretraining is finished, in order. Raises ConfigError for names that are not known."""
    known = domain_names(config)
    jobs = ordered_jobs(
        named(options.domains, known, "--domains") or known,
        options.seeds or config.fine_tune.seeds,
        named(options.systems, SYSTEMS, "--systems") or SYSTEMS,
        named(options.strategies, (*DEFAULT_STRATEGIES, BEST_FINE_TUNED), "--strategies") or DEFAULT_STRATEGIES,
    )
    return [job for job in jobs if not missing_runs(config, job.system, job.domain)]


def work_through(config: RunConfig, jobs: list[Job], quiet: bool = False) -> None:
    """Runs the jobs that have no result yet and that no other process is running."""
    results = Results(config)
    # The train stage of the same process may have allowed TF32; figures are float32.
    torch.backends.cuda.matmul.allow_tf32 = False
    bench = Workbench(config, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    keys = {job: (job.key, fingerprint(config, job.system, job.domain)) for job in jobs}

    def planned_done() -> int:
        finished = results.finished()
        return round(sum(planned_gflop(config, job) for job in jobs if keys[job] in finished))

    total = round(sum(planned_gflop(config, job) for job in jobs))
    progress = Progress("evaluate", total, "GFLOP planned", config.work / "logs" / "evaluate.log", done=planned_done(), quiet=quiet)
    for job in jobs:
        with results.claimed(job) as is_mine:
            if not is_mine or keys[job] in results.finished():
                continue
            record = run_job(bench, job, lambda note: progress.advance(0, f"{job.key}: {note}"))
            results.append(record)
        if job.system == DISTILLED:
            discard_teacher(config, job.domain, job.seed)
        progress.say(f"{job.key}: {outcome(record)}")
        progress.advance(planned_done() - progress.done)


def outcome(record: Record) -> str:
    if record["status"] != "ok":
        return str(record["error"])
    return f"perplexity {record['before']['perplexity']:.2f} -> {record['after']['perplexity']:.2f}"


def planned_gflop(config: RunConfig, job: Job) -> float:
    """What a job takes if it does not stop early, for the time left."""
    tokens = config.fine_tune.max_steps * config.fine_tune.batch_sequences * config.train.context
    vocab_size, context = config.tokenizer.vocab_size, config.train.context
    small, large = (training_flops_per_token(shape, vocab_size, context) for shape in (config.small, config.large))
    per_token = large if job.system == LLM else small + large / 3 if job.system == DISTILLED else small
    return tokens * per_token * (config.clusters.k if job.strategy == BEST_FINE_TUNED else 1) / 1e9


def _in_processes(config: RunConfig, jobs: list[Job], workers: int) -> None:
    # A process forked from one that has used threads may hang in them; a spawned one starts clean.
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_worker, args=(config, jobs)) for _ in range(workers)]
    for process in processes:
        process.start()
    try:
        for process in processes:
            process.join()
    except KeyboardInterrupt:
        for process in processes:
            process.terminate()
        raise
    failed = [process.exitcode for process in processes if process.exitcode]
    if failed:
        raise RuntimeError(f"{len(failed)} of {workers} evaluation processes failed (exit code {failed[0]}); their messages are above.")


def end_with_parent() -> None:
    """Ends this process, started by multiprocessing, when the one that started it is gone, however that died: nobody would stop it, and it would
    hold its processor for hours."""

    def wait_for_its_end() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)  # result lines are whole at any moment

    threading.Thread(target=wait_for_its_end, daemon=True).start()


def _worker(config: RunConfig, jobs: list[Job]) -> None:
    end_with_parent()
    torch.set_num_threads(1)
    keep_freed_memory()
    work_through(config, jobs)
