"""pack.json and config.json, as the studio (src/pack/manifest.ts, packConfig.ts) and Hugging Face read them."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..config import ModelShape, ProjectedNetworkShape
from ..files import sha256_of

MANIFEST_NAME = "pack.json"
FORMAT = "projected-network-pack"
FORMAT_VERSION = 1
REQUIRED_FILES = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "clusters.json", "clusters.safetensors", "encoder.onnx",
    "slm.safetensors", "pn.safetensors",
)
SAFE_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
"""A path of plain names, as the studio demands."""


def weight_file(run: str) -> str:
    """Where a pack keeps the weights of a run: 'mix-3' -> 'mix/3.safetensors', 'llm' -> 'llm/model.safetensors'."""
    stem = {"llm": "llm/model"}.get(run, run.replace("mix-", "mix/"))
    return f"{stem}.safetensors"


def run_of(file: str) -> str:
    """The other way round."""
    stem = file.removesuffix(".safetensors").removesuffix("/model")
    return stem.replace("/", "-")


def list_files(folder: Path) -> dict[str, Path]:
    """Path inside the pack -> file, sorted; the manifest itself left out."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: files[name] for name in sorted(files) if name != MANIFEST_NAME}


def manifest_json(folder: Path, name: str, provenance: dict[str, Any], parameters: dict[str, int]) -> dict[str, Any]:
    """pack.json for the files in `folder`, which is complete but for it."""
    files = {path: {"bytes": file.stat().st_size, "sha256": sha256_of(file)} for path, file in list_files(folder).items()}
    return {"format": FORMAT, "format_version": FORMAT_VERSION, "name": name, "files": files, "provenance": provenance, "parameters": parameters}


def llama_config_json(shape: ModelShape, vocab_size: int, context: int, eos_id: int) -> dict[str, Any]:
    """A Hugging Face LlamaConfig."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocab_size,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.num_hidden_layers,
        "num_attention_heads": shape.num_attention_heads,
        "num_key_value_heads": shape.num_attention_heads,
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": context,
        "rms_norm_eps": shape.rms_norm_eps,
        "rope_theta": shape.rope_theta,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": eos_id,
        "eos_token_id": eos_id,
        "torch_dtype": "float16",
    }


def network_json(network: ProjectedNetworkShape, k: int) -> dict[str, int]:
    """config.json's "projected_network"."""
    return {"h": network.h, "k": k, "m": network.m}
