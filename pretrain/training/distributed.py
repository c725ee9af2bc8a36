"""One process or many: torchrun's environment, what differs between ranks, and how a model is replicated or sharded over them. gloo on CPUs,
NCCL on CUDA. Everything here is a no-op for one process."""
from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any, Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..config import ConfigError

SHARDING_NEEDS = (2, 6)
"""The first PyTorch with `fully_shard` in its public API."""


@dataclass(frozen=True)
class World:
    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """The rank that writes files and speaks."""
        return self.rank == 0

    def mean(self, value: Tensor) -> Tensor:
        """The mean over ranks of a tensor of the same shape everywhere."""
        if self.size == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.size

    def first_decides(self, value: int) -> int:
        """The first rank's `value`, on every rank. For whatever clocks or file systems could answer differently on each."""
        if self.size == 1:
            return value
        decided = torch.tensor([value], dtype=torch.int64, device=self.device)
        dist.broadcast(decided, 0)
        return int(decided.item())

    def agrees(self, value: int) -> bool:
        """Whether `value` is the same on every rank."""
        if self.size == 1:
            return True
        bounds = torch.tensor([value, -value], dtype=torch.int64, device=self.device)
        dist.all_reduce(bounds, dist.ReduceOp.MAX)
        largest, smallest = int(bounds[0]), -int(bounds[1])
        return largest == smallest

    def wait(self) -> None:
        if self.size > 1:
            dist.barrier()


def join_world() -> World:
    """The world torchrun started this process in; alone without torchrun."""
    cuda = torch.cuda.is_available()
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local_rank) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
        torch.backends.cuda.matmul.allow_tf32 = True
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if cuda else "gloo")
    return World(int(os.environ.get("RANK", "0")), size, device)


def leave_world() -> None:
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def require_sharding() -> None:
    """Raises ConfigError where this PyTorch cannot shard a model or its checkpoint."""
    if torch.__version__ < SHARDING_NEEDS:
        needed = ".".join(map(str, SHARDING_NEEDS))
        raise ConfigError(f"train.parallel: fsdp needs PyTorch {needed} or newer, this is {torch.__version__}; ddp works with older ones.")


def shard(root: nn.Module, layers: Iterable[nn.Module], world: World) -> None:
    """Spreads parameters, gradients and moments of `root` over the ranks (FSDP2). A layer's weights are whole only while it computes, those of the
    root itself (embedding, final norm, expert vectors) during the whole forward pass of `root`; to call anything else of it finds DTensors.
    Parameters on the meta device come out on the world's device, unfilled."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import Shard

    def placement(parameter: nn.Parameter) -> Shard | None:
        # Slices T [h, out, in] by default part along h: with more ranks than slices the rest would hold padding, so they part along `out` then.
        if parameter.dim() == 3 and parameter.shape[0] % world.size and parameter.shape[1] % world.size == 0:
            return Shard(1)
        return None

    mesh = init_device_mesh(world.device.type, (world.size,))
    for module in (*layers, root):
        fully_shard(module, mesh=mesh, shard_placement_fn=placement)
    root.to_empty(device=world.device)


def filling_shards() -> contextlib.AbstractContextManager[Any]:
    """Within it, copying a whole tensor that every rank has into a sharded one gives each rank its part."""
    from torch.distributed.tensor.experimental import implicit_replication

    return implicit_replication()


def whole(tensor: Tensor) -> Tensor:
    """A sharded tensor gathered from all ranks, all of which must ask; any other as it is."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
