"""A finished pretraining of tiny random models on made-up text, as the evaluate stage finds it. Everything in it takes well under a second."""
from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np

from ..config import ClusterConfig, CorpusConfig, FineTuneConfig, ModelShape, ProjectedNetworkShape, RunConfig, TokenizerConfig, TrainConfig
from ..corpus.token_store import writing_token_store
from ..model.flops import training_flops_per_token
from ..model.initialization import initialize
from ..model.llama import Llama
from ..model.projected import ProjectedLlama
from ..pack.safetensors_file import write_safetensors

VOCAB_SIZE = 260
END_OF_TEXT = 256
NUM_CLUSTERS = 3
DOMAINS = ("law", "songs")


def tiny_config(folder: Path, **fine_tune: object) -> RunConfig:
    settings = {
        "tokens": 1500, "max_steps": 4, "batch_sequences": 2, "learning_rate": 3e-3, "warmup_steps": 1, "evaluate_every_steps": 2,
        "patience": 2, "validation_share": 0.1, "seeds": [1, 2], **fine_tune,
    }
    return RunConfig(
        name="tiny", work_dir=str(folder), pack_dir=str(folder / "pack"), results_file=str(folder / "RESULTS.md"),
        small=ModelShape(16, 24, 2, 2), large=ModelShape(24, 40, 2, 2), projected_network=ProjectedNetworkShape(h=2, m=3),
        corpus=CorpusConfig(generic=""), tokenizer=TokenizerConfig(VOCAB_SIZE), clusters=ClusterConfig(k=NUM_CLUSTERS),
        train=TrainConfig(tokens=1000, context=16, sequences_per_group=1, groups_per_step=1, learning_rate=1e-3, precision="float32", compile="no"),
        fine_tune=FineTuneConfig(**settings),  # type: ignore[arg-type]
    )


def write_documents(folder: Path, documents: list[bytes]) -> None:
    """One token a byte."""
    with writing_token_store(folder, ["text"], END_OF_TEXT, VOCAB_SIZE, {}) as store:
        for text in documents:
            store.append(np.frombuffer(text, dtype=np.uint8).astype(np.uint16), len(text), "text", False)


def write_domains(config: RunConfig) -> None:
    random = np.random.default_rng(0)
    for number, domain in enumerate(DOMAINS):
        # A domain is its ten letters, each mostly followed by the next: a model can learn it.
        def document(length: int) -> bytes:
            steps = random.choice([1, 1, 1, 3], length).cumsum() % 10
            return bytes((97 + 12 * number + steps).astype(np.uint8))

        write_documents(config.work / "tokens" / "domains" / f"{domain}.train", [document(int(n)) for n in random.integers(20, 120, 24)])
        write_documents(config.work / "tokens" / "domains" / f"{domain}.test", [document(int(n)) for n in random.integers(20, 120, 4)])
    histograms = {domain: {"cluster_counts": [1 + number, 5 - 4 * number, 2], "importance_counts": [1]} for number, domain in enumerate(DOMAINS)}
    (config.work / "clusters").mkdir(parents=True)
    (config.work / "clusters" / "domains.json").write_text(json.dumps(histograms))


def write_run(config: RunConfig, name: str, seed: int, validation: list[float | None], poison: bool = False) -> None:
    """A random model as a finished run; `poison` makes one weight NaN."""
    shape = config.large if name == "llm" else config.small
    model = ProjectedLlama(shape, VOCAB_SIZE, config.projected_network, NUM_CLUSTERS) if name == "pn" else Llama(shape, VOCAB_SIZE)
    initialize(model, seed)
    folder = config.work / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    weights = {key: tensor.detach().numpy().copy() for key, tensor in model.state_dict().items()}
    if poison:
        weights["model.norm.weight"][0] = np.nan
    write_safetensors(folder / "final.safetensors", weights)
    known = [loss for loss in validation if loss is not None]
    line = {"step": 9, "validation_loss": sum(known) / max(len(known), 1), "validation_loss_by_cluster": validation}
    earlier = {"step": 5, "validation_loss": 9.0, "validation_loss_by_cluster": []}
    (folder / "metrics.jsonl").write_text(json.dumps(earlier) + "\n" + json.dumps(line) + "\n")
    flops = 1000 * training_flops_per_token(shape, VOCAB_SIZE, config.train.context)
    run = {"tokens": 1000, "flops": flops, "seconds": 10.0, "parameters": sum(tensor.size for tensor in weights.values())}
    (folder / "run.json").write_text(json.dumps(run))


def tiny_work(folder: Path, runs: tuple[str, ...] = ("slm", "pn", "llm", "mix-0", "mix-1", "mix-2", "is-law"), **fine_tune: object) -> RunConfig:
    """Everything the evaluate stage reads, at `folder`."""
    config = tiny_config(folder, **fine_tune)
    write_domains(config)
    for seed, name in enumerate(runs):
        by_cluster: list[float | None] = [2.0, 3.0, 4.0]
        if name.startswith("mix"):
            by_cluster = [2.0 if name == f"mix-{cluster}" else None for cluster in range(NUM_CLUSTERS)]
        write_run(config, name, seed, by_cluster)
    return config


def with_fine_tuning(config: RunConfig, **changes: object) -> RunConfig:
    return dataclasses.replace(config, fine_tune=dataclasses.replace(config.fine_tune, **changes))  # type: ignore[arg-type]
