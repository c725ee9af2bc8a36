"""The pack stage on a tiny work folder written by hand: what it writes and what it refuses."""
from __future__ import annotations

import dataclasses
import json
import math
import sys
import types
from pathlib import Path
from typing import Callable

import numpy as np
import pytest

from pretrain.config import ConfigError, RunConfig
from pretrain.corpus.token_store import TokenStore
from pretrain.pack.errors import PackError
from pretrain.pack.layout import small_model_layout
from pretrain.pack.reservoir import build_reservoir, even_shares, windows_of_sources
from pretrain.pack.safetensors_file import read_safetensors
from pretrain.pack.stage import run_pack
from pretrain.pack.verify import verify_pack
from pretrain.pack.weights import to_half

from .pack_work import K, LARGE, SMALL, VOCAB, edit_tensors, train, work  # noqa: F401 (a fixture)


def test_the_card_opens_with_the_note_of_the_configuration(work: RunConfig) -> None:
    run_pack(dataclasses.replace(work, card_note="Trained for an hour.\n"))
    assert "\n\n**Trained for an hour.**\n\n## Corpus" in (Path(work.pack_dir) / "README.md").read_text()


def test_writes_a_pack_that_says_what_is_missing(work: RunConfig) -> None:
    run_pack(work)
    pack = Path(work.pack_dir)
    manifest = json.loads((pack / "pack.json").read_text())
    assert list(manifest) == ["format", "format_version", "name", "files", "provenance", "parameters"]
    assert (manifest["format"], manifest["format_version"], manifest["name"]) == ("projected-network-pack", 1, "tiny")
    assert set(manifest["files"]) | {"pack.json"} == {path.name for path in pack.iterdir()}
    perplexity = round(math.exp(4.0), 2)
    assert manifest["provenance"]["generic_validation_perplexity"] == {"slm": perplexity, "pn": perplexity}
    assert manifest["provenance"]["trained_tokens"] == 5000
    small = VOCAB * 16 + 2 * (4 * 16 * 16 + 3 * 16 * 24 + 2 * 16) + 16
    assert manifest["parameters"] == {"small": small, "projected_network": small + 2 * 3 * (3 * 16 * 24 + 4 * 5) + K * 5}
    config = json.loads((pack / "config.json").read_text())
    assert config["projected_network"] == {"h": 4, "k": K, "m": 5} and config["max_position_embeddings"] == 16 and config["head_dim"] == 8
    card = (pack / "README.md").read_text()
    assert "| laws | legislation | CC0 1.0 | 2,730 |" in card and "| letters |  | not stated | 2,730 |" in card and "unused" not in card
    assert f"| slm | 1,234 | 5,000 | 3.2e+09 | 2.00 | 5,000 | {perplexity:.2f} |" in card
    assert f"| 5,000 | {perplexity:.2f} | {perplexity:.2f} |" in card
    assert "hard mixture, all of them" in card and "distillation teacher" in card and "Evaluation on specialization domains" in card


def test_stores_half_precision_matrices_and_float32_vectors(work: RunConfig) -> None:
    run_pack(work)
    stored = read_safetensors(Path(work.pack_dir) / "pn.safetensors")
    trained = read_safetensors(work.work / "runs" / "pn" / "final.safetensors")
    for name, array in stored.items():
        small = name.endswith((".E", ".M", "norm.weight"))
        assert array.dtype == (np.float32 if small else np.float16), name
        np.testing.assert_array_equal(array, trained[name] if small else trained[name].astype(np.float16))
    assert set(stored) == set(trained)


def test_same_work_folder_gives_the_same_bytes_and_replaces_the_old_pack(work: RunConfig) -> None:
    run_pack(work)
    pack = Path(work.pack_dir)
    before = {path.name: path.read_bytes() for path in pack.iterdir()}
    (pack / "stray.txt").write_text("from an earlier version")
    run_pack(work)
    assert {path.name: path.read_bytes() for path in pack.iterdir()} == before
    assert [path.name for path in pack.parent.iterdir()] == ["tiny"]


