"""What a run needs to go on as if it had never stopped: weights, optimizer moments, the sampler's place, counters. One file, written beside
itself and renamed, so a kill at any moment leaves the last whole one. It says nothing about ranks: any number of them can go on from it."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..config import ConfigError
from ..files import atomic_path


def save_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, counters: dict[str, Any], settings: dict[str, Any]) -> None:
    content = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "counters": counters, "settings": settings}
    with atomic_path(path) as partial:
        torch.save(content, partial)


def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The counters of the checkpoint now restored into model and optimizer, or None when there is none.
    Raises ConfigError when the file is damaged or was made with other settings."""
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu")
    except Exception as error:  # torch.load raises whatever the damage leads to
        raise ConfigError(f"{path} is damaged ({error}); delete it to start this run again.") from error
    differing = sorted(key for key in settings.keys() | content["settings"].keys() if settings.get(key) != content["settings"].get(key))
    if differing:
        raise ConfigError(f"{path} was made with other settings ({', '.join(differing)}); delete it to start this run again.")
    model.load_state_dict(content["model"])
    optimizer.load_state_dict(content["optimizer"])
    return content["counters"]
