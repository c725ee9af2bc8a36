"""README.md of a pack: what it is, what it was trained on and under which licences, how, how well it does, and what is missing."""
from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config import ConfigError, ModelShape, RunConfig
from .runs import TrainedRun
from .weights import RoundingError

MAX_CURVE_ROWS = 12
Row = list[str]


@dataclass(frozen=True)
class CardFacts:
    """What the pack stage found and made."""

    runs: list[TrainedRun]
    token_summary: dict[str, Any]
    """summary.json of the generic tokens."""
    parameters: dict[str, int]
    worst_rounding: dict[str, RoundingError] = field(default_factory=dict)
    """Per weight file of the pack, the tensor that storing it changed most."""
    missing: list[str] = field(default_factory=list)
    """Sentences."""
    evaluation: str = ""
    """Markdown of the evaluate stage; empty when it has not run."""


def card(config: RunConfig, facts: CardFacts) -> str:
    """Raises ConfigError when the file of licences cannot be read."""
    sections = [
        f"# Pack `{config.name}`\n\n{_introduction(config, facts)}",
        f"## Corpus\n\n{_corpus(config, facts.token_summary)}",
        f"## Settings\n\n{_settings(config)}",
        f"## Training\n\n{_training(facts.runs)}",
        f"## Validation perplexity by training tokens\n\n{_curves(facts.runs)}",
        f"## Evaluation\n\n{facts.evaluation.strip() or 'Not measured: the evaluate stage has not run for this pack.'}",
        f"## Rounding\n\n{_rounding(facts.worst_rounding)}",
        "## What is missing\n\n" + ("\n".join(f"- {sentence}" for sentence in facts.missing) or "Nothing."),
    ]
    return "\n\n".join(sections) + "\n"


def _introduction(config: RunConfig, facts: CardFacts) -> str:
    network, parameters = config.projected_network, facts.parameters
    return (
        f"A projected network of {parameters['projected_network']:,} parameters whose {config.clusters.k} experts each project to a small "
        f"Llama of {parameters['small']:,} (h = {network.h}, m = {network.m}; arXiv 2402.01093), with the plain small model trained on the "
        "same text. Written by the `pack` stage of `pretrain/`. Perplexities are per token of this pack's own tokenizer."
        + (f"\n\n**{config.card_note.strip()}**" if config.card_note.strip() else "")
    )


def _corpus(config: RunConfig, summary: dict[str, Any]) -> str:
    sources: list[dict[str, Any]] = [source for source in summary["sources"] if source["documents"] > 0]
    totals = f"{summary['documents']:,} documents, {summary['bytes'] / 1e6:,.1f} MB of text, {summary['tokens']:,} tokens"
    held_out = f"{config.corpus.held_out_share:.1%} of the documents, chosen by a hash of their text, were kept for validation."
    if not config.corpus.licences:
        rows = [[source["name"], f"{source['tokens']:,}"] for source in sources]
        return f"{totals}. {held_out} The configuration names no file of licences.\n\n" + _table(["source", "tokens"], rows)
    header, by_name = licence_table(Path(config.corpus.licences))
    width = len(header) - 1
    rows = [[source["name"], *by_name.get(source["name"], _unstated(header))[:width], f"{source['tokens']:,}"] for source in sources]
    quoted = f"Sources and licences as {Path(config.corpus.licences).name} states them:"
    return f"{totals}. {held_out} {quoted}\n\n" + _table([*header, "tokens"], rows)


def _unstated(header: Row) -> Row:
    return ["not stated" if name.startswith("licen") else "" for name in header[1:]]


