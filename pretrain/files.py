"""Files that are whole or absent: everything a stage makes is written beside its place and renamed into it."""
from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path to write a file or a folder at; it is renamed to `path` when the block succeeds and removed when it fails.
    What a killed process leaves behind is called `<name>.partial` and is overwritten by the next attempt."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    _remove(partial)
    try:
        yield partial
        if partial.is_file():
            with open(partial, "rb") as file:
                os.fsync(file.fileno())
        elif path.is_dir():
            _remove(path)
        os.replace(partial, path)
    finally:
        _remove(partial)


@contextmanager
def only_one_process(lock: Path) -> Iterator[None]:
    """Processes that enter with the same lock file, on this machine or on a shared file system, take turns. A killed one frees it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def claimed(lock: Path) -> Iterator[bool]:
    """True inside when no other living process has claimed the same lock file; it is not waited for. A killed one frees it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    with atomic_path(path) as partial:
        partial.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    write_atomically(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
