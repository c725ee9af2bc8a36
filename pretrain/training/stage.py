"""The train stage: every run of the wanted systems, finished ones left alone, a broken-off one continued."""
from __future__ import annotations

import contextlib

from ..config import ConfigError, RunConfig
from ..files import claimed
from ..pack.start import open_starting_pack
from ..progress import Progress
from .distributed import join_world
from .loop import Trainer
from .systems import training_runs


def run_train(config: RunConfig, systems: list[str], names: list[str] | None = None) -> None:
    """Trains `systems` (config.SYSTEMS), or of them only the runs called `names`.
    Raises ConfigError, and PackError for a pack that cannot be gone on from."""
    world = join_world()
    start = open_starting_pack(config)
    progress = Progress("train", 0, "runs", quiet=not world.is_first)
    for run in training_runs(config, systems):
        if names and run.name not in names:
            continue
        trainer = Trainer(config, run, world, start)
        if trainer.is_done:
            progress.say(f"{run.name} is done already")
            continue
        with claimed(trainer.folder / "lock") if world.is_first else contextlib.nullcontext(True) as is_mine:
            if not world.first_decides(is_mine):
                raise ConfigError(f"{trainer.folder}: another process is training this run.")
            trainer.train()
