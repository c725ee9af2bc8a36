"""Training: what each step sees, resume to the bit, kills, broken checkpoints, losses that are not numbers."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from pretrain.config import ConfigError, RunConfig
from pretrain.files import claimed
from pretrain.pack.safetensors_file import read_safetensors
from pretrain.training.blocks import grouped_tokens
from pretrain.training.distributed import join_world
from pretrain.training.loop import Trainer
from pretrain.training.sampler import GroupSampler
from pretrain.training.schedule import learning_rate_at
from pretrain.training.stage import run_train
from pretrain.training.systems import training_runs

from .tiny_work import CONTEXT, IMPORTANCE_K, K, tiny_work, with_train


def final_weights(config: RunConfig, name: str) -> dict[str, np.ndarray]:
    return {key: np.array(value) for key, value in read_safetensors(config.work / "runs" / name / "final.safetensors").items()}


def metrics(config: RunConfig, name: str) -> list[dict]:
    lines = (config.work / "runs" / name / "metrics.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]


def stop_after(monkeypatch: pytest.MonkeyPatch, num_steps: int) -> None:
    """The next run saves a checkpoint after each step and dies as a killed process would before step `num_steps` + 1."""
    original = GroupSampler.next_step

    def next_step(sampler: GroupSampler):
        if sampler.step == num_steps:
            raise KeyboardInterrupt
        return original(sampler)

    monkeypatch.setattr(GroupSampler, "next_step", next_step)


def test_grouped_text_is_every_window_once_in_its_cluster(tmp_path: Path) -> None:
    config = tiny_work(tmp_path)
    train, held_out = grouped_tokens(config.work, "experts")
    windows = np.load(config.work / "clusters" / "windows.npy")
    assert train.num_tokens().sum() + held_out.num_tokens().sum() == windows[:, 1].sum()
    for cluster in range(K):
        of_cluster = windows[windows[:, 2] == cluster]
        assert train.num_tokens()[cluster] + held_out.num_tokens()[cluster] == of_cluster[:, 1].sum()
        block = train.blocks(cluster, np.array([0, 1]), CONTEXT)
        assert block.shape == (2, CONTEXT + 1) and block[0, -1] == block[1, 0]
        assert ((block - 1) // 80 == cluster).all()


def test_every_block_is_seen_once_before_any_is_seen_twice() -> None:
    sampler = GroupSampler(np.array([0.5, 0.5, 0.0]), np.array([6, 4, 9]), 2, 2, seed=1)
    seen: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for _ in range(40):
        clusters, indices = sampler.next_step()
        for cluster, rows in zip(clusters, indices):
            seen[int(cluster)] += rows.tolist()
    assert not seen[2]
    for cluster, count in ((0, 6), (1, 4)):
        for start in range(0, len(seen[cluster]) - count + 1, count):
            assert sorted(seen[cluster][start : start + count]) == list(range(count))


def test_clusters_come_as_often_as_their_probability_says() -> None:
    probabilities = np.array([0.05, 0.25, 0.7])
    sampler = GroupSampler(probabilities, np.array([5, 50, 50]), 4, 1, seed=2)
    counts = np.zeros(3)
    for _ in range(500):
        clusters, _ = sampler.next_step()
        np.add.at(counts, clusters, 1)
    assert np.abs(counts / counts.sum() - probabilities).max() < 0.01


def test_a_restored_sampler_goes_on_with_the_same_blocks() -> None:
    def make() -> GroupSampler:
        return GroupSampler(np.array([0.3, 0.7]), np.array([7, 9]), 3, 2, seed=3)

    first, second = make(), make()
    for _ in range(11):
        first.next_step()
    second.restore(json.loads(json.dumps(first.state())))
    for _ in range(5):
        for one, other in zip(first.next_step(), second.next_step()):
            assert np.array_equal(one, other)


def test_no_text_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="whole block"):
        GroupSampler(np.array([1.0, 0.0]), np.array([0, 3]), 1, 1, seed=1)


def test_importance_sampling_follows_the_domain_s_histogram(tmp_path: Path) -> None:
    config = tiny_work(tmp_path)
    (run,) = training_runs(config, ["is"])
    assert run.name == "is-law" and run.labels == "importance"
    assert run.cluster_probabilities.tolist() == [0.75, 0.25] + [0.0] * (IMPORTANCE_K - 2)


def test_mixture_experts_share_the_tokens_by_cluster_size(tmp_path: Path) -> None:
    config = tiny_work(tmp_path)
    runs = training_runs(config, ["mix"])
    assert [run.name for run in runs] == ["mix-0", "mix-1", "mix-2"]
    assert config.train.tokens - len(runs) <= sum(run.tokens for run in runs) <= config.train.tokens


def test_an_unknown_importance_domain_is_named(tmp_path: Path) -> None:
    config = tiny_work(tmp_path, importance_domains=["nowhere"])
    with pytest.raises(ConfigError, match="'nowhere'.*known are law"):
        training_runs(config, ["is"])


@pytest.mark.parametrize("system", ["slm", "pn"])
def test_training_learns_and_writes_what_it_did(tmp_path: Path, system: str) -> None:
    config = tiny_work(tmp_path, tokens=60 * 32)
    run_train(config, [system])
    validation = [line["validation_loss"] for line in metrics(config, system) if "validation_loss" in line]
    assert validation[-1] < validation[0] - 0.3
    run = json.loads((config.work / "runs" / system / "run.json").read_text())
    assert run["tokens"] == 60 * 32 and run["steps"] == 60 and run["flops"] > 0
    assert run["parameters"] == sum(weight.size for weight in final_weights(config, system).values())


def test_a_projected_network_gets_a_loss_for_every_cluster(tmp_path: Path) -> None:
    config = tiny_work(tmp_path)
    run_train(config, ["pn"])
    last = [line for line in metrics(config, "pn") if "validation_loss" in line][-1]
    assert len(last["validation_loss_by_cluster"]) == K and all(loss > 0 for loss in last["validation_loss_by_cluster"])


@pytest.mark.parametrize("system", ["slm", "pn"])
def test_an_interrupted_run_ends_as_the_uninterrupted_one_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    whole = tiny_work(tmp_path / "whole")
    run_train(whole, [system])
    broken = tiny_work(tmp_path / "broken", checkpoint_seconds=0.0)
    for stop in (3, 7):
        with monkeypatch.context() as patch:
            stop_after(patch, stop)
            with pytest.raises(KeyboardInterrupt):
                run_train(broken, [system])
        assert not (broken.work / "runs" / system / "final.safetensors").exists()
    run_train(broken, [system])
    expected, found = final_weights(whole, system), final_weights(broken, system)
    assert expected.keys() == found.keys()
    for name, weight in expected.items():
        assert np.array_equal(weight, found[name]), name
    assert metrics(whole, system)[-1] == metrics(broken, system)[-1]


def test_a_finished_run_is_left_alone(tmp_path: Path) -> None:
    config = tiny_work(tmp_path)
    run_train(config, ["nopt"])
    file = config.work / "runs" / "nopt" / "final.safetensors"
    before = file.stat().st_mtime_ns
    run_train(config, ["nopt"])
    assert file.stat().st_mtime_ns == before


def test_a_run_that_another_process_is_training_is_left_to_it(tmp_path: Path) -> None:
    config = tiny_work(tmp_path)
    with claimed(config.work / "runs" / "slm" / "lock") as is_mine:
        assert is_mine
        with pytest.raises(ConfigError, match="runs/slm: another process is training this run"):
            run_train(config, ["slm"])
    run_train(config, ["slm"])


def test_a_killed_process_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    config = tiny_work(tmp_path, tokens=100_000 * 32, checkpoint_seconds=0.05)
    script = f"""
