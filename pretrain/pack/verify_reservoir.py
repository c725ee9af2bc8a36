"""Checks reservoir.bin against its description in clusters.json."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .errors import PackError
from .runs import read_json

PARTS = ("train", "held_out")


def verify_reservoir(folder: Path, k: int, vocab_size: int) -> None:
    """The parts must follow each other without gap to the file's end, windows must fill their part, ids must be below `vocab_size`.
    Raises PackError."""
    file, json_file = folder / "reservoir.bin", folder / "clusters.json"
    description = read_json(json_file).get("reservoir")
    clusters = description.get("clusters") if isinstance(description, dict) else None
    if not isinstance(clusters, list) or len(clusters) != k:
        raise PackError(f"{json_file}: reservoir.clusters must describe {k} clusters, because the pack has a reservoir.bin.")
    num_tokens, odd = divmod(file.stat().st_size, 2)
    position = 0
    for index, cluster in enumerate(clusters):
        for part in PARTS:
            position = _part_end(cluster, part, position, f"{json_file}: reservoir.clusters[{index}].{part}")
    if odd or position != num_tokens or description.get("tokens") != num_tokens:
        raise PackError(f"{file} has {file.stat().st_size} bytes, but {json_file.name} describes {position} tokens of 2 bytes.")
    largest = int(np.memmap(file, dtype="<u2", mode="r").max()) if num_tokens else 0
    if largest >= vocab_size:
        raise PackError(f"{file} holds the token id {largest}, but config.json says vocab_size = {vocab_size}.")


def _part_end(cluster: Any, part: str, position: int, where: str) -> int:
    """Where a part ends that must begin at `position`, in tokens."""
    entry = cluster.get(part) if isinstance(cluster, dict) else None
    begin, end, windows = (entry.get("begin"), entry.get("end"), entry.get("windows")) if isinstance(entry, dict) else (None, None, None)
    if begin != position or not isinstance(windows, list) or not all(type(length) is int and length > 0 for length in windows):
        raise PackError(f"{where} must begin at token {position} and list its windows' lengths.")
    if end != position + sum(windows):
        raise PackError(f"{where} must end at token {position + sum(windows)}, where its windows end, but it says {end}.")
    return end
