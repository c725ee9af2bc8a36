"""Fine-tuned LLMs on disk between the LLM's job and SLM-d's: a folder each, whole or absent, removed when the student is done."""
from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import torch

from ..config import RunConfig
from ..files import atomic_path, write_json
from ..pack.safetensors_file import read_safetensors, write_safetensors
from .fine_tune import FineTuned
from .jobs import LLM
from .pretrained import Cost, fingerprint


def keep_teacher(config: RunConfig, domain: str, seed: int, tuned: FineTuned, cost: Cost) -> None:
    course = {field.name: getattr(tuned, field.name) for field in dataclasses.fields(tuned) if field.name != "weights"}
    with atomic_path(_folder(config, domain, seed)) as partial:
        partial.mkdir()
        write_safetensors(partial / "model.safetensors", {name: tensor.cpu().numpy() for name, tensor in tuned.weights.items()})
        write_json(partial / "course.json", {"fine_tuning": course, "cost": dataclasses.asdict(cost)})


def kept_teacher(config: RunConfig, domain: str, seed: int) -> tuple[FineTuned, Cost] | None:
    """None when there is none for the present checkpoint, text and settings."""
    folder = _folder(config, domain, seed)
    if not folder.exists():
        return None
    course = json.loads((folder / "course.json").read_text(encoding="utf-8"))
    weights = {name: torch.from_numpy(array.copy()) for name, array in read_safetensors(folder / "model.safetensors").items()}
    fine_tuning = {**course["fine_tuning"], "curve": [tuple(point) for point in course["fine_tuning"]["curve"]]}
    return FineTuned(weights=weights, **fine_tuning), Cost(**course["cost"])


def discard_teacher(config: RunConfig, domain: str, seed: int) -> None:
    shutil.rmtree(_folder(config, domain, seed), ignore_errors=True)


def _folder(config: RunConfig, domain: str, seed: int) -> Path:
    return config.work / "evaluation" / "teachers" / f"{domain}-seed{seed}-{fingerprint(config, LLM, domain)}"