def test_a_failure_leaves_the_old_pack(work: RunConfig) -> None:
    run_pack(work)
    before = (Path(work.pack_dir) / "pack.json").read_bytes()
    (work.work / "runs" / "pn" / "final.safetensors").unlink()
    with pytest.raises(PackError, match="runs/pn: there is no finished run here, and a pack needs pn; run the train stage"):
        run_pack(work)
    assert (Path(work.pack_dir) / "pack.json").read_bytes() == before
    assert [path.name for path in Path(work.pack_dir).parent.iterdir()] == ["tiny"]


def test_packs_mixture_and_large_model_where_they_are(work: RunConfig) -> None:
    for expert in (0, 1, 2, 7):
        train(work, f"mix-{expert}", small_model_layout(SMALL, VOCAB), 10 + expert)
    (work.work / "runs" / "mix-1" / "run.json").unlink()
    train(work, "llm", small_model_layout(LARGE, VOCAB), 3)
    run_pack(work)
    pack = Path(work.pack_dir)
    manifest = json.loads((pack / "pack.json").read_text())
    assert {name for name in manifest["files"] if "/" in name} == {"llm/config.json", "llm/model.safetensors", "mix/0.safetensors", "mix/2.safetensors"}
    assert manifest["parameters"]["large"] == VOCAB * 32 + 4 * 32 * 32 + 3 * 32 * 48 + 3 * 32
    assert "of clusters 1: their training" in (pack / "README.md").read_text()
    assert set(verify_pack(pack, work).rounding) == {"slm.safetensors", "pn.safetensors", "mix/0.safetensors", "mix/2.safetensors", "llm/model.safetensors"}
    run_pack(dataclasses.replace(work, pack_mixture=False))
    assert not (pack / "mix").exists()


