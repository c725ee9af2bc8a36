"""The evaluate stage on tiny finished runs: every system, resume, failures, concurrent processes."""
from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
import time

import pytest
import torch

from ..config import ConfigError
from ..evaluate import specialize, stage
from ..evaluate.experts import BEST_FINE_TUNED, BEST_PRETRAINED, FITTED, MIXTURE, MOST_FREQUENT
from ..evaluate.jobs import DISTILLED, IS, LLM, MIX, NOPT, PN, SLM, SYSTEMS, Job, named, ordered_jobs
from ..evaluate.pretrained import fingerprint, pretraining_cost
from ..evaluate.results import Results, append_line, read_lines
from ..evaluate.specialize import run_job
from ..evaluate.stage import EvaluateOptions, run_evaluate, runnable_jobs, work_through
from ..evaluate.summary import current_records
from ..evaluate.workbench import Workbench
from ..model.flops import projection_flops, training_flops_per_token
from .evaluate_fixture import DOMAINS, NUM_CLUSTERS, VOCAB_SIZE, tiny_work, with_fine_tuning, write_run

CPU = torch.device("cpu")


def records_of(config):
    return read_lines(config.result_lines)


def test_jobs_come_seed_by_seed_with_the_papers_question_first():
    jobs = ordered_jobs(["a", "b"], [1, 2], SYSTEMS, [MOST_FREQUENT, FITTED])
    start = [(job.system, job.strategy, job.domain) for job in jobs[:7]]
    assert start == [(SLM, "", "a"), (SLM, "", "b"), (PN, MOST_FREQUENT, "a"), (PN, MOST_FREQUENT, "b"), (PN, FITTED, "a"), (PN, FITTED, "b"), (NOPT, "", "a")]
    assert [job.system for job in jobs[6:16:2]] == [NOPT, MIX, LLM, IS, DISTILLED]
    assert [job.seed for job in jobs] == [1] * 16 + [2] * 16
    assert len({job.key for job in jobs}) == len(jobs)


def test_names_on_the_command_line_are_forgiving_about_case_and_hyphens():
    assert named(["slm-PN", "llm"], SYSTEMS, "--systems") == [PN, LLM]
    assert named(["best-fine-tuned"], [BEST_FINE_TUNED], "--strategies") == [BEST_FINE_TUNED]
    with pytest.raises(ConfigError, match="--systems: there is no 'GPT'"):
        named(["GPT"], SYSTEMS, "--systems")


def test_every_system_and_strategy_ends_with_figures_and_resume_runs_nothing(tmp_path, monkeypatch):
    config = tiny_work(tmp_path, seeds=[1])
    everything = EvaluateOptions(strategies=[MOST_FREQUENT, BEST_PRETRAINED, BEST_FINE_TUNED, MIXTURE, FITTED])
    run_evaluate(config, options=everything)
    records = records_of(config)
    variants = [(SLM, ""), (NOPT, ""), (LLM, ""), (DISTILLED, "")]
    variants += [(PN, strategy) for strategy in (MOST_FREQUENT, BEST_PRETRAINED, BEST_FINE_TUNED, MIXTURE, FITTED)]
    variants += [(MIX, strategy) for strategy in (MOST_FREQUENT, BEST_PRETRAINED, BEST_FINE_TUNED)]
    expected = {(domain, *variant) for variant in variants for domain in DOMAINS} | {("law", IS, "")}  # is-songs was not pretrained
    assert {(r["domain"], r["system"], r["strategy"]) for r in records} == expected and len(records) == len(expected)
    for record in records:
        assert record["status"] == "ok"
        for when in ("before", "after"):
            figure = record[when]
            assert math.isfinite(figure["loss"]) and figure["perplexity"] == pytest.approx(math.exp(figure["loss"]))
            assert figure["bits_per_byte"] == pytest.approx(figure["loss"] * record["test_tokens"] / math.log(2) / record["test_bytes"])
        assert record["after"]["loss"] < record["before"]["loss"], "four steps on these texts help every random model"
    assert "### Choosing the expert" in (tmp_path / "RESULTS.md").read_text()
    assert not list((tmp_path / "evaluation" / "teachers").iterdir()), "teachers go when their students are done"

    monkeypatch.setattr(stage, "run_job", lambda *arguments: pytest.fail("a finished job ran again"))
    run_evaluate(config, options=everything)
    assert records_of(config) == records


