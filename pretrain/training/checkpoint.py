"""What a run needs to go on as if it had never stopped: weights, optimizer moments, the sampler's place, counters. Written beside its place and
renamed, so a kill at any moment leaves the last whole one. It says nothing about ranks: any number of them can go on from it.

    checkpoint.pt              of a model that every rank holds whole (train.parallel: ddp), written by the first rank
    checkpoint-00000300/       of a sharded one (fsdp), after step 300: every rank writes its part (torch.distributed.checkpoint)
        *.distcp, .metadata    weights and moments by name
        counters.json          counters and settings"""
from __future__ import annotations

import contextlib
import json
import re
import shutil
import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Iterator

import torch
from torch import nn

from ..config import ConfigError
from ..files import atomic_path
from .distributed import World

NOT_THERE = -1


class Checkpoint(ABC):
    """The checkpoint of the run in `folder`. Every rank must call each method."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder, self.world = folder, world

    @abstractmethod
    def is_there(self) -> bool: ...

    @abstractmethod
    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer, counters: dict[str, Any], settings: dict[str, Any]) -> None:
        """`counters` holds "step"; counters and settings are JSON values."""

    @abstractmethod
    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer, settings: dict[str, Any]) -> dict[str, Any] | None:
        """The counters of the checkpoint now restored into model and optimizer, or None when there is none.
        Raises ConfigError when it is damaged, was made with other settings or is not visible on every rank."""

    @abstractmethod
    def remove(self) -> None: ...


def checkpoint_of(folder: Path, parallel: str, world: World) -> Checkpoint:
    """The kind of checkpoint for `train.parallel`. Raises ConfigError when there is one of the other kind."""
    whole, sharded = WholeCheckpoint(folder, world), ShardedCheckpoint(folder, world)
    wanted, other, other_setting = (sharded, whole, "ddp") if parallel == "fsdp" else (whole, sharded, "fsdp")
    if not wanted.is_there() and other.is_there():
        raise ConfigError(f"{folder}: its checkpoint was made with train.parallel: {other_setting}; set that again, or delete it to start over.")
    return wanted


class WholeCheckpoint(Checkpoint):
    def __init__(self, folder: Path, world: World) -> None:
        super().__init__(folder, world)
        self.path = folder / "checkpoint.pt"

    def is_there(self) -> bool:
        there = self.path.exists()
        if not self.world.agrees(int(there)):
            raise ConfigError(f"{self.path}: only some ranks see it; work_dir must be on a file system that all machines share.")
        return there

    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer, counters: dict[str, Any], settings: dict[str, Any]) -> None:
        if self.world.is_first:
            content = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "counters": counters, "settings": settings}
            with atomic_path(self.path) as partial:
                torch.save(content, partial)
        self.world.wait()

    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer, settings: dict[str, Any]) -> dict[str, Any] | None:
        if not self.is_there():
            return None
        try:
            content = torch.load(self.path, map_location="cpu")
        except Exception as error:  # torch.load raises whatever the damage leads to
            raise ConfigError(f"{self.path} is damaged ({error}); delete it to start this run again.") from error
        _refuse_other_settings(self.path, content["settings"], settings)
        model.load_state_dict(content["model"])
        optimizer.load_state_dict(content["optimizer"])
        return content["counters"]

    def remove(self) -> None:
        if self.world.is_first:
            self.path.unlink(missing_ok=True)
        self.world.wait()


class ShardedCheckpoint(Checkpoint):
    """Folders are named by their step, so that the new one is whole before the old one goes. One process without sharding reads and writes them
    too: weights and moments are stored by name, not by rank."""

    def is_there(self) -> bool:
        return self._last_step() != NOT_THERE

    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer, counters: dict[str, Any], settings: dict[str, Any]) -> None:
        from torch.distributed import checkpoint
        from torch.distributed.checkpoint.state_dict import get_state_dict

        path = self._path(counters["step"])
        if self.world.first_decides(path.exists()):
            return
        weights, moments = get_state_dict(model, optimizer)
        with atomic_path(path) if self.world.is_first else contextlib.nullcontext(path.with_name(path.name + ".partial")) as partial:
            if self.world.is_first:
                partial.mkdir()
            self.world.wait()
            with _without_remarks():
                # Returns on the first rank when all ranks have written.
                checkpoint.save({"model": weights, "optimizer": moments}, checkpoint_id=partial)
            if self.world.is_first:
                (partial / "counters.json").write_text(json.dumps({"counters": counters, "settings": settings}))
        if self.world.is_first:
            self._remove_but(path)
        self.world.wait()

    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer, settings: dict[str, Any]) -> dict[str, Any] | None:
        from torch.distributed import checkpoint
        from torch.distributed.checkpoint.api import CheckpointException
        from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

        step = self._last_step()
        if step == NOT_THERE:
            return None
        path = self._path(step)
        if not self.world.agrees(int(path.exists())):
            raise ConfigError(f"{path}: only some ranks see it; work_dir must be on a file system that all machines share.")
        weights, moments = get_state_dict(model, optimizer)
        state = {"model": weights, "optimizer": moments}
        try:
            record = json.loads((path / "counters.json").read_text())
            _refuse_other_settings(path, record["settings"], settings)
            with _without_remarks():
                checkpoint.load(state, checkpoint_id=path)
        except ConfigError:
            raise
        except (Exception, CheckpointException) as error:  # as with torch.load; CheckpointException is no Exception
            raise ConfigError(f"{path} is damaged ({error}); delete it to start this run again.") from error
        set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
        return record["counters"]

    def remove(self) -> None:
        if self.world.is_first:
            self._remove_but(None)
        self.world.wait()

    def _path(self, step: int) -> Path:
        return self.folder / f"checkpoint-{step:08d}"

    def _last_step(self) -> int:
        """As the first rank sees it, NOT_THERE without any."""
        steps = [int(found[1]) for path in self.folder.glob("checkpoint-*") if (found := re.fullmatch(r"checkpoint-(\d+)", path.name))]
        return self.world.first_decides(max(steps, default=NOT_THERE))

    def _remove_but(self, kept: Path | None) -> None:
        """Half-written ones go too."""
        for path in self.folder.glob("checkpoint-*"):
            if path != kept:
                shutil.rmtree(path)


def _refuse_other_settings(path: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    differing = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
    if differing:
        raise ConfigError(f"{path} was made with other settings ({', '.join(differing)}); delete it to start this run again.")


@contextlib.contextmanager
def _without_remarks() -> Iterator[None]:
    """PyTorch warns a single process that it is alone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield
