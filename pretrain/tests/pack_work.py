"""A tiny work folder written by hand, as the other stages would leave it, for the tests of the pack stage."""
from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from pretrain.config import ClusterConfig, CorpusConfig, ModelShape, ProjectedNetworkShape, RunConfig, TokenizerConfig, TrainConfig
from pretrain.pack.layout import projected_network_layout, small_model_layout, trained_shapes
from pretrain.pack.safetensors_file import TensorSpec, read_safetensors, write_safetensors

K, DIMENSION, VOCAB, DOCUMENTS = 3, 6, 260, 60
SMALL = ModelShape(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2)
LARGE = ModelShape(hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=4)
NETWORK = ProjectedNetworkShape(h=4, m=5)
LICENCES = """# Sources

| domain | licence |
|---|---|
| laws | not this table |

| source | kind | licence |
|---|---|---|
| laws | legislation | CC0 1.0 |
| unused | poetry | CC BY 4.0 |
"""


def config_for(root: Path, **changes: Any) -> RunConfig:
    (root / "SOURCES.md").write_text(LICENCES)
    config = RunConfig(
        name="tiny", work_dir=str(root / "work"), pack_dir=str(root / "packs" / "tiny"), results_file=str(root / "RESULTS.md"), small=SMALL, large=LARGE, projected_network=NETWORK,
        corpus=CorpusConfig(generic="text", domains="domains", licences=str(root / "SOURCES.md"), held_out_share=0.1), tokenizer=TokenizerConfig(VOCAB),
        clusters=ClusterConfig(k=K, window=64),
        train=TrainConfig(tokens=5000, context=16, sequences_per_group=2, groups_per_step=2, learning_rate=1e-3), reservoir_tokens=1500,
    )
    return dataclasses.replace(config, **changes)


def varint(value: int) -> bytes:
    head = b""
    while value >= 0x80:
        head, value = head + bytes([value & 0x7F | 0x80]), value >> 7
    return head + bytes([value])


def message(number: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return varint(number << 3 | 2) + varint(len(content)) + content


def integer(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def onnx_model(dimension: int) -> bytes:
    """An ONNX file without nodes that declares the encoder's input and output."""
    def declared(field: int, name: bytes, element_type: int, *dimensions: bytes) -> bytes:
        shape = message(2, *(message(1, dimension) for dimension in dimensions))
        return message(field, message(1, name), message(2, message(1, integer(1, element_type), shape)))

    graph = declared(11, b"input_ids", 7, integer(1, 1), message(2, b"tokens")) + declared(12, b"embedding", 1, integer(1, 1), integer(1, dimension))
    return integer(1, 8) + message(7, graph)


def train(config: RunConfig, system: str, layout: dict[str, TensorSpec], seed: int) -> None:
    """A finished run with random weights."""
    random = np.random.default_rng(seed)
    folder = config.work / "runs" / system
    folder.mkdir(parents=True)
    write_safetensors(folder / "final.safetensors", {name: random.normal(0, 0.2, shape).astype("f4") for name, shape in trained_shapes(layout).items()})
    lines = [{"step": step, "tokens": 50 * step, "loss": 5.0, "learning_rate": 1e-3} for step in range(100)]
    lines += [{"step": step, "tokens": 50 * step, "validation_loss": 5 - step / 100} for step in range(0, 101, 4)]
    lines += [{"step": 101, "tokens": 5050, "validation_loss": math.nan}]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 101, "validat')
    (folder / "run.json").write_text(json.dumps({"tokens": 5000, "flops": 3.2e9, "seconds": 7200.0, "parameters": 1234, "tokens_per_second": 5000.4}))


@pytest.fixture
def work(tmp_path: Path) -> RunConfig:
    """A work folder with tokenizer, tokens, clusters, slm and pn; every held-out document consists of ids from 200."""
    config = config_for(tmp_path)
    folder = config.work
    for name in ("tokenizer", "tokens/generic", "clusters"):
        (folder / name).mkdir(parents=True)
    tokenizer = {"added_tokens": [{"id": 0, "content": "entry 0"}], "model": {"type": "BPE", "vocab": {f"entry {i}": i for i in range(VOCAB)}, "merges": []}}
    (folder / "tokenizer" / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer" / "tokenizer_config.json").write_text(json.dumps({"eos_token": "entry 0"}))

    random = np.random.default_rng(1)
    held_out = np.arange(DOCUMENTS) % 10 == 3
    documents = [np.append(random.integers(200, VOCAB, 90) if out else random.integers(1, 200, 90), 0) for out in held_out]
    tokens = folder / "tokens" / "generic"
    np.concatenate(documents).astype("<u2").tofile(tokens / "tokens.bin")
    np.save(tokens / "documents.npy", np.arange(DOCUMENTS + 1, dtype=np.int64) * 91)
    np.save(tokens / "document_bytes.npy", np.full(DOCUMENTS, 300, np.int64))
    np.save(tokens / "document_source.npy", np.zeros(DOCUMENTS, np.int16))
    np.save(tokens / "document_held_out.npy", held_out)
    sources = [{"name": name, "documents": 30, "tokens": 2730, "bytes": 9000} for name in ("laws", "letters")]
    summary = {"documents": DOCUMENTS, "tokens": DOCUMENTS * 91, "bytes": 18000, "sources": sources, "eos_id": 0, "vocab_size": VOCAB}
    (tokens / "summary.json").write_text(json.dumps(summary))

    starts = np.sort(np.concatenate([np.arange(DOCUMENTS) * 91, np.arange(DOCUMENTS) * 91 + 64]))
    # Cluster 2 is so small that it cannot take an even share of the reservoir.
    clusters = np.where(np.arange(len(starts)) < 6, 2, np.arange(len(starts)) % 2)
    np.save(folder / "clusters" / "windows.npy", np.stack([starts, np.where(starts % 91 == 0, 64, 27), clusters, clusters], 1).astype(np.int64))
    centroids = {"centroids": random.normal(size=(K, DIMENSION)).astype("f4"), "generic_frequency": np.array([0.5, 0.4, 0.1], "f4")}
    write_safetensors(folder / "clusters" / "clusters.safetensors", centroids)
    described = [{"index": i, "tokens": 100, "label": f"label {i}", "top_terms": ["a"], "sources": ["laws"]} for i in range(K)]
    (folder / "clusters" / "clusters.json").write_text(json.dumps({"window_tokens": 64, "clusters": described}))
    (folder / "clusters" / "encoder.onnx").write_bytes(onnx_model(DIMENSION))

    train(config, "slm", small_model_layout(SMALL, VOCAB), 1)
    train(config, "pn", projected_network_layout(SMALL, VOCAB, NETWORK, K, 16), 2)
    return config


def edit_tensors(file: Path, edit: Callable[[dict[str, np.ndarray]], None]) -> None:
    tensors = {name: np.array(array) for name, array in read_safetensors(file).items()}
    edit(tensors)
    write_safetensors(file, tensors)
