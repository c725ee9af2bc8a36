"""The small model in plain PyTorch: a Llama with a tied head, exactly as Hugging Face's LlamaForCausalLM defines it (rotate_half RoPE,
RMSNorm with eps inside the root, SiLU-gated MLP, causal softmax attention, no biases, as many key-value heads as heads). Parameter
names are the checkpoint's, so `state_dict()` is the file. Written for exactness: no fused kernels, any dtype, float64 included.

Letters: B batch, T sequence, C hidden size, NH heads, HS head size, F MLP width, V vocabulary."""
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

IGNORED_TARGET = -1
"""The target of a position that is not trained on; as unsigned 32 bits it is the studio's 0xFFFFFFFF."""


@dataclass(frozen=True)
class ModelConfig:
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    head_dim: int
    max_position_embeddings: int
    rms_norm_eps: float
    rope_theta: float


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision goes up to float32 where sums need it; float64 stays."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        wide = at_least_float32(x)
        normalized = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * normalized.to(x.dtype)


def rope_cos_sin(config: ModelConfig, length: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """cos and sin [T, HS] of position * theta^(-2i/HS); the second half of the columns repeats the first."""
    dtype = torch.promote_types(like.dtype, torch.float32)
    exponents = torch.arange(0, config.head_dim, 2, dtype=dtype, device=like.device) / config.head_dim
    angles = torch.outer(torch.arange(length, dtype=dtype, device=like.device), config.rope_theta**-exponents)
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x [B, NH, T, HS]: pairs (i, i + HS/2) turn by the row's angle."""
    low, high = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-high, low], dim=-1) * sin


class Attention(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width = config.num_attention_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, width, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, width, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, width, bias=False)
        self.o_proj = nn.Linear(width, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        B, T, _ = x.shape
        NH, HS = self.config.num_attention_heads, self.config.head_dim

        def heads(projected: Tensor) -> Tensor:
            return projected.view(B, T, NH, HS).transpose(1, 2)

        cos, sin = rope_cos_sin(self.config, T, x)
        q = rotate(heads(self.q_proj(x)), cos, sin)
        k = rotate(heads(self.k_proj(x)), cos, sin)
        v = heads(self.v_proj(x))
        scores = q @ k.transpose(-2, -1) * HS**-0.5
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        scores = at_least_float32(scores).masked_fill(future, float("-inf"))
        out = scores.softmax(-1).to(x.dtype) @ v
        return self.o_proj(out.transpose(1, 2).reshape(B, T, NH * HS))


class MLP(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = MLP(config)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))


class Trunk(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)


class ReferenceModel(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Trunk(config)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens [B, T] -> logits [B, T, V]; the head is the embedding's transpose."""
        x = self.model.embed_tokens(tokens)
        for layer in self.model.layers:
            x = layer(x)
        return functional.linear(self.model.norm(x), self.model.embed_tokens.weight)


def mean_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean negative log-likelihood in nats over the targets that are not ignored."""
    return functional.cross_entropy(at_least_float32(logits).flatten(0, 1), targets.flatten(), ignore_index=IGNORED_TARGET)
