"""The cluster stage: fits the document encoder, clusters the generic text's windows by k-means, names the clusters, and places every window
of the generic text and of the domains' training text.

Each file of `clusters/` is whole or absent, and a killed run goes on at the first that is missing. `clusters.json` is written last.
Settings or text that no longer fit what is there are refused, because training may have used it.
"""
from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from ..config import ConfigError, RunConfig
from ..corpus.documents import CorpusError
from ..corpus.token_store import TokenStore
from ..files import atomic_path, sha256_of, write_atomically, write_json
from ..pack.finished import FinishedPack
from ..pack.safetensors_file import read_safetensors, write_safetensors
from ..pack.start import open_starting_pack
from ..progress import Progress
from .assign import NO_CLUSTER, nearest_centroids
from .describe import describe_clusters
from .encoder import DocumentEncoder, OnnxEncoder, open_encoder
from .kmeans import spherical_kmeans
from .onnx_file import encoder_onnx
from .table import count_tokens, fit_table
from .windows import Windows, cut_windows

STAGE = "cluster"
TABLE_WINDOWS = 30_000
"""Windows that the table is fitted to."""
KMEANS_WINDOWS, KMEANS_WINDOWS_PER_CLUSTER = 20_000, 150
"""Windows that centroids are fitted to: as many as both ask for, or all there are."""
CLOSE_MARGIN = 1e-5
"""Windows whose two nearest centroids differ by less in squared distance might be placed otherwise by another order of float32 sums."""


def run_cluster(config: RunConfig) -> None:
    """Makes `clusters/` in the work folder; what is there already is kept. Raises CorpusError, ConfigError and PackError."""
    folder = config.work / "clusters"
    log = config.work / "logs" / f"{STAGE}.log"
    store = TokenStore.open(config.work / "tokens" / "generic")
    start = open_starting_pack(config)
    _check_recipe(folder / "recipe.json", _recipe(config, start))
    if (folder / "clusters.json").exists():
        return
    windows = cut_windows(store, config.clusters.window)
    progress = Progress(STAGE, 0, "windows", log)
    progress.say(f"{len(windows):,} windows of at most {config.clusters.window:,} tokens")

    encoder = _encoder(config, store, windows, folder / "encoder.onnx", progress, start)
    embeddings = _embeddings(encoder, store, windows, folder / "embeddings.npy", log)
    centroids = {
        "cluster": _centroids(folder / "clusters.safetensors", embeddings, windows, config.clusters.k, config, progress, start),
        "importance": _centroids(
            folder / "importance.safetensors", embeddings, windows, config.clusters.importance_k or config.clusters.k, config, progress
        ),
    }
    placed = {name: _placed(embeddings, of_name, windows, name, progress) for name, of_name in centroids.items()}
    with atomic_path(folder / "windows.npy") as partial, open(partial, "wb") as file:
        np.save(file, np.stack([windows.start, windows.length, placed["cluster"], placed["importance"]], axis=1))
    write_json(folder / "domains.json", _domain_counts(config, encoder, centroids, log))
    description = describe_clusters(config, store, windows, placed["cluster"])
    for cluster in description["clusters"]:
        source, share = next(iter(cluster["source_shares"].items()), ("", 0.0))
        progress.say(f"cluster {cluster['index']}: {cluster['tokens']:,} tokens, {share:.0%} {source}: {cluster['label']}")
    write_json(folder / "clusters.json", description)
    (folder / "embeddings.npy").unlink(missing_ok=True)


def _recipe(config: RunConfig, start: FinishedPack | None) -> dict[str, Any]:
    """What the files depend on."""
    tokens = config.work / "tokens"
    stores = sorted([tokens / "generic", *(tokens / "domains").glob("*.train")])
    return {
        "settings": {**dataclasses.asdict(config.clusters), "encoder": _hash_of_encoder(config)},
        **({"start_from": start.fingerprint} if start else {}),
        "seed": config.train.seed,
        "tokens": {str(store.relative_to(tokens)): sha256_of(store / "summary.json") for store in stores},
    }


def _hash_of_encoder(config: RunConfig) -> str:
    if not config.clusters.encoder:
        return ""
    path = Path(config.clusters.encoder)
    if not path.is_file():
        raise ConfigError(f"clusters.encoder: there is no file {path}.")
    return sha256_of(path)


def _check_recipe(file: Path, recipe: dict[str, Any]) -> None:
    """Writes the recipe where there is none. Raises ConfigError when the folder was made by another."""
    if file.exists():
        if json.loads(file.read_text(encoding="utf-8")) != recipe:
            raise ConfigError(f"{file.parent}: was made from other settings or text; remove it or choose another work_dir.")
        return
    if (file.parent / "encoder.onnx").exists():
        raise ConfigError(f"{file.parent}: recipe.json is missing, so what made it is unknown; remove the folder.")
    write_json(file, recipe)


def _encoder(
    config: RunConfig, store: TokenStore, windows: Windows, file: Path, progress: Progress, start: FinishedPack | None
) -> DocumentEncoder:
    """The user's encoder, that of the pack to go on from, or one fitted to the training windows; its file is there afterwards."""
    if config.clusters.encoder:
        encoder = OnnxEncoder(Path(config.clusters.encoder))
        # The largest id shows whether the encoder's own table is as large as the vocabulary.
        encoder.embed(np.array([store.summary["vocab_size"] - 1]), np.zeros(1, np.int64), np.ones(1, np.int64))
        write_atomically(file, Path(config.clusters.encoder).read_bytes())
        return encoder
    if start and not file.exists():
        write_atomically(file, (start.folder / "encoder.onnx").read_bytes())
    if not file.exists():
        chosen = _sample(windows, windows.text_length > 0, TABLE_WINDOWS, config)
        size = config.clusters.embedding_size
        progress.say(f"fitting a table of {size} numbers a token to {len(chosen):,} windows")
        try:
            table = fit_table(count_tokens(store, windows, chosen), size, store.eos_id, config.train.seed)
        except ValueError as error:
            raise CorpusError(f"{config.corpus.generic}: the text is too little to cluster: {error}.") from error
        write_atomically(file, encoder_onnx(table))
    return open_encoder(file)


