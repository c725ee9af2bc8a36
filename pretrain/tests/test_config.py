"""Settings: what is wrong is said in one sentence that names the file and the key."""
from __future__ import annotations

import dataclasses
import re

from pathlib import Path
from typing import Any

import pytest
import yaml

from pretrain.cli import main
from pretrain.config import ConfigError, load_config

CONFIGS = Path(__file__).parents[1] / "configs"


def nano() -> dict[str, Any]:
    return yaml.safe_load((CONFIGS / "nano.yaml").read_text())


def load(tmp_path: Path, values: Any) -> Any:
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(values))
    return load_config(file)


@pytest.mark.parametrize("name", [file.name for file in sorted(CONFIGS.glob("*.yaml"))])
def test_the_shipped_configurations_load(name: str) -> None:
    assert load_config(f"configs/{name}").name == name.removesuffix(".yaml")


def test_the_little_text_of_saturated_100k_is_all_that_sets_it_apart() -> None:
    much, little = load_config("configs/saturated.yaml"), load_config("configs/saturated-100k.yaml")
    assert (much.fine_tune.tokens, little.fine_tune.tokens) == (1_000_000, 100_000)
    assert dataclasses.replace(little, name=much.name, fine_tune=much.fine_tune) == much


def test_exponents_without_a_point_are_numbers(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(re.sub(r"learning_rate: \S+", "learning_rate: 4e-4", (CONFIGS / "nano.yaml").read_text(), count=1))
    assert load_config(file).train.learning_rate == 4e-4


def set_in(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    *parents, last = path.split(".")
    inner = values
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    return values


@pytest.mark.parametrize(
    "path, value, message",
    [
        ("train.tokns", 5, "train: unknown setting 'tokns'"),
        ("train.tokens", "many", "train: tokens must be int, found 'many'"),
        ("train.tokens", True, "train: tokens must be int"),
        ("train.tokens", 0, "train.tokens must be above zero, found 0"),
        ("train.learning_rate", "fast", "train: learning_rate must be float, found 'fast'"),
        ("train.precision", "float8", "train.precision must be auto, float32 or bfloat16"),
        ("train.context", 4096, "train.context must not exceed clusters.window"),
        ("tokenizer.vocab_size", 70000, "tokenizer.vocab_size must be from 257 to 65536"),
        ("small.num_attention_heads", 3, "small: hidden_size must be an even multiple of num_attention_heads"),
        ("train", [1], "train: expected settings, found list"),
        ("fine_tune.seeds", 3, "fine_tune: seeds must be a list"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, path: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, set_in(nano(), path, value))
    assert message in str(caught.value) and "run.yaml" in str(caught.value)


def test_a_missing_setting_is_named(tmp_path: Path) -> None:
    values = nano()
    del values["train"]["context"]
    with pytest.raises(ConfigError, match="train: the setting 'context' is missing"):
        load(tmp_path, values)


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\x00", b""])
def test_files_that_are_no_settings(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "run.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="run.yaml"):
        load_config(file)


def test_the_command_line_prints_the_sentence_and_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(tmp_path / "none.yaml")]) == 2
    assert capsys.readouterr().err.strip() == f"pretrain: {tmp_path / 'none.yaml'}: there is no such configuration file."


def test_stages_out_of_order_say_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = nano()
    values["work_dir"] = str(tmp_path / "work")
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(values))
    assert main(["train", str(tmp_path / "run.yaml"), "--system", "mix"]) == 2
    assert "windows.npy is missing: run the cluster stage first" in capsys.readouterr().err
