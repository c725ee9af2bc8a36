"""The projected network: one model whose MLP weights are, for every expert i, a linear combination of h slices,

    W[i] = sum_r (E[i] @ M)_r T[r]

with E [k, m] shared by all layers, M [m, h] and T [h, out, in] of every projected matrix. Embedding, attention and norms are shared by all
experts. Names are those of the pack's pn.safetensors. Source: arXiv 2402.01093, section 3.

Letters as in llama.py; G groups: sequences of one cluster, which share one projection, so that a batch of G clusters is one batched matmul."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..config import ModelShape, ProjectedNetworkShape
from .llama import Trunk


class ProjectedLinear(nn.Module):
    """G weights at once, from G expert vectors."""

    def __init__(self, in_features: int, out_features: int, pn: ProjectedNetworkShape) -> None:
        super().__init__()
        self.M = nn.Parameter(torch.empty(pn.m, pn.h))
        self.T = nn.Parameter(torch.empty(pn.h, out_features, in_features))

    def weight(self, vectors: Tensor) -> Tensor:
        """vectors [G, m] -> weights [G, out, in], combined in the parameters' precision (float32 under autocast)."""
        with torch.autocast(vectors.device.type, enabled=False):
            coefficients = vectors @ self.M
            return (coefficients @ self.T.flatten(1)).unflatten(1, self.T.shape[1:])

    def forward(self, x: Tensor, vectors: Tensor) -> Tensor:
        """x [G, N, in] -> [G, N, out]."""
        return x @ self.weight(vectors).to(x.dtype).transpose(1, 2)


class ProjectedMLP(nn.Module):
    def __init__(self, shape: ModelShape, pn: ProjectedNetworkShape) -> None:
        super().__init__()
        self.gate_proj = ProjectedLinear(shape.hidden_size, shape.intermediate_size, pn)
        self.up_proj = ProjectedLinear(shape.hidden_size, shape.intermediate_size, pn)
        self.down_proj = ProjectedLinear(shape.intermediate_size, shape.hidden_size, pn)

    def forward(self, x: Tensor, vectors: Tensor) -> Tensor:
        """x [G * b, T, C], vectors [G, m] -> [G * b, T, C]."""
        grouped = x.reshape(vectors.shape[0], -1, x.shape[-1])
        inner = functional.silu(self.gate_proj(grouped, vectors)) * self.up_proj(grouped, vectors)
        return self.down_proj(inner, vectors).reshape(x.shape)


class ExpertVectors(nn.Module):
    def __init__(self, k: int, m: int) -> None:
        super().__init__()
        self.E = nn.Parameter(torch.empty(k, m))


class ProjectedLlama(nn.Module):
    def __init__(self, shape: ModelShape, vocab_size: int, pn: ProjectedNetworkShape, k: int) -> None:
        super().__init__()
        self.shape, self.vocab_size, self.pn, self.k = shape, vocab_size, pn, k
        self.projected_network = ExpertVectors(k, pn.m)
        self.model = Trunk(shape, vocab_size, [ProjectedMLP(shape, pn) for _ in range(shape.num_hidden_layers)])

    @property
    def E(self) -> Tensor:
        """Expert vectors [k, m]."""
        return self.projected_network.E

    @property
    def head_weight(self) -> Tensor:
        """[V, C]: the head is the embedding."""
        return self.model.embed_tokens.weight

    def grouped_hidden(self, tokens: Tensor, experts: Tensor) -> Tensor:
        """tokens [G, b, T], experts [G] (integers below k) -> final hidden states [G, b, T, C]."""
        return self.hidden_of_vectors(tokens, self.E[experts])

    def hidden_of_vectors(self, tokens: Tensor, vectors: Tensor) -> Tensor:
        """The same for expert vectors [G, m] that need not be rows of E."""
        return self.model(tokens.flatten(0, 1), vectors).unflatten(0, tokens.shape[:2])

    hidden = grouped_hidden

    def forward(self, tokens: Tensor, experts: Tensor) -> Tensor:
        """tokens [G, b, T], experts [G] -> logits [G, b, T, V]."""
        return functional.linear(self.grouped_hidden(tokens, experts), self.head_weight)

    def project(self, vector: Tensor) -> dict[str, Tensor]:
        """The plain Llama of an expert vector [m], as its state dict; differentiable in the vector and in every weight."""
        weights: dict[str, Tensor] = {}
        for name, parameter in self.named_parameters():
            if not name.endswith((".M", ".T", ".E")):
                weights[name] = parameter
        for name, module in self.named_modules():
            if isinstance(module, ProjectedLinear):
                weights[f"{name}.weight"] = module.weight(vector[None])[0]
        return weights