import sys
from pathlib import Path
from pretrain.tests.tiny_work import tiny_config
from pretrain.training.stage import run_train
run_train(tiny_config(Path({str(config.work)!r}), tokens=100_000 * 32, checkpoint_seconds=0.05), ['slm'])
"""
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", script], cwd=root, stderr=subprocess.PIPE)
    checkpoint = config.work / "runs" / "slm" / "checkpoint.pt"
    deadline = time.monotonic() + 60
    while not checkpoint.exists():
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline, "no checkpoint within a minute"
        time.sleep(0.05)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    saved = torch.load(checkpoint)["counters"]["step"]
    assert saved > 0
    with open(config.work / "runs" / "slm" / "metrics.jsonl", "a") as file:
        file.write('{"step": 99')  # cut short by the kill
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, saved + 20)
        with pytest.raises(KeyboardInterrupt):
            run_train(config, ["slm"])
    steps = [line["step"] for line in metrics(config, "slm") if "loss" in line]
    assert steps == sorted(set(steps)) and steps[-1] > saved


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    config = tiny_work(tmp_path)
    folder = config.work / "runs" / "slm"
    folder.mkdir(parents=True)
    (folder / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(ConfigError, match="checkpoint.pt is damaged"):
        run_train(config, ["slm"])


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_work(tmp_path, checkpoint_seconds=0.0)
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            run_train(config, ["slm"])
    with pytest.raises(ConfigError, match="other settings \\(train\\)"):
        run_train(with_train(config, learning_rate=3e-3), ["slm"])


def test_a_run_may_be_made_shorter_while_it_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_work(tmp_path, checkpoint_seconds=0.0)
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            run_train(config, ["slm"])
    run_train(with_train(config, tokens=6 * 32), ["slm"])
    assert json.loads((config.work / "runs" / "slm" / "run.json").read_text())["steps"] == 6
    last = [line for line in metrics(config, "slm") if "learning_rate" in line][-1]
    assert last["learning_rate"] < 0.2 * config.train.learning_rate


def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    config = tiny_work(tmp_path, learning_rate=1e30, warmup_steps=1, checkpoint_seconds=0.0)
    with pytest.raises(FloatingPointError, match="slm: the gradient.s norm is (nan|inf) at step"):
        run_train(config, ["slm"])
    assert not (config.work / "runs" / "slm" / "run.json").exists()


def test_a_group_count_that_ranks_cannot_share_is_refused(tmp_path: Path) -> None:
    config = tiny_work(tmp_path, groups_per_step=3)
    (run,) = training_runs(config, ["slm"])
    world = join_world()
    with pytest.raises(ConfigError, match="groups_per_step \\(3\\) must be a multiple of the number of ranks \\(2\\)"):
        Trainer(config, run, type(world)(0, 2, world.device))


def test_learning_rate_warms_up_then_falls_to_its_floor(tmp_path: Path) -> None:
    train = tiny_work(tmp_path, learning_rate=1.0, warmup_steps=10).train
    rates = [learning_rate_at(step, 200, train) for step in range(200)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == pytest.approx(1.0) and max(rates) == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.1, abs=1e-3) and rates[10:] == sorted(rates[10:], reverse=True)