def _embeddings(encoder: DocumentEncoder, store: TokenStore, windows: Windows, file: Path, log: Path) -> np.ndarray:
    """float32 [W, D], on disk while the stage runs: an encoder of the user's own may take hours."""
    if not file.exists():
        progress = Progress(f"{STAGE} embedding", len(windows), "windows", log)
        embeddings = encoder.embed(store.tokens, windows.start, windows.text_length, progress)
        with atomic_path(file) as partial, open(partial, "wb") as handle:
            np.save(handle, embeddings)
    return np.load(file, mmap_mode="r")


def _centroids(
    file: Path, embeddings: np.ndarray, windows: Windows, k: int, config: RunConfig, progress: Progress, start: FinishedPack | None = None
) -> np.ndarray:
    """float32 [k, D], those of the pack to go on from where there is one; the file, with each cluster's share of the training tokens, is there
    afterwards."""
    if not file.exists():
        centroids = start.centroids() if start else _fitted_centroids(embeddings, windows, k, config, progress)
        placed = _without_gaps(nearest_centroids(embeddings, centroids)[0], windows)
        tokens = np.bincount(placed[windows.is_training], weights=windows.length[windows.is_training], minlength=k)
        with atomic_path(file) as partial:
            write_safetensors(partial, {"centroids": centroids, "generic_frequency": (tokens / tokens.sum()).astype(np.float32)})
    return np.array(read_safetensors(file)["centroids"])


def _fitted_centroids(embeddings: np.ndarray, windows: Windows, k: int, config: RunConfig, progress: Progress) -> np.ndarray:
    """float32 [k, D]. Raises CorpusError for too little text."""
    has_embedding = np.any(embeddings != 0, axis=1)
    chosen = _sample(windows, has_embedding, max(KMEANS_WINDOWS, KMEANS_WINDOWS_PER_CLUSTER * k), config)
    progress.say(f"k-means of {len(chosen):,} windows into {k} clusters")
    try:
        return spherical_kmeans(embeddings[chosen], k, config.train.seed)
    except ValueError as error:
        raise CorpusError(f"{config.corpus.generic}: the text is too little to cluster: {error}.") from error


def _sample(windows: Windows, usable: np.ndarray, count: int, config: RunConfig) -> np.ndarray:
    """Indices of at most `count` usable training windows, drawn without repetition with chances by length
    (Efraimidis and Spirakis, 2006)."""
    candidates = np.flatnonzero(usable & windows.is_training)
    if not len(candidates):
        raise CorpusError(f"{config.corpus.generic}: there is no text to cluster.")
    keys = np.random.default_rng(config.train.seed).exponential(size=len(candidates)) / windows.text_length[candidates]
    return np.sort(candidates[np.argsort(keys, kind="stable")[:count]])


def _placed(embeddings: np.ndarray, centroids: np.ndarray, windows: Windows, name: str, progress: Progress) -> np.ndarray:
    """int64 [W]: every window's cluster."""
    clusters, margins = nearest_centroids(embeddings, centroids)
    close = int((margins < CLOSE_MARGIN).sum())
    unplaced = int(((clusters == NO_CLUSTER) & (windows.text_length > 0)).sum())
    progress.say(f"{name}: {close:,} windows lie within {CLOSE_MARGIN:g} of a border; {unplaced:,} hold no token that the encoder knows")
    return _without_gaps(clusters, windows)


def _without_gaps(clusters: np.ndarray, windows: Windows) -> np.ndarray:
    """Windows without a cluster take that of the window before them in their document, else the most frequent one."""
    is_placed = clusters != NO_CLUSTER
    if not is_placed.any():
        raise CorpusError("No window of the text could be placed in a cluster: the encoder gives zero for all of them.")
    last_placed = np.maximum.accumulate(np.where(is_placed, np.arange(len(clusters)), -1))
    is_same_document = (last_placed >= 0) & (windows.document[last_placed] == windows.document)
    return np.where(is_same_document, clusters[last_placed], np.bincount(clusters[is_placed]).argmax())


def _domain_counts(config: RunConfig, encoder: DocumentEncoder, centroids: dict[str, np.ndarray], log: Path) -> dict[str, Any]:
    """Per domain the windows, and their tokens, of its training text in each cluster, as the studio counts a user's text.
    `centroids`: by the name that begins the entries' keys."""
    counts = {}
    for path in sorted((config.work / "tokens" / "domains").glob("*.train")):
        store = TokenStore.open(path)
        windows = cut_windows(store, config.clusters.window)
        progress = Progress(f"{STAGE} {path.name}", len(windows), "windows", log)
        embeddings = encoder.embed(store.tokens, windows.start, windows.text_length, progress)
        entry = {}
        for name, of_name in centroids.items():
            clusters, _ = nearest_centroids(embeddings, of_name)
            is_placed = clusters != NO_CLUSTER
            if not is_placed.any():
                raise CorpusError(f"{path}: no window of this domain's training text could be placed in a cluster.")
            k, lengths = len(of_name), windows.text_length[is_placed]
            entry[f"{name}_counts"] = np.bincount(clusters[is_placed], minlength=k).tolist()
            entry[f"{name}_tokens"] = np.bincount(clusters[is_placed], weights=lengths, minlength=k).astype(int).tolist()
        counts[path.name.removesuffix(".train")] = entry
    return counts
