"""How fast this machine pretrains: SLM and PN steps in turn in one process, against the machine's own matrix-product rates in the same run.

    python -m pretrain.training.measure_speed configs/base.yaml [--steps 5] [--profile]

Text is random token ids; speed does not depend on what they say."""
from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch

from ..config import RunConfig, load_config
from ..model.flops import projection_flops, training_flops_per_token
from ..model.initialization import initialize
from .allocator import keep_freed_memory
from .distributed import join_world
from .loop import device_name
from .model_on_device import ModelOnDevice, model_of_shape
from .optimizer import make_optimizer
from .precision import matmul_rate

WARM_UP_STEPS = 2


class TimedStep:
    """A whole training step of one system on a fixed random batch."""

    def __init__(self, config: RunConfig, projected: bool) -> None:
        train = config.train
        self.model: ModelOnDevice = model_of_shape(config, config.small, projected, join_world())
        initialize(self.model.module, train.seed)
        self.optimizer = make_optimizer(self.model.module, train)
        random = torch.Generator().manual_seed(0)
        shape = (train.groups_per_step, train.sequences_per_group, train.context + 1)
        self.blocks = torch.randint(0, config.tokenizer.vocab_size, shape, generator=random)
        self.experts = torch.randint(0, config.clusters.k, shape[:1], generator=random)
        self.tokens = train.groups_per_step * train.sequences_per_group * train.context
        self.flops = self.tokens * training_flops_per_token(config.small, config.tokenizer.vocab_size, train.context)
        if projected:
            self.flops += train.groups_per_step * projection_flops(config.small, config.projected_network)

    def __call__(self) -> float:
        """Seconds of one step."""
        started = time.perf_counter()
        self.model.loss(self.blocks, self.experts).backward()
        torch.nn.utils.clip_grad_norm_(self.model.module.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.model.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started


def measure(config: RunConfig, steps: int) -> dict[str, Any]:
    """Medians over `steps` interleaved steps. Rates are operations per second."""
    device = join_world().device
    timed = {"SLM": TimedStep(config, False), "PN": TimedStep(config, True)}
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    rates: dict[str, list[float]] = {"bfloat16": [], "float32": []}
    for index in range(WARM_UP_STEPS + steps):
        for name, step in timed.items():
            taken = step()
            if index >= WARM_UP_STEPS:
                seconds[name].append(taken)
        for dtype in rates:
            rates[dtype].append(matmul_rate(getattr(torch, dtype), device, seconds=0.3))
    best = {dtype: statistics.median(values) for dtype, values in rates.items()}
    result: dict[str, Any] = {"device": device_name(device), "torch": torch.__version__, "threads": torch.get_num_threads(), "matmul_rate": best}
    for name, step in timed.items():
        median = statistics.median(seconds[name])
        result[name] = {
            "precision": str(step.model.dtype), "seconds": median, "tokens_per_second": step.tokens / median, "flops_per_second": step.flops / median,
            "share_of_bfloat16_rate": step.flops / median / best["bfloat16"], "share_of_float32_rate": step.flops / median / best["float32"],
        }
    result["PN_throughput_over_SLM"] = result["PN"]["tokens_per_second"] / result["SLM"]["tokens_per_second"]
    return result


def profile(config: RunConfig) -> str:
    """Where the time of a PN step goes, by operator."""
    step = TimedStep(config, True)
    for _ in range(WARM_UP_STEPS):
        step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as recorded:
        step()
    return recorded.key_averages().table(sort_by="self_cpu_time_total", row_limit=16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    keep_freed_memory()
    config = load_config(options.config)
    for key, value in measure(config, options.steps).items():
        print(f"{key}: {value}")
    if options.profile:
        print(profile(config))


if __name__ == "__main__":
    main()
