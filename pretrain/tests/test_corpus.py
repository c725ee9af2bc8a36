"""Reading text folders, hostile ones included, and the token store."""
from __future__ import annotations

import gzip
import json
import os
import tracemalloc
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

import numpy as np
import pytest

from ..corpus import documents as documents_module
from ..corpus.documents import MAX_PIECE_CHARACTERS, CorpusError, documents_of, is_held_out, text_files
from ..corpus.token_store import TokenStore, writing_token_store


def texts_in(folder: Path, sources: list[str] | None = None) -> list[str]:
    return [document.text for document in documents_of(text_files(folder, sources))]


def json_line(text: str) -> bytes:
    return json.dumps({"text": text}).encode() + b"\n"


def write_gzip(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content))


def error_of(folder: Path) -> str:
    with pytest.raises(CorpusError) as caught:
        texts_in(folder)
    return str(caught.value)


@contextmanager
def traced_memory() -> Iterator[Callable[[], int]]:
    """Gives the most bytes that Python objects took at any one time in the block."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_reads_every_kind_of_file_sorted_and_recursively(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_bytes(json_line("b1") + b"\n" + json_line(" \n") + json_line("b2 é"))
    write_gzip(tmp_path / "a.jsonl.gz", json_line("a1"))
    (tmp_path / "books" / "deep").mkdir(parents=True)
    (tmp_path / "books" / "one.txt").write_bytes(b"\xef\xbb\xbfbook one\r\n")
    (tmp_path / "books" / "deep" / "two.md").write_text("# two", encoding="utf-8")
    (tmp_path / ".hidden.txt").write_text("hidden")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0")
    found = list(documents_of(text_files(tmp_path)))
    assert [(d.source, d.text, d.num_bytes) for d in found] == [
        ("a", "a1", 2), ("b", "b1", 2), ("b", "b2 é", 5), ("books", "# two", 5), ("books", "book one\r\n", 10),
    ]
    assert sum(d.file_bytes for d in found) == sum(file.path.stat().st_size for file in text_files(tmp_path))
    assert texts_in(tmp_path, ["books", "a"]) == ["a1", "# two", "book one\r\n"]


def test_a_long_text_file_is_cut_between_paragraphs_and_loses_nothing(tmp_path: Path) -> None:
    paragraphs = "".join(f"Paragraph {i}. {'word ' * (i % 400)}\nsecond line\n\n" for i in range(300))
    one_line = "x" * (3 * MAX_PIECE_CHARACTERS + 5)
    (tmp_path / "long.txt").write_text(paragraphs + one_line, encoding="utf-8")
    pieces = texts_in(tmp_path)
    assert "".join(pieces) == paragraphs + one_line
    assert max(len(piece) for piece in pieces) == MAX_PIECE_CHARACTERS
    of_paragraphs = [piece for piece in pieces if piece.startswith("Paragraph")]
    assert len(of_paragraphs) > 5 and all(piece.endswith("\n\n") for piece in of_paragraphs)


CUT_GZIP = gzip.compress(json_line("a") + json_line(os.urandom(50_000).hex()))[:-2000]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("binary.txt", b"\x7fELF\x02\x01\x01\x00\x00", "binary.txt, line 1: byte 8 is zero: the file is binary, not text."),
        ("empty.txt", b"", "empty.txt: the file holds no text."),
        ("blank.md", b" \n\n\t", "blank.md: the file holds no text."),
        ("latin.txt", "first\ncafé".encode("latin-1"), "latin.txt, line 2: byte 4 is not UTF-8 text."),
        ("latin.jsonl", json_line("a") + '{"text": "café"}'.encode("latin-1"), "latin.jsonl, line 2: byte 14 is not UTF-8 text."),
        ("broken.jsonl", json_line("a") + b'{"text": "b"\n', "broken.jsonl, line 2: not JSON: "),
        ("deep.jsonl", b"[" * 200_000, "deep.jsonl, line 1: not JSON: "),
        ("field.jsonl", b'{"body": "a"}\n', 'field.jsonl, line 1: expected an object with a string "text".'),
        ("number.jsonl", b'{"text": 5}\n', 'number.jsonl, line 1: expected an object with a string "text".'),
        ("list.jsonl", json_line("a") + b"[1]\n", 'list.jsonl, line 2: expected an object with a string "text".'),
        ("half.jsonl", b'{"text": "a\\ud83d"}\n', "half.jsonl, line 1: the text holds half of a surrogate pair"),
        ("empty.jsonl", b"", "empty.jsonl: the file holds no text."),
        ("not_gzip.jsonl.gz", json_line("a"), "not_gzip.jsonl.gz, after line 0: the gzip data is broken: "),
        ("cut.jsonl.gz", CUT_GZIP, "cut.jsonl.gz, after line 1: the gzip data is broken: "),
        ("damaged.jsonl.gz", gzip.compress(json_line("a"))[:-8] + b"\0" * 8, "damaged.jsonl.gz, after line 1: the gzip data is broken: "),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_a_broken_file_is_one_sentence_naming_it(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    message = error_of(tmp_path)
    assert message.startswith(f"{tmp_path}/{expected}") and "\n" not in message


def test_a_line_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents_module, "MAX_LINE_BYTES", 1 << 20)
    for name in ("long.jsonl", "long.txt"):
        folder = tmp_path / name.replace(".", "_")
        folder.mkdir()
        (folder / name).write_bytes(b"short\n" * (name == "long.txt") + b"x" * ((1 << 20) + 1))
        assert error_of(folder) == f"{folder / name}, line {1 + (name == 'long.txt')}: the line is longer than 1 MiB."


def test_folders_without_text(tmp_path: Path) -> None:
    assert error_of(tmp_path).endswith("the folder holds no text; files must end in .jsonl.gz, .jsonl, .txt, .md.")
    assert error_of(tmp_path / "absent").endswith("there is no such folder of text.")
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(CorpusError, match="there is no source 'b'; there are a."):
        text_files(tmp_path, ["b"])


def test_two_gigabytes_of_zeros_are_refused_in_little_memory(tmp_path: Path) -> None:
    with open(tmp_path / "huge.txt", "wb") as file:
        file.truncate(2 << 30)
    with traced_memory() as peak:
        assert "huge.txt, line 1: byte 1 is zero: the file is binary" in error_of(tmp_path)
        assert peak() < 3 * documents_module.MAX_LINE_BYTES


def test_a_large_file_streams_by_in_little_memory(tmp_path: Path) -> None:
    """Reading is line by line, so what holds for 48 MB (memory for a handful of documents) holds for 2 GB."""
    paragraph = b"A sentence of no consequence, and one more. " * 40 + b"\n\n"
    (tmp_path / "large.txt").write_bytes(paragraph * ((48 << 20) // len(paragraph)))
    with traced_memory() as peak:
        total = sum(document.num_bytes for document in documents_of(text_files(tmp_path)))
        assert peak() < 4 << 20
    assert total == (tmp_path / "large.txt").stat().st_size


def test_held_out_documents_are_chosen_by_their_text(tmp_path: Path) -> None:
    texts = [f"document {i}" for i in range(20_000)]
    held_out = [is_held_out(text, 0.05) for text in texts]
    assert held_out == [is_held_out(text, 0.05) for text in texts]
    assert 0.045 < np.mean(held_out) < 0.055
    assert not any(is_held_out(text, 0.0) for text in texts) and all(is_held_out(text, 1.0) for text in texts)
    # A larger share keeps what a smaller one held out.
    assert all(is_held_out(text, 0.2) for text, held in zip(texts, held_out) if held)


def write_store(folder: Path) -> None:
    with writing_token_store(folder, ["law", "poems"], eos_id=0, vocab_size=60_000, recipe={"made": "here"}) as writer:
        writer.append(np.array([5, 59_999], np.uint16), 7, "poems", False)
        writer.append(np.array([], np.uint16), 1, "law", True)
        writer.append(np.array([9], np.uint16), 3, "poems", False)


def test_token_store_gives_back_what_was_written(tmp_path: Path) -> None:
    write_store(tmp_path / "store")
    store = TokenStore.open(tmp_path / "store")
    assert isinstance(store.tokens, np.memmap) and store.tokens.dtype == np.uint16
    assert store.tokens.tolist() == [5, 59_999, 0, 0, 9, 0]
    assert (tmp_path / "store" / "tokens.bin").read_bytes()[:4] == b"\x05\x00\x5f\xea"
    assert [store.document(i).tolist() for i in range(store.num_documents)] == [[5, 59_999, 0], [0], [9, 0]]
    assert np.shares_memory(store.document(0), store.tokens)
    assert (store.documents.tolist(), store.documents.dtype) == ([0, 3, 4, 6], np.int64)
    assert (store.document_bytes.tolist(), store.document_bytes.dtype) == ([7, 1, 3], np.int64)
    assert (store.document_source.tolist(), store.document_source.dtype) == ([1, 0, 1], np.int16)
    assert (store.document_held_out.tolist(), store.document_held_out.dtype) == ([False, True, False], bool)
    assert store.summary == {
        "documents": 3, "tokens": 6, "bytes": 11, "eos_id": 0, "vocab_size": 60_000, "recipe": {"made": "here"},
        "sources": [{"name": "law", "documents": 1, "tokens": 1, "bytes": 1}, {"name": "poems", "documents": 2, "tokens": 5, "bytes": 10}],
    }


def test_token_store_is_whole_or_absent(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with pytest.raises(RuntimeError):
        with writing_token_store(folder, ["law"], 0, 300, {}) as writer:
            writer.append(np.array([1], np.uint16), 1, "law", False)
            assert not folder.exists()
            raise RuntimeError("killed")
    assert not folder.exists()
    with pytest.raises(CorpusError, match="no finished tokens here"):
        TokenStore.open(folder)
    # What a killed process left behind does not count and is no obstacle.
    (tmp_path / "store.partial").mkdir()
    (tmp_path / "store.partial" / "tokens.bin").write_bytes(b"half")
    write_store(folder)
    assert TokenStore.open(folder).num_documents == 3


def test_token_store_refuses_what_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="outside the vocabulary of 300"):
        with writing_token_store(tmp_path / "store", ["law"], 0, 300, {}) as writer:
            writer.append(np.array([300], np.uint16), 1, "law", False)
    write_store(tmp_path / "store")
    with open(tmp_path / "store" / "tokens.bin", "ab") as file:
        file.write(b"\0\0")
    with pytest.raises(CorpusError, match="its files are of different lengths"):
        TokenStore.open(tmp_path / "store")
