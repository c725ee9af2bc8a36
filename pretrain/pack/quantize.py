"""T in 8 bits: every row (the last axis, one output's weights in one slice) is whole numbers from -127 to 127 times one float32 scale."""
from __future__ import annotations

import numpy as np

LARGEST = 127


def quantize_rows(T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float32 [..., out, in] -> (int8 of the same shape, float32 scale [..., out]). The error of an entry is at most half its row's scale."""
    largest = np.abs(T).max(axis=-1).astype(np.float32)
    scale = largest / np.float32(LARGEST)
    # The scale of a row of zeros, or of numbers too small to divide by, is 0: such a row is stored as zeros.
    divisor = np.where(scale >= np.finfo(np.float32).tiny, scale, np.inf).astype(np.float32)
    quantized = np.rint(T / divisor[..., None]).clip(-LARGEST, LARGEST).astype(np.int8)
    return quantized, np.where(np.isinf(divisor), np.float32(0), scale).astype(np.float32)


def dequantize_rows(quantized: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """int8 [..., out, in], float32 [..., out] -> float32 [..., out, in]."""
    return quantized.astype(np.float32) * scale[..., None]