def licence_table(file: Path) -> tuple[Row, dict[str, Row]]:
    """(header, source -> further cells) of the first Markdown table in `file` whose first column is "source". Raises ConfigError when there
    is none."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"corpus.licences: {file} cannot be read: {error}") from error
    start = next((index for index, line in enumerate(lines) if line.startswith("|") and _cells(line)[0] == "source"), None)
    if start is None:
        raise ConfigError(f"corpus.licences: {file} has no table whose first column is 'source'.")
    header, by_name = _cells(lines[start]), {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = _cells(line)
        by_name[name] = cells + [""] * (len(header) - 1 - len(cells))
    return header, by_name


def _cells(line: str) -> Row:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _settings(config: RunConfig) -> str:
    rows = [["small model", _shape(config.small)], ["large model", _shape(config.large)]]
    rows += [["tokenizer", f"byte-level BPE, {config.tokenizer.vocab_size:,} entries"]]
    rows += [["clusters", f"{config.clusters.k}, windows of at most {config.clusters.window:,} tokens"]]
    rows += [[f"train.{name}", _value(value)] for name, value in dataclasses.asdict(config.train).items()]
    rows += [["reservoir's sources", ", ".join(config.reservoir_sources) or "all"]] if config.reservoir_tokens else []
    rows += [["T in the pack", "half precision" if config.pack_t_bits == 16 else "8 bits with a float32 scale per row"]]
    return _table(["setting", "value"], rows)


def _shape(shape: ModelShape) -> str:
    return (
        f"Llama, width {shape.hidden_size}, MLP {shape.intermediate_size}, layers {shape.num_hidden_layers}, "
        f"heads {shape.num_attention_heads}, head tied to the embedding"
    )


def _training(runs: list[TrainedRun]) -> str:
    header = ["system", "parameters", "tokens", "FLOPs", "hours", "tokens/s", "validation perplexity"]
    rows = []
    for run in runs:
        details, seconds = run.details, run.details.get("seconds")
        rows.append([
            run.system,
            _value(details.get("parameters")),
            _value(details.get("tokens")),
            _scientific(details.get("flops")),
            f"{seconds / 3600:.2f}" if _is_number(seconds) else "–",
            _value(details.get("tokens_per_second")),
            _perplexity(run.validation_perplexity),
        ])
    has_mixture = any(run.system.startswith("mix-") for run in runs)
    note = "Each expert of the mixture is validated on the held-out text of its own cluster."
    return _table(header, rows) + (f"\n\n{note}" if has_mixture else "")


def _curves(runs: list[TrainedRun]) -> str:
    shown = [run for run in runs if run.validation and not run.system.startswith("mix-")]
    if not shown:
        return "The runs kept no validation figures."
    curves = {run.system: dict(run.validation) for run in shown}
    points = _thinned(sorted({tokens for curve in curves.values() for tokens in curve}))
    rows = [[f"{tokens:,}", *(_perplexity(_exp(curve.get(tokens))) for curve in curves.values())] for tokens in points]
    return _table(["tokens", *curves], rows)


def _thinned(points: list[int]) -> list[int]:
    """At most MAX_CURVE_ROWS of them, evenly, with the last."""
    step = math.ceil(len(points) / MAX_CURVE_ROWS)
    return points[::-1][::step][::-1] if points else []


def _rounding(worst: dict[str, RoundingError]) -> str:
    rows = [[file, error.tensor, f"{error.largest:.2g}", f"{error.relative:.2g}"] for file, error in worst.items()]
    return (
        "Weights were trained in float32. Per file, the tensor that storing it changed most; relative is the root mean square of the change "
        "over that of the tensor.\n\n"
        + _table(["file", "tensor", "largest change", "relative change"], rows)
    )


def _table(header: Row, rows: list[Row]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, ["---"] * len(header), *rows])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _value(value: Any) -> str:
    if value is None or value == [] or value == "":
        return "–"
    if isinstance(value, list):
        return ", ".join(str(entry) for entry in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:,.0f}" if isinstance(value, float) and value >= 1000 else str(value)


def _scientific(value: Any) -> str:
    return f"{value:.3g}" if _is_number(value) else "–"


def _exp(loss: float | None) -> float | None:
    return None if loss is None else math.exp(loss)


def _perplexity(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
