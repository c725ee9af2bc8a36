"""Which tensors a pack's weight files hold, with shape and dtype, in the order they are stored: layer by layer, for readers that stream.
Matrices are F16; expert vectors E, mixing matrices M and norms are F32; T may be I8 with one F32 scale per row."""
from __future__ import annotations

from ..config import ModelShape, ProjectedNetworkShape
from .safetensors_file import TensorSpec

EXPERT_VECTORS = "projected_network.E"
MLP_PROJECTIONS = ("gate_proj", "up_proj", "down_proj")
SCALE_SUFFIX = "_scale"
"""`...T_scale` [h, out] belongs to `...T` [h, out, in] stored as I8."""


def mlp_shape(shape: ModelShape, projection: str) -> tuple[int, int]:
    """[out, in] of an MLP matrix."""
    wide, narrow = shape.intermediate_size, shape.hidden_size
    return (narrow, wide) if projection == "down_proj" else (wide, narrow)


def mlp_prefixes(shape: ModelShape) -> list[tuple[str, tuple[int, int]]]:
    """("model.layers.N.mlp.gate_proj", [out, in]) of every MLP matrix, in order."""
    layers = range(shape.num_hidden_layers)
    return [(f"model.layers.{layer}.mlp.{name}", mlp_shape(shape, name)) for layer in layers for name in MLP_PROJECTIONS]


def small_model_layout(shape: ModelShape, vocab_size: int) -> dict[str, TensorSpec]:
    """A plain Llama with a tied head: slm, llm and the mixture's experts."""
    layout: dict[str, TensorSpec] = {"model.embed_tokens.weight": TensorSpec((vocab_size, shape.hidden_size), "F16")}
    for layer in range(shape.num_hidden_layers):
        _add_attention(layout, shape, layer)
        for name in MLP_PROJECTIONS:
            layout[f"model.layers.{layer}.mlp.{name}.weight"] = TensorSpec(mlp_shape(shape, name), "F16")
    layout["model.norm.weight"] = TensorSpec((shape.hidden_size,), "F32")
    return layout


def projected_network_layout(
    shape: ModelShape, vocab_size: int, network: ProjectedNetworkShape, k: int, t_bits: int
) -> dict[str, TensorSpec]:
    """E [k, m], the shared weights, and M [m, h] and T [h, out, in] in place of every MLP matrix."""
    h, m = network.h, network.m
    layout: dict[str, TensorSpec] = {
        EXPERT_VECTORS: TensorSpec((k, m), "F32"),
        "model.embed_tokens.weight": TensorSpec((vocab_size, shape.hidden_size), "F16"),
    }
    for layer in range(shape.num_hidden_layers):
        _add_attention(layout, shape, layer)
        for name in MLP_PROJECTIONS:
            prefix, (out, inner) = f"model.layers.{layer}.mlp.{name}", mlp_shape(shape, name)
            layout[f"{prefix}.M"] = TensorSpec((m, h), "F32")
            if t_bits == 8:
                layout[f"{prefix}.T{SCALE_SUFFIX}"] = TensorSpec((h, out), "F32")
            layout[f"{prefix}.T"] = TensorSpec((h, out, inner), "I8" if t_bits == 8 else "F16")
    layout["model.norm.weight"] = TensorSpec((shape.hidden_size,), "F32")
    return layout


def trained_shapes(layout: dict[str, TensorSpec]) -> dict[str, tuple[int, ...]]:
    """The tensors a training run must have left for a file of this layout: all but the scales."""
    return {name: spec.shape for name, spec in layout.items() if not name.endswith(SCALE_SUFFIX)}


def _add_attention(layout: dict[str, TensorSpec], shape: ModelShape, layer: int) -> None:
    prefix, C = f"model.layers.{layer}", shape.hidden_size
    layout[f"{prefix}.input_layernorm.weight"] = TensorSpec((C,), "F32")
    for part in ("q", "k", "v", "o"):
        layout[f"{prefix}.self_attn.{part}_proj.weight"] = TensorSpec((C, C), "F16")
    layout[f"{prefix}.post_attention_layernorm.weight"] = TensorSpec((C,), "F32")
