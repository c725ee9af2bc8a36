"""An ONNX encoder of the user's own in the cluster stage, with a stand-in for onnxruntime, which is optional."""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pretrain.clusters import encoder as encoder_module
from pretrain.clusters import stage
from pretrain.clusters.assign import ClusterModel
from pretrain.clusters.encoder import OnnxEncoder, TableEncoder
from pretrain.clusters.onnx_file import encoder_onnx, read_table
from pretrain.clusters.windows import cut_windows
from pretrain.config import ConfigError

from .cluster_work import WINDOW, config_for, write_store, write_work


class StubSession:
    """What onnxruntime gives for a file that encoder_onnx wrote, computed from its table; `spoil` changes the output."""

    def __init__(self, path: Path, spoil: Any = None) -> None:
        self._table, self._spoil = read_table(path), spoil or (lambda output: output)

    def run(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        ids = inputs["input_ids"]
        assert outputs == ["embedding"] and ids.dtype == np.int64 and ids.ndim == 2
        mean = self._table[ids].mean(1)
        return [self._spoil(mean / np.linalg.norm(mean, axis=1, keepdims=True))]


class TestOwnEncoder:
    def write(self, folder: Path, size: int = 11) -> Path:
        path = folder / "mine.onnx"
        path.write_bytes(encoder_onnx(np.random.default_rng(9).standard_normal((257, size)).astype(np.float32)))
        return path

    def test_is_used_and_copied(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_work(tmp_path)
        path = self.write(tmp_path)
        monkeypatch.setattr(encoder_module, "_open_session", StubSession)
        config = config_for(tmp_path, encoder=str(path))
        stage.run_cluster(config)
        assert (tmp_path / "clusters" / "encoder.onnx").read_bytes() == path.read_bytes()
        assert ClusterModel.open(tmp_path / "clusters").centroids.shape == (3, 11)
        path.write_bytes(encoder_onnx(np.ones((257, 11), np.float32)))
        with pytest.raises(ConfigError, match="other settings or text"):
            stage.run_cluster(config)

    def test_gives_what_our_arithmetic_gives(self, tmp_path: Path) -> None:
        path = self.write(tmp_path)
        store = write_store(tmp_path / "store", [("s", np.arange(1, 101), False), ("s", np.arange(1, 33), False)])
        windows = cut_windows(store, WINDOW)
        own = OnnxEncoder(path, StubSession(path)).embed(store.tokens, windows.start, windows.text_length)
        table = read_table(path)
        assert table is not None
        assert np.allclose(own, TableEncoder(table).embed(store.tokens, windows.start, windows.text_length), rtol=0, atol=1e-6)

    @pytest.mark.parametrize(("spoil", "sentence"), [
        (lambda output: 2 * output, "norm 2, where 1 is expected"),
        (lambda output: np.nan * output, "norm nan, where 1 is expected"),
        (lambda output: output.astype(np.float64), r"gives float64 \[1, 11\]"),
        (lambda output: output[0], r"gives float32 \[11\]"),
        (lambda output: 1 / 0, "failed on a window of 1 tokens: division by zero"),
    ])
    def test_is_refused_when_its_output_is_no_embedding(self, tmp_path: Path, spoil: Any, sentence: str) -> None:
        path = self.write(tmp_path)
        with pytest.raises(ConfigError, match=f"^clusters.encoder: .*{sentence}"):
            OnnxEncoder(path, StubSession(path, spoil))

    def test_is_refused_when_it_maps_something_else(self, tmp_path: Path) -> None:
        path = self.write(tmp_path)
        path.write_bytes(path.read_bytes().replace(b"input_ids", b"token_ids"))
        with pytest.raises(ConfigError, match=r"but it maps token_ids int64 \[1, 'tokens'\] to embedding float32 \[1, 11\]"):
            OnnxEncoder(path, StubSession(path))

    def test_absent_broken_or_without_onnxruntime_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_work(tmp_path)
        with pytest.raises(ConfigError, match="there is no file"):
            stage.run_cluster(config_for(tmp_path, encoder=str(tmp_path / "none.onnx")))
        (tmp_path / "broken.onnx").write_bytes(b"\x0a\xff")
        with pytest.raises(ConfigError, match="cannot be read as an ONNX model"):
            OnnxEncoder(tmp_path / "broken.onnx")
        # None in sys.modules is how Python marks a module as not importable.
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(ConfigError, match="pip install onnxruntime"):
            OnnxEncoder(self.write(tmp_path))

    def test_onnxruntime_equals_our_arithmetic(self, tmp_path: Path) -> None:
        pytest.importorskip("onnxruntime", reason="needs the optional package onnxruntime; the browser test compares with onnxruntime-web")
        path = self.write(tmp_path)
        ids, table = np.arange(1, 200), read_table(path)
        assert table is not None
        ours = TableEncoder(table).embed(ids, np.zeros(1, np.int64), np.array([199]))[0]
        assert np.allclose(OnnxEncoder(path).embed(ids, np.zeros(1, np.int64), np.array([199]))[0], ours, rtol=0, atol=1e-6)
