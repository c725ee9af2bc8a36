"""The projected network against its formula, its gradients against finite differences, the chunked loss against the plain one."""
from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from pretrain.config import ModelShape, ProjectedNetworkShape
from pretrain.model.flops import parameter_count, projected_parameter_count
from pretrain.model.initialization import initialize, projected_matrices, slice_learning_rate_share
from pretrain.model.llama import Llama
from pretrain.model.loss import CHUNK_ROWS, IGNORED_TARGET, chunked_loss, token_losses
from pretrain.model.projected import ProjectedLlama

from .tiny_work import K, NETWORK, SMALL, VOCAB


def projected_model(seed: int = 1) -> ProjectedLlama:
    model = ProjectedLlama(SMALL, VOCAB, NETWORK, K)
    initialize(model, seed)
    return model.double()


def group_loss(model: ProjectedLlama, blocks: torch.Tensor, experts: torch.Tensor) -> torch.Tensor:
    hidden = model.grouped_hidden(blocks[..., :-1], experts)
    return chunked_loss(hidden.flatten(0, 2), model.head_weight, blocks[..., 1:].flatten())


def random_blocks(groups: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, VOCAB, (groups, 2, 9), generator=torch.Generator().manual_seed(seed))


def test_projection_is_the_sum_over_slices() -> None:
    model = projected_model()
    weights = model.project(model.E[1])
    layer = model.model.layers[1].mlp.up_proj
    expected = torch.zeros(layer.T.shape[1:], dtype=torch.float64)
    for q in range(NETWORK.m):
        for r in range(NETWORK.h):
            expected += model.E[1, q] * layer.M[q, r] * layer.T[r]
    assert torch.allclose(weights["model.layers.1.mlp.up_proj.weight"], expected, rtol=1e-12, atol=1e-15)


def test_projected_llama_is_the_plain_llama_of_each_group_s_expert() -> None:
    model, blocks, experts = projected_model(), random_blocks(3), torch.tensor([2, 0, 1])
    hidden = model.grouped_hidden(blocks, experts)
    for group, expert in enumerate(experts.tolist()):
        plain = Llama(SMALL, VOCAB).double()
        plain.load_state_dict(model.project(model.E[expert]))
        assert torch.allclose(plain.hidden(blocks[group]), hidden[group], rtol=1e-10, atol=1e-12)


def test_a_hard_mixture_is_one_hot_vectors_with_an_identity() -> None:
    model = ProjectedLlama(SMALL, VOCAB, ProjectedNetworkShape(h=K, m=K), K).double()
    initialize(model, 3)
    with torch.no_grad():
        model.E.copy_(torch.eye(K))
        for _, matrix in projected_matrices(model):
            matrix.M.copy_(torch.eye(K))
    for expert in range(K):
        weights = model.project(model.E[expert])
        assert torch.equal(weights["model.layers.0.mlp.gate_proj.weight"], model.model.layers[0].mlp.gate_proj.T[expert])


@pytest.mark.parametrize("name", ["projected_network.E", "model.layers.0.mlp.gate_proj.M", "model.layers.1.mlp.down_proj.T", "model.layers.0.self_attn.q_proj.weight", "model.embed_tokens.weight"])
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    model, blocks, experts = projected_model(), random_blocks(2), torch.tensor([0, 2])
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(3)  # away from the nearly linear start
    group_loss(model, blocks, experts).backward()
    parameter = dict(model.named_parameters())[name]
    gradient = parameter.grad.flatten()
    indices = gradient.abs().topk(4).indices.tolist()
    for index in indices:
        losses = []
        for sign in (1, -1):
            with torch.no_grad():
                flat = parameter.view(-1)
                kept = flat[index].item()
                flat[index] = kept + sign * 1e-5
                losses.append(group_loss(model, blocks, experts).item())
                flat[index] = kept
        difference = (losses[0] - losses[1]) / 2e-5
        assert abs(difference - gradient[index].item()) <= 1e-6 * max(abs(difference), 1e-3)


