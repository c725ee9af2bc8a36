"""The two files of a Hugging Face fast tokenizer, as the studio reads them: byte-level BPE cut into words by GPT-2's pattern.

Id 0 is the end of text, ids 1 to 256 are the bytes, and every further id is what a merge gives, the most frequent first. So a vocabulary is
cut to size by dropping its last merges.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..files import atomic_path, write_json

END_OF_TEXT = "<|endoftext|>"
END_OF_TEXT_ID = 0

_WORDS = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
_DECODER = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}


def byte_characters() -> list[str]:
    """The 256 characters that stand for bytes in the vocabulary (GPT-2's bytes_to_unicode), in the order of their code points."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(code) for code in printable + list(range(0x100, 0x200 - len(printable)))]


def tokenizer_json(merges: list[list[str]], vocab_size: int) -> dict[str, Any]:
    """tokenizer.json of the first of these merges (the most frequent first): as many as fill `vocab_size` entries, or all."""
    vocabulary = {entry: id for id, entry in enumerate([END_OF_TEXT, *byte_characters()])}
    kept: list[list[str]] = []
    for pair in merges:
        if len(vocabulary) >= vocab_size:
            break
        # Two merges can give the same entry ("a" + "bc", "ab" + "c"): the second adds a merge but no entry.
        vocabulary.setdefault("".join(pair), len(vocabulary))
        kept.append(pair)
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": END_OF_TEXT_ID, "content": END_OF_TEXT, **flags}],
        "normalizer": None,
        "pre_tokenizer": _WORDS,
        "post_processor": None,
        "decoder": _DECODER,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": kept,
        },
    }


def tokenizer_config(context: int) -> dict[str, Any]:
    """tokenizer_config.json; `context` is the model's longest input in tokens."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "model_max_length": context,
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
    }


def for_encoding(tokenizer: dict[str, Any]) -> str:
    """The tokenizer as it encodes text: without the special token, so that a document that spells `<|endoftext|>` gets the ids of those
    characters and cannot forge a boundary. The studio does the same."""
    return json.dumps({**tokenizer, "added_tokens": []}, ensure_ascii=False)


def write_tokenizer(folder: Path, tokenizer: dict[str, Any], recipe: dict[str, Any]) -> None:
    """tokenizer.json, and the recipe it was made by, as one folder that is whole or absent."""
    with atomic_path(folder) as partial:
        partial.mkdir()
        write_json(partial / "recipe.json", recipe)
        (partial / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False) + "\n", encoding="utf-8")
