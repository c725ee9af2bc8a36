"""The small model: a Llama with a tied head as Hugging Face's LlamaForCausalLM defines it (rotate_half RoPE, RMSNorm with eps inside the root,
SiLU-gated MLP, causal attention, no biases). Parameter names are the checkpoint's, so `state_dict()` is the file. Any dtype, float64 included.

Letters: B batch, T sequence, C hidden size, NH heads, HS head size, F MLP width, V vocabulary, L layers."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..config import ModelShape
from .attention import at_least_float32, causal_attention


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        wide = at_least_float32(x)
        return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)).to(x.dtype) * self.weight


def rope_cos_sin(shape: ModelShape, length: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """cos and sin [T, HS] of position * theta^(-2i/HS); the second half of the columns repeats the first."""
    dtype = torch.promote_types(like.dtype, torch.float32)
    exponents = torch.arange(0, shape.head_dim, 2, dtype=dtype, device=like.device) / shape.head_dim
    angles = torch.outer(torch.arange(length, dtype=dtype, device=like.device), shape.rope_theta**-exponents)
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x [B, NH, T, HS]: pairs (i, i + HS/2) turn by the row's angle."""
    low, high = x.chunk(2, dim=-1)
    return (x * cos + torch.cat([-high, low], dim=-1) * sin).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        C = shape.hidden_size
        self.q_proj = nn.Linear(C, C, bias=False)
        self.k_proj = nn.Linear(C, C, bias=False)
        self.v_proj = nn.Linear(C, C, bias=False)
        self.o_proj = nn.Linear(C, C, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x [B, T, C] -> [B, T, C]."""
        B, T, C = x.shape
        heads = (B, T, self.shape.num_attention_heads, self.shape.head_dim)
        q = rotate(self.q_proj(x).view(heads).transpose(1, 2), cos, sin)
        k = rotate(self.k_proj(x).view(heads).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(heads).transpose(1, 2)
        return self.o_proj(causal_attention(q, k, v).transpose(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """`mlp` is the plain MLP here and the projected one in projected.py; it may take further arguments (the coefficients)."""

    def __init__(self, shape: ModelShape, mlp: nn.Module) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.mlp = mlp

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, *mlp_arguments: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x), *mlp_arguments)


class Trunk(nn.Module):
    def __init__(self, shape: ModelShape, vocab_size: int, mlps: list[nn.Module]) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape, mlp) for mlp in mlps)
        self.norm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.shape = shape

    def forward(self, tokens: Tensor, *mlp_arguments: Tensor) -> Tensor:
        """tokens [B, T] -> final hidden states [B, T, C]."""
        x = self.embed_tokens(tokens)
        cos, sin = rope_cos_sin(self.shape, tokens.shape[1], x)
        for layer in self.layers:
            x = layer(x, cos, sin, *mlp_arguments)
        return self.norm(x)


class Llama(nn.Module):
    def __init__(self, shape: ModelShape, vocab_size: int) -> None:
        super().__init__()
        self.shape, self.vocab_size = shape, vocab_size
        self.model = Trunk(shape, vocab_size, [MLP(shape) for _ in range(shape.num_hidden_layers)])

    @property
    def head_weight(self) -> Tensor:
        """[V, C]: the head is the embedding."""
        return self.model.embed_tokens.weight

    def hidden(self, tokens: Tensor) -> Tensor:
        """tokens [B, T] -> final hidden states [B, T, C]."""
        return self.model(tokens)

    def grouped_hidden(self, tokens: Tensor, experts: Tensor) -> Tensor:
        """tokens [G, b, T] -> [G, b, T, C]; a plain model has no experts, so `experts` [G] is not used."""
        return self.model(tokens.flatten(0, 1)).unflatten(0, tokens.shape[:2])

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens [B, T] -> logits [B, T, V]."""
        return functional.linear(self.hidden(tokens), self.head_weight)
