"""Two gloo processes under torchrun against one process with the same global batch: DDP everywhere, FSDP where PyTorch has it."""
from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np
import pytest
import torch
from torch.torch_version import TorchVersion

from pretrain.config import ConfigError, load_config
from pretrain.model.flops import parameter_count, projected_parameter_count, projection_flops, training_flops_per_token
from pretrain.files import write_json
from pretrain.pack.layout import projected_network_layout
from pretrain.pack.manifest import llama_config_json, network_json
from pretrain.pack.safetensors_file import read_safetensors, write_safetensors
from pretrain.training import loop
from pretrain.training.distributed import SHARDING_NEEDS, World
from pretrain.training.model_on_device import model_of_shape

from .distributed_run import Scenario, run_scenario
from .tiny_work import CONTEXT, K, NETWORK, SMALL, VOCAB, write_tokens_and_clusters

RANKS, STEPS, GROUPS, SEQUENCES = 2, 6, 4, 2
ALONE = World(0, 1, torch.device("cpu"))
TOLERANCE = 1e-5
"""Relative, of losses and gradient norms: float32 sums in another order."""
MEAN_WEIGHT_TOLERANCE, WEIGHT_TOLERANCE = 1e-6, 1e-3
"""Absolute, of a tensor's final weights on average and at most. Six steps of Adam move each by up to 4e-2, and where a gradient is near zero
they turn its rounding into a share of a step."""


needs_sharding = pytest.mark.skipif(
    torch.__version__ < SHARDING_NEEDS, reason=f"needs PyTorch {'.'.join(map(str, SHARDING_NEEDS))} or newer, this is {torch.__version__}"
)


Runs = Dict[str, Scenario]
References = Dict[Tuple[str, int], Scenario]
"""By system and h."""


def scenario(work: Path, system: str, parallel: str = "ddp", h: int = NETWORK.h, **train: Any) -> Scenario:
    """A run of six steps on a fresh work folder, always of the same text."""
    write_tokens_and_clusters(work)
    tokens = STEPS * GROUPS * SEQUENCES * CONTEXT
    settings = {"tokens": tokens, "groups_per_step": GROUPS, "sequences_per_group": SEQUENCES, "validate_every_steps": 3, "parallel": parallel}
    return Scenario(system, str(work), {**settings, **train}, h)


def launch(folder: Path, scenarios: list[Scenario]) -> subprocess.CompletedProcess[str]:
    """Runs them in two processes, as a user would start them."""
    file = folder / "scenarios.json"
    file.write_text(json.dumps([dataclasses.asdict(s) for s in scenarios]))
    # Debian's torchrun 1.13 on Python 3.11 fails with the default of --redirects and --tee.
    options = ["--standalone", "--nproc_per_node", str(RANKS), "--monitor_interval", "0.2", "--redirects", "1", "--tee", "1"]
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *options, "-m", "pretrain.tests.distributed_run", str(file)],
        cwd=Path(__file__).parents[2], env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=120,
    )


def alone(scenario: Scenario) -> Scenario:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "LOG_EVERY_STEPS", 1)
        run_scenario(scenario, ALONE)
    return scenario


def metrics(run: Scenario) -> dict[int, dict[str, Any]]:
    """What was recorded at each step."""
    steps: dict[int, dict[str, Any]] = {}
    for line in (run.folder / "metrics.jsonl").read_text().splitlines():
        values = json.loads(line)
        assert not steps.get(values["step"], {}).keys() & values.keys() - {"step", "tokens", "seconds"}, "a step was recorded twice"
        steps.setdefault(values["step"], {}).update(values)
    return steps


def assert_equal_runs(found: Scenario, expected: Scenario) -> None:
    """Losses, gradient norms, validation losses and final weights, within rounding; NaN is unequal."""
    ours, theirs = metrics(found), metrics(expected)
    assert list(ours) == list(theirs) == list(range(1, STEPS + 1))
    for step, values in theirs.items():
        for key in ("loss", "gradient_norm", "learning_rate", *(["validation_loss", "validation_loss_by_cluster"] if step % 3 == 0 else [])):
            assert ours[step][key] == pytest.approx(values[key], rel=TOLERANCE, nan_ok=False), (step, key)
    weights, expected_weights = (read_safetensors(run.folder / "final.safetensors") for run in (found, expected))
    assert weights.keys() == expected_weights.keys()
    for name, weight in expected_weights.items():
        assert weights[name].shape == weight.shape, name
        difference = np.abs(weights[name] - weight)
        assert difference.mean() < MEAN_WEIGHT_TOLERANCE and difference.max() < WEIGHT_TOLERANCE, name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("distributed")


@pytest.fixture(scope="module")
def one_process(folder: Path) -> References:
    """The runs to equal."""
    wanted = [("slm", NETWORK.h), ("pn", NETWORK.h), ("pn", 3)]
    return {(system, h): alone(scenario(folder / f"one-{system}-{h}", system, h=h)) for system, h in wanted}


