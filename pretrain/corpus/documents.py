"""The documents of a folder of text, one at a time, whatever its size: .jsonl and .jsonl.gz ({"text", ...} a line), .txt and .md.

Text comes from strangers, so every way a file can be broken ends in one sentence that names the file and, where there are lines, the line.
Nothing longer than one line (MAX_LINE_BYTES) or one document is ever held in memory.
"""
from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Iterator

SUFFIXES = (".jsonl.gz", ".jsonl", ".txt", ".md")
MAX_LINE_BYTES = 32 << 20
"""A longer line is refused: it is hardly ever one document, and memory must stay flat."""
MAX_PIECE_CHARACTERS = 40_000
"""A longer .txt or .md file becomes several documents, cut between paragraphs where possible."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class CorpusError(Exception):
    """Text that cannot be used; the message is for the user."""


@dataclass(frozen=True)
class TextFile:
    path: Path
    source: str
    """What the file belongs to: its name without suffix, or the name of the corpus's sub-folder that it lies in."""


@dataclass(frozen=True)
class Document:
    text: str
    source: str
    num_bytes: int
    """UTF-8 bytes of `text`."""
    file_bytes: int
    """How far reading moved on in the file for it, in bytes on disk: for progress, coarse where the file is compressed."""


def name_without_suffix(path: Path) -> str | None:
    """'a/law.train.jsonl.gz' -> 'law.train'; None for a file that is not text to us."""
    for suffix in SUFFIXES:
        if path.name.endswith(suffix):
            return path.name[: -len(suffix)]
    return None


def text_files(folder: str | Path, sources: list[str] | None = None) -> list[TextFile]:
    """The text files of a folder and its sub-folders, sorted by path; hidden files and other file types are left out.

    `sources`: only these; empty or None takes all. Raises CorpusError when the folder is missing, holds no text or lacks a source.
    """
    root = Path(folder)
    if not root.is_dir():
        raise CorpusError(f"{root}: there is no such folder of text.")
    found = []
    for path in sorted(root.rglob("*")):
        inner = path.relative_to(root)
        stem = name_without_suffix(path)
        if stem is None or any(part.startswith(".") for part in inner.parts) or not path.is_file():
            continue
        found.append(TextFile(path, inner.parts[0] if len(inner.parts) > 1 else stem))
    if not found:
        raise CorpusError(f"{root}: the folder holds no text; files must end in {', '.join(SUFFIXES)}.")
    if not sources:
        return found
    known = {file.source for file in found}
    for source in sources:
        if source not in known:
            raise CorpusError(f"{root}: there is no source '{source}'; there are {', '.join(sorted(known))}.")
    return [file for file in found if file.source in sources]


def documents_of(files: list[TextFile]) -> Iterator[Document]:
    """The documents of these files in order. Documents without a visible character are passed over. Raises CorpusError."""
    for file in files:
        texts = _pieces(file.path) if file.path.suffix in (".txt", ".md") else _json_texts(file.path)
        is_empty, before = True, 0
        for text, line, position in texts:
            if not text or text.isspace():
                continue
            try:
                num_bytes = len(text.encode("utf-8"))
            except UnicodeEncodeError:
                # JSON can spell half of a surrogate pair, which is no text.
                raise CorpusError(f"{file.path}, line {line}: the text holds half of a surrogate pair, which is no Unicode text.") from None
            yield Document(text, file.source, num_bytes, position - before)
            is_empty, before = False, position
        if is_empty:
            raise CorpusError(f"{file.path}: the file holds no text.")



def is_held_out(text: str, share: float) -> bool:
    """Whether a document belongs to validation. A function of the text alone, so that copies of a document never sit on both sides."""
    digest = hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest()
    return int.from_bytes(digest, "little") < share * 2**64


# What follows yields (text, line number from 1, bytes of the file on disk read so far).


def _json_texts(path: Path) -> Iterator[tuple[str, int, int]]:
    for line, number, position in _lines(path):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CorpusError(f"{path}, line {number}: not JSON: {error}.") from error
        text = value.get("text") if isinstance(value, dict) else None
        if not isinstance(text, str):
            raise CorpusError(f'{path}, line {number}: expected an object with a string "text".')
        yield text, number, position


def _pieces(path: Path) -> Iterator[tuple[str, int, int]]:
    """The whole file in pieces of at most MAX_PIECE_CHARACTERS; put together again they are the file."""
    waiting = ""  # read and not yet given out
    number = position = 0
    for line, number, position in _lines(path):
        waiting += line
        start = 0
        while len(waiting) - start > MAX_PIECE_CHARACTERS:
            end = _cut_at(waiting, start)
            yield waiting[start:end], number, position
            start = end
        waiting = waiting[start:]
    yield waiting, number, position


def _cut_at(text: str, start: int) -> int:
    """Where a piece that begins at `start` ends: after the last blank line, else line, else space within the limit; else at the limit."""
    limit = start + MAX_PIECE_CHARACTERS
    for boundary in ("\n\n", "\r\n\r\n", "\n", " "):
        at = text.rfind(boundary, start, limit)
        if at > start:
            return at + len(boundary)
    return limit


def _lines(path: Path) -> Iterator[tuple[str, int, int]]:
    """Lines with their ends."""
    number = 0
    try:
        with open(path, "rb", buffering=1 << 20) as on_disk, _unpacked(path, on_disk) as file:
            while raw := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if number == 1:
                    raw = raw.removeprefix(BYTE_ORDER_MARK)
                yield _checked(raw, path, number), number, on_disk.tell()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CorpusError(f"{path}, after line {number}: the gzip data is broken: {error}.") from error
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read: {error}.") from error


def _unpacked(path: Path, on_disk: BinaryIO) -> BinaryIO:
    return gzip.GzipFile(fileobj=on_disk, mode="rb") if path.suffix == ".gz" else on_disk  # type: ignore[return-value]


def _checked(raw: bytes, path: Path, number: int) -> str:
    if (at := raw.find(b"\0")) >= 0:
        raise CorpusError(f"{path}, line {number}: byte {at + 1} is zero: the file is binary, not text.")
    if len(raw) > MAX_LINE_BYTES:
        raise CorpusError(f"{path}, line {number}: the line is longer than {MAX_LINE_BYTES >> 20} MiB.")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}, line {number}: byte {error.start + 1} is not UTF-8 text.") from error
