"""clusters.json: what a person and the studio read about each cluster."""
from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..config import RunConfig
from ..corpus.token_store import TokenStore
from .windows import Windows
from .words import TokenDecoder, WordStatistics, labels_of

WINDOWS_READ = 400
"""Windows per cluster whose words are counted."""
SOURCES_NAMED = 3
_CUT_WORDS = re.compile(r"^\w+|\w+$")
"""Windows may begin and end within a word."""


def describe_clusters(config: RunConfig, store: TokenStore, windows: Windows, clusters: np.ndarray) -> dict[str, Any]:
    """The content of clusters.json. `clusters`: int64 [W], each window's. Held-out text is not counted."""
    k, is_training = config.clusters.k, windows.is_training
    names = [source["name"] for source in store.summary["sources"]]
    tokens_by_source = np.zeros((k, len(names)), np.int64)
    np.add.at(tokens_by_source, (clusters[is_training], windows.source[is_training]), windows.length[is_training])

    decoder = TokenDecoder(config.work / "tokenizer" / "tokenizer.json")
    words = WordStatistics(k)
    random = np.random.default_rng(config.train.seed)
    for cluster in range(k):
        members = np.flatnonzero((clusters == cluster) & is_training)
        for index in np.sort(random.permutation(members)[:WINDOWS_READ]):
            start = windows.start[index]
            text = decoder.text(store.tokens[start : start + windows.text_length[index]])
            words.add(_CUT_WORDS.sub("", text), cluster, int(windows.source[index]))
    terms = words.top_terms()
    return {
        "window_tokens": config.clusters.window,
        "clusters": [
            _describe(index, label, of_cluster, by_source, names, int(((clusters == index) & is_training).sum()))
            for index, (label, of_cluster, by_source) in enumerate(zip(labels_of(terms), terms, tokens_by_source))
        ],
    }


def _describe(index: int, label: str, terms: list[str], tokens_by_source: np.ndarray, names: list[str], num_windows: int) -> dict[str, Any]:
    total = int(tokens_by_source.sum())
    order = [source for source in np.argsort(-tokens_by_source, kind="stable") if tokens_by_source[source]]
    return {
        "index": index,
        "tokens": total,
        "windows": num_windows,
        "label": label,
        "top_terms": terms,
        "sources": [names[source] for source in order[:SOURCES_NAMED]],
        "source_shares": {names[source]: round(int(tokens_by_source[source]) / total, 4) for source in order},
    }