@pytest.fixture(scope="module")
def replicated(folder: Path) -> Runs:
    """Two ranks with DDP; the last run loses a rank before its fourth step."""
    runs = {system: scenario(folder / f"ddp-{system}", system) for system in ("slm", "pn")}
    runs["killed"] = dataclasses.replace(scenario(folder / "ddp-killed", "pn", checkpoint_seconds=0.0), kill_before=4)
    ended = launch(folder, list(runs.values()))
    assert ended.returncode != 0 and "SIGKILL" in ended.stderr, ended.stderr
    return runs


@pytest.mark.parametrize("system", ["slm", "pn"])
def test_two_replicas_train_as_one_process(replicated: Runs, one_process: References, system: str) -> None:
    assert_equal_runs(replicated[system], one_process[system, NETWORK.h])


def test_ranks_share_each_global_batch_without_overlap(replicated: Runs, one_process: References) -> None:
    whole = np.load(one_process["pn", NETWORK.h].folder / "blocks.0.npy")
    parts = [np.load(replicated["pn"].folder / f"blocks.{rank}.npy") for rank in range(RANKS)]
    assert whole.shape == (STEPS, GROUPS, SEQUENCES, CONTEXT + 1) and all(part.shape == (STEPS, GROUPS // RANKS, *whole.shape[2:]) for part in parts)
    seen: set[bytes] = set()
    for step in range(STEPS):
        read = [block.tobytes() for part in parts for block in part[step].reshape(-1, CONTEXT + 1)]
        assert sorted(read) == sorted(block.tobytes() for block in whole[step].reshape(-1, CONTEXT + 1))
        seen.update(read)
    assert len(seen) == STEPS * GROUPS * SEQUENCES, "a block was read twice"


def test_one_process_goes_on_from_two_ranks_of_which_one_was_killed(replicated: Runs, one_process: References) -> None:
    killed = replicated["killed"]
    assert not (killed.folder / "final.safetensors").exists()
    assert torch.load(killed.folder / "checkpoint.pt")["counters"]["step"] == 3
    goes_on = alone(dataclasses.replace(killed, kill_before=None))
    assert len(np.load(goes_on.folder / "blocks.0.npy")) == STEPS - 3
    assert_equal_runs(goes_on, one_process["pn", NETWORK.h])


def test_every_parameter_gets_a_gradient_from_a_batch_of_one_expert(folder: Path) -> None:
    """DDP waits for all of them."""
    config = Scenario("pn", str(folder / "unused")).config
    model = model_of_shape(config, config.small, True, ALONE)
    model.initialize(1)
    tokens = torch.arange(2 * SEQUENCES * (CONTEXT + 1)).view(2, SEQUENCES, CONTEXT + 1) % VOCAB
    model.loss(tokens, torch.tensor([K - 1, K - 1])).backward()
    assert [name for name, parameter in model.module.named_parameters() if parameter.grad is None] == []
    model.initialize(1)
    assert [name for name, parameter in model.module.named_parameters() if parameter.grad is not None] == [], "left for the next run"


@pytest.fixture(scope="module")
def sharded(folder: Path) -> Runs:
    """Two ranks with FSDP. With h = 3 the slices cannot part evenly along h; k = 3 expert vectors never do."""
    runs = {
        "slm": scenario(folder / "fsdp-slm", "slm", "fsdp"),
        "pn": scenario(folder / "fsdp-pn", "pn", "fsdp"),
        "odd": scenario(folder / "fsdp-odd", "pn", "fsdp", h=3),
        "nopt": scenario(folder / "fsdp-nopt", "nopt", "fsdp"),
        "killed": dataclasses.replace(scenario(folder / "fsdp-killed", "pn", "fsdp", checkpoint_seconds=0.0), kill_before=4),
    }
    ended = launch(folder, list(runs.values()))
    assert ended.returncode != 0 and "SIGKILL" in ended.stderr, ended.stderr
    return runs


@needs_sharding
@pytest.mark.parametrize("name, system, h", [("slm", "slm", NETWORK.h), ("pn", "pn", NETWORK.h), ("odd", "pn", 3)])
def test_two_shards_train_as_one_process(
    sharded: Runs, one_process: References, name: str, system: str, h: int
) -> None:
    assert_equal_runs(sharded[name], one_process[system, h])
    held = [json.loads((sharded[name].folder / f"parameters.{rank}.json").read_text()) for rank in range(RANKS)]
    assert sum(held) == json.loads((one_process[system, h].folder / "parameters.0.json").read_text())
    assert max(held) < 0.52 * sum(held)


@needs_sharding
def test_shards_start_from_the_weights_of_one_process(sharded: Runs, folder: Path) -> None:
    expected = alone(scenario(folder / "one-nopt", "nopt"))
    assert (sharded["nopt"].folder / "final.safetensors").read_bytes() == (expected.folder / "final.safetensors").read_bytes()


def starting(run: Scenario) -> Scenario:
    """The run going on from a pack of random weights, always the same, whose copy this puts where the first stage would."""
    start = Path(run.work) / "start"
    start.mkdir()
    write_json(start / "config.json", {**llama_config_json(SMALL, VOCAB, CONTEXT, 0), "projected_network": network_json(NETWORK, K)})
    layout = projected_network_layout(SMALL, VOCAB, NETWORK, K, 16)
    random = np.random.default_rng(3)
    write_safetensors(start / "pn.safetensors", {name: random.normal(0, 0.5, spec.shape).astype("f2") for name, spec in layout.items()})
    write_json(start / "pack.json", {"name": "made", "provenance": {"training": {"pn": {"tokens": 700, "flops": 7e6, "seconds": 7.0}}}})
    write_json(start.with_suffix(".json"), {"start_from": "made"})
    return dataclasses.replace(run, start_from="made")


@needs_sharding
def test_shards_go_on_from_a_pack_as_one_process_does(folder: Path, one_process: References) -> None:
    expected = alone(starting(scenario(folder / "one-started", "pn")))
    found = starting(scenario(folder / "fsdp-started", "pn", "fsdp"))
    ended = launch(folder, [found])
    assert ended.returncode == 0, ended.stderr
    assert_equal_runs(found, expected)
    started, anew = (metrics(run)[1]["loss"] for run in (expected, one_process["pn", NETWORK.h]))
    assert abs(started - anew) > 0.1, "the pack's weights were not used"
    assert json.loads((found.folder / "run.json").read_text())["tokens"] == 700 + STEPS * GROUPS * SEQUENCES * CONTEXT


@needs_sharding
def test_a_sharded_checkpoint_goes_from_two_ranks_to_one_and_back(sharded: Runs, one_process: References, folder: Path) -> None:
    killed = sharded["killed"]
    assert [path.name for path in killed.folder.glob("checkpoint*")] == ["checkpoint-00000003"]
    (killed.folder / "checkpoint-00000009.partial").mkdir()  # as a kill while saving leaves it
    one = alone(dataclasses.replace(killed, kill_before=None, stop_before=6))
    assert len(np.load(one.folder / "blocks.0.npy")) == 2
    assert [path.name for path in killed.folder.glob("checkpoint*")] == ["checkpoint-00000005"]
    two = dataclasses.replace(killed, kill_before=None)
    ended = launch(folder, [two])
    assert ended.returncode == 0, ended.stderr
    assert len(np.load(two.folder / "blocks.1.npy")) == 1
    assert_equal_runs(two, one_process["pn", NETWORK.h])
    assert list(two.folder.glob("checkpoint*")) == []


@needs_sharding
def test_one_process_goes_on_from_a_sharded_checkpoint_to_the_bit(folder: Path, one_process: References) -> None:
    run = scenario(folder / "fsdp-alone", "pn", "fsdp", checkpoint_seconds=0.0)
    alone(dataclasses.replace(run, stop_before=4))
    assert (run.folder / "checkpoint-00000003" / "counters.json").exists()
    alone(run)
    final = [read_safetensors(r.folder / "final.safetensors") for r in (run, one_process["pn", NETWORK.h])]
    assert all(np.array_equal(final[0][name], weight) for name, weight in final[1].items())


@needs_sharding
def test_unusable_sharded_checkpoints_are_named(folder: Path) -> None:
    run = scenario(folder / "fsdp-broken", "slm", "fsdp", checkpoint_seconds=0.0)
    alone(dataclasses.replace(run, stop_before=3))
    with pytest.raises(ConfigError, match="other settings \\(train\\)"):
        alone(dataclasses.replace(run, train={**run.train, "learning_rate": 1.0}))
    with pytest.raises(ConfigError, match="made with train.parallel: fsdp"):
        alone(dataclasses.replace(run, train={**run.train, "parallel": "ddp"}))
    (part,) = (run.folder / "checkpoint-00000002").glob("*.distcp")
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    with pytest.raises(ConfigError, match="checkpoint-00000002 is damaged"):
        alone(run)
    shutil.rmtree(run.folder / "checkpoint-00000002")
    alone(run)
    assert (run.folder / "final.safetensors").exists()


def test_sharding_on_an_old_pytorch_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.3.1+cpu"))
    with pytest.raises(ConfigError, match="train.parallel: fsdp needs PyTorch 2.6 or newer, this is 2.3.1"):
        alone(scenario(folder / "fsdp-old", "llm", "fsdp"))


def test_the_plan_on_paper_counts_as_the_code_does() -> None:
    config = load_config("configs/paper.yaml")
    shape, network, vocab_size, train = config.small, config.projected_network, config.tokenizer.vocab_size, config.train
    step_tokens = train.groups_per_step * train.sequences_per_group * train.context
    plan = (Path(__file__).parents[1] / "CLUSTER.md").read_text(encoding="utf-8")
    for figure in (
        parameter_count(shape, vocab_size), projected_parameter_count(shape, vocab_size, network, config.clusters.k),
        training_flops_per_token(shape, vocab_size, train.context), projection_flops(shape, network), step_tokens, round(train.tokens / step_tokens),
    ):
        assert f"| {figure:,.0f}" in plan
    assert f"{train.checkpoint_seconds:.0f} s" in plan
