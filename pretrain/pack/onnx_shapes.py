"""Reads the inputs and outputs that an ONNX file declares, without an ONNX package: a walk through the few protobuf fields that lead there
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto)."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import PackError

FLOAT, INT64 = 1, 7
"""TensorProto.DataType."""


@dataclass(frozen=True)
class DeclaredTensor:
    name: str
    element_type: int
    shape: tuple[int | str, ...]
    """A dimension without a number is its name, or ""."""


def read_onnx_interface(path: Path) -> tuple[list[DeclaredTensor], list[DeclaredTensor]]:
    """(inputs, outputs) of the model. Raises PackError when the file is no ONNX model."""
    content = path.read_bytes()
    try:
        graphs = [value for number, value in _fields(content) if number == 7 and isinstance(value, bytes)]
        if len(graphs) != 1:
            raise ValueError("no graph")
        graph = list(_fields(graphs[0]))
        return _declared(graph, 11), _declared(graph, 12)
    except (ValueError, IndexError) as error:
        raise PackError(f"{path} is not an ONNX model that can be read ({error}).") from error


def _declared(graph: list[tuple[int, int | bytes]], field: int) -> list[DeclaredTensor]:
    return [_value_info(value) for number, value in graph if number == field and isinstance(value, bytes)]


def _value_info(message: bytes) -> DeclaredTensor:
    name = _first_bytes(message, 1).decode("utf-8")
    tensor_type = _first_bytes(_first_bytes(message, 2), 1)
    element_type = next((value for number, value in _fields(tensor_type) if number == 1 and isinstance(value, int)), 0)
    dimensions = [value for number, value in _fields(_first_bytes(tensor_type, 2)) if number == 1 and isinstance(value, bytes)]
    return DeclaredTensor(name, element_type, tuple(_dimension(message) for message in dimensions))


def _dimension(message: bytes) -> int | str:
    for number, value in _fields(message):
        if number == 1 and isinstance(value, int):
            return value
        if number == 2 and isinstance(value, bytes):
            return value.decode("utf-8")
    return ""


def _first_bytes(message: bytes, field: int) -> bytes:
    return next((value for number, value in _fields(message) if number == field and isinstance(value, bytes)), b"")


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of a protobuf message; fixed-width values are skipped. Raises ValueError where it ends early."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, position = _varint(message, position)
            yield number, value
        elif wire_type == 2:
            length, position = _varint(message, position)
            if length > len(message) - position:
                raise ValueError("it ends in the middle of a field")
            yield number, message[position : position + length]
            position += length
        elif wire_type in (1, 5):
            position += 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"unknown wire type {wire_type}")


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index in range(10):
        if position + index >= len(message):
            raise ValueError("it ends in the middle of a number")
        byte = message[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise ValueError("a number of more than ten bytes")
