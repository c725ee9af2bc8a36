"""A model where it computes: device, precision, compiled or not, replicated over ranks or not. Compiling takes up to a minute, so one instance
serves every run of the same shape in a process."""
from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..config import ModelShape, RunConfig
from ..model.llama import Llama
from ..model.loss import chunked_loss
from ..model.projected import ProjectedLlama
from .distributed import World
from .precision import autocast, choose_precision, maybe_compile


class GroupLoss(nn.Module):
    """A model's training loss, as a module so that replication and sharding can wrap it."""

    def __init__(self, model: nn.Module, compile_setting: str, dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self._dtype = dtype
        self.grouped_hidden = maybe_compile(model.grouped_hidden, compile_setting)

    def forward(self, blocks: Tensor, experts: Tensor) -> Tensor:
        """blocks [G, b, T + 1], experts [G] -> mean nats per token."""
        hidden = self.grouped_hidden(blocks[..., :-1], experts)
        return chunked_loss(hidden.flatten(0, 2), self.model.head_weight, blocks[..., 1:].flatten(), self._dtype)


class ModelOnDevice:
    def __init__(self, module: nn.Module, world: World, precision: str, compile_setting: str) -> None:
        self.device = world.device
        self.dtype = choose_precision(precision, world.device)
        if world.size > 1 and precision == "auto":
            # Ranks that measured differently would compute differently: the first rank's choice counts.
            choice = torch.tensor([self.dtype == torch.bfloat16], device=world.device, dtype=torch.int64)
            torch.distributed.broadcast(choice, 0)
            self.dtype = torch.bfloat16 if bool(choice.item()) else torch.float32
        self.module = module.to(world.device)
        self._loss = GroupLoss(self.module, compile_setting, self.dtype)
        self._replicated = DistributedDataParallel(self._loss) if world.size > 1 else self._loss

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        return autocast(self.device, self.dtype)

    def loss(self, blocks: Tensor, experts: Tensor) -> Tensor:
        """Mean nats per token of blocks [G, b, T + 1] through experts [G]; its backward pass averages gradients over ranks."""
        with self.autocast():
            return self._replicated(blocks.to(self.device), experts.to(self.device))

    def grouped_hidden(self, tokens: Tensor, experts: Tensor) -> Tensor:
        return self._loss.grouped_hidden(tokens, experts)


_instances: dict[tuple[object, ...], ModelOnDevice] = {}


def model_of_shape(config: RunConfig, shape: ModelShape, projected: bool, world: World) -> ModelOnDevice:
    """The process's instance for this shape; its weights are whatever the last run left."""
    key = (shape, projected, config.projected_network, config.tokenizer.vocab_size, config.clusters.k, config.train.precision, config.train.compile)
    if key not in _instances:
        vocab_size = config.tokenizer.vocab_size
        if projected:
            module: nn.Module = ProjectedLlama(shape, vocab_size, config.projected_network, config.clusters.k)
        else:
            module = Llama(shape, vocab_size)
        _instances[key] = ModelOnDevice(module, world, config.train.precision, config.train.compile)
    return _instances[key]
