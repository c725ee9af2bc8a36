"""What the jobs of one process share: texts, compiled models, the projected network, and held-out losses known already."""
from __future__ import annotations

from functools import cached_property
from typing import Any

import torch

from ..config import ConfigError, ModelShape, RunConfig
from ..model.flops import training_flops_per_token
from ..model.projected import ProjectedLlama
from .domain_text import DomainText, HeldOutText, TrainingWindows, load_domain_text
from .model_host import HeldOutLoss, ModelHost, Weights, identity_of
from .pretrained import cluster_histograms, read_weights, text_identity
from .results import append_line, read_lines


class Workbench:
    def __init__(self, config: RunConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        self._known_losses = config.work / "evaluation" / "held_out.jsonl"
        self._text_of: tuple[str, DomainText] | None = None

    @cached_property
    def small(self) -> ModelHost:
        return ModelHost(self.config.small, self.config.tokenizer.vocab_size, self.config, self.device)

    @cached_property
    def large(self) -> ModelHost:
        return ModelHost(self.config.large, self.config.tokenizer.vocab_size, self.config, self.device)

    @cached_property
    def network(self) -> ProjectedLlama:
        """The pretrained projected network, its weights fixed."""
        config = self.config
        network = ProjectedLlama(config.small, config.tokenizer.vocab_size, config.projected_network, config.clusters.k)
        network.load_state_dict(read_weights(config, "pn"))
        return network.requires_grad_(False).to(self.device)

    def histogram(self, domain: str) -> list[float]:
        """Windows per cluster [k] of the domain's training part. Raises ConfigError when the cluster stage has not counted them."""
        histograms = cluster_histograms(self.config)
        if len(histograms.get(domain, [])) != self.config.clusters.k:
            path = self.config.work / "clusters" / "domains.json"
            raise ConfigError(f"{path} has no counts over {self.config.clusters.k} clusters for {domain}: run the cluster stage again.")
        return histograms[domain]

    def text(self, domain: str) -> DomainText:
        """The last one asked for is kept."""
        if self._text_of is None or self._text_of[0] != domain:
            self._text_of = (domain, load_domain_text(self.config.work / "tokens" / "domains", domain, self.config.fine_tune))
        return self._text_of[1]

    def windows(self, domain: str, seed: int) -> TrainingWindows:
        text = self.text(domain)
        return TrainingWindows(text.training, text.test.end_of_text, self.config.train.context, seed)

    def training_flops(self, shape: ModelShape) -> float:
        """Operations of training on one token; a forward pass is a third of it."""
        return training_flops_per_token(shape, self.config.tokenizer.vocab_size, self.config.train.context)

    def held_out_loss(self, host: ModelHost, weights: Weights, domain: str, part: str) -> HeldOutLoss:
        """Loss on the `validation` or `test` part, from the file of known losses where it can: seeds and strategies often start alike.
        `host` holds the weights only if the loss had to be computed. Raises NotFiniteError."""
        fine_tune = self.config.fine_tune
        cut = [fine_tune.tokens, fine_tune.validation_share] if part == "validation" else [fine_tune.test_tokens]
        key: list[Any] = [identity_of(weights), domain, part, *text_identity(self.config, domain), self.config.train.context, *cut]
        for record in read_lines(self._known_losses):
            if record.get("key") == key:
                return HeldOutLoss(record["nats"], record["tokens"], record["bytes"], record["seconds"])
        host.load(weights)
        text: HeldOutText = getattr(self.text(domain), part)
        result = host.held_out_loss(text)
        figures = {"nats": result.nats, "tokens": result.tokens, "bytes": result.num_bytes, "seconds": result.seconds}
        append_line(self._known_losses, {"key": key, **figures})
        return result
