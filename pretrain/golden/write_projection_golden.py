"""Writes the golden projection that the studio's tests replay: a tiny projected network under its pack names, all float32, and every
expert's MLP weights as `projected/EXPERT/NAME`, projected by the trainer's own model in float64 and stored as float32.

    /usr/bin/python3 -m pretrain.golden.write_projection_golden
"""
from __future__ import annotations

import json
from pathlib import Path

import torch

from ..config import ModelShape, ProjectedNetworkShape
from ..model.projected import ProjectedLlama
from ..pack.safetensors_file import write_safetensors
from .write_golden import FOLDER, as_float32, studio_config

NAME = "projection"
# All sizes differ, so that a mixed-up axis shows.
SHAPE = ModelShape(hidden_size=12, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2)
NETWORK = ProjectedNetworkShape(h=5, m=4)
NUM_EXPERTS = 3
VOCAB_SIZE = 17
MAX_POSITIONS = 16
SEED = 3


def random_network() -> ProjectedLlama:
    """A float64 network whose weights are exact in float32."""
    random = torch.Generator().manual_seed(SEED)
    model = ProjectedLlama(SHAPE, VOCAB_SIZE, NETWORK, NUM_EXPERTS).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random, dtype=torch.float64).float())
    return model


def write_projection(folder: Path) -> None:
    """Writes projection.safetensors and projection.json (shapes) into `folder`."""
    model = random_network()
    stored = {name: as_float32(parameter) for name, parameter in model.named_parameters()}
    for expert, vector in enumerate(model.E):
        for name, weight in model.project(vector).items():
            if name not in stored:
                stored[f"projected/{expert}/{name}"] = as_float32(weight)
    write_safetensors(folder / f"{NAME}.safetensors", stored)
    description = {
        "config": studio_config(SHAPE, VOCAB_SIZE, MAX_POSITIONS),
        "projectedNetwork": {"h": NETWORK.h, "k": NUM_EXPERTS, "m": NETWORK.m},
        "torch": torch.__version__,
    }
    (folder / f"{NAME}.json").write_text(json.dumps(description, indent=2) + "\n")


if __name__ == "__main__":
    write_projection(FOLDER)
