"""The tokenize stage on a small corpus, and its two tokenizer backends against each other."""
from __future__ import annotations

import dataclasses
import importlib.util
import json
import random
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import pytest

from ..config import ConfigError, RunConfig, from_mapping
from ..corpus.documents import CorpusError, Document, documents_of, is_held_out, text_files
from ..corpus.token_store import TokenStore
from ..tokenizer import stage
from ..tokenizer.backends import PythonBackend, TokenizerBackend
from ..tokenizer.node_backend import MAX_VOCABULARY, NodeBackend
from ..tokenizer.stage import drawn_evenly, run_tokenize
from ..tokenizer.tokenizer_files import END_OF_TEXT, byte_characters, tokenizer_json

REPOSITORY = Path(__file__).parents[2]
CORPUS = REPOSITORY.parent / "shared" / "corpus"
HAS_PYTHON_PACKAGE = importlib.util.find_spec("tokenizers") is not None
HAS_NPM_PACKAGE = (REPOSITORY / "node_modules" / "tokenizers").is_dir()
needs_python = pytest.mark.skipif(not HAS_PYTHON_PACKAGE, reason="needs the Python package tokenizers")
needs_npm = pytest.mark.skipif(not HAS_NPM_PACKAGE, reason="needs the npm package tokenizers (npm ci)")
needs_any = pytest.mark.skipif(not (HAS_PYTHON_PACKAGE or HAS_NPM_PACKAGE), reason="needs the package tokenizers, Python's or npm's")
both_backends = pytest.mark.parametrize(
    "backend_class", [pytest.param(PythonBackend, marks=needs_python), pytest.param(NodeBackend, marks=needs_npm)]
)

HARD_TEXTS = [
    "", " ", "\n\n\n", "a\r\nb\rc\n\n  d\t\te", "naïve café ﬁ Å Ａ", "日本語のテキスト。", "👩‍👩‍👧‍👦👍🏽🇩🇪", "½ ² ٣ Ⅷ",
    "don't we'll I'M",
    "\u0085\u00a0\u2028\u2029\u3000\ufeff\u200b", "\x00\x01\x7f\x1b", "\U0010ffff\ue000", "x" * 5000, "def f(x):\n    return x**2  # square\n",
    f"before {END_OF_TEXT} after", END_OF_TEXT,
]


def prose(seed: int, num_documents: int) -> list[str]:
    """Documents of made-up words whose frequencies fall off as in real text."""
    rng = random.Random(seed)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(1500)]
    weights = [1 / (rank + 2) for rank in range(len(words))]
    lines = [" ".join(rng.choices(words, weights, k=12)).capitalize() + "." for _ in range(num_documents * 4)]
    return ["\n\n".join(lines[4 * i : 4 * i + 4]) for i in range(num_documents)]


