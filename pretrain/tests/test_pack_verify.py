"""Verification finds every fault put into a pack, and the packs in the repository have none."""
from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Callable

import numpy as np
import pytest

from pretrain.config import ClusterConfig, RunConfig
from pretrain.pack.errors import PackError
from pretrain.pack.layout import projected_network_layout, trained_shapes
from pretrain.pack.onnx_shapes import DeclaredTensor, read_onnx_interface
from pretrain.pack.stage import run_pack
from pretrain.pack.verify import verify_pack

from .pack_work import K, NETWORK, SMALL, VOCAB, edit_tensors, onnx_model, work  # noqa: F401 (a fixture)

PACKS = Path(__file__).parents[2] / "public" / "packs"


def list_again(pack: Path) -> None:
    """Makes the manifest agree with the files, so that only the fault inside them is left."""
    manifest = json.loads((pack / "pack.json").read_text())
    for name in manifest["files"]:
        content = (pack / name).read_bytes()
        manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (pack / "pack.json").write_text(json.dumps(manifest))


def json_edit(name: str, edit: Callable[[dict], None]) -> Callable[[Path], None]:
    def apply(pack: Path) -> None:
        value = json.loads((pack / name).read_text())
        edit(value)
        (pack / name).write_text(json.dumps(value))
    return apply


def tensor_edit(name: str, edit: Callable[[dict[str, np.ndarray]], None]) -> Callable[[Path], None]:
    return lambda pack: edit_tensors(pack / name, edit)


FAULTS: list[tuple[Callable[[Path], None], str]] = [
    (tensor_edit("pn.safetensors", lambda t: t["projected_network.E"].__setitem__((0, 0), np.inf)), "pn.safetensors: tensor projected_network.E holds a value that is NaN"),
    (tensor_edit("pn.safetensors", lambda t: (t["projected_network.E"].__setitem__(1, 3e38), t["model.layers.0.mlp.gate_proj.M"].fill(1))), "the projection of expert 1 has a weight in model.layers.0.mlp.gate_proj"),
    (tensor_edit("slm.safetensors", lambda t: t.update({"model.norm.weight": np.ones(16, "f2")})), r"model.norm.weight is F16 \[16\], but config.json asks for F32 \[16\]"),
    (tensor_edit("slm.safetensors", lambda t: t.pop("model.embed_tokens.weight")), "slm.safetensors has no tensor model.embed_tokens.weight"),
    (tensor_edit("slm.safetensors", lambda t: t.update(extra=np.ones(1, "f4"))), "slm.safetensors holds a tensor extra"),
    (tensor_edit("clusters.safetensors", lambda t: t.update(centroids=np.ones((K, 9), "f4"))), r"encoder.onnx: its output must be embedding, float32 \[1, 9\]"),
    (tensor_edit("clusters.safetensors", lambda t: t["centroids"].__setitem__((0, 0), np.nan)), "tensor centroids holds a value that is NaN"),
    (tensor_edit("clusters.safetensors", lambda t: t["generic_frequency"].__setitem__(0, -1)), "generic_frequency must hold shares"),
    (lambda pack: (pack / "encoder.onnx").write_bytes(b"\x3a\xff"), "encoder.onnx is not an ONNX model"),
    (json_edit("config.json", lambda c: c.update(vocab_size=VOCAB - 1)), "tokenizer.json has 260 token ids, which are not those from 0 to vocab_size - 1 = 258"),
    (json_edit("config.json", lambda c: c["projected_network"].update(k=0)), "projected_network must hold h, k and m"),
    (json_edit("config.json", lambda c: c.update(hidden_size="16")), "hidden_size must be a whole number above zero"),
    (json_edit("tokenizer.json", lambda t: t["model"]["vocab"].update(new=5)), "two entries of model.vocab have the same id"),
    (json_edit("clusters.json", lambda c: c["clusters"].pop()), "clusters must describe clusters 0 to 2"),
    (json_edit("clusters.json", lambda c: c["reservoir"]["clusters"][1]["train"].update(begin=0)), r"reservoir.clusters\[1\].train must begin at token"),
    (lambda pack: (pack / "reservoir.bin").write_bytes((pack / "reservoir.bin").read_bytes()[:-1]), "reservoir.bin has .* bytes, but clusters.json describes"),
    (lambda pack: (pack / "reservoir.bin").write_bytes(b"\xff" * (pack / "reservoir.bin").stat().st_size), "reservoir.bin holds the token id 65535"),
]


