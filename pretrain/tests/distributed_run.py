"""What the tests of test_distributed.py start under torchrun: trains the tiny runs of a JSON file, one after another, and keeps what each rank read.

    python -m torch.distributed.run --standalone --nproc_per_node 2 -m pretrain.tests.distributed_run SCENARIOS.json

SCENARIOS.json: a list of Scenario fields."""
from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pretrain.config import ProjectedNetworkShape, RunConfig
from pretrain.pack.start import open_starting_pack
from pretrain.training import loop
from pretrain.training.distributed import World, join_world, leave_world
from pretrain.training.systems import training_runs

from .tiny_work import NETWORK, tiny_config


@dataclass(frozen=True)
class Scenario:
    system: str
    work: str
    train: dict[str, Any] = field(default_factory=dict)
    """Settings of tiny_config."""
    h: int = NETWORK.h
    stop_before: int | None = None
    """Every rank leaves before this step, as when it is interrupted."""
    kill_before: int | None = None
    """The last rank is killed before this step."""

    start_from: str = ""
    """The pack to go on from; a copy lies in the work folder already."""

    @property
    def config(self) -> RunConfig:
        config = tiny_config(Path(self.work), **self.train)
        return dataclasses.replace(config, projected_network=ProjectedNetworkShape(self.h, NETWORK.m), start_from=self.start_from)

    @property
    def folder(self) -> Path:
        """What the run leaves."""
        return Path(self.work) / "runs" / self.system


class Stopped(Exception):
    """A run that was asked to end early."""


class WatchedTrainer(loop.Trainer):
    """Keeps the blocks it reads, and can end as if its machine were taken away."""

    def __init__(self, scenario: Scenario, world: World) -> None:
        config = scenario.config
        (run,) = training_runs(config, [scenario.system])
        super().__init__(config, run, world, open_starting_pack(config))
        self._scenario = scenario
        self.blocks_read: list[np.ndarray] = []

    def _next_batch(self, sampler: loop.GroupSampler) -> tuple[torch.Tensor, torch.Tensor]:
        if self.counters.step + 1 == self._scenario.stop_before:
            raise Stopped
        if self.counters.step + 1 == self._scenario.kill_before and self.world.rank == self.world.size - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        blocks, experts = super()._next_batch(sampler)
        self.blocks_read.append(blocks.numpy())
        return blocks, experts


def run_scenario(scenario: Scenario, world: World) -> None:
    """Writes blocks.RANK.npy [steps, G / ranks, b, T + 1] and parameters.RANK.json (how many this rank holds) beside what the run writes."""
    trainer = WatchedTrainer(scenario, world)
    try:
        trainer.train()
    except Stopped:
        pass
    np.save(trainer.folder / f"blocks.{world.rank}.npy", np.array(trainer.blocks_read))
    held = sum((p.to_local() if hasattr(p, "to_local") else p).numel() for p in trainer.model.module.parameters())
    (trainer.folder / f"parameters.{world.rank}.json").write_text(json.dumps(held))


def main() -> None:
    torch.set_num_threads(1)
    loop.LOG_EVERY_STEPS = 1
    world = join_world()
    for fields in json.loads(Path(sys.argv[1]).read_text()):
        run_scenario(Scenario(**fields), world)
    leave_world()


if __name__ == "__main__":
    main()
