"""What the golden trajectories read of the bundled nano pack: the studio's own files, with the stored values as float64 weights."""
from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from ..config import ModelShape, ProjectedNetworkShape
from ..model.llama import Llama
from ..model.projected import ProjectedLlama
from ..pack.layout import SCALE_SUFFIX
from ..pack.runs import read_json
from ..pack.safetensors_file import read_safetensors
from ..pack.weights import float_tensor
from ..tokenizer.backends import choose_backend

PUBLIC = Path(__file__).resolve().parents[2] / "public"
PACK = PUBLIC / "packs" / "nano"
SAMPLE = PUBLIC / "samples" / "tide-mill.jsonl"

AnyModel = TypeVar("AnyModel", bound=nn.Module)


def small_model(file: str = "slm.safetensors") -> Llama:
    """The plain small model, or another one of its shape: mix/3.safetensors, say."""
    return _loaded(blank_small_model(), PACK / file)


def blank_small_model() -> Llama:
    """The small model without its weights."""
    return Llama(*_shape_of(PACK / "config.json")).double()


def large_model() -> Llama:
    return _loaded(Llama(*_shape_of(PACK / "llm" / "config.json")).double(), PACK / "llm" / "model.safetensors")


def projected_network() -> ProjectedLlama:
    numbers = read_json(PACK / "config.json")["projected_network"]
    network = ProjectedNetworkShape(h=numbers["h"], m=numbers["m"])
    return _loaded(ProjectedLlama(*_shape_of(PACK / "config.json"), network, numbers["k"]).double(), PACK / "pn.safetensors")


def reservoir_texts() -> list[np.ndarray]:
    """Every cluster's text to train on, uint16."""
    tokens = np.fromfile(PACK / "reservoir.bin", dtype="<u2")
    parts = [cluster["train"] for cluster in read_json(PACK / "clusters.json")["reservoir"]["clusters"]]
    return [tokens[part["begin"] : part["end"]] for part in parts]


def encoded(texts: list[str]) -> list[np.ndarray]:
    """Ids of each text by the pack's tokenizer, uint16, without special tokens."""
    encoder = choose_backend().encoder(read_json(PACK / "tokenizer.json"))
    try:
        return encoder.encode(texts)
    finally:
        encoder.close()


def end_of_text() -> int:
    return read_json(PACK / "config.json")["eos_token_id"]


def _shape_of(config_file: Path) -> tuple[ModelShape, int]:
    """(shape, vocabulary size)."""
    config = read_json(config_file)
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "rms_norm_eps", "rope_theta")
    return ModelShape(**{name: config[name] for name in names}), config["vocab_size"]


def _loaded(model: AnyModel, file: Path) -> AnyModel:
    """`model` with the file's values, which must be exactly its parameters."""
    stored = read_safetensors(file)
    names = [name for name in stored if not name.endswith(SCALE_SUFFIX)]
    model.load_state_dict({name: torch.from_numpy(float_tensor(stored, name).astype(np.float64)) for name in names})
    return model