def test_a_window_moves_its_own_expert_vector_only_and_every_shared_weight() -> None:
    model, blocks = projected_model(), random_blocks(2)
    group_loss(model, blocks, torch.tensor([1, 1])).backward()
    moved = model.E.grad.abs().sum(1)
    assert moved[1] > 0 and moved[0] == 0 and moved[2] == 0
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_a_batch_of_several_clusters_is_the_mean_of_their_losses() -> None:
    model, blocks = projected_model(), random_blocks(3)
    experts = torch.tensor([0, 1, 2])
    parts = [group_loss(model, blocks[i : i + 1], experts[i : i + 1]).item() for i in range(3)]
    assert group_loss(model, blocks, experts).item() == pytest.approx(sum(parts) / 3, rel=1e-12)


def test_projected_weights_start_with_the_plain_model_s_spread() -> None:
    shape = ModelShape(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2)
    model, plain = ProjectedLlama(shape, VOCAB, ProjectedNetworkShape(h=8, m=32), 64), Llama(shape, VOCAB)
    initialize(model, 1)
    initialize(plain, 1)
    for name in ("model.layers.0.mlp.gate_proj.weight", "model.layers.1.mlp.down_proj.weight"):
        expected = plain.state_dict()[name].pow(2).mean().sqrt().item()
        found = torch.stack([model.project(vector)[name].pow(2).mean() for vector in model.E]).mean().sqrt().item()
        assert found == pytest.approx(expected, rel=0.3)


def test_slice_rate_is_one_over_the_expected_sum_of_coefficients() -> None:
    model = ProjectedLlama(SMALL, VOCAB, ProjectedNetworkShape(h=8, m=64), 512)
    initialize(model, 5)
    sums = torch.cat([(model.E @ matrix.M).abs().sum(1) for _, matrix in projected_matrices(model)])
    assert slice_learning_rate_share(8) * sums.mean().item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("rows", [1, 5, CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 3])
def test_chunked_loss_and_gradients_are_the_plain_ones(rows: int) -> None:
    random = torch.Generator().manual_seed(rows)
    hidden = torch.randn(rows, 6, generator=random, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(11, 6, generator=random, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(-1, 11, (rows,), generator=random)
    targets[0] = 4
    expected = functional.cross_entropy(hidden @ weight.t(), targets, ignore_index=IGNORED_TARGET)
    expected_gradients = torch.autograd.grad(expected, (hidden, weight))
    loss = chunked_loss(hidden, weight, targets)
    gradients = torch.autograd.grad(loss * 2, (hidden, weight))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    for found, wanted in zip(gradients, expected_gradients):
        assert torch.allclose(found, 2 * wanted, rtol=1e-10, atol=1e-13)
    counted = targets != IGNORED_TARGET
    assert (token_losses(hidden, weight, targets).sum() / counted.sum()).item() == pytest.approx(expected.item(), rel=1e-12)


def test_a_nan_in_the_hidden_state_is_a_nan_loss() -> None:
    hidden = torch.zeros(3, 4)
    hidden[1, 2] = math.nan
    assert math.isnan(chunked_loss(hidden, torch.randn(7, 4), torch.tensor([1, 2, 3])).item())


def test_bfloat16_products_stay_near_float32() -> None:
    random = torch.Generator().manual_seed(0)
    hidden, weight = torch.randn(40, 32, generator=random), torch.randn(50, 32, generator=random) * 0.1
    targets = torch.randint(0, 50, (40,), generator=random)
    exact, rounded = (chunked_loss(hidden, weight, targets, dtype).item() for dtype in (torch.float32, torch.bfloat16))
    assert rounded == pytest.approx(exact, rel=1e-2) and rounded != exact


def test_parameter_counts_are_those_of_the_models() -> None:
    assert parameter_count(SMALL, VOCAB) == sum(p.numel() for p in Llama(SMALL, VOCAB).parameters())
    model = ProjectedLlama(SMALL, VOCAB, NETWORK, K)
    assert projected_parameter_count(SMALL, VOCAB, NETWORK, K) == sum(p.numel() for p in model.parameters())