def test_an_expert_chosen_twice_is_fine_tuned_once(tmp_path, monkeypatch):
    config = tiny_work(tmp_path, seeds=[1])
    run_evaluate(config, options=EvaluateOptions(systems=[PN], domains=["law"], strategies=[MOST_FREQUENT]))
    (paper_s,) = records_of(config)
    job, bench = Job("law", 1, PN, BEST_PRETRAINED), Workbench(config, CPU)
    monkeypatch.setattr(specialize, "lowest_loss", lambda losses: paper_s["expert"])
    with monkeypatch.context() as patch:
        patch.setattr(specialize, "fine_tune", lambda *arguments: pytest.fail("fine-tuned again"))
        reused = run_job(bench, job)
    choosing = reused["specialization"]["flops"] - paper_s["specialization"]["flops"]
    validation = len(bench.text("law").validation.tokens)
    assert choosing == pytest.approx(NUM_CLUSTERS * validation * training_flops_per_token(config.small, VOCAB_SIZE, 16) / 3)
    assert (reused["strategy"], reused["after"], reused["figures_of"]) == (BEST_PRETRAINED, paper_s["after"], MOST_FREQUENT)
    assert len(reused["expert_losses"]) == NUM_CLUSTERS
    # Another expert is fine-tuned.
    monkeypatch.setattr(specialize, "lowest_loss", lambda losses: (paper_s["expert"] + 1) % NUM_CLUSTERS)
    other = run_job(bench, job)
    assert other["expert"] != paper_s["expert"] and other["after"] != paper_s["after"] and "figures_of" not in other


def test_costs_are_those_of_the_definition(tmp_path):
    config = tiny_work(tmp_path, max_steps=4, evaluate_every_steps=2, patience=0)
    bench = Workbench(config, CPU)
    small, large = (training_flops_per_token(shape, VOCAB_SIZE, 16) for shape in (config.small, config.large))
    tokens = 4 * 2 * 16
    validation = len(bench.text("law").validation.tokens)
    tuning = tokens * small + 3 * validation * small / 3

    def spent(system, strategy=""):
        record = run_job(bench, Job("law", 1, system, strategy))
        return record["specialization"]["flops"], record["specialization"]["tokens"], record["generic"]["flops"]

    pretraining = 1000 * small
    assert spent(SLM) == pytest.approx((tuning, tokens, pretraining))
    assert spent(NOPT) == pytest.approx((tuning, tokens, 0))
    assert spent(IS) == pytest.approx((tuning + pretraining, tokens + 1000, 0))
    assert spent(MIX, MOST_FREQUENT) == pytest.approx((tuning, tokens, NUM_CLUSTERS * pretraining))
    choosing = NUM_CLUSTERS * validation * small / 3
    assert spent(PN, BEST_PRETRAINED) == pytest.approx((tuning + choosing, tokens, pretraining))
    assert spent(PN, BEST_PRETRAINED) == pytest.approx((tuning + choosing, tokens, pretraining)), "known losses are paid as well"
    assert spent(PN, BEST_FINE_TUNED) == pytest.approx((NUM_CLUSTERS * tuning, NUM_CLUSTERS * tokens, pretraining))
    fitting = 24 * (2 * 16 * small + projection_flops(config.small, config.projected_network))
    assert spent(PN, FITTED) == pytest.approx((tuning + fitting, tokens + 24 * 32, pretraining))
    teacher = tokens * large + 3 * validation * large / 3
    assert spent(LLM) == pytest.approx((teacher, tokens, 1000 * large))
    assert spent(DISTILLED) == pytest.approx((teacher + tuning + tokens * large / 3, 2 * tokens, pretraining + 1000 * large))
    assert pretraining_cost(config, DISTILLED, "law").seconds == 20


def test_a_job_repeats_exactly_and_another_seed_differs(tmp_path):
    config = tiny_work(tmp_path, runs=("slm",))
    figures = [run_job(Workbench(config, CPU), Job("law", seed, SLM))["after"]["loss"] for seed in (1, 1, 2)]
    assert figures[0] == figures[1] != figures[2]


def test_the_starting_loss_is_computed_once_for_all_seeds(tmp_path):
    config = tiny_work(tmp_path, runs=("slm",))
    records = [run_job(Workbench(config, CPU), Job("law", seed, SLM)) for seed in (1, 2)]
    assert records[0]["before"] == records[1]["before"]
    assert len(read_lines(config.work / "evaluation" / "held_out.jsonl")) == 1


def test_best_pretrained_takes_the_expert_with_the_lowest_validation_loss(tmp_path):
    record = run_job(Workbench(tiny_work(tmp_path), CPU), Job("law", 1, MIX, BEST_PRETRAINED))
    losses = record["expert_losses"]
    assert len(losses) == NUM_CLUSTERS and losses[record["expert"]] == min(losses)
    assert run_job(Workbench(tiny_work(tmp_path / "b"), CPU), Job("law", 1, PN, MOST_FREQUENT))["expert"] == 1