@pytest.mark.parametrize("fault, sentence", FAULTS, ids=[sentence[:40] for _, sentence in FAULTS])
def test_verification_finds(work: RunConfig, fault: Callable[[Path], None], sentence: str) -> None:
    run_pack(work)
    pack = Path(work.pack_dir)
    fault(pack)
    list_again(pack)
    with pytest.raises(PackError, match=sentence):
        verify_pack(pack)


def test_verification_holds_the_files_against_the_manifest(work: RunConfig) -> None:
    run_pack(work)
    pack = Path(work.pack_dir)
    weights = (pack / "slm.safetensors").read_bytes()

    def sentence_with(name: str, content: bytes | None) -> str:
        original = (pack / name).read_bytes() if (pack / name).exists() else None
        (pack / name).write_bytes(content) if content is not None else (pack / name).unlink()
        with pytest.raises(PackError) as caught:
            verify_pack(pack)
        (pack / name).write_bytes(original) if original is not None else (pack / name).unlink()
        return str(caught.value)

    assert "slm.safetensors is damaged" in sentence_with("slm.safetensors", weights[:-1] + bytes([weights[-1] ^ 1]))
    assert "pack.json says" in sentence_with("slm.safetensors", weights[:-1])
    assert "slm.safetensors is missing" in sentence_with("slm.safetensors", None)
    assert "stray.txt is in the folder" in sentence_with("stray.txt", b"x")
    assert "format_version must be 1, but it is 2" in sentence_with("pack.json", (pack / "pack.json").read_bytes().replace(b'"format_version": 1', b'"format_version": 2'))
    assert "no plain path" in sentence_with("pack.json", (pack / "pack.json").read_bytes().replace(b'"README.md"', b'"../README.md"'))
    verify_pack(pack)
    with pytest.raises(PackError, match="config.json says 3 where the configuration's clusters.k is 4"):
        verify_pack(pack, dataclasses.replace(work, clusters=ClusterConfig(k=4)))


@pytest.mark.parametrize("bits", [16, 8])
def test_reports_rounding_of_every_tensor(work: RunConfig, bits: int) -> None:
    work = dataclasses.replace(work, pack_t_bits=bits)
    run_pack(work)
    report = verify_pack(Path(work.pack_dir), work)
    errors = {error.tensor: error for error in report.rounding["pn.safetensors"]}
    assert set(errors) == set(trained_shapes(projected_network_layout(SMALL, VOCAB, NETWORK, K, 16)))
    T = errors["model.layers.0.mlp.up_proj.T"]
    assert 1e-5 < T.relative < 3e-4 if bits == 16 else 1e-3 < T.relative < 1e-2
    assert errors["projected_network.E"].largest == 0 and 0 < errors["model.embed_tokens.weight"].relative < 3e-4
    assert len(report.lines()) == 1 + sum(len(tensors) for tensors in report.rounding.values())


@pytest.mark.parametrize("name", ["nano"])
def test_bundled_pack_is_whole(name: str) -> None:
    report = verify_pack(PACKS / name)
    assert report.num_files >= 9 and 0 < report.largest_projected < 100


def test_reads_an_onnx_interface(tmp_path: Path) -> None:
    (tmp_path / "e.onnx").write_bytes(onnx_model(300))
    assert read_onnx_interface(tmp_path / "e.onnx") == ([DeclaredTensor("input_ids", 7, (1, "tokens"))], [DeclaredTensor("embedding", 1, (1, 300))])
