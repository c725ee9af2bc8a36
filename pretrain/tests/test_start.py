"""Going on from a pack and restoring its runs: what is refused, and that weights in 8 bits come back to the same bytes."""
from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from pretrain.config import ConfigError, ModelShape, RunConfig, check
from pretrain.pack.errors import PackError
from pretrain.pack.finished import open_verified_pack
from pretrain.pack.restore import run_restore
from pretrain.pack.safetensors_file import read_safetensors
from pretrain.pack.stage import run_pack
from pretrain.pack.start import keep_copy, open_starting_pack

from .pack_work import LARGE, VOCAB, small_model_layout, train, work  # noqa: F401 (a fixture)


def going_on(work: RunConfig, **changes: Any) -> RunConfig:
    """A second run from the pack of the first."""
    return dataclasses.replace(work, work_dir=str(work.work.with_name("second")), start_from=work.pack_dir, **changes)


def edit_manifest(pack: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    manifest = json.loads((pack / "pack.json").read_text())
    edit(manifest)
    (pack / "pack.json").write_text(json.dumps(manifest))


def with_start(config: RunConfig) -> RunConfig:
    """The same run, whose work folder has been restored to its tokens already."""
    if not (config.work / "start.json").exists():
        keep_copy(config, open_verified_pack(Path(config.pack_dir), config), {"restored_from": config.pack_dir})
    return config


@pytest.mark.parametrize("t_bits", [8, 16])
def test_a_restored_run_packs_to_the_same_bytes(work: RunConfig, t_bits: int) -> None:
    train(work, "mix-1", small_model_layout(work.small, VOCAB), 3)
    train(work, "llm", small_model_layout(LARGE, VOCAB), 4)
    config = dataclasses.replace(work, pack_t_bits=t_bits)
    run_pack(config)
    pack = Path(config.pack_dir)
    files = {name: (pack / name).read_bytes() for name in ("slm.safetensors", "pn.safetensors", "mix/1.safetensors", "llm/model.safetensors", "README.md")}
    records = json.loads((pack / "pack.json").read_text())["provenance"]["training"]
    assert all(record["rounding"]["relative"] > 0 for record in records.values())
    shutil.rmtree(config.work / "runs")
    run_restore(with_start(config))
    restored = json.loads((config.work / "runs" / "mix-1" / "run.json").read_text())
    assert restored["system"] == "mix" and restored["tokens"] == 5000 and restored["restored_from"]["pack"] == "tiny"
    run_pack(config)
    assert files == {name: (pack / name).read_bytes() for name in files}
    assert records == json.loads((pack / "pack.json").read_text())["provenance"]["training"]


def test_restoring_leaves_what_is_there_and_what_the_pack_does_not_hold(work: RunConfig) -> None:
    run_pack(work)
    pack = Path(work.pack_dir)
    before = (work.work / "runs" / "slm" / "final.safetensors").stat().st_mtime_ns
    edit_manifest(pack, lambda manifest: manifest["provenance"]["training"].update({"mix-2": {"tokens": 1, "flops": 1, "seconds": 1}}))
    run_restore(with_start(work))
    assert (work.work / "runs" / "slm" / "final.safetensors").stat().st_mtime_ns == before
    assert not (work.work / "runs" / "mix-2").exists()


def test_a_run_whose_name_leads_out_of_the_pack_is_not_restored(work: RunConfig) -> None:
    run_pack(work)
    pack = Path(work.pack_dir)
    shutil.copy(pack / "slm.safetensors", pack.parent / "slm.safetensors")
    edit_manifest(pack, lambda manifest: manifest["provenance"]["training"].update({"../slm": {"tokens": 1, "flops": 1, "seconds": 1}}))
    run_restore(with_start(work))
    assert not (work.work / "slm").exists()


def test_a_run_goes_on_from_what_the_pack_held_when_it_began(work: RunConfig) -> None:
    run_pack(work)
    start = open_starting_pack(going_on(work))
    assert start and start.holds("pn") and not start.holds("llm") and not start.holds("mix-1")
    so_far = start.training_so_far("slm")
    assert (so_far.tokens, so_far.flops, so_far.seconds) == (5000, 3.2e9, 7200.0) and so_far.validation_losses[-1] == (5000, 4.0)
    trained = read_safetensors(work.work / "runs" / "pn" / "final.safetensors")
    weights = start.weights("pn")
    assert weights.keys() == trained.keys()
    assert all(weight.dtype == np.float32 and np.abs(weight - trained[name]).max() < 1e-3 for name, weight in weights.items())
    edit_manifest(Path(work.pack_dir), lambda manifest: manifest.update(name="another"))
    again = open_starting_pack(going_on(work))
    assert again and again.name == "tiny" and again.fingerprint == start.fingerprint


def test_what_cannot_be_gone_on_from_is_refused(work: RunConfig, tmp_path: Path) -> None:
    run_pack(work)
    pack = Path(work.pack_dir)
    with pytest.raises(PackError, match="nowhere holds no pack.json"):
        open_starting_pack(going_on(dataclasses.replace(work, pack_dir=str(tmp_path / "nowhere"))))
    wider = ModelShape(hidden_size=32, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2)
    with pytest.raises(PackError, match="config.json says .* where the configuration's small is"):
        open_starting_pack(going_on(work, small=wider))
    weights = (pack / "slm.safetensors").read_bytes()
    (pack / "slm.safetensors").write_bytes(weights[:-1] + b"\x7f")
    with pytest.raises(PackError, match="slm.safetensors is damaged"):
        open_starting_pack(going_on(work))
    assert not (work.work.with_name("second") / "start").exists(), "a pack that was refused is not kept"
    (pack / "slm.safetensors").write_bytes(weights)
    edit_manifest(pack, lambda manifest: manifest["provenance"]["training"]["slm"].pop("flops"))
    start = open_starting_pack(going_on(work))
    with pytest.raises(PackError, match="does not say what slm's training took"):
        start.training_so_far("slm")  # type: ignore[union-attr]
    other = dataclasses.replace(going_on(work), start_from="packs/other")
    with pytest.raises(ConfigError, match="began from the pack .*; remove it or choose another work_dir"):
        open_starting_pack(other)


def test_a_work_folder_with_another_tokenizer_is_not_restored_over(work: RunConfig) -> None:
    run_pack(work)
    with pytest.raises(ConfigError, match="there is a tokenizer, which may not be that of"):
        run_restore(work)


def test_two_encoders_are_one_too_many(work: RunConfig) -> None:
    config = dataclasses.replace(going_on(work), clusters=dataclasses.replace(work.clusters, encoder="mine.onnx"))
    with pytest.raises(ConfigError, match="start_from brings the pack's own encoder"):
        check(config, "run.yaml")
