"""The pack that a run goes on from (`start_from`): its tokenizer, encoder and clusters are taken as they are, and a system that it holds starts
from its weights. The optimizer's moments are not in a pack, so the rate warms up again."""
from __future__ import annotations

import shutil
from pathlib import Path

from ..config import ConfigError, RunConfig
from ..files import atomic_path, only_one_process, write_json
from .errors import PackError
from .finished import FinishedPack, open_finished_pack, open_verified_pack
from .manifest import MANIFEST_NAME
from .runs import read_json


def open_starting_pack(config: RunConfig) -> FinishedPack | None:
    """None without `start_from`. The first time, the pack is verified and copied into the work folder, because the new pack may take its place.
    Raises PackError: it is damaged, or of other sizes than the configuration; ConfigError: the work folder began from another one."""
    if not config.start_from:
        return None
    folder, origin = config.work / "start", config.work / "start.json"
    # Ranks come here at the same time.
    with only_one_process(config.work / "start.lock"):
        if not folder.exists():
            _copy(Path(config.start_from), folder, origin, config)
    began_from = read_json(origin).get("start_from")
    if began_from != config.start_from:
        raise ConfigError(f"{config.work} began from the pack {began_from}; remove it or choose another work_dir.")
    return open_finished_pack(folder, config)


def _copy(pack: Path, folder: Path, origin: Path, config: RunConfig) -> None:
    if not (pack / MANIFEST_NAME).is_file():
        raise PackError(f"start_from: {pack} holds no {MANIFEST_NAME}.")
    open_verified_pack(pack, config)
    write_json(origin, {"start_from": config.start_from})
    with atomic_path(folder) as partial:
        shutil.copytree(pack, partial)
