"""The training loop of one run, from wherever its checkpoint is to its final weights."""
from __future__ import annotations

import dataclasses
import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..config import ConfigError, RunConfig
from ..files import atomic_path, write_atomically, write_json
from ..model.flops import projection_flops, training_flops_per_token
from ..pack.finished import FinishedPack, TrainingSoFar
from ..pack.safetensors_file import write_safetensors
from ..progress import Progress
from .blocks import GroupedTokens, grouped_tokens
from .checkpoint import checkpoint_of
from .distributed import World
from .model_on_device import model_of_shape
from .optimizer import make_optimizer, set_learning_rate
from .sampler import GroupSampler
from .schedule import learning_rate_at
from .systems import TrainingRun, cluster_shares
from .validation import ValidationLoss, validate

LOG_EVERY_STEPS = 10


@dataclass
class Counters:
    """What a checkpoint keeps beside weights and moments."""

    step: int = 0
    seconds: float = 0.0
    """Time in training steps, validation and saving left out."""
    sampler: dict[str, Any] = field(default_factory=dict)


class Trainer:
    """One run. `folder` gets metrics.jsonl, a checkpoint while it runs, final.safetensors and run.json when it is done."""

    def __init__(self, config: RunConfig, run: TrainingRun, world: World, start: FinishedPack | None = None) -> None:
        """`start`: the pack to go on from; a run that it does not hold starts anew."""
        self.config, self.run, self.world = config, run, world
        self.start = start if start and start.holds(run.name) else None
        self.so_far = self.start.training_so_far(run.name) if self.start else TrainingSoFar()
        self.folder = config.work / "runs" / run.name
        train = config.train
        self.tokens_per_step = train.groups_per_step * train.sequences_per_group * train.context
        self.num_steps = max(round(run.tokens / self.tokens_per_step), 1) if run.tokens else 0
        if train.groups_per_step % world.size:
            raise ConfigError(f"train.groups_per_step ({train.groups_per_step}) must be a multiple of the number of ranks ({world.size}).")

    @property
    def is_done(self) -> bool:
        return (self.folder / "run.json").exists()

    def train(self) -> None:
        """Raises FloatingPointError when a loss or a gradient norm is not finite; the last checkpoint stays."""
        train = self.config.train
        self.model = model_of_shape(self.config, self.run.shape, self.run.projected, self.world)
        if self.start:
            self.model.load_weights(self.start.weights(self.run.name))
        else:
            self.model.initialize(train.seed)
        self.counters = Counters()
        if self.num_steps:
            self.text, self.held_out = grouped_tokens(self.config.work, self.run.labels)
            self._run_steps()
        weights = self.model.whole_weights()
        if self.world.is_first:
            self._write_final(weights)
        if self.num_steps:
            self.checkpoint.remove()
        self.world.wait()

    def _run_steps(self) -> None:
        config, train, world = self.config, self.config.train, self.world
        optimizer = make_optimizer(self.model.module, train)
        probabilities = self.run.cluster_probabilities
        if probabilities is None:
            probabilities = cluster_shares(self.text)
        sampler = GroupSampler(probabilities, self.text.num_blocks(train.context), train.groups_per_step, train.sequences_per_group, self._order_seed)
        self.checkpoint = checkpoint_of(self.folder, train.parallel, world)
        restored = self.checkpoint.load(self.model.module, optimizer, self._settings())
        if restored:
            self.counters = Counters(**restored)
            sampler.restore(self.counters.sampler)
        if world.is_first:
            self._prepare_metrics(self.counters.step)
        progress = Progress(
            f"train {self.run.name}", self.num_steps * self.tokens_per_step, "tokens", self.folder / "log.txt",
            done=self.counters.step * self.tokens_per_step, quiet=not world.is_first,
        )
        last_saved = time.monotonic()
        since_log, steps_since_log = torch.zeros((), device=world.device), 0
        while self.counters.step < self.num_steps:
            started = time.perf_counter()
            blocks, experts = self._next_batch(sampler)
            learning_rate = learning_rate_at(self.counters.step, self.num_steps, train)
            set_learning_rate(optimizer, learning_rate)
            loss = self.model.loss(blocks, experts)
            loss.backward()
            norm = self.model.clip_gradients(train.clip_norm)
            if not math.isfinite(norm):
                raise FloatingPointError(f"{self.run.name}: the gradient's norm is {norm} at step {self.counters.step + 1}; the last checkpoint is kept.")
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            since_log += loss.detach().float()
            steps_since_log += 1
            self.counters.step += 1
            self.counters.seconds += time.perf_counter() - started
            step = self.counters.step
            note = ""
            if step % LOG_EVERY_STEPS == 0 or step == self.num_steps:
                mean = float(world.mean(since_log)) / steps_since_log
                since_log.zero_()
                steps_since_log = 0
                note = f"loss {mean:.4f}"
                self._record({"loss": mean, "learning_rate": learning_rate, "gradient_norm": norm})
            if step % train.validate_every_steps == 0 or step == self.num_steps:
                result = self._validate()
                note = f"validation perplexity {math.exp(result.mean):.2f}"
                self._record({"validation_loss": result.mean, "validation_loss_by_cluster": result.by_cluster})
            progress.advance(self.tokens_per_step, note)
            is_due = time.monotonic() - last_saved > train.checkpoint_seconds and step < self.num_steps
            if world.first_decides(is_due):  # clocks differ, and all must save at the same step
                self._save(optimizer, sampler)
                last_saved = time.monotonic()
        self._save(optimizer, sampler)

    def _next_batch(self, sampler: GroupSampler) -> tuple[torch.Tensor, torch.Tensor]:
        """This rank's groups of the global batch: blocks [G / ranks, b, T + 1], experts [G / ranks]."""
        clusters, indices = sampler.next_step()
        mine = slice(self.world.rank, None, self.world.size)
        pairs = zip(clusters[mine], indices[mine])
        blocks = np.stack([self.text.blocks(int(cluster), rows, self.config.train.context) for cluster, rows in pairs])
        return torch.from_numpy(blocks), torch.from_numpy(clusters[mine])

    @property
    def _order_seed(self) -> int:
        """A run that goes on from a pack takes the text in another order: the first one begins with what has been seen already."""
        return self.config.train.seed + self.so_far.tokens

    @property
    def _tokens(self) -> int:
        """Seen so far, those before the starting pack included."""
        return self.so_far.tokens + self.counters.step * self.tokens_per_step

    def _validate(self) -> ValidationLoss:
        """Every rank computes all of it: a hundredth of the training at most, and no sums to pass round."""
        train, run = self.config.train, self.run
        clusters = range(self.held_out.num_clusters)
        if run.system == "mix":
            clusters = [int(np.argmax(run.cluster_probabilities))]
        groups = train.groups_per_step // self.world.size
        return validate(self.model, self.held_out, list(clusters), train.validation_tokens, train.context, groups, train.sequences_per_group)

    def _record(self, values: dict[str, Any]) -> None:
        if not self.world.is_first:
            return
        line = {"step": self.counters.step, "tokens": self._tokens, "seconds": round(self.counters.seconds, 3), **values}
        with open(self.folder / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _prepare_metrics(self, step: int) -> None:
        """A new file begins with the starting pack's curve, which goes on from there. Of an old one, what was logged after the checkpoint goes: it
        will be logged again."""
        path = self.folder / "metrics.jsonl"
        if not path.exists():
            lines = ({"step": 0, "tokens": tokens, "validation_loss": loss} for tokens, loss in self.so_far.validation_losses)
            write_atomically(path, "".join(json.dumps(line) + "\n" for line in lines).encode())
            return
        kept = []
        for line in path.read_text().splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
            except ValueError:
                break  # the line a kill cut short
        with atomic_path(path) as partial:
            partial.write_text("".join(kept))

    def _save(self, optimizer: torch.optim.Optimizer, sampler: GroupSampler) -> None:
        self.counters.sampler = sampler.state()
        self.checkpoint.save(self.model.module, optimizer, dataclasses.asdict(self.counters), self._settings())

    def _settings(self) -> dict[str, Any]:
        """What must not change between a checkpoint and its continuation. Where and how it computes may, and how long: with other `tokens` the rate
        goes on along the new length's cosine, so that a run can be brought to its end when time runs out."""
        train = dataclasses.asdict(self.config.train)
        for free in ("tokens", "precision", "compile", "parallel", "checkpoint_seconds", "validate_every_steps", "validation_tokens", "importance_domains", "importance_tokens", "large_tokens"):
            train.pop(free)
        return {"train": train, "shape": dataclasses.asdict(self.run.shape), "vocab_size": self.config.tokenizer.vocab_size,
                "projected_network": dataclasses.asdict(self.config.projected_network) if self.run.projected else None,
                "start_from": self.start.fingerprint if self.start else None}

    def _write_final(self, weights: dict[str, np.ndarray]) -> None:
        with atomic_path(self.folder / "final.safetensors") as partial:
            write_safetensors(partial, weights)
        tokens = self.counters.step * self.tokens_per_step
        flops = tokens * training_flops_per_token(self.run.shape, self.config.tokenizer.vocab_size, self.config.train.context)
        if self.run.projected:
            flops += self.counters.step * self.config.train.groups_per_step * projection_flops(self.run.shape, self.config.projected_network)
        seconds = self.counters.seconds
        write_json(self.folder / "run.json", {
            "name": self.run.name, "system": self.run.system, "settings": self._settings(), "steps": self.counters.step,
            **({"started_from": {"pack": self.start.name, "tokens": self.so_far.tokens}} if self.start else {}),
            "tokens": self.so_far.tokens + tokens, "flops": self.so_far.flops + flops, "seconds": self.so_far.seconds + seconds,
            "tokens_per_second": tokens / seconds if seconds else None,
            "parameters": sum(weight.size for weight in weights.values()), "precision": str(self.model.dtype).removeprefix("torch."),
            "ranks": self.world.size, "parallel": self.config.train.parallel, "threads": torch.get_num_threads(), "torch": torch.__version__, "device": device_name(self.world.device),
        })


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "CPU"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else "CPU"
