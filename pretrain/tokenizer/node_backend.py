"""The npm package `tokenizers` behind the backend interface: a Node process fed over pipes. It learns and encodes as the Python package
does; only vocabularies above MAX_VOCABULARY are out of its reach."""
from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, Iterable

import numpy as np

from ..config import ConfigError
from .backends import Encoder
from .tokenizer_files import for_encoding

SCRIPT = Path(__file__).with_name("node_tokenizer.mjs")
MAX_VOCABULARY = 30_000
"""The npm package's trainer has no settings; this is what it stops at (the end of text not counted)."""


class NodeBackend:
    name = "npm"

    def __init__(self) -> None:
        is_installed = any((parent / "node_modules" / "tokenizers").is_dir() for parent in SCRIPT.parents)
        if shutil.which("node") is None or not is_installed:
            raise ConfigError("No tokenizer library: install the Python package (pip install tokenizers), or Node and npm's (npm ci).")

    def learn_merges(self, texts: Iterable[str], vocab_size: int) -> list[list[str]]:
        if vocab_size > MAX_VOCABULARY:
            raise ConfigError(
                f"tokenizer.vocab_size above {MAX_VOCABULARY} needs the Python package (pip install tokenizers), found {vocab_size}."
            )
        # Both sides remove the folder: this one where reading the texts fails, Node's where this process is killed while reading.
        with tempfile.TemporaryDirectory(prefix="merges-", ignore_cleanup_errors=True) as folder:
            process = _NodeProcess("merges", folder)
            try:
                for text in texts:
                    process.write_json_line(text)
                process.write_json_line(None)
                return json.loads(process.finish())
            finally:
                process.close()

    def encoder(self, tokenizer: dict[str, Any]) -> Encoder:
        return _NodeEncoder(for_encoding(tokenizer))


class _NodeEncoder:
    def __init__(self, json_text: str) -> None:
        self._file = tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8")
        self._file.write(json_text)
        self._file.flush()
        self._process = _NodeProcess("encode", self._file.name)

    def encode(self, texts: list[str]) -> list[np.ndarray]:
        self._process.write_json_line(texts)
        encoded = []
        for _ in texts:
            count = int.from_bytes(self._process.read(4), "little")
            encoded.append(np.frombuffer(self._process.read(2 * count), dtype="<u2"))
        return encoded

    def close(self) -> None:
        self._process.close()
        self._file.close()


class _NodeProcess:
    """The script in one of its modes. Its end, or what it has to complain about, comes out as ConfigError."""

    def __init__(self, *arguments: str) -> None:
        self._errors: BinaryIO = tempfile.TemporaryFile()  # type: ignore[assignment]
        command = ["node", str(SCRIPT), *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout

    def write_json_line(self, value: Any) -> None:
        try:
            self._input.write(json.dumps(value).encode("ascii") + b"\n")
            self._input.flush()
        except BrokenPipeError:
            raise self._failure() from None

    def read(self, num_bytes: int) -> bytes:
        content = self._output.read(num_bytes)
        if len(content) != num_bytes:
            raise self._failure()
        return content

    def finish(self) -> bytes:
        """Ends the input and gives all the output there still is."""
        self._input.close()
        content = self._output.read()
        if self._process.wait() != 0:
            raise self._failure()
        return content

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for stream in (self._output, self._errors):
            stream.close()
        try:
            self._input.close()
        except BrokenPipeError:
            pass  # unsent input of a process that has ended

    def _failure(self) -> ConfigError:
        status = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").split("\n")
        reason = next((line.strip() for line in lines if "Error" in line), f"exit status {status}")
        return ConfigError(f"The npm package tokenizers failed: {reason}")
