"""Everything from a folder of text to a verified pack and its tables, through the command line."""
from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from pretrain.cli import main
from pretrain.pack.verify import verify_pack

TOPICS = {
    "law": "statute court judge appeal clause section party contract liable damages claim evidence".split(),
    "kitchen": "butter flour oven simmer onion garlic recipe spoon salt pepper bake stir".split(),
    "sea": "ship captain sail harbour storm wave anchor crew island tide deck mast".split(),
    "code": "function variable return import class loop array string compile pointer thread stack".split(),
}


def document(topic: str, words: random.Random) -> str:
    sentences = [" ".join(words.choices(TOPICS[topic], k=words.randint(5, 11))).capitalize() + "." for _ in range(words.randint(8, 30))]
    return " ".join(sentences)


def write_jsonl(path: Path, texts: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text, "source": path.name}) + "\n" for text in texts)


@pytest.fixture()
def run_file(tmp_path: Path) -> Path:
    words = random.Random(7)
    for topic in TOPICS:
        write_jsonl(tmp_path / "generic" / f"{topic}.jsonl.gz", [document(topic, words) for _ in range(60)])
    for part, count in (("train", 20), ("test", 5)):
        write_jsonl(tmp_path / "domains" / f"sealaw.{part}.jsonl.gz", [document(topic, words) for topic in ("sea", "law") for _ in range(count)])
    values: dict[str, Any] = {
        "name": "tiny", "work_dir": str(tmp_path / "work"), "pack_dir": str(tmp_path / "pack"),
        "small": {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2},
        "large": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2},
        "projected_network": {"h": 3, "m": 4},
        "corpus": {"generic": str(tmp_path / "generic"), "domains": str(tmp_path / "domains"), "held_out_share": 0.1},
        "tokenizer": {"vocab_size": 400}, "clusters": {"k": 4, "importance_k": 6, "window": 64, "embedding_size": 8},
        "train": {"tokens": 4096, "context": 32, "sequences_per_group": 2, "groups_per_step": 2, "learning_rate": 0.01, "compile": "no", "precision": "float32",
                  "validate_every_steps": 16},
        "fine_tune": {"tokens": 2000, "max_steps": 6, "batch_sequences": 4, "learning_rate": 0.01, "evaluate_every_steps": 3, "seeds": [1]},
        "results_file": str(tmp_path / "RESULTS.md"), "reservoir_tokens": 1500,
    }
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def test_one_command_makes_a_pack_and_its_tables(run_file: Path, tmp_path: Path) -> None:
    assert main(["run", str(run_file)]) == 0
    verify_pack(tmp_path / "pack")
    manifest = json.loads((tmp_path / "pack" / "pack.json").read_text())
    assert {f"mix/{i}.safetensors" for i in range(4)} | {"llm/model.safetensors", "reservoir.bin", "slm.safetensors"} <= manifest["files"].keys()
    results = [json.loads(line) for line in (tmp_path / "work" / "evaluation" / "results.jsonl").read_text().splitlines()]
    assert {result["system"] for result in results} == {"SLM", "SLM-nopt", "SLM-mix", "SLM-pn", "SLM-is", "SLM-d", "LLM"}
    assert "### Macro average" in (tmp_path / "RESULTS.md").read_text()
    again = (tmp_path / "work" / "runs" / "pn" / "run.json").stat().st_mtime_ns
    assert main(["run", str(run_file)]) == 0
    assert (tmp_path / "work" / "runs" / "pn" / "run.json").stat().st_mtime_ns == again