def write_jsonl(path: Path, texts: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    write_jsonl(tmp_path / "generic" / "first.jsonl", prose(1, 300))
    write_jsonl(tmp_path / "generic" / "second.jsonl", prose(2, 200) + [text for text in HARD_TEXTS if text.strip()])
    for split, seed in (("train", 3), ("test", 4)):
        write_jsonl(tmp_path / "domains" / f"law.{split}.jsonl", prose(seed, 20))
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    values: dict[str, Any] = {
        "name": "test",
        "work_dir": str(tmp_path / "work"),
        "pack_dir": str(tmp_path / "pack"),
        "small": shape,
        "large": shape,
        "projected_network": {"h": 2, "m": 2},
        "corpus": {"generic": str(tmp_path / "generic"), "domains": str(tmp_path / "domains"), "held_out_share": 0.1},
        "tokenizer": {"vocab_size": 700, "training_bytes": 100_000},
        "clusters": {"k": 2},
        "train": {"tokens": 1, "context": 128, "sequences_per_group": 1, "groups_per_step": 1, "learning_rate": 1e-3},
    }
    return from_mapping(RunConfig, values, "test")


def files_below(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Path -> content and modification time."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@needs_any
def test_writes_a_tokenizer_of_exact_size_and_every_part(config: RunConfig) -> None:
    run_tokenize(config)
    tokenizer = json.loads((config.work / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    assert sorted(vocabulary.values()) == list(range(700)) and vocabulary[END_OF_TEXT] == 0
    shipped = json.loads((REPOSITORY / "public" / "packs" / "nano" / "tokenizer.json").read_text(encoding="utf-8"))
    for made_by_training in ("vocab", "merges"):
        tokenizer["model"].pop(made_by_training), shipped["model"].pop(made_by_training)
    assert tokenizer == shipped
    settings = json.loads((config.work / "tokenizer" / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert settings["eos_token"] == END_OF_TEXT and settings["model_max_length"] == 128

    bytes_of_id = token_bytes(vocabulary)
    documents = list(documents_of(text_files(config.corpus.generic)))
    store = TokenStore.open(config.work / "tokens" / "generic")
    assert store.num_documents == len(documents) > 500 and store.eos_id == 0 and store.summary["vocab_size"] == 700
    for index, document in enumerate(documents):
        ids = store.document(index).tolist()
        assert ids[-1] == 0 and 0 not in ids[:-1]
        assert b"".join(bytes_of_id[id] for id in ids[:-1]).decode("utf-8") == document.text
        assert store.document_bytes[index] == len(document.text.encode("utf-8"))
        assert store.summary["sources"][store.document_source[index]]["name"] == document.source
        assert store.document_held_out[index] == is_held_out(document.text, 0.1)
    assert 0.05 < store.document_held_out.mean() < 0.15
    assert [source["name"] for source in store.summary["sources"]] == ["first", "second"]
    # Merges are worth having.
    assert len(store.tokens) < 0.5 * store.document_bytes.sum()

    for part in ("law.train", "law.test"):
        domain = TokenStore.open(config.work / "tokens" / "domains" / part)
        assert domain.num_documents == 20 and not domain.document_held_out.any()
        totals = {"documents": 20, "tokens": len(domain.tokens), "bytes": int(domain.document_bytes.sum())}
        assert domain.summary["sources"] == [{"name": part, **totals}]


def token_bytes(vocabulary: dict[str, int]) -> dict[int, bytes]:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    byte_of = dict(zip(byte_characters(), printable + [byte for byte in range(256) if byte not in printable]))
    return {id: bytes(byte_of[character] for character in entry) for entry, id in vocabulary.items() if id != 0}


@needs_any
def test_a_killed_run_goes_on_where_it_was_and_ends_the_same(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    run_tokenize(config)
    whole = files_below(config.work)
    killed_work = dataclasses.replace(config, work_dir=config.work_dir + "-killed")
    write_part = stage.write_part

    def killed_in_domains(folder: Path, *rest: Any) -> None:
        if folder.name == "law.train":
            (folder.parent / "law.train.partial").mkdir(parents=True)
            (folder.parent / "law.train.partial" / "tokens.bin").write_bytes(b"half")
            raise KeyboardInterrupt
        write_part(folder, *rest)

    monkeypatch.setattr(stage, "write_part", killed_in_domains)
    with pytest.raises(KeyboardInterrupt):
        run_tokenize(killed_work)
    before = files_below(killed_work.work / "tokens" / "generic")
    assert len(before) == 6 and not (killed_work.work / "tokens" / "domains" / "law.train").exists()
    monkeypatch.undo()
    run_tokenize(killed_work)
    assert files_below(killed_work.work / "tokens" / "generic") == before
    resumed = files_below(killed_work.work)
    outputs = [name for name in whole if not name.startswith("logs")]
    assert outputs == [name for name in resumed if not name.startswith("logs")]
    assert all(whole[name][0] == resumed[name][0] for name in outputs)


@needs_any
def test_other_settings_or_text_are_refused_and_a_new_context_is_taken(config: RunConfig) -> None:
    run_tokenize(config)
    tokens = files_below(config.work / "tokens")
    run_tokenize(dataclasses.replace(config, train=dataclasses.replace(config.train, context=256)))
    assert json.loads((config.work / "tokenizer" / "tokenizer_config.json").read_text(encoding="utf-8"))["model_max_length"] == 256
    assert files_below(config.work / "tokens") == tokens

    with pytest.raises(ConfigError, match="work/tokenizer: was made from other settings or text"):
        run_tokenize(dataclasses.replace(config, tokenizer=dataclasses.replace(config.tokenizer, vocab_size=600)))
    with open(Path(config.corpus.domains) / "law.test.jsonl", "ab") as file:
        file.write(b'{"text": "more"}\n')
    with pytest.raises(ConfigError, match="law.test: was made from other settings or text"):
        run_tokenize(config)


@needs_any
def test_too_little_text_for_the_vocabulary_is_said(config: RunConfig) -> None:
    with pytest.raises(CorpusError, match=r"the text is too little for 20000 tokens; it gives \d+\."):
        run_tokenize(dataclasses.replace(config, tokenizer=dataclasses.replace(config.tokenizer, vocab_size=20_000)))
    assert not (config.work / "tokenizer").exists()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["law.train.jsonl"], "there is no law.test beside it."),
        (["law.jsonl"], "must be named <domain>.train or <domain>.test"),
        (["law.train.jsonl", "law.test.jsonl", "law.test.txt"], "there is another file for law.test"),
    ],
)
def test_misnamed_domains_are_refused(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).write_text('{"text": "a"}\n')
    with pytest.raises(CorpusError, match=message):
        stage.domain_files(str(tmp_path))


def test_the_training_sample_is_drawn_evenly() -> None:
    documents = [Document(str(i), "s", 100 + i % 7, 0) for i in range(5000)]
    taken = [int(text) for text in drawn_evenly(documents, 0.1)]
    assert 0.098 < sum(documents[i].num_bytes for i in taken) / sum(d.num_bytes for d in documents) <= 0.1
    assert max(np.diff(taken)) <= 12 and taken[0] < 12 and taken[-1] > 4988
    assert len(list(drawn_evenly(documents, 1.0))) == 5000


def test_vocabulary_is_cut_to_size_by_rank() -> None:
    merges = [["a", "b"], ["b", "c"], ["ab", "c"], ["a", "bc"], ["c", "d"], ["d", "e"]]
    model = tokenizer_json(merges, 257 + 4)["model"]
    # "abc" comes out of two merges and is one entry.
    assert model["merges"] == merges[:5]
    assert {entry: id for entry, id in model["vocab"].items() if id > 256} == {"ab": 257, "bc": 258, "abc": 259, "cd": 260}
    assert len(tokenizer_json(merges, 1000)["model"]["vocab"]) == 257 + 5


@both_backends
def test_backend_learns_across_lines_and_encodes_anything(backend_class: type) -> None:
    backend: TokenizerBackend = backend_class()
    texts = [text.replace("\n\n", "\n\n\n") for text in prose(5, 200)]
    tokenizer = tokenizer_json(backend.learn_merges(texts, 600), 600)
    assert len(tokenizer["model"]["vocab"]) == 600
    # GPT-2's pattern makes one word of line ends but for the last before text.
    assert "ĊĊ" in tokenizer["model"]["vocab"]
    bytes_of_id = token_bytes(tokenizer["model"]["vocab"])
    encoder = backend.encoder(tokenizer)
    try:
        for _ in range(2):
            for text, ids in zip(HARD_TEXTS, encoder.encode(HARD_TEXTS)):
                assert ids.dtype == np.uint16
                assert b"".join(bytes_of_id[id] for id in ids.tolist()) == text.encode("utf-8")
        assert encoder.encode([]) == []
    finally:
        encoder.close()


@needs_python
@needs_npm
def test_both_backends_learn_and_encode_identically() -> None:
    texts = prose(6, 400) + HARD_TEXTS
    if CORPUS.is_dir():
        texts += [document.text[:20_000] for document in documents_of(text_files(CORPUS / "generic", ["python_peps", "poetry"]))][::4]
    python, npm = PythonBackend(), NodeBackend()
    tokenizer = tokenizer_json(python.learn_merges(texts, 2000), 2000)
    assert tokenizer == tokenizer_json(npm.learn_merges(texts, 2000), 2000)
    encoders = python.encoder(tokenizer), npm.encoder(tokenizer)
    try:
        by_python, by_npm = (encoder.encode(texts) for encoder in encoders)
        assert len(by_python) == len(by_npm) == len(texts)
        assert all(np.array_equal(a, b) for a, b in zip(by_python, by_npm))
    finally:
        for encoder in encoders:
            encoder.close()


@needs_npm
def test_npm_backend_leaves_nothing_behind_when_reading_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def broken_texts() -> Iterator[str]:
        yield "some text"
        assert list(tmp_path.iterdir())
        raise CorpusError("broken")

    with pytest.raises(CorpusError, match="broken"):
        NodeBackend().learn_merges(broken_texts(), 300)
    assert not list(tmp_path.iterdir())


@needs_npm
def test_npm_backend_says_what_it_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=f"tokenizer.vocab_size above {MAX_VOCABULARY} needs the Python package"):
        NodeBackend().learn_merges([], MAX_VOCABULARY + 1)
    broken = tokenizer_json([], 257)
    broken["model"]["type"] = "no such model"
    encoder = NodeBackend().encoder(broken)
    try:
        with pytest.raises(ConfigError, match="The npm package tokenizers failed: .*Error"):
            encoder.encode(["a"])
            encoder.encode(["a"])
    finally:
        encoder.close()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="No tokenizer library: install"):
        NodeBackend()
