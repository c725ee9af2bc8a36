"""The tokenize stage: learns the tokenizer from the generic text, or takes that of the pack to go on from; then writes the generic text and every
domain's parts as token ids.

Each part (the tokenizer, the generic text, each split of each domain) is one folder that is whole or absent. A killed run keeps the
finished parts and starts the one it was in again; the largest, the generic text, takes about three minutes per GB on two cores. Settings
or text that no longer fit a finished part are refused, because later stages may have used it.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterable, Iterator

from ..config import ConfigError, RunConfig
from ..corpus.documents import CorpusError, Document, TextFile, documents_of, is_held_out, name_without_suffix, text_files
from ..corpus.token_store import writing_token_store
from ..files import sha256_of, write_json
from ..pack.start import open_starting_pack
from ..progress import Progress
from .backends import TokenizerBackend, choose_backend
from .tokenizer_files import END_OF_TEXT_ID, tokenizer_config, tokenizer_json, write_tokenizer

STAGE = "tokenize"
BATCH_BYTES = 4 << 20
"""Text encoded at a time: enough for every core, little memory."""
SPLITS = ("train", "test")


def run_tokenize(config: RunConfig) -> None:
    """Makes `tokenizer/` and `tokens/` in the work folder; what is there already is kept. Raises CorpusError, ConfigError and
    PackError."""
    log = config.work / "logs" / f"{STAGE}.log"
    generic = text_files(config.corpus.generic, config.corpus.sources)
    domains = domain_files(config.corpus.domains) if config.corpus.domains else {}

    folder = config.work / "tokenizer"
    start = open_starting_pack(config)
    if start:
        recipe: dict[str, Any] = {"start_from": start.fingerprint}
    else:
        recipe = {
            "vocab_size": config.tokenizer.vocab_size,
            "training_bytes": config.tokenizer.training_bytes,
            "held_out_share": config.corpus.held_out_share,
            "files": _listing(generic),
        }
    if not _is_finished(folder / "recipe.json", recipe, config.work):
        write_tokenizer(folder, start.tokenizer() if start else learn_tokenizer(config, generic, choose_backend(), log), recipe)
    # It names the model's context, which may change between runs without touching a token.
    write_json(folder / "tokenizer_config.json", tokenizer_config(config.train.context))
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    fingerprint = sha256_of(folder / "tokenizer.json")

    parts = [("generic", generic, config.corpus.held_out_share)]
    parts += [(f"domains/{name}", [file], 0.0) for name, file in domains.items()]
    for name, files, held_out_share in parts:
        recipe = {"tokenizer": fingerprint, "held_out_share": held_out_share, "files": _listing(files)}
        part_folder = config.work / "tokens" / name
        if not _is_finished(part_folder / "summary.json", recipe, config.work):
            progress = _reading_progress(f"{STAGE} {name}", files, log)
            write_part(part_folder, files, held_out_share, tokenizer, choose_backend(), recipe, progress)


def domain_files(folder: str) -> dict[str, TextFile]:
    """'<domain>.train' and '<domain>.test' -> file, sorted. Raises CorpusError when a domain lacks one of the two."""
    found: dict[str, TextFile] = {}
    for file in text_files(folder):
        name = name_without_suffix(file.path) or ""
        if name.rpartition(".")[2] not in SPLITS:
            raise CorpusError(f"{file.path}: a domain's file must be named <domain>.train or <domain>.test and a suffix like .jsonl.")
        if name in found:
            raise CorpusError(f"{file.path}: there is another file for {name}: {found[name].path}.")
        found[name] = file
    for name, file in found.items():
        domain, _, split = name.rpartition(".")
        other = f"{domain}.{SPLITS[1 - SPLITS.index(split)]}"
        if other not in found:
            raise CorpusError(f"{file.path}: there is no {other} beside it.")
    return found


def learn_tokenizer(config: RunConfig, files: list[TextFile], backend: TokenizerBackend, log: Path | None) -> dict[str, Any]:
    """tokenizer.json with exactly the configured number of entries. Reads the text twice: to know its size, then to draw from it.
    Raises CorpusError where the text has too few different words."""
    counting = _reading_progress(f"{STAGE} counting", files, log)
    total = 0
    for document in _watched(documents_of(files), counting):
        total += document.num_bytes
    share = min(1.0, config.tokenizer.training_bytes / total)
    size = config.tokenizer.vocab_size
    counting.say(f"learning {size:,} entries from {100 * share:.0f}% of {total:,} bytes of text ({backend.name} tokenizers)")

    documents = _watched(documents_of(files), _reading_progress(f"{STAGE} drawing", files, log))
    sample = drawn_evenly((document for document in documents if not is_held_out(document.text, config.corpus.held_out_share)), share)
    tokenizer = tokenizer_json(backend.learn_merges(sample, size), size)
    if (found := len(tokenizer["model"]["vocab"])) < size:
        raise CorpusError(f"{config.corpus.generic}: the text is too little for {size} tokens; it gives {found}.")
    return tokenizer


def drawn_evenly(documents: Iterable[Document], share: float) -> Iterator[str]:
    """Texts of documents taken at even distances, such that the bytes taken keep to `share` of the bytes seen all along."""
    seen = taken = 0
    for document in documents:
        seen += document.num_bytes
        if taken + document.num_bytes <= share * seen:
            taken += document.num_bytes
            yield document.text


def write_part(
    folder: Path,
    files: list[TextFile],
    held_out_share: float,
    tokenizer: dict[str, Any],
    backend: TokenizerBackend,
    recipe: dict[str, Any],
    progress: Progress,
) -> None:
    """Encodes these files into one token store."""
    sources = sorted({file.source for file in files})
    encoder = backend.encoder(tokenizer)
    text_bytes = 0
    try:
        with writing_token_store(folder, sources, END_OF_TEXT_ID, len(tokenizer["model"]["vocab"]), recipe) as writer:
            for batch in _batches(_watched(documents_of(files), progress)):
                for document, ids in zip(batch, encoder.encode([document.text for document in batch])):
                    writer.append(ids, document.num_bytes, document.source, is_held_out(document.text, held_out_share))
                text_bytes += sum(document.num_bytes for document in batch)
    finally:
        encoder.close()
    progress.say(f"wrote {folder}: {text_bytes:,} bytes of text")


def _reading_progress(name: str, files: list[TextFile], log: Path | None) -> Progress:
    return Progress(name, sum(file.path.stat().st_size for file in files), "bytes of files", log)


def _watched(documents: Iterable[Document], progress: Progress) -> Iterator[Document]:
    for document in documents:
        # Many documents come out of one compressed block: only the first of them moves the reading on.
        if document.file_bytes:
            progress.advance(document.file_bytes)
        yield document


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += document.num_bytes
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _listing(files: list[TextFile]) -> list[list[str | int]]:
    """Names and sizes: enough to notice that a corpus is another one, without reading it."""
    return [[f"{file.source}/{file.path.name}", file.path.stat().st_size] for file in files]


def _is_finished(made_by_file: Path, recipe: dict[str, Any], work: Path) -> bool:
    """Whether the folder of `made_by_file` is there; raises ConfigError when it was made by another recipe."""
    folder = made_by_file.parent
    if not folder.exists():
        return False
    try:
        made_by = json.loads(made_by_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder}: not readable ({error}); remove it to make it again.") from error
    if made_by.get("recipe", made_by) != recipe:
        raise ConfigError(f"{folder}: was made from other settings or text; remove {work} or choose another work_dir.")
    return True