def test_a_nan_is_recorded_as_an_error_and_the_job_stays_done(tmp_path, monkeypatch):
    config = tiny_work(tmp_path, runs=("slm",), seeds=[1])
    write_run(config, "slm", 0, [], poison=True)
    options = EvaluateOptions(systems=[SLM], domains=["law"])
    run_evaluate(config, options=options)
    record, = records_of(config)
    assert record["status"] == "failed" and "not a finite number" in record["error"] and "after" not in record
    assert "SLM on law, seed 1, has no figure" in (tmp_path / "RESULTS.md").read_text()
    monkeypatch.setattr(stage, "run_job", lambda *arguments: pytest.fail("a finished job ran again"))
    run_evaluate(config, options=options)


def test_results_of_other_checkpoints_or_settings_do_not_count(tmp_path):
    config = tiny_work(tmp_path, runs=("slm",), seeds=[1])
    options = EvaluateOptions(systems=[SLM], domains=["law"])
    run_evaluate(config, options=options)
    assert len(current_records(config)) == 1
    assert current_records(with_fine_tuning(config, learning_rate=1e-4)) == []
    assert len(current_records(with_fine_tuning(config, seeds=[1, 2, 3], distillation_weight=0.1))) == 1
    write_run(config, "slm", 77, [2.0])
    assert current_records(config) == []
    run_evaluate(config, options=options)
    assert len(records_of(config)) == 2 and len(current_records(config)) == 1


def test_a_line_cut_short_by_a_kill_is_passed_over_and_not_continued(tmp_path):
    path = tmp_path / "results.jsonl"
    append_line(path, {"a": 1})
    with open(path, "ab") as file:
        file.write(b'{"a": 2, "b"')
    append_line(path, {"a": 3})
    assert read_lines(path) == [{"a": 1}, {"a": 3}]
    with pytest.raises(ValueError):
        append_line(path, {"a": math.nan})
    assert read_lines(path) == [{"a": 1}, {"a": 3}]


def test_a_job_that_another_process_holds_is_left_to_it(tmp_path):
    config = tiny_work(tmp_path, runs=("slm",), seeds=[1])
    jobs = [Job("law", 1, SLM), Job("songs", 1, SLM)]
    with Results(config).claimed(jobs[0]) as mine:
        assert mine
        work_through(config, jobs, quiet=True)
    assert [record["domain"] for record in records_of(config)] == ["songs"]
    work_through(config, jobs, quiet=True)
    assert [record["domain"] for record in records_of(config)] == ["songs", "law"]


def test_two_processes_share_the_jobs(tmp_path):
    config = tiny_work(tmp_path, runs=("slm", "pn"), seeds=[1])
    run_evaluate(config, workers=2, options=EvaluateOptions(systems=[SLM, PN], strategies=[MOST_FREQUENT]))
    records = records_of(config)
    assert sorted((r["domain"], r["system"]) for r in records) == [("law", SLM), ("law", PN), ("songs", SLM), ("songs", PN)]
    assert {r["threads"] for r in records} == {1}


def wait_as_a_worker() -> None:
    stage.end_with_parent()
    print("started", flush=True)
    time.sleep(60)


def test_a_worker_ends_when_the_process_that_started_it_is_killed():
    start_worker = (
        "import multiprocessing; from pretrain.tests.test_evaluate_stage import wait_as_a_worker\n"
        "worker = multiprocessing.get_context('spawn').Process(target=wait_as_a_worker); worker.start(); worker.join()"
    )
    with subprocess.Popen([sys.executable, "-c", start_worker], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "started\n"
        parent.kill()
        # The worker holds the pipe's other end: reading ends when it does, and fails if it goes on.
        assert parent.communicate(timeout=30)[0] == ""


def test_systems_that_were_not_pretrained_are_left_out(tmp_path):
    config = tiny_work(tmp_path, runs=("slm", "mix-0", "mix-2"))
    assert {job.system for job in runnable_jobs(config, EvaluateOptions())} == {SLM, NOPT}
    with pytest.raises(ConfigError, match="--domains: there is no 'poems'"):
        runnable_jobs(config, EvaluateOptions(domains=["poems"]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no tokenized domains"):
        runnable_jobs(dataclasses.replace(config, work_dir=str(tmp_path / "empty")), EvaluateOptions())


def test_fingerprint_is_plain_json_of_what_matters(tmp_path):
    config = tiny_work(tmp_path, runs=("slm", "pn"))
    assert fingerprint(config, SLM, "law") != fingerprint(config, SLM, "songs")
    before = fingerprint(config, PN, "law")
    path = config.work / "clusters" / "domains.json"
    histograms = json.loads(path.read_text())
    histograms["law"]["cluster_counts"][0] += 1
    path.write_text(json.dumps(histograms))
    assert fingerprint(config, PN, "law") != before
