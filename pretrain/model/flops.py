"""What a token costs. A multiplication and an addition are two operations; training is three forward passes."""
from __future__ import annotations

from ..config import ModelShape, ProjectedNetworkShape


def parameter_count(shape: ModelShape, vocab_size: int) -> int:
    """Parameters of the plain model, the tied head counted once."""
    return vocab_size * shape.hidden_size + shape.num_hidden_layers * (_layer_matrices(shape) + 2 * shape.hidden_size) + shape.hidden_size


def projected_parameter_count(shape: ModelShape, vocab_size: int, pn: ProjectedNetworkShape, k: int) -> int:
    matrices = 3 * shape.num_hidden_layers
    mlp = 3 * shape.num_hidden_layers * shape.hidden_size * shape.intermediate_size
    return parameter_count(shape, vocab_size) + (pn.h - 1) * mlp + matrices * pn.m * pn.h + k * pn.m


def training_flops_per_token(shape: ModelShape, vocab_size: int, context: int) -> float:
    """6 operations per matrix parameter (the head counts, the embedding's lookup does not) and 12 L C T/2 of causal attention."""
    matrices = vocab_size * shape.hidden_size + shape.num_hidden_layers * _layer_matrices(shape)
    return 6 * matrices + 12 * shape.num_hidden_layers * shape.hidden_size * context / 2


def projection_flops(shape: ModelShape, pn: ProjectedNetworkShape) -> float:
    """Training operations of one projection of every MLP matrix (forward, gradient of T, gradient of the coefficients)."""
    return 6 * pn.h * 3 * shape.num_hidden_layers * shape.hidden_size * shape.intermediate_size


def _layer_matrices(shape: ModelShape) -> int:
    return 4 * shape.hidden_size**2 + 3 * shape.hidden_size * shape.intermediate_size
