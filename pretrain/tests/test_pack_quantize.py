"""T in 8 bits: the arithmetic, how it is stored, and the measurement of what it costs."""
from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from pretrain.config import ConfigError, RunConfig, check
from pretrain.corpus.token_store import TokenStore
from pretrain.model.llama import Llama
from pretrain.pack.layout import mlp_prefixes
from pretrain.pack.measure_quantization import measure_storages
from pretrain.pack.quantize import dequantize_rows, quantize_rows
from pretrain.pack.safetensors_file import read_safetensors
from pretrain.pack.stage import run_pack

from .pack_work import K, SMALL, VOCAB, work  # noqa: F401 (a fixture)


def test_eight_bit_slices_have_a_scale_per_row(work: RunConfig) -> None:
    work = dataclasses.replace(work, pack_t_bits=8)
    run_pack(work)
    stored = read_safetensors(Path(work.pack_dir) / "pn.safetensors")
    trained = read_safetensors(work.work / "runs" / "pn" / "final.safetensors")
    for prefix, (out, inner) in mlp_prefixes(SMALL):
        assert stored[f"{prefix}.T"].dtype == np.int8 and stored[f"{prefix}.T"].shape == (4, out, inner)
        assert stored[f"{prefix}.T_scale"].dtype == np.float32 and stored[f"{prefix}.T_scale"].shape == (4, out)
        restored = dequantize_rows(stored[f"{prefix}.T"], stored[f"{prefix}.T_scale"])
        assert (np.abs(restored - trained[f"{prefix}.T"]) <= 0.5001 * stored[f"{prefix}.T_scale"][..., None]).all()
    assert "8 bits with a float32 scale per row" in (Path(work.pack_dir) / "README.md").read_text()


def test_only_8_or_16_bits(work: RunConfig) -> None:
    with pytest.raises(ConfigError, match="x.yaml: pack_t_bits must be 8 or 16, found 4"):
        check(dataclasses.replace(work, pack_t_bits=4), "x.yaml")


def test_quantizes_rows_of_any_size() -> None:
    T = np.random.default_rng(1).normal(size=(2, 5, 7)).astype("f4") * np.array([1e-44, 1e-30, 0, 1, 1e30], "f4")[:, None]
    quantized, scale = quantize_rows(T)
    restored = dequantize_rows(quantized, scale)
    assert quantized.dtype == np.int8 and scale.dtype == np.float32 and np.isfinite(restored).all()
    np.testing.assert_array_equal(restored[:, 2], 0)
    for row in (1, 3, 4):
        assert np.abs(quantized[:, row]).max() == 127
        assert (np.abs(restored[:, row] - T[:, row]) <= 0.5001 * scale[:, row, None]).all()


def test_measures_what_storing_T_costs(work: RunConfig) -> None:
    losses = {measured.storage: measured for measured in measure_storages(work, 300)}
    assert list(losses) == ["float32", "float16", "int8 with a scale per row"]
    assert all(math.isfinite(measured.perplexity) for measured in losses.values())
    exact = losses["float32"].loss
    half, eight = abs(losses["float16"].loss - exact), abs(losses["int8 with a scale per row"].loss - exact)
    assert 0 < half < 1e-4 and half < eight < 1e-2


def test_measures_held_out_blocks_through_their_own_expert(work: RunConfig) -> None:
    trained = read_safetensors(work.work / "runs" / "pn" / "final.safetensors")
    store, windows = TokenStore.open(work.work / "tokens" / "generic"), np.load(work.work / "clusters" / "windows.npy")
    held_out = windows[windows[:, 0] // 91 % 10 == 3]
    losses = []
    for cluster in range(K):
        pieces = [store.tokens[start : start + length] for start, length, of, _ in held_out if of == cluster]
        ids = torch.from_numpy(np.concatenate([np.zeros(0, np.uint16), *pieces]).astype(np.int64))
        weights = {name: np.array(array) for name, array in trained.items() if not name.endswith((".E", ".M", ".T"))}
        for prefix, _ in mlp_prefixes(SMALL):
            weights[f"{prefix}.weight"] = np.einsum("q,qr,roi->oi", trained["projected_network.E"][cluster], trained[f"{prefix}.M"], trained[f"{prefix}.T"])
        model = Llama(SMALL, VOCAB)
        model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
        for start in range(0, len(ids) - 16, 16):
            losses.append(torch.nn.functional.cross_entropy(model(ids[None, start : start + 16])[0], ids[start + 1 : start + 17]).item())
    assert len(losses) > 10
    assert measure_storages(work, 10_000)[0].loss == pytest.approx(np.mean(losses), rel=1e-5)
