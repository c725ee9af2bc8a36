"""A tiny work folder, written as the tokenize and cluster stages would leave it, and settings to train on it."""
from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from pretrain.config import ClusterConfig, CorpusConfig, ModelShape, ProjectedNetworkShape, RunConfig, TokenizerConfig, TrainConfig

K, IMPORTANCE_K, VOCAB, CONTEXT = 3, 5, 259, 8
SMALL = ModelShape(hidden_size=12, intermediate_size=20, num_hidden_layers=2, num_attention_heads=3)
LARGE = ModelShape(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2)
NETWORK = ProjectedNetworkShape(h=4, m=5)


def tiny_config(work: Path, **train: Any) -> RunConfig:
    settings: dict[str, Any] = dict(
        tokens=12 * 2 * 2 * CONTEXT, context=CONTEXT, sequences_per_group=2, groups_per_step=2, learning_rate=1e-2, precision="float32",
        compile="no", validate_every_steps=4, validation_tokens=200, importance_tokens=64,
    )
    return RunConfig(
        name="tiny", work_dir=str(work), pack_dir=str(work / "pack"), small=SMALL, large=LARGE, projected_network=NETWORK,
        corpus=CorpusConfig(generic="text"), tokenizer=TokenizerConfig(VOCAB), clusters=ClusterConfig(k=K, importance_k=IMPORTANCE_K, window=64),
        train=TrainConfig(**{**settings, **train}),
    )


def write_tokens_and_clusters(work: Path, num_documents: int = 60, seed: int = 0) -> None:
    """Documents of a few dozen ids that keep to their cluster's part of the vocabulary, one window each; every tenth is held out."""
    random = np.random.default_rng(seed)
    lengths = random.integers(20, 60, num_documents)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    clusters = random.integers(0, K, num_documents)
    tokens = np.concatenate([random.integers(1 + 80 * c, 81 + 80 * c, n) for c, n in zip(clusters, lengths)]).astype("<u2")
    store = work / "tokens" / "generic"
    store.mkdir(parents=True)
    tokens.tofile(store / "tokens.bin")
    np.save(store / "documents.npy", offsets)
    np.save(store / "document_bytes.npy", (lengths * 3).astype(np.int64))
    np.save(store / "document_source.npy", np.zeros(num_documents, np.int16))
    np.save(store / "document_held_out.npy", np.arange(num_documents) % 10 == 0)
    summary = {"documents": num_documents, "tokens": int(offsets[-1]), "bytes": int(lengths.sum() * 3), "eos_id": 0, "vocab_size": VOCAB,
               "sources": [{"name": "made", "documents": num_documents, "tokens": int(offsets[-1]), "bytes": int(lengths.sum() * 3)}]}
    (store / "summary.json").write_text(json.dumps(summary))
    (work / "clusters").mkdir()
    windows = np.stack([offsets[:-1], lengths, clusters, random.integers(0, IMPORTANCE_K, num_documents)], axis=1).astype(np.int64)
    np.save(work / "clusters" / "windows.npy", windows)
    histograms = {"law": {"cluster_counts": [4, 0, 0], "importance_counts": [3, 1, 0, 0, 0]}}
    (work / "clusters" / "domains.json").write_text(json.dumps(histograms))


def tiny_work(folder: Path, **train: Any) -> RunConfig:
    config = tiny_config(folder / "work", **train)
    write_tokens_and_clusters(config.work)
    return config


def with_train(config: RunConfig, **train: Any) -> RunConfig:
    return dataclasses.replace(config, train=dataclasses.replace(config.train, **train))
