"""The pack stage: gathers what the other stages made into a pack, checks it, and puts it in its place in one move. It takes seconds to
minutes and always starts over, because the card follows the latest evaluation; the same work folder gives the same bytes. A run that fails
or is killed leaves the pack that was there before."""
from __future__ import annotations

import dataclasses
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from ..config import ModelShape, RunConfig
from ..corpus.token_store import TokenStore
from ..files import atomic_path, write_json
from ..progress import Progress
from .card import CardFacts, card
from .errors import PackError
from .layout import projected_network_layout, small_model_layout, trained_shapes
from .manifest import MANIFEST_NAME, llama_config_json, manifest_json, network_json, weight_file
from .reservoir import build_reservoir, windows_held_out, windows_of_sources
from .runs import TrainedRun, find_run, mixture_runs, read_json, require_run
from .safetensors_file import TensorSpec, read_safetensors
from .verify import verify_pack
from .weights import RoundingError, pack_weights, rounding_errors

COPIED_FILES = {
    "tokenizer.json": "tokenizer", "tokenizer_config.json": "tokenizer", "encoder.onnx": "clusters", "clusters.safetensors": "clusters",
}
"""File of the pack -> folder of the work folder."""


def run_pack(config: RunConfig) -> None:
    """Writes `config.pack_dir`. Raises PackError naming what is missing or unfit, ConfigError for the file of licences, CorpusError for the
    tokens."""
    progress = Progress("pack", 0, "files", config.work / "logs" / "pack.log")
    tokens = TokenStore.open(config.work / "tokens" / "generic")
    with atomic_path(Path(config.pack_dir)) as folder:
        folder.mkdir()
        _Packing(config, tokens, folder, progress).write()
        report = verify_pack(folder, config)
    progress.say(f"{config.pack_dir}: {report.summary}")


