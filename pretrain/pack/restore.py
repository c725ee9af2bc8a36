"""The restore stage: makes a lost work folder again from the pack it made, so that evaluation, further systems and packing go on: the finished
runs, and for the tokenize and cluster stages the tokenizer, the encoder and the centroids, which a newer library or text would make otherwise.
Packing a restored run gives the pack's own bytes (tests/test_start.py)."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..config import ConfigError, RunConfig
from ..files import atomic_path, write_atomically, write_json
from ..progress import Progress
from .finished import FinishedPack, open_verified_pack
from .safetensors_file import write_safetensors
from .start import keep_copy


def run_restore(config: RunConfig) -> None:
    """Writes start/, and runs/ for what `config.pack_dir` holds; what is there stays. Raises PackError and ConfigError."""
    progress = Progress("restore", 0, "runs", config.work / "logs" / "restore.log")
    pack = open_verified_pack(Path(config.pack_dir), config)
    if not (config.work / "start.json").exists():
        if (config.work / "tokenizer").exists():
            raise ConfigError(f"{config.work}: there is a tokenizer, which may not be that of {config.pack_dir}; remove the folder or choose another work_dir.")
        keep_copy(config, pack, {"restored_from": config.pack_dir})
    for run in pack.records:
        folder = config.work / "runs" / run
        if folder.exists():
            progress.say(f"{run} is in the work folder: left alone")
        elif not pack.holds(run):
            progress.say(f"{run}: its weights are not in the pack")
        else:
            _restore_run(pack, run, folder)
            progress.say(f"{run}: {pack.records[run]['tokens']:,} tokens of training")


def _restore_run(pack: FinishedPack, run: str, folder: Path) -> None:
    pack.training_so_far(run)  # refuses a record that lacks what tables and card need
    record = {**pack.records[run], "name": run, "system": run.split("-")[0], "restored_from": {"pack": pack.name, "sha256": pack.fingerprint}}
    losses, by_cluster = record.pop("validation_losses", []), record.pop("validation_loss_by_cluster", None)
    lines: list[dict[str, Any]] = [{"tokens": tokens, "validation_loss": loss} for tokens, loss in losses]
    if by_cluster and lines:
        lines[-1]["validation_loss_by_cluster"] = by_cluster
    with atomic_path(folder) as partial:
        partial.mkdir()
        write_safetensors(partial / "final.safetensors", pack.weights(run))
        write_atomically(partial / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())
        write_json(partial / "run.json", record)
