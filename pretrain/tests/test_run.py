"""Everything from a folder of text to a verified pack and its tables, through the command line."""
from __future__ import annotations

import gzip
import json
import random
import shutil
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
    results = [json.loads(line) for line in (tmp_path / "results" / "tiny.jsonl").read_text().splitlines()]
    assert {result["system"] for result in results} == {"SLM", "SLM-nopt", "SLM-mix", "SLM-pn", "SLM-is", "SLM-d", "LLM"}
    assert "### Macro average" in (tmp_path / "RESULTS.md").read_text()
    again = (tmp_path / "work" / "runs" / "pn" / "run.json").stat().st_mtime_ns
    assert main(["run", str(run_file)]) == 0
    assert (tmp_path / "work" / "runs" / "pn" / "run.json").stat().st_mtime_ns == again


def record_of(pack: Path, run: str) -> dict[str, Any]:
    return json.loads((pack / "pack.json").read_text())["provenance"]["training"][run]


def test_a_run_goes_on_from_a_pack_and_takes_its_place(run_file: Path, tmp_path: Path) -> None:
    assert main(["run", str(run_file), "--system", "slm", "--system", "pn"]) == 0
    pack = tmp_path / "pack"
    before = {run: record_of(pack, run) for run in ("slm", "pn")}
    kept = {name: (pack / name).read_bytes() for name in ("tokenizer.json", "encoder.onnx", "clusters.safetensors")}

    values = yaml.safe_load(run_file.read_text())
    values.update(start_from=str(pack), work_dir=str(tmp_path / "second"), corpus={**values["corpus"], "domains": ""})
    values["train"].update(tokens=1024, learning_rate=1e-5)
    second = tmp_path / "second.yaml"
    second.write_text(yaml.safe_dump(values))
    for _ in range(2):  # the second time the pack it began from has been replaced by its own
        for stage in ("tokenize", "cluster", "train", "pack"):
            assert main([stage, str(second), *(["--system", "slm", "--system", "pn"] if stage == "train" else [])]) == 0
        verify_pack(pack)
        assert kept == {name: (pack / name).read_bytes() for name in kept}
        for run, record in before.items():
            after = record_of(pack, run)
            assert after["tokens"] == record["tokens"] + 1024 and after["flops"] > record["flops"] and after["seconds"] > record["seconds"]
            assert after["started_from"] == {"pack": "tiny", "tokens": record["tokens"]}
            # At a rate that moves nothing, the loss is that of the weights it began from, as half precision left them.
            assert after["validation_losses"][:-1] == record["validation_losses"]
            assert after["validation_losses"][-1] == [record["tokens"] + 1024, pytest.approx(record["validation_losses"][-1][1], abs=2e-3)]


def test_a_lost_work_folder_is_made_again_from_its_pack(run_file: Path, tmp_path: Path) -> None:
    assert main(["run", str(run_file)]) == 0
    pack, work = tmp_path / "pack", tmp_path / "work"
    files = {path.relative_to(pack).as_posix(): path.read_bytes() for path in pack.rglob("*") if path.is_file()}
    shutil.rmtree(work)
    for stage in ("restore", "tokenize", "cluster", "pack"):
        assert main([stage, str(run_file)]) == 0
    again = {path.relative_to(pack).as_posix(): path.read_bytes() for path in pack.rglob("*") if path.is_file()}
    assert files.keys() == again.keys()
    # The card and the manifest name what was rounded and evaluated: that is nothing now, and the evaluation is that of unrounded weights.
    assert [name for name in files if files[name] != again[name] and name not in ("README.md", "pack.json")] == []
    assert {run: record_of(pack, run)["validation_losses"] for run in ("slm", "pn", "mix-1", "llm")} == {
        run: json.loads(files["pack.json"])["provenance"]["training"][run]["validation_losses"] for run in ("slm", "pn", "mix-1", "llm")
    }
    assert main(["evaluate", str(run_file), "--systems", "SLM,SLM-pn,SLM-mix"]) == 0
    assert "| SLM-mix |" in (tmp_path / "RESULTS.md").read_text()
