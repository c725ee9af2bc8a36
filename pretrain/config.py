"""What a pretraining run is: one YAML file, read into frozen dataclasses. Unknown or missing keys, wrong types and values out of range are
one sentence each that names the file and the key. Sizes are in tokens unless a name says otherwise."""
from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

SYSTEMS = ("slm", "pn", "mix", "is", "llm", "nopt")
"""What the train stage can train; the paper's names are in method.md."""


class ConfigError(Exception):
    """A configuration that cannot be used; the message is for the user."""


@dataclass(frozen=True)
class ModelShape:
    """A Llama with a tied head; head size is hidden_size / num_attention_heads."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads


@dataclass(frozen=True)
class ProjectedNetworkShape:
    h: int
    """Capacity multiplier: slices per projected matrix."""
    m: int
    """Numbers in an expert's vector."""


@dataclass(frozen=True)
class CorpusConfig:
    generic: str
    """Folder of the generic text: .jsonl, .jsonl.gz ({"text", ...} a line), .txt, .md, read recursively."""
    sources: list[str] = field(default_factory=list)
    """File names without extension to take; empty takes all."""
    domains: str = ""
    """Folder of <domain>.train.jsonl.gz and <domain>.test.jsonl.gz; empty: no evaluation."""
    licences: str = ""
    """A text file (SOURCES.md) whose table of sources the pack's card quotes."""
    held_out_share: float = 0.01
    """Share of the generic documents kept for validation, chosen by a hash of the text."""


@dataclass(frozen=True)
class TokenizerConfig:
    vocab_size: int
    training_bytes: int = 64_000_000
    """UTF-8 bytes of documents, drawn evenly over the corpus, that BPE merges are learnt from."""


@dataclass(frozen=True)
class ClusterConfig:
    k: int
    """Clusters = experts."""
    importance_k: int = 0
    """Clusters of importance sampling (the paper: 1,024); 0 uses k."""
    window: int = 1024
    """Longest window that is embedded and assigned to one cluster."""
    embedding_size: int = 64
    encoder: str = ""
    """An ONNX sentence encoder of the user's own (input_ids int64 [1, T] -> embedding float32 [1, D]); empty fits ours."""


@dataclass(frozen=True)
class TrainConfig:
    tokens: int
    """Training tokens of slm, pn and llm; of all mixture experts together."""
    context: int
    sequences_per_group: int
    """Sequences of one cluster that share one projection."""
    groups_per_step: int
    """Groups (each of one cluster) in a global batch."""
    learning_rate: float
    large_tokens: int = 0
    """Training tokens of llm; 0: same as tokens."""
    importance_tokens: int = 0
    """Training tokens of each importance-sampled model; 0: same as tokens."""
    importance_domains: list[str] = field(default_factory=list)
    """Domains that an importance-sampled model is trained for; empty: all."""
    warmup_steps: int = 100
    final_learning_rate_share: float = 0.1
    """Cosine decay ends at this share of the peak."""
    weight_decay: float = 0.1
    clip_norm: float = 1.0
    beta1: float = 0.9
    beta2: float = 0.95
    slice_learning_rate_share: float = 0.0
    """T's learning rate as a share of the others' (its decay is divided by it); 0: 1 / E[sum_r |c_r|], so that a step moves a projected weight as far as a plain one."""
    precision: str = "auto"
    """float32, bfloat16, or auto: what multiplies matrices faster here, measured."""
    compile: str = "auto"
    """yes, no, or auto: torch.compile where PyTorch has it."""
    parallel: str = "ddp"
    """How several processes share a model: ddp (each holds all of it) or fsdp (each holds a part; see CLUSTER.md)."""
    checkpoint_seconds: float = 120.0
    validate_every_steps: int = 250
    validation_tokens: int = 200_000
    seed: int = 1


@dataclass(frozen=True)
class FineTuneConfig:
    tokens: int = 1_000_000
    """Most training tokens taken from a domain."""
    max_steps: int = 2000
    batch_sequences: int = 16
    learning_rate: float = 1e-3
    warmup_steps: int = 10
    schedule: str = "linear"
    """After the warm-up: linear (down to zero after max_steps) or constant."""
    evaluate_every_steps: int = 50
    patience: int = 3
    """Evaluations without a better validation loss before stopping."""
    validation_share: float = 0.05
    seeds: list[int] = field(default_factory=lambda: [1, 2, 3])
    domains: list[str] = field(default_factory=list)
    """Domains to evaluate; empty: all."""
    test_tokens: int = 0
    """Most test tokens per domain; 0: all."""
    distillation_weight: float = 0.5
    """Share of the teacher's distribution in SLM-d's loss."""
    distillation_temperature: float = 1.0
    """Divides both models' logits before SLM-d compares their distributions."""


