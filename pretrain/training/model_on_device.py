"""A model where it computes: device, precision, compiled or not, replicated (DDP) or sharded (FSDP) over ranks or alone. Compiling takes up to
a minute, so one instance serves every run of the same shape in a process."""
from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..config import ModelShape, RunConfig
from ..model.initialization import initialize
from ..model.llama import Llama
from ..model.loss import chunked_loss, row_gradients, token_losses
from ..model.projected import ProjectedLlama
from .distributed import World, filling_shards, require_sharding, shard, whole
from .precision import autocast, choose_precision, compile_layers, maybe_compile


class GroupLoss(nn.Module):
    """A model's loss, as a module so that replication and sharding can wrap it: all weights are at hand inside `forward`, the head's included."""

    def __init__(self, model: nn.Module, dtype: torch.dtype, compile_setting: str) -> None:
        super().__init__()
        self.model = model
        self._dtype = dtype
        self._row_gradients = maybe_compile(row_gradients, compile_setting)

    def forward(self, blocks: Tensor, experts: Tensor, of_each_token: bool = False) -> Tensor:
        """blocks [G, b, T + 1], experts [G] -> mean nats per token, or nats of each token [G * b * T] (without gradients)."""
        hidden = self.model.grouped_hidden(blocks[..., :-1], experts).flatten(0, 2)
        targets = blocks[..., 1:].flatten()
        if of_each_token:
            return token_losses(hidden, self.model.head_weight, targets)
        return chunked_loss(hidden, self.model.head_weight, targets, self._dtype, self._row_gradients)


class ModelOnDevice:
    """With `is_sharded` (more than one rank and `parallel` fsdp) parameters, gradients and moments are DTensors; products keep float32 master
    weights under autocast as everywhere, so that the way of parallelism does not change the arithmetic."""

    def __init__(self, module: nn.Module, world: World, precision: str, compile_setting: str, parallel: str = "ddp") -> None:
        self.world, self.device = world, world.device
        self.dtype = choose_precision(precision, world.device)
        if precision == "auto":
            # Ranks that measured differently would compute differently: the first rank's choice counts.
            self.dtype = torch.bfloat16 if world.first_decides(self.dtype == torch.bfloat16) else torch.float32
        self.is_sharded = parallel == "fsdp" and world.size > 1
        self.module = module
        self._loss = GroupLoss(module, self.dtype, compile_setting)
        self._parallel: nn.Module = self._loss
        compile_layers(module, compile_setting)
        if self.is_sharded:
            shard(self._loss, list(module.model.layers), world)
            return
        self.module.to(world.device)
        if world.size > 1:
            # Gradients live in the buckets that are summed, so that they are held once.
            self._parallel = DistributedDataParallel(self._loss, gradient_as_bucket_view=True)

    def initialize(self, seed: int) -> None:
        """The same starting weights for any number of ranks, and no gradients: a run that broke off in this process may have left some."""
        self.module.zero_grad(set_to_none=True)
        with filling_shards() if self.is_sharded else contextlib.nullcontext():
            initialize(self.module, seed)

    def load_weights(self, weights: dict[str, np.ndarray]) -> None:
        """float32 by name, whole on every rank."""
        self.module.zero_grad(set_to_none=True)
        with torch.no_grad(), filling_shards() if self.is_sharded else contextlib.nullcontext():
            for name, parameter in self.module.named_parameters():
                parameter.copy_(torch.from_numpy(weights[name].copy()).to(self.device))

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        return autocast(self.device, self.dtype)

    def loss(self, blocks: Tensor, experts: Tensor) -> Tensor:
        """Mean nats per token of blocks [G, b, T + 1] through experts [G]; its backward pass averages gradients over ranks."""
        with self.autocast():
            return self._parallel(blocks.to(self.device), experts.to(self.device))

    @torch.no_grad()
    def token_losses(self, blocks: Tensor, experts: Tensor) -> Tensor:
        """Nats of each token [G, b, T] of blocks [G, b, T + 1] through experts [G]. All ranks of a sharded model must call it alike."""
        with self.autocast():
            losses = self._loss(blocks.to(self.device), experts.to(self.device), of_each_token=True)
        if self.is_sharded:
            self._loss.reshard()  # only a backward pass would: whoever looks at the parameters next expects shards
        return losses.view(*blocks.shape[:2], -1)

    def clip_gradients(self, max_norm: float) -> float:
        """The norm of the whole gradient before it was scaled down to at most `max_norm`."""
        return float(whole(torch.nn.utils.clip_grad_norm_(list(self.module.parameters()), max_norm)))

    def whole_weights(self) -> dict[str, np.ndarray]:
        """All weights in float32 on the first rank, nothing on the others; every rank must call it. Gathers one tensor at a time."""
        weights = {}
        for name, parameter in self.module.state_dict().items():
            weight = whole(parameter.detach())
            if self.world.is_first:
                weights[name] = weight.float().cpu().numpy()
        return weights


_instances: dict[tuple[object, ...], ModelOnDevice] = {}


def model_of_shape(config: RunConfig, shape: ModelShape, projected: bool, world: World) -> ModelOnDevice:
    """The process's instance for this shape; its weights are whatever the last run left. Raises ConfigError where fsdp is not available."""
    train = config.train
    key = (shape, projected, config.projected_network, config.tokenizer.vocab_size, config.clusters.k, train.precision, train.compile, train.parallel)
    if key not in _instances:
        if train.parallel == "fsdp":
            require_sharding()
        vocab_size = config.tokenizer.vocab_size
        # What will be sharded is never whole on any rank, so it starts without storage.
        with torch.device("meta") if train.parallel == "fsdp" and world.size > 1 else contextlib.nullcontext():
            if projected:
                module: nn.Module = ProjectedLlama(shape, vocab_size, config.projected_network, config.clusters.k)
            else:
                module = Llama(shape, vocab_size)
        _instances[key] = ModelOnDevice(module, world, train.precision, train.compile, train.parallel)
    return _instances[key]
