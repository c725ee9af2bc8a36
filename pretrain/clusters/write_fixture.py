"""Writes what the studio must agree with: the cluster of every window of every domain's test documents, and of a few documents that lie
in the fixture itself, by this package's own arithmetic on a finished pack. Run it again whenever the pack's encoder, centroids or
tokenizer change:

    python -m pretrain.clusters.write_fixture CONFIG [PACK_FOLDER]

`src/clusters/trainerAgreement.browser.test.ts` holds the fixture against encoder.onnx in a browser.
"""
from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ..config import ConfigError, load_config
from ..corpus.documents import CorpusError, documents_of, name_without_suffix, text_files
from ..files import sha256_of, write_atomically
from ..pack.errors import PackError
from ..tokenizer.backends import choose_backend
from .assign import ClusterModel, nearest_centroids
from .words import TokenDecoder

FIXTURE = Path(__file__).parents[2] / "src/testing/fixtures/clusters/trainer_agreement.json"
AGREED_FILES = ("encoder.onnx", "clusters.safetensors", "tokenizer.json")
HASH_DIGITS = 16
TEST_PART = ".test"
GENERATED_DOCUMENTS = 24

WRITTEN_TEXTS = [
    "The tenant shall give the landlord thirty days' notice in writing before leaving, and section 4 applies to any deposit that was paid.",
    "Whisk two eggs with a cup of sugar, fold in the flour and the melted butter, and bake in a moderate oven for forty minutes.",
    "def area(width: float, height: float) -> float:\n    \"\"\"Square metres.\"\"\"\n    return width * height\n\nprint(area(2.5, 4.0))\n",
    "Let $f : X \\to Y$ be a continuous map of topological spaces. If $X$ is compact, then $f(X)$ is compact.",
    "She closed the door behind her, and for a long time he listened to her steps on the gravel, until there was only the rain.",
    "<karl> does anyone know why the sound is gone after the upgrade?\n<mia> try the older kernel, it is still in the boot menu\n",
    "Patients who took the drug twice a day had lower blood pressure after eight weeks than those who took a placebo (p = 0.03).",
    "Naïve café, Übergröße, Привет мир, 日本語のテキスト, 👩‍👩‍👧 🇩🇪: texts are not all English.",
    "<|endoftext|> is text here, not the end of one.",
    "a",
]


def write_fixture(config_path: str, pack_folder: str | None = None, fixture: Path = FIXTURE) -> dict[str, Any]:
    """Writes the fixture and returns it. Raises ConfigError, CorpusError and PackError."""
    config = load_config(config_path)
    pack = Path(pack_folder or config.pack_dir)
    assigner = _Assigner(pack)
    domains: dict[str, list[list[Any]]] = {}
    for file in text_files(config.corpus.domains):
        name = name_without_suffix(file.path) or ""
        if name.endswith(TEST_PART):
            texts = [document.text for document in documents_of([file])]
            hashes = [hashlib.sha256(text.encode("utf-8")).hexdigest()[:HASH_DIGITS] for text in texts]
            domains[name.removesuffix(TEST_PART)] = [list(pair) for pair in zip(hashes, assigner.clusters(texts))]
    texts = WRITTEN_TEXTS + _generated_texts(pack / "tokenizer.json", assigner.window_tokens)
    content = {
        "pack_sha256": {name: sha256_of(pack / name) for name in AGREED_FILES},
        "smallest_margin": 0.0,
        "documents": [{"text": text, "clusters": clusters} for text, clusters in zip(texts, assigner.clusters(texts))],
        "domains": domains,
    }
    # How far the window nearest to a border is from it: about 1e-6 or less could be decided by the order of a sum.
    content["smallest_margin"] = float(f"{assigner.smallest_margin:.2g}")
    assigner.close()
    write_atomically(fixture, _one_document_a_line(content).encode())
    return content


class _Assigner:
    """Text -> clusters of its windows, with the files of a pack."""

    def __init__(self, pack: Path) -> None:
        for name in (*AGREED_FILES, "clusters.json"):
            if not (pack / name).is_file():
                raise PackError(f"{pack / name} is missing.")
        self.window_tokens: int = json.loads((pack / "clusters.json").read_text(encoding="utf-8"))["window_tokens"]
        self.smallest_margin = np.inf
        self._model = ClusterModel.open(pack)
        self._tokenizer = choose_backend().encoder(json.loads((pack / "tokenizer.json").read_text(encoding="utf-8")))

    def clusters(self, texts: list[str]) -> list[list[int]]:
        """Per text the cluster of each of its windows."""
        results = []
        for ids in self._tokenizer.encode(texts):
            start = np.arange(0, len(ids), self.window_tokens)
            embeddings = self._model.encoder.embed(ids, start, np.minimum(self.window_tokens, len(ids) - start))
            clusters, margins = nearest_centroids(embeddings, self._model.centroids)
            self.smallest_margin = min(self.smallest_margin, float(margins.min()))
            results.append(clusters.tolist())
        return results

    def close(self) -> None:
        self._tokenizer.close()


def _generated_texts(tokenizer_json: Path, window_tokens: int) -> list[str]:
    """Texts of random vocabulary entries, from a few tokens to several windows, so that borders between kinds of text are met too."""
    decoder = TokenDecoder(tokenizer_json)
    random = np.random.default_rng(1)
    # A few words make up each text: texts of very many random words would all be alike.
    lengths = np.unique(np.geomspace(3, 2.5 * window_tokens, GENERATED_DOCUMENTS).astype(int))
    texts = [decoder.text(random.choice(random.integers(0, decoder.vocab_size, 12), length)) for length in lengths]
    return [text for text in texts if text.strip()]


def _one_document_a_line(content: dict[str, Any]) -> str:
    """JSON in which a changed document is one changed line."""

    def lines(items: list[Any]) -> str:
        return "[\n  " + ",\n  ".join(json.dumps(item, ensure_ascii=True, separators=(",", ":")) for item in items) + "\n ]"

    domains = ",\n ".join(f"{json.dumps(name)}: {lines(documents)}" for name, documents in content["domains"].items())
    head = {key: value for key, value in content.items() if key not in ("documents", "domains")}
    return f'{json.dumps(head, indent=1)[:-2]},\n "documents": {lines(content["documents"])},\n "domains": {{\n {domains}\n }}\n}}\n'


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2):
        print("usage: python -m pretrain.clusters.write_fixture CONFIG [PACK_FOLDER]", file=sys.stderr)
        return 2
    try:
        content = write_fixture(*arguments)
    except (ConfigError, CorpusError, PackError) as error:
        print(error, file=sys.stderr)
        return 2
    windows = sum(len(clusters) for documents in content["domains"].values() for _, clusters in documents)
    documents = sum(len(documents) for documents in content["domains"].values())
    print(f"{documents:,} test documents with {windows:,} windows; the nearest one to a border is {content['smallest_margin']:g} from it")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