def test_shows_the_evaluation_where_there_is_one(work: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = types.SimpleNamespace(markdown_tables=lambda config: f"| the table of {config.name} |")
    monkeypatch.setitem(sys.modules, "pretrain.evaluate.tables", tables)
    work.result_lines.parent.mkdir()
    work.result_lines.write_text("{}\n")
    run_pack(work)
    card = (Path(work.pack_dir) / "README.md").read_text()
    assert "| the table of tiny |" in card and "Evaluation on specialization domains" not in card


def test_reservoir_holds_whole_windows_of_the_right_documents(work: RunConfig) -> None:
    run_pack(work)
    pack = Path(work.pack_dir)
    description = json.loads((pack / "clusters.json").read_text())["reservoir"]
    ids = np.fromfile(pack / "reservoir.bin", "<u2")
    assert len(ids) == description["tokens"] <= work.reservoir_tokens
    store, windows = TokenStore.open(work.work / "tokens" / "generic"), np.load(work.work / "clusters" / "windows.npy")
    whole = {(cluster, store.tokens[start : start + length].tobytes()) for start, length, cluster, _ in windows}
    sizes = []
    for index, cluster in enumerate(description["clusters"]):
        sizes.append(cluster["train"]["end"] - cluster["train"]["begin"])
        for part, belongs in (("train", lambda piece: piece.max() < 200), ("held_out", lambda piece: piece[piece > 0].min() >= 200)):
            position = cluster[part]["begin"]
            for length in cluster[part]["windows"]:
                piece = ids[position : position + length]
                assert (index, piece.tobytes()) in whole and belongs(piece)
                position += length
            assert position == cluster[part]["end"]
    assert sum(cluster["held_out"]["end"] - cluster["held_out"]["begin"] for cluster in description["clusters"]) > 0
    # All of the small cluster, and the rest evenly up to a window.
    assert sizes[2] == windows[(windows[:, 2] == 2) & (windows[:, 0] // 91 % 10 != 3)][:, 1].sum()
    assert abs(sizes[0] - sizes[1]) < 64


def test_reservoir_of_chosen_sources_only() -> None:
    windows = np.array([[0, 50, 0, 0], [50, 50, 1, 0], [100, 50, 0, 0]])
    documents, source = np.array([0, 100, 150]), np.array([1, 0], np.int16)
    assert windows_of_sources(windows, documents, source, ["laws", "songs"], ["songs"]).tolist() == [True, True, False]
    with pytest.raises(PackError, match="no source 'novels'; it has laws, songs"):
        windows_of_sources(windows, documents, source, ["laws", "songs"], ["novels"])


def test_reservoir_without_room_or_without_held_out_text() -> None:
    tokens, windows = np.arange(100, dtype=np.uint16), np.array([[0, 50, 0], [50, 50, 1]])
    nothing = build_reservoir(tokens, windows, np.zeros(2, bool), 2, 20, seed=1)
    assert nothing.tokens.size == 0 and nothing.description["tokens"] == 0
    everything = build_reservoir(tokens, windows, np.zeros(2, bool), 2, 1000, seed=1)
    np.testing.assert_array_equal(everything.tokens, tokens)
    assert even_shares([5, 100, 100], 65) == [5, 30, 30] and even_shares([3, 4], 100) == [3, 4]


@pytest.mark.parametrize("value, sentence", [
    (np.nan, "NaN or infinite"), (-np.inf, "NaN or infinite"), (70000.0, r"holds 70000, too large for half precision \(at most 65504\)"),
])
def test_refuses_weights_that_do_not_fit(work: RunConfig, value: float, sentence: str) -> None:
    edit_tensors(work.work / "runs" / "slm" / "final.safetensors", lambda tensors: tensors["model.layers.1.mlp.up_proj.weight"].__setitem__((3, 4), value))
    with pytest.raises(PackError, match=rf"slm/final\.safetensors: tensor model\.layers\.1\.mlp\.up_proj\.weight holds .*{sentence.removeprefix('holds ')}"):
        run_pack(work)


def test_half_precision_keeps_its_largest_value() -> None:
    assert to_half(np.array([65504.0, 65519.0, -65504.0], "f4"), "x").tolist() == [65504, 65504, -65504]


@pytest.mark.parametrize("edit, sentence", [
    (lambda tensors: tensors.pop("model.norm.weight"), "has no tensor model.norm.weight"),
    (lambda tensors: tensors.update(lm_head=np.zeros(2, "f4")), "holds a tensor lm_head"),
    (lambda tensors: tensors.update({"projected_network.E": np.zeros((K, 4), "f4")}), r"projected_network.E is float32 \[3, 4\], but the configuration asks for float32 \[3, 5\]"),
])
def test_refuses_runs_of_another_shape(work: RunConfig, edit: Callable[[dict], None], sentence: str) -> None:
    edit_tensors(work.work / "runs" / "pn" / "final.safetensors", edit)
    with pytest.raises(PackError, match=sentence):
        run_pack(work)


@pytest.mark.parametrize("missing, sentence", [
    ("tokenizer/tokenizer.json", "tokenizer.json is missing: run the tokenize stage"),
    ("clusters/encoder.onnx", "encoder.onnx is missing: run the cluster stage"),
    ("clusters/windows.npy", "windows.npy cannot be read .*: run the cluster stage"),
    ("runs/slm/final.safetensors", "runs/slm: there is no finished run here"),
    ("runs/slm/run.json", "runs/slm: there is no finished run here"),
])
def test_names_what_has_not_been_made(work: RunConfig, missing: str, sentence: str) -> None:
    (work.work / missing).unlink()
    with pytest.raises(PackError, match=sentence):
        run_pack(work)
    assert not Path(work.pack_dir).exists()


def test_refuses_licences_that_are_not_there(work: RunConfig) -> None:
    with pytest.raises(ConfigError, match="corpus.licences: .*nowhere.md cannot be read"):
        run_pack(dataclasses.replace(work, corpus=dataclasses.replace(work.corpus, licences="nowhere.md")))
