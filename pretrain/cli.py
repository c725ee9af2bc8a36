"""`python -m pretrain STAGE CONFIG`: one command per stage, and `run` for all of them. Every stage can be killed at any moment and started again."""
from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import torch

from .config import SYSTEMS, ConfigError, RunConfig, load_config
from .corpus.documents import CorpusError
from .evaluate import stage as evaluate_options
from .pack.errors import PackError
from .training.allocator import keep_freed_memory

STAGES = ("tokenize", "cluster", "train", "evaluate", "pack")

EPILOG = """examples:
  python -m pretrain run configs/nano.yaml                     everything
  python -m pretrain train configs/nano.yaml --system pn       one system
  torchrun --nproc_per_node 2 -m pretrain train configs/nano.yaml --system slm
  python -m pretrain verify public/packs/nano                  checks a pack"""


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0 done, 2 what the user must change, 130 interrupted (start it again to go on)."""
    options = _parser().parse_args(arguments)
    keep_freed_memory()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(os.cpu_count() or 1)
    try:
        _obey(options)
    except (ConfigError, CorpusError, PackError) as error:
        print(f"pretrain: {error}", file=sys.stderr)
        return 2
    except FloatingPointError as error:
        print(f"pretrain: {error} A lower train.learning_rate usually helps.", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"pretrain: {error.filename or 'a file'}: {error.strerror or error}. What was finished is kept.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("pretrain: stopped; the same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pretrain", description="Pretrains a projected network and its baselines, and packs them for the studio.",
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")
    for stage, purpose in {
        "run": "all stages in order",
        "tokenize": "train the tokenizer and turn every text into token ids",
        "cluster": "fit the document encoder and the clusters, and label every window",
        "train": "pretrain systems",
        "pack": "write the pack and verify it",
        "evaluate": "fine-tune on the domains and write the paper's tables",
        "restore": "make a lost work folder's runs again from the pack",
    }.items():
        command = stages.add_parser(stage, help=purpose)
        command.add_argument("config", help="a YAML file; configs/nano.yaml also finds pretrain/configs/nano.yaml")
        if stage in ("run", "train"):
            command.add_argument("--system", action="append", choices=SYSTEMS, help="only this system (may be repeated)")
        if stage == "train":
            command.add_argument("--name", action="append", help="only this run, such as mix-3 or is-dc_law (may be repeated)")
        if stage == "run":
            command.add_argument("--workers", type=int, default=1, help="fine-tuning jobs side by side")
        if stage == "evaluate":
            evaluate_options.add_options(command)
            command.add_argument("--tables-only", action="store_true", help="write RESULTS.md from what is there")
    verify = stages.add_parser("verify", help="check a finished pack")
    verify.add_argument("folder")
    return parser


def _obey(options: argparse.Namespace) -> None:
    if options.stage == "verify":
        from .pack.verify import verify_pack

        verify_pack(Path(options.folder))
        print(f"{options.folder}: a sound pack.")
        return
    config = load_config(options.config)
    for stage in STAGES if options.stage == "run" else (options.stage,):
        _run_stage(stage, config, options)


def _run_stage(stage: str, config: RunConfig, options: argparse.Namespace) -> None:
    if stage == "tokenize":
        from .tokenizer.stage import run_tokenize

        run_tokenize(config)
    elif stage == "cluster":
        from .clusters.stage import run_cluster

        run_cluster(config)
    elif stage == "train":
        from .training.stage import run_train

        run_train(config, options.system or list(SYSTEMS), getattr(options, "name", None))
    elif stage == "pack":
        from .pack.stage import run_pack

        run_pack(config)
    elif stage == "restore":
        from .pack.restore import run_restore

        run_restore(config)
    else:
        from .evaluate.tables import write_results

        if getattr(options, "tables_only", False):
            write_results(config)
            return
        chosen = evaluate_options.options_from(options) if options.stage == "evaluate" else evaluate_options.EvaluateOptions()
        evaluate_options.run_evaluate(config, options.workers, chosen)
