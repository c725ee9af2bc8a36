"""Safetensors files: what is written comes back, and hostile headers are refused before they are believed."""
from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pretrain.pack.errors import PackError
from pretrain.pack.safetensors_file import read_safetensors, write_safetensors


def test_safetensors_come_back(tmp_path: Path) -> None:
    tensors = {"a": np.arange(6, dtype="f4").reshape(2, 3), "b": np.array(-3, "i1"), "c": np.zeros((0, 7), "f2"), "d": np.arange(4, dtype="u2")}
    write_safetensors(tmp_path / "x.safetensors", tensors)
    back = read_safetensors(tmp_path / "x.safetensors")
    assert list(back) == ["a", "b", "c", "d"]
    for name, array in tensors.items():
        assert back[name].dtype == array.dtype and back[name].shape == array.shape
        np.testing.assert_array_equal(back[name], array)
    with pytest.raises(ValueError):
        back["a"][0, 0] = 1


def safetensors_bytes(header: Any, data: bytes = b"", declared: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if declared is None else declared) + text + data


def entry(dtype: Any = "F32", shape: Any = (1,), offsets: Any = (0, 4)) -> dict:
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


@pytest.mark.parametrize("content, sentence", [
    (b"\0\0\0", "has only 3 bytes, too few"),
    (safetensors_bytes({}, declared=2**60), "declares a header of 1152921504606846976 bytes"),
    (safetensors_bytes(b'{"w":'), "not valid JSON"),
    (safetensors_bytes(b"\xff{}"), "not valid JSON"),
    (safetensors_bytes(b"[" * 100_000), "not valid JSON"),
    (safetensors_bytes(b'{"w":' + b"9" * 5000 + b"}"), "not valid JSON|not described by"),
    (safetensors_bytes([]), "not a JSON object"),
    (safetensors_bytes(b'{"w":1,"w":1}'), "names something twice"),
    (safetensors_bytes({"w": 1}), "tensor w is not described"),
    (safetensors_bytes(entry(dtype="F31"), bytes(4)), "unknown dtype 'F31'"),
    (safetensors_bytes(entry(dtype=["F32"]), bytes(4)), "unknown dtype"),
    (safetensors_bytes(entry(shape=[-1]), bytes(4)), "impossible shape"),
    (safetensors_bytes(entry(shape=[True]), bytes(4)), "impossible shape"),
    (safetensors_bytes(entry(shape=[1] * 40), bytes(4)), "impossible shape"),
    (safetensors_bytes(entry(shape=[0, 2**62, 2**62], offsets=[0, 0])), "impossible shape"),
    (safetensors_bytes(entry(shape=[2**40, 2**40]), bytes(4)), "takes 4 bytes, but its shape"),
    (safetensors_bytes(entry(offsets=[4, 0]), bytes(4)), "impossible data_offsets"),
    (safetensors_bytes(entry(offsets=[0, 4, 8]), bytes(4)), "impossible data_offsets"),
    (safetensors_bytes(entry(shape=[2], offsets=[0, 8]), bytes(4)), "ends at byte 8 of the data, but the file has only 4"),
    (safetensors_bytes(entry(offsets=[4, 8]), bytes(8)), "begins at byte 4 of the data, where 0 was expected"),
    (safetensors_bytes({"a": entry()["w"], "b": entry()["w"]}, bytes(4)), "tensor b begins at byte 0 of the data, where 4"),
    (safetensors_bytes(entry(), bytes(6)), "2 bytes after its last tensor"),
])
def test_refuses_hostile_safetensors(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(content)
    with pytest.raises(PackError, match=rf"x\.safetensors.*({sentence})") as caught:
        read_safetensors(file)
    assert len(str(caught.value)) < 1000
