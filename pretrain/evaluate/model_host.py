"""One model per shape and process that every job's weights are loaded into, so that torch.compile compiles once: all batches have one shape.

Letters: B sequences in a batch, T tokens in a window, C hidden size."""
from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass
from typing import Mapping

import numpy as np
import torch
from torch import Tensor

from ..config import ModelShape, RunConfig
from ..model.llama import Llama
from ..model.loss import chunked_loss, row_gradients, token_losses
from ..training.precision import autocast, choose_precision, compile_layers, maybe_compile
from .domain_text import HeldOutText

Weights = Mapping[str, Tensor]


class NotFiniteError(Exception):
    """A loss is NaN or infinite: the job has no figure."""


@dataclass(frozen=True)
class HeldOutLoss:
    """What a model makes of a held-out text."""

    nats: float
    tokens: int
    num_bytes: int
    seconds: float
    """What the evaluation took when it was computed."""

    @property
    def loss(self) -> float:
        """Mean nats per token."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        return math.exp(self.loss)

    @property
    def bits_per_byte(self) -> float:
        return self.nats / math.log(2) / self.num_bytes


def identity_of(weights: Weights) -> str:
    """The same for the same tensors, whatever made them: a SHA-256, hex."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


class ModelHost:
    def __init__(self, shape: ModelShape, vocab_size: int, config: RunConfig, device: torch.device) -> None:
        self.shape, self.device = shape, device
        self.sequences, self.length = config.fine_tune.batch_sequences, config.train.context
        self.model = Llama(shape, vocab_size).to(device)
        compile_layers(self.model, config.train.compile)
        self._row_gradients = maybe_compile(row_gradients, config.train.compile)
        self.training_dtype = choose_precision(config.train.precision, device)
        self._warm_up()

    def _warm_up(self) -> None:
        """Compiles what the jobs will run, so that no job's seconds hold it."""
        text = HeldOutText(np.zeros(1, dtype=np.int64), 1, 0)
        self.load({name: torch.zeros_like(tensor) for name, tensor in self.model.state_dict().items()})
        for tokens, targets in text.batches(self.sequences, self.length):
            self.loss(tokens, targets).backward()
        self.model.zero_grad(set_to_none=True)
        self.held_out_loss(text)

    def load(self, weights: Weights) -> None:
        """Copies in place. Raises RuntimeError for missing, unexpected or misshapen tensors."""
        self.model.load_state_dict(dict(weights))

    def weights(self) -> dict[str, Tensor]:
        """A copy."""
        return {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}

    def hidden(self, tokens: Tensor) -> Tensor:
        """tokens [B, T] -> [B * T, C] in the training precision."""
        with autocast(self.device, self.training_dtype):
            return self.model.hidden(tokens.to(self.device)).flatten(0, 1)

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean nats per target that counts, differentiable; tokens and targets [B, T]."""
        return chunked_loss(self.hidden(tokens), self.model.head_weight, targets.flatten().to(self.device), self.training_dtype, self._row_gradients)

    @torch.no_grad()
    def held_out_loss(self, text: HeldOutText) -> HeldOutLoss:
        """In float32 whatever the training precision, as the studio measures. Raises NotFiniteError."""
        started = time.perf_counter()
        nats, tokens = 0.0, 0
        for inputs, targets in text.batches(self.sequences, self.length):
            hidden = self.model.hidden(inputs.to(self.device)).flatten(0, 1)
            nats += float(token_losses(hidden, self.model.head_weight, targets.flatten().to(self.device)).double().sum())
            tokens += int((targets >= 0).sum())
        if not math.isfinite(nats):
            raise NotFiniteError("The loss on held-out text is not a finite number.")
        return HeldOutLoss(nats, tokens, text.num_bytes, time.perf_counter() - started)
