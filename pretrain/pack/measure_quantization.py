"""What storing T in 8 bits costs: validation perplexity of a trained projected network (every held-out block through its own cluster's
expert) with T as trained, in half precision and in 8 bits. All other weights stay as trained, and all products are float32.

    python -m pretrain.pack.measure_quantization CONFIG [--tokens N] [--device cuda]
"""
from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..config import ConfigError, RunConfig, load_config
from ..corpus.documents import CorpusError
from ..model.projected import ProjectedLlama
from ..training.allocator import keep_freed_memory
from ..training.blocks import grouped_tokens
from ..training.distributed import World
from ..training.model_on_device import ModelOnDevice
from ..training.validation import validate
from .errors import PackError
from .layout import projected_network_layout
from .quantize import dequantize_rows, quantize_rows
from .runs import require_run
from .weights import read_trained, to_half

STORAGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "float32": lambda T: T,
    "float16": lambda T: to_half(T, "T").astype(np.float32),
    "int8 with a scale per row": lambda T: dequantize_rows(*quantize_rows(T)),
}
"""T as trained -> T as a reader of the pack sees it."""


@dataclass(frozen=True)
class StorageLoss:
    storage: str
    """A key of STORAGES."""
    loss: float
    """Mean negative log-likelihood in nats per token."""

    @property
    def perplexity(self) -> float:
        return math.exp(self.loss)


def measure_storages(config: RunConfig, max_tokens: int, device: str = "cpu") -> list[StorageLoss]:
    """One for each of STORAGES, on the same held-out blocks, about `max_tokens` in all. Raises PackError, CorpusError, ConfigError."""
    vocab_size, k, train = config.tokenizer.vocab_size, config.clusters.k, config.train
    layout = projected_network_layout(config.small, vocab_size, config.projected_network, k, t_bits=16)
    trained = read_trained(require_run(config, "pn").weights, layout)
    held_out = grouped_tokens(config.work, "experts")[1]
    if not held_out.num_blocks(train.context).any():
        raise PackError(f"{config.work}: no cluster has {train.context + 1} held-out tokens to measure on.")
    network = ProjectedLlama(config.small, vocab_size, config.projected_network, k)
    model = ModelOnDevice(network, World(0, 1, torch.device(device)), "float32", "no")
    clusters = list(range(held_out.num_clusters))
    losses = []
    for storage, stored_as in STORAGES.items():
        stored = {name: stored_as(array) if name.endswith(".T") else array for name, array in trained.items()}
        network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in stored.items()})
        result = validate(model, held_out, clusters, max_tokens, train.context, train.groups_per_step, train.sequences_per_group)
        losses.append(StorageLoss(storage, result.mean))
    return losses


def main() -> int:
    parser = argparse.ArgumentParser("python -m pretrain.pack.measure_quantization", description="What storing T in 8 bits costs in perplexity.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--tokens", type=int, default=200_000, help="held-out tokens to measure on, about")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    keep_freed_memory()
    try:
        losses = measure_storages(load_config(arguments.config), arguments.tokens, arguments.device)
    except (ConfigError, CorpusError, PackError) as error:
        print(error, file=sys.stderr)
        return 2
    for measured in losses:
        change = math.expm1(measured.loss - losses[0].loss)
        print(f"T in {measured.storage}: perplexity {measured.perplexity:.4f} ({change:+.4%} against float32)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
