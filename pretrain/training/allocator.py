"""Memory that PyTorch frees on a CPU stays with the process."""
from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of glibc's malloc.h."""
LARGEST_INT = 2**31 - 1


def keep_freed_memory() -> None:
    """Tells glibc never to give memory back to the system. By default every tensor over 32 MB is mapped anew at each step and each of its pages
    faults at first touch: a nano step took 3.6 times as long (bench/LOG.md). Nothing happens elsewhere than on Linux with glibc."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, LARGEST_INT)
