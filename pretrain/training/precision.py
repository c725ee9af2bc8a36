"""Which arithmetic multiplies matrices: float32 master weights always, bfloat16 products where this machine is faster with them (CUDA, CPUs
with AMX), float32 where it is not (a CPU with AVX-512 alone runs bfloat16 at half the speed of float32)."""
from __future__ import annotations

import contextlib
import time
from typing import Any, Callable

import torch
from torch import nn

PROBE_SIZE = 1024


def choose_precision(setting: str, device: torch.device) -> torch.dtype:
    """float32 or bfloat16 for `auto` | `float32` | `bfloat16`; `auto` measures."""
    if setting != "auto":
        return getattr(torch, setting)
    rates = {dtype: matmul_rate(dtype, device) for dtype in (torch.float32, torch.bfloat16)}
    return max(rates, key=lambda dtype: rates[dtype])


def matmul_rate(dtype: torch.dtype, device: torch.device, size: int = PROBE_SIZE, seconds: float = 0.2) -> float:
    """Measured operations per second of square matrix products."""
    a = torch.randn(size, size, device=device).to(dtype)
    b = torch.randn(size, size, device=device).to(dtype)

    def product() -> None:
        a @ b
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    for _ in range(3):
        product()
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        product()
        count += 1
    return count * 2 * size**3 / (time.perf_counter() - started)


def autocast(device: torch.device, dtype: torch.dtype) -> contextlib.AbstractContextManager[Any]:
    """Products of float32 weights in `dtype`; nothing at all for float32."""
    if dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=dtype)


def maybe_compile(function: Callable[..., Any], setting: str) -> Callable[..., Any]:
    """torch.compile for `yes`, and for `auto` where PyTorch is 2 or newer; the function itself for `no`."""
    compile_function = getattr(torch, "compile", None)
    if setting == "no" or (setting == "auto" and compile_function is None):
        return function
    if compile_function is None:
        raise RuntimeError(f"train.compile is yes, but PyTorch {torch.__version__} has no torch.compile.")
    return compile_function(function, dynamic=False)


def compile_layers(model: nn.Module, setting: str) -> None:
    """Compiles the layers of a Llama, plain or projected, and its final norm in place. All layers share one compiled function, so that compiling takes
    as long as for one layer; it lies inside the hooks of FSDP that gather and free a layer's weights, which do not compile."""
    for part in (*model.model.layers, model.model.norm):
        part.forward = maybe_compile(part.forward, setting)
