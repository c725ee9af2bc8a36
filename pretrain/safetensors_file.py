"""Writes a safetensors file (https://huggingface.co/docs/safetensors/index#format): an 8-byte little-endian header length, a JSON header,
then the tensors' bytes. Small enough to need no package."""
import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

DTYPES = {np.dtype("float32"): "F32", np.dtype("int32"): "I32"}


def write_safetensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Raises KeyError for a dtype other than float32 and int32."""
    header: dict[str, dict] = {}
    offset = 0
    for name, array in tensors.items():
        header[name] = {"dtype": DTYPES[array.dtype], "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    # Spaces up to a multiple of eight keep the tensors aligned, so that a reader can view them in place.
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())