class _Packing:
    """One pack being written into `folder`."""

    def __init__(self, config: RunConfig, tokens: TokenStore, folder: Path, progress: Progress) -> None:
        self.config, self.tokens, self.folder, self.progress = config, tokens, folder, progress
        self.vocab_size, self.eos_id = config.tokenizer.vocab_size, tokens.eos_id
        self.runs: list[TrainedRun] = []
        self.worst_rounding: dict[str, RoundingError] = {}
        self.missing: list[str] = []

    def write(self) -> None:
        slm, pn = require_run(self.config, "slm"), require_run(self.config, "pn")
        self._copy_files()
        self._write_config()
        parameters = {"small": _num_parameters(self._small_layout()), "projected_network": _num_parameters(self._network_layout())}
        self._weights(slm, "slm.safetensors", self._small_layout())
        self._weights(pn, "pn.safetensors", self._network_layout())
        self._mixture()
        if self._large_model():
            parameters["large"] = _num_parameters(self._large_layout())
        self._clusters_and_reservoir()
        facts = CardFacts(self.runs, self.tokens.summary, parameters, self.worst_rounding, self.missing, self._evaluation())
        (self.folder / "README.md").write_text(card(self.config, facts), encoding="utf-8")
        write_json(self.folder / MANIFEST_NAME, manifest_json(self.folder, self.config.name, self._provenance(slm, pn), parameters))

    def _copy_files(self) -> None:
        for name, source in COPIED_FILES.items():
            file = self.config.work / source / name
            if not file.is_file():
                raise PackError(f"{file} is missing: run the {'tokenize' if source == 'tokenizer' else 'cluster'} stage.")
            shutil.copyfile(file, self.folder / name)

    def _write_config(self) -> None:
        network = network_json(self.config.projected_network, self.config.clusters.k)
        write_json(self.folder / "config.json", {**self._llama_config(self.config.small), "projected_network": network})

    def _llama_config(self, shape: ModelShape) -> dict[str, Any]:
        return llama_config_json(shape, self.vocab_size, self.config.train.context, self.eos_id)

    def _weights(self, run: TrainedRun, name: str, layout: dict[str, TensorSpec]) -> None:
        pack_weights(run.weights, self.folder / name, layout)
        if "rounding" in run.details:
            worst = RoundingError(**run.details["rounding"])
        else:
            errors = rounding_errors(read_safetensors(run.weights), read_safetensors(self.folder / name))
            worst = max(errors, key=lambda error: error.relative)
        self.worst_rounding[name] = worst
        self.runs.append(dataclasses.replace(run, details={**run.details, "rounding": dataclasses.asdict(worst)}))
        megabytes = (self.folder / name).stat().st_size / 1e6
        self.progress.say(f"{name}: {megabytes:.1f} MB; {worst.tensor} was rounded most, by {worst.relative:.2g} of its size")

    def _mixture(self) -> None:
        if not self.config.pack_mixture:
            self.missing.append("The hard mixture's experts (pack_mixture is off).")
            return
        runs, k = mixture_runs(self.config), self.config.clusters.k
        for expert, run in runs.items():
            self._weights(run, weight_file(f"mix-{expert}"), self._small_layout())
        absent = [str(expert) for expert in range(k) if expert not in runs]
        if absent:
            which = "all of them" if len(absent) == k else f"of clusters {', '.join(absent)}"
            self.missing.append(f"Experts of the hard mixture, {which}: their training has not finished.")

    def _large_model(self) -> bool:
        run = find_run(self.config, "llm")
        if run is None:
            self.missing.append("The large reference model and distillation teacher: its training has not finished.")
            return False
        self._weights(run, weight_file("llm"), self._large_layout())
        write_json(self.folder / "llm" / "config.json", self._llama_config(self.config.large))
        return True

    def _clusters_and_reservoir(self) -> None:
        folder, k = self.config.work / "clusters", self.config.clusters.k
        clusters = read_json(folder / "clusters.json")
        if self.config.reservoir_tokens > 0:
            windows = _read_windows(folder / "windows.npy", k, len(self.tokens.tokens))
            wanted = self.config.reservoir_sources
            if wanted:
                known = [source["name"] for source in self.tokens.summary["sources"]]
                windows = windows[windows_of_sources(windows, self.tokens.documents, self.tokens.document_source, known, wanted)]
            held_out = windows_held_out(windows, self.tokens.documents, self.tokens.document_held_out)
            reservoir = build_reservoir(self.tokens.tokens, windows, held_out, k, self.config.reservoir_tokens, self.config.train.seed)
            (self.folder / "reservoir.bin").write_bytes(reservoir.tokens.tobytes())
            clusters["reservoir"] = {**reservoir.description, "sources": wanted or "all"}
            if all(cluster["held_out"]["begin"] == cluster["held_out"]["end"] for cluster in reservoir.description["clusters"]):
                self.missing.append("A held-out part of the reservoir: no held-out window fits in it.")
        else:
            self.missing.append("The reservoir of generic text (reservoir_tokens is 0).")
        write_json(self.folder / "clusters.json", clusters)

    def _evaluation(self) -> str:
        results = self.config.result_lines
        if not self.config.corpus.domains or not results.is_file() or not results.stat().st_size:
            self.missing.append("Evaluation on specialization domains.")
            return ""
        # Imported here, so that packing needs the evaluation's code only when there is something to show.
        from ..evaluate.tables import markdown_tables

        return markdown_tables(self.config)

    def _provenance(self, slm: TrainedRun, pn: TrainedRun) -> dict[str, Any]:
        summary, config = self.tokens.summary, self.config
        names = [source["name"] for source in summary["sources"] if source["documents"] > 0]
        perplexities = {run.system: round(run.validation_perplexity, 2) for run in (slm, pn) if run.validation_perplexity is not None}
        return {
            "corpus": f"{len(names)} sources of {summary['tokens'] / 1e6:,.1f}M tokens in all ({', '.join(names)})",
            "trained_tokens": pn.details.get("tokens", config.train.tokens),
            "training": {run.system: run.record for run in self.runs},
            "context": config.train.context,
            "settings": {key: dataclasses.asdict(getattr(config, key)) for key in ("tokenizer", "clusters", "train")},
            **({"generic_validation_perplexity": perplexities} if perplexities else {}),
            "note": "licences, settings, training curves and evaluation are in the pack's README.md",
        }

    def _small_layout(self) -> dict[str, TensorSpec]:
        return small_model_layout(self.config.small, self.vocab_size)

    def _large_layout(self) -> dict[str, TensorSpec]:
        return small_model_layout(self.config.large, self.vocab_size)

    def _network_layout(self) -> dict[str, TensorSpec]:
        config = self.config
        return projected_network_layout(config.small, self.vocab_size, config.projected_network, config.clusters.k, config.pack_t_bits)


def _num_parameters(layout: dict[str, TensorSpec]) -> int:
    return sum(math.prod(shape) for shape in trained_shapes(layout).values())


def _read_windows(file: Path, k: int, num_tokens: int) -> np.ndarray:
    """int64 [W, 4]. Raises PackError when the file is absent or does not fit tokens and clusters."""
    try:
        windows = np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise PackError(f"{file} cannot be read ({error}): run the cluster stage.") from error
    fits = windows.ndim == 2 and windows.shape[1] >= 3 and len(windows) > 0 and windows.dtype == np.int64
    if not (fits and windows[:, :3].min() >= 0 and windows[:, 2].max() < k and (windows[:, 0] + windows[:, 1]).max() <= num_tokens):
        raise PackError(f"{file} does not fit the {num_tokens} generic tokens and {k} clusters: run the cluster stage again.")
    return windows