@dataclass(frozen=True)
class RunConfig:
    name: str
    work_dir: str
    """Where stages keep what they make; relative to the current folder."""
    pack_dir: str
    """Where the finished pack goes."""
    small: ModelShape
    large: ModelShape
    projected_network: ProjectedNetworkShape
    corpus: CorpusConfig
    tokenizer: TokenizerConfig
    clusters: ClusterConfig
    train: TrainConfig
    fine_tune: FineTuneConfig = field(default_factory=FineTuneConfig)
    start_from: str = ""
    """A pack to go on from: its tokenizer, encoder and clusters stand, and systems that it holds start from its weights. `train.tokens` come on
    top of those it has seen. Empty: everything anew."""
    results_file: str = ""
    """Where evaluate writes its tables, a section per config name; empty: RESULTS.md beside this file."""
    card_note: str = ""
    """Sentences that the pack's card opens with: what a user of this pack must know."""
    pack_mixture: bool = True
    pack_t_bits: int = 16
    """Bits of a number of T in the pack: 16 (F16), or 8 with a float32 scale per row."""
    reservoir_tokens: int = 2_000_000
    """Generic tokens shipped with the pack for importance sampling, held-out part included; 0: none."""
    reservoir_sources: list[str] = field(default_factory=list)
    """Sources whose text may be passed on; empty: all. Weights and text are different things to a licence."""

    @property
    def work(self) -> Path:
        return Path(self.work_dir)

    @property
    def results(self) -> Path:
        return Path(self.results_file) if self.results_file else Path(__file__).parent / "RESULTS.md"

    @property
    def result_lines(self) -> Path:
        """What the tables are made of, a line per finished job. Beside them and not in the work folder: a job takes minutes, and hundreds of them
        outlive the machine that ran the first."""
        return self.results.parent / "results" / f"{self.name}.jsonl"


def load_config(path: str | Path) -> RunConfig:
    """The run described by a YAML file. Raises ConfigError."""
    file = Path(path)
    if not file.exists():
        beside_package = Path(__file__).parent / path
        if not beside_package.exists():
            raise ConfigError(f"{path}: there is no such configuration file.")
        file = beside_package
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{file}: not readable as YAML: {error}") from error
    config = from_mapping(RunConfig, values, where=str(file))
    check(config, str(file))
    return config


def from_mapping(kind: type, values: Any, where: str) -> Any:
    """An instance of a config dataclass from plain values. Raises ConfigError naming the key."""
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: expected settings, found {type(values).__name__}.")
    hints = get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for key in values:
        if key not in fields:
            raise ConfigError(f"{where}: unknown setting '{key}'; known are {', '.join(fields)}.")
    arguments = {}
    for name, f in fields.items():
        if name in values:
            arguments[name] = _value(hints[name], values[name], f"{where}: {name}")
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{where}: the setting '{name}' is missing.")
    return kind(**arguments)


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return from_mapping(hint, value, where)
    if get_origin(hint) is list:
        if not isinstance(value, list):
            raise ConfigError(f"{where} must be a list.")
        return [_value(get_args(hint)[0], item, where) for item in value]
    if hint is float and isinstance(value, (int, str)) and not isinstance(value, bool):
        # YAML 1.1 reads 1e-3 as a string.
        try:
            return float(value)
        except ValueError:
            pass
    if hint is int and isinstance(value, bool) or not isinstance(value, hint):
        raise ConfigError(f"{where} must be {hint.__name__}, found {value!r}.")
    return value


def check(config: RunConfig, where: str) -> None:
    """Raises ConfigError for values that fit their types but not each other."""
    for name in ("small", "large"):
        shape: ModelShape = getattr(config, name)
        if shape.hidden_size % (2 * shape.num_attention_heads):
            raise ConfigError(f"{where}: {name}: hidden_size must be an even multiple of num_attention_heads.")
    positive = {
        "projected_network.h": config.projected_network.h,
        "projected_network.m": config.projected_network.m,
        "clusters.k": config.clusters.k,
        "train.tokens": config.train.tokens,
        "train.context": config.train.context,
        "train.sequences_per_group": config.train.sequences_per_group,
        "train.groups_per_step": config.train.groups_per_step,
    }
    for key, value in positive.items():
        if value <= 0:
            raise ConfigError(f"{where}: {key} must be above zero, found {value}.")
    if not 257 <= config.tokenizer.vocab_size <= 65536:
        raise ConfigError(f"{where}: tokenizer.vocab_size must be from 257 to 65536 (token ids are stored in 16 bits), found {config.tokenizer.vocab_size}.")
    if config.train.context > config.clusters.window:
        raise ConfigError(f"{where}: train.context must not exceed clusters.window.")
    if config.start_from and config.clusters.encoder:
        raise ConfigError(f"{where}: start_from brings the pack's own encoder; leave clusters.encoder empty.")
    if config.pack_t_bits not in (8, 16):
        raise ConfigError(f"{where}: pack_t_bits must be 8 or 16, found {config.pack_t_bits}.")
    if config.train.precision not in ("auto", "float32", "bfloat16"):
        raise ConfigError(f"{where}: train.precision must be auto, float32 or bfloat16.")
    if config.train.compile not in ("auto", "yes", "no"):
        raise ConfigError(f"{where}: train.compile must be auto, yes or no.")
    if config.train.parallel not in ("ddp", "fsdp"):
        raise ConfigError(f"{where}: train.parallel must be ddp or fsdp.")
    if config.fine_tune.schedule not in ("linear", "constant"):
        raise ConfigError(f"{where}: fine_tune.schedule must be linear or constant.")
    if not 0 <= config.fine_tune.distillation_weight <= 1:
        raise ConfigError(f"{where}: fine_tune.distillation_weight must be from 0 to 1, found {config.fine_tune.distillation_weight}.")
    if not 0 < config.fine_tune.distillation_temperature < math.inf:
        raise ConfigError(f"{where}: fine_tune.distillation_temperature must be above zero and finite, found {config.fine_tune.distillation_temperature}.")
