"""encoder.onnx of a table: Gather, ReduceMean, LpNormalization. Written by hand, because three nodes and one tensor need no ONNX package
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto has the field numbers)."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from ..pack.errors import PackError
from ..pack.onnx_shapes import FLOAT, INT64, read_onnx_interface

INPUT, OUTPUT = "input_ids", "embedding"
_IR_VERSION, _OPSET = 8, 13
"""Opset 13: ReduceMean still takes its axes as an attribute, and every runtime in use knows it."""
_INT_ATTRIBUTE, _INTS_ATTRIBUTE = 2, 7
_VARINT, _LENGTH_DELIMITED = 0, 2


def encoder_onnx(table: np.ndarray) -> bytes:
    """The model input_ids int64 [1, T] -> embedding float32 [1, D] for a table float32 [V, D]: mean of the rows, scaled to norm 1."""
    size = table.shape[1]
    nodes = [
        _node(["table", INPUT], "rows", "Gather", _int_attribute("axis", 0)),
        _node(["rows"], "mean", "ReduceMean", _ints_attribute("axes", [1]), _int_attribute("keepdims", 0)),
        _node(["mean"], OUTPUT, "LpNormalization", _int_attribute("axis", 1), _int_attribute("p", 2)),
    ]
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, "document_encoder")
    graph += _field(5, _table_head(table) + table.astype("<f4").tobytes())
    graph += _field(11, _value_info(INPUT, INT64, "tokens")) + _field(12, _value_info(OUTPUT, FLOAT, size))
    return _field(1, _IR_VERSION) + _field(2, "pretrain") + _field(7, graph) + _field(8, _field(1, "") + _field(2, _OPSET))


def read_table(path: Path) -> np.ndarray | None:
    """The table float32 [V, D] of a file that encoder_onnx wrote; None for any other ONNX model. Raises PackError when it is none."""
    if not path.is_file():
        raise PackError(f"{path} is missing.")
    content = path.read_bytes()
    outputs = read_onnx_interface(path)[1]
    size = outputs[0].shape[-1] if len(outputs) == 1 and outputs[0].shape else 0
    mark = _field(8, "table") + _key(9, _LENGTH_DELIMITED)
    at = content.find(mark)
    if at < 0 or not isinstance(size, int) or size < 1:
        return None
    num_bytes, start = _read_varint(content, at + len(mark))
    if num_bytes % (4 * size) or num_bytes > len(content) - start:
        return None
    table = np.frombuffer(content, "<f4", num_bytes // 4, start).reshape(-1, size)
    # A file that could differ in what it computes is not taken for a table.
    return table if encoder_onnx(table) == content else None


def _table_head(table: np.ndarray) -> bytes:
    """A TensorProto up to its raw data."""
    shape = _field(1, table.shape[0]) + _field(1, table.shape[1])
    return shape + _field(2, FLOAT) + _field(8, "table") + _key(9, _LENGTH_DELIMITED) + _varint(4 * table.size)


def _node(inputs: list[str], output: str, kind: str, *attributes: bytes) -> bytes:
    named = b"".join(_field(1, name) for name in inputs) + _field(2, output)
    return named + _field(4, kind) + b"".join(_field(5, attribute) for attribute in attributes)


def _int_attribute(name: str, value: int) -> bytes:
    return _field(1, name) + _field(3, value) + _field(20, _INT_ATTRIBUTE)


def _ints_attribute(name: str, values: list[int]) -> bytes:
    return _field(1, name) + b"".join(_field(8, value) for value in values) + _field(20, _INTS_ATTRIBUTE)


def _value_info(name: str, element_type: int, last_dimension: int | str) -> bytes:
    """A tensor [1, last_dimension]."""
    last = _field(2, last_dimension) if isinstance(last_dimension, str) else _field(1, last_dimension)
    shape = _field(1, _field(1, 1)) + _field(1, last)
    return _field(1, name) + _field(2, _field(1, _field(1, element_type) + _field(2, shape)))


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _key(number, _VARINT) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _key(number, _LENGTH_DELIMITED) + _varint(len(content)) + content


def _key(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    content = bytearray()
    while value > 0x7F:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(content) + bytes([value])


def _read_varint(content: bytes, position: int) -> tuple[int, int]:
    """(value, position after it)."""
    value = shift = 0
    while True:
        byte = content[position]
        value |= (byte & 0x7F) << shift
        shift, position = shift + 7, position + 1
        if byte < 0x80:
            return value, position
