"""The pack that a work folder began from: the one to go on from (`start_from`), or the one whose lost work folder this is (restore.py). Its
tokenizer, encoder and clusters are taken as they are, and a system that it holds and that is still to be trained starts from its weights. The
optimizer's moments are not in a pack, so the rate warms up again.

    start/        a copy of the pack: the new pack may take the place of the original
    start.json    {"start_from": folder} or {"restored_from": folder}"""
from __future__ import annotations

import shutil
from pathlib import Path

from ..config import ConfigError, RunConfig
from ..files import atomic_path, only_one_process, write_json
from .finished import FinishedPack, open_finished_pack, open_verified_pack
from .runs import read_json


def open_starting_pack(config: RunConfig) -> FinishedPack | None:
    """None where everything starts anew. Raises PackError: the pack is damaged, or of other sizes than the configuration; ConfigError: the work
    folder began from another one."""
    origin = config.work / "start.json"
    if config.start_from:
        # Ranks come here at the same time.
        with only_one_process(config.work / "start.lock"):
            if not origin.exists():
                keep_copy(config, open_verified_pack(Path(config.start_from), config), {"start_from": config.start_from})
    elif not origin.exists():
        return None
    began_from = read_json(origin)
    if "restored_from" not in began_from and began_from.get("start_from") != config.start_from:
        raise ConfigError(f"{config.work} began from the pack {began_from.get('start_from')}; remove it or choose another work_dir.")
    return open_finished_pack(config.work / "start", config)


def keep_copy(config: RunConfig, pack: FinishedPack, origin: dict[str, str]) -> None:
    """Makes a verified pack the one that the work folder began from; `origin` is start.json."""
    with atomic_path(config.work / "start") as partial:
        shutil.copytree(pack.folder, partial)
    # Written last: it says that the copy is whole.
    write_json(config.work / "start.json", origin)
