"""A small made-up corpus, as the tokenize stage leaves it, for the tests of the cluster stage."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pretrain.config import ClusterConfig, CorpusConfig, ModelShape, ProjectedNetworkShape, RunConfig, TokenizerConfig, TrainConfig
from pretrain.corpus.token_store import TokenStore, writing_token_store
from pretrain.tokenizer.tokenizer_files import tokenizer_json

EOS, WINDOW = 0, 32
BYTE_TOKENIZER = tokenizer_json([], 257)
"""Ids 1 to 256 are bytes, 0 ends a text."""
KINDS = {
    "law": "tenant landlord statute court clause premises deposit lease notice section".split(),
    "kitchen": "flour butter sugar oven simmer whisk garlic onion pepper saucepan".split(),
    "sea": "sailor harbour anchor tide vessel rigging storm captain compass voyage".split(),
}


def byte_ids(text: str) -> np.ndarray:
    id_of = BYTE_TOKENIZER["model"]["vocab"]
    return np.array([id_of[chr(byte) if byte != 0x20 else "Ġ"] for byte in text.encode("ascii")], np.int64)


def write_store(folder: Path, documents: list[tuple[str, np.ndarray, bool]], vocab_size: int = 257) -> TokenStore:
    """Documents are (source, ids, held out)."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with writing_token_store(folder, sorted({source for source, _, _ in documents}), EOS, vocab_size, {"made": "up"}) as writer:
        for source, ids, held_out in documents:
            writer.append(ids, len(ids), source, held_out)
    return TokenStore.open(folder)


def made_up_text(kind: str, num_words: int, random: np.random.Generator) -> str:
    return " ".join(random.choice(KINDS[kind], num_words))


def write_work(folder: Path, num_documents: int = 90) -> None:
    """Tokens and tokenizer as the tokenize stage leaves them: three kinds of text from two sources, and a domain of one kind."""
    random = np.random.default_rng(5)
    kinds = list(KINDS)
    documents = [
        (f"source{i % 2}", byte_ids(made_up_text(kinds[i % 3], int(random.integers(2, 30)), random)), i % 10 == 9)
        for i in range(num_documents)
    ]
    # One whose text fills its windows, so that its end-of-text id stands alone.
    documents[4] = ("source0", documents[4][1].repeat(WINDOW)[: 2 * WINDOW], False)
    write_store(folder / "tokens" / "generic", documents)
    domain = [("kitchen.train", byte_ids(made_up_text("kitchen", 20, random)), False) for _ in range(7)]
    write_store(folder / "tokens" / "domains" / "kitchen.train", domain)
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "tokenizer.json").write_text(json.dumps(BYTE_TOKENIZER), encoding="utf-8")


def config_for(work: Path, **clusters: Any) -> RunConfig:
    settings = {"k": 3, "importance_k": 5, "window": WINDOW, "embedding_size": 6, **clusters}
    shape = ModelShape(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    return RunConfig(
        name="tiny", work_dir=str(work), pack_dir=str(work / "pack"), small=shape, large=shape,
        projected_network=ProjectedNetworkShape(h=2, m=2), corpus=CorpusConfig(generic="the text"), tokenizer=TokenizerConfig(257),
        clusters=ClusterConfig(**settings),
        train=TrainConfig(tokens=1, context=8, sequences_per_group=1, groups_per_step=1, learning_rate=1e-3),
    )


def clusters_files(work: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((work / "clusters").iterdir())}
