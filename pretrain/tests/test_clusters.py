"""Windows, encoder, k-means, assignment and labels, each against a plain recomputation, and the cluster stage on a small made-up corpus."""
from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pretrain.clusters import encoder as encoder_module
from pretrain.clusters import stage, write_fixture
from pretrain.clusters.assign import NO_CLUSTER, ClusterModel, nearest_centroids
from pretrain.clusters.encoder import OnnxEncoder, TableEncoder
from pretrain.clusters.kmeans import spherical_kmeans
from pretrain.clusters.onnx_file import encoder_onnx, read_table
from pretrain.clusters.table import count_tokens, fit_table
from pretrain.clusters.windows import cut_windows
from pretrain.clusters.words import TERMS, TokenDecoder, WordStatistics, labels_of
from pretrain.config import ClusterConfig, ConfigError, CorpusConfig, ModelShape, ProjectedNetworkShape, RunConfig, TokenizerConfig, TrainConfig
from pretrain.corpus.documents import CorpusError
from pretrain.corpus.token_store import TokenStore, writing_token_store
from pretrain.pack.errors import PackError
from pretrain.pack.safetensors_file import read_safetensors
from pretrain.tokenizer.tokenizer_files import tokenizer_json

PACK = Path(__file__).parents[2] / "public" / "packs" / "nano"
EOS, WINDOW = 0, 32
BYTE_TOKENIZER = tokenizer_json([], 257)
"""Ids 1 to 256 are bytes, 0 ends a text."""
KINDS = {
    "law": "tenant landlord statute court clause premises deposit lease notice section".split(),
    "kitchen": "flour butter sugar oven simmer whisk garlic onion pepper saucepan".split(),
    "sea": "sailor harbour anchor tide vessel rigging storm captain compass voyage".split(),
}


def byte_ids(text: str) -> np.ndarray:
    id_of = BYTE_TOKENIZER["model"]["vocab"]
    return np.array([id_of[chr(byte) if byte != 0x20 else "Ġ"] for byte in text.encode("ascii")], np.int64)


def write_store(folder: Path, documents: list[tuple[str, np.ndarray, bool]], vocab_size: int = 257) -> TokenStore:
    """Documents are (source, ids, held out)."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with writing_token_store(folder, sorted({source for source, _, _ in documents}), EOS, vocab_size, {"made": "up"}) as writer:
        for source, ids, held_out in documents:
            writer.append(ids, len(ids), source, held_out)
    return TokenStore.open(folder)


def made_up_text(kind: str, num_words: int, random: np.random.Generator) -> str:
    return " ".join(random.choice(KINDS[kind], num_words))


def write_work(folder: Path, num_documents: int = 90) -> None:
    """Tokens and tokenizer as the tokenize stage leaves them: three kinds of text from two sources, and a domain of one kind."""
    random = np.random.default_rng(5)
    kinds = list(KINDS)
    documents = [
        (f"source{i % 2}", byte_ids(made_up_text(kinds[i % 3], int(random.integers(2, 30)), random)), i % 10 == 9) for i in range(num_documents)
    ]
    # One whose text fills its windows, so that its end-of-text id stands alone.
    documents[4] = ("source0", documents[4][1].repeat(WINDOW)[: 2 * WINDOW], False)
    write_store(folder / "tokens" / "generic", documents)
    domain = [("kitchen.train", byte_ids(made_up_text("kitchen", 20, random)), False) for _ in range(7)]
    write_store(folder / "tokens" / "domains" / "kitchen.train", domain)
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "tokenizer.json").write_text(json.dumps(BYTE_TOKENIZER), encoding="utf-8")


def config_for(work: Path, **clusters: Any) -> RunConfig:
    settings = {"k": 3, "importance_k": 5, "window": WINDOW, "embedding_size": 6, **clusters}
    shape = ModelShape(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    return RunConfig(
        name="tiny", work_dir=str(work), pack_dir=str(work / "pack"), small=shape, large=shape,
        projected_network=ProjectedNetworkShape(h=2, m=2), corpus=CorpusConfig(generic="the text"), tokenizer=TokenizerConfig(257),
        clusters=ClusterConfig(**settings),
        train=TrainConfig(tokens=1, context=8, sequences_per_group=1, groups_per_step=1, learning_rate=1e-3),
    )


def clusters_files(work: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((work / "clusters").iterdir())}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder after the stage."""
    work = tmp_path_factory.mktemp("finished")
    write_work(work)
    stage.run_cluster(config_for(work))
    return work


class TestWindows:
    def test_cut_documents_as_the_studio_does_and_cover_every_token(self, tmp_path: Path) -> None:
        sizes = [1, 31, 32, 33, 63, 64, 65, 200, 0]
        store = write_store(tmp_path / "store", [(f"s{i % 2}", np.full(size, 7), i == 3) for i, size in enumerate(sizes)])
        windows = cut_windows(store, WINDOW)
        assert windows.start[0] == 0 and np.array_equal(windows.start[1:], (windows.start + windows.length)[:-1])
        assert windows.length.sum() == len(store.tokens) and windows.length.min() >= 1 and windows.length.max() <= WINDOW
        for document, size in enumerate(sizes):
            of_document = windows.document == document
            studio = [min(WINDOW, size - start) for start in range(0, size, WINDOW)]
            lengths = windows.text_length[of_document].tolist()
            assert [length for length in lengths if length] == studio
            # Only the end-of-text id of a document that fills its windows stands alone, and it stands last.
            assert lengths.count(0) == (size % WINDOW == 0) and 0 not in lengths[:-1]
            assert (windows.source[of_document] == document % 2).all() and (windows.is_training[of_document] == (document != 3)).all()


class TestOnnxFile:
    def test_equals_the_file_that_the_browser_tests_run(self) -> None:
        table = read_table(PACK / "encoder.onnx")
        assert table is not None and table.dtype == np.float32 and table.shape[0] == 4096
        assert encoder_onnx(table) == (PACK / "encoder.onnx").read_bytes()

    @pytest.mark.parametrize("shape", [(1, 1), (300, 7), (40_000, 3)])
    def test_gives_back_its_table(self, tmp_path: Path, shape: tuple[int, int]) -> None:
        table = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        (tmp_path / "encoder.onnx").write_bytes(encoder_onnx(table))
        assert np.array_equal(read_table(tmp_path / "encoder.onnx"), table)

    def test_takes_no_other_model_for_a_table(self, tmp_path: Path) -> None:
        content = encoder_onnx(np.ones((5, 4), np.float32))
        (tmp_path / "other.onnx").write_bytes(content.replace(b"ReduceMean", b"ReduceSum!"))
        assert read_table(tmp_path / "other.onnx") is None

    def test_refuses_what_is_no_model(self, tmp_path: Path) -> None:
        with pytest.raises(PackError, match="missing"):
            read_table(tmp_path / "encoder.onnx")
        (tmp_path / "encoder.onnx").write_bytes(encoder_onnx(np.ones((5, 4), np.float32))[:-30])
        with pytest.raises(PackError, match="encoder.onnx"):
            read_table(tmp_path / "encoder.onnx")


class TestTableEncoder:
    def test_is_the_normalised_mean_of_rows_without_the_end_of_text(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        random = np.random.default_rng(1)
        table = random.standard_normal((257, 9)).astype(np.float32)
        store = write_store(tmp_path / "store", [("s", random.integers(1, 257, size), False) for size in (1, 64, 100, 33, 700)])
        windows = cut_windows(store, WINDOW)
        embeddings = TableEncoder(table).embed(store.tokens, windows.start, windows.text_length)
        for start, length, embedding in zip(windows.start, windows.text_length, embeddings):
            mean = table[store.tokens[start : start + length]].astype(np.float64).mean(0) if length else np.zeros(9)
            expected = mean / (np.linalg.norm(mean) or 1)
            assert np.allclose(embedding, expected, rtol=0, atol=1e-6)
        assert (windows.text_length == 0).sum() == 1 and not embeddings[windows.text_length == 0].any()
        monkeypatch.setattr(encoder_module, "TOKENS_AT_ONCE", 50)
        assert np.array_equal(TableEncoder(table).embed(store.tokens, windows.start, windows.text_length), embeddings)

    def test_gives_zeros_where_all_rows_are_zero(self) -> None:
        table = np.zeros((4, 3), np.float32)
        table[3] = 1
        embeddings = TableEncoder(table).embed(np.array([1, 2, 2, 3]), np.array([0, 2]), np.array([2, 2]))
        assert not embeddings[0].any() and np.allclose(embeddings[1], 3**-0.5)


class TestNearestCentroid:
    def test_equals_a_plain_search(self) -> None:
        random = np.random.default_rng(2)
        embeddings, centroids = random.standard_normal((200, 5)).astype(np.float32), random.standard_normal((7, 5)).astype(np.float32)
        clusters, margins = nearest_centroids(embeddings, centroids)
        for embedding, cluster, margin in zip(embeddings.astype(np.float64), clusters, margins):
            distances = ((embedding - centroids) ** 2).sum(1)
            assert cluster == distances.argmin() and abs(margin - np.diff(np.sort(distances)[:2])[0]) < 1e-9

    def test_takes_the_lowest_on_a_tie_and_none_for_what_has_no_place(self) -> None:
        centroids = np.array([[0, 1], [1, 0], [1, 0]], np.float32)
        embeddings = np.array([[1, 0], [0, 0], [np.nan, 0], [np.inf, 0], [0, 2]], np.float32)
        clusters, margins = nearest_centroids(embeddings, centroids)
        assert clusters.tolist() == [1, NO_CLUSTER, NO_CLUSTER, NO_CLUSTER, 0]
        assert margins[0] == 0 and margins[1] == np.inf


class TestKMeans:
    def test_finds_separate_groups_and_repeats_itself(self) -> None:
        random = np.random.default_rng(3)
        groups = np.repeat(np.arange(4), [300, 100, 20, 5])
        points = np.eye(8)[groups] + 0.1 * random.standard_normal((len(groups), 8))
        points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
        centroids = spherical_kmeans(points, 4, seed=7)
        assert centroids.dtype == np.float32 and np.allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-6)
        found = nearest_centroids(points, centroids)[0]
        assert len({(group, cluster) for group, cluster in zip(groups.tolist(), found.tolist())}) == 4
        assert np.array_equal(spherical_kmeans(points, 4, seed=7), centroids)

    def test_refuses_too_few_different_points_and_nan(self) -> None:
        with pytest.raises(ValueError, match="3 clusters need"):
            spherical_kmeans(np.repeat(np.eye(2, dtype=np.float32), 10, axis=0), 3, seed=1)
        with pytest.raises(ValueError, match="finite"):
            spherical_kmeans(np.array([[1, 0], [0, 1], [np.nan, 1]], np.float32), 2, seed=1)


class TestTable:
    def test_separates_kinds_of_text_and_leaves_the_end_of_text_out(self, tmp_path: Path) -> None:
        random = np.random.default_rng(4)
        # Ids 1 to 50 occur in every document, 51 to 100 in the even ones, 101 to 150 in the odd ones.
        documents = [("s", np.concatenate([random.integers(1, 51, 60), random.integers(51, 101, 20) + 50 * (i % 2)]), False) for i in range(120)]
        store = write_store(tmp_path / "store", documents, vocab_size=200)
        windows = cut_windows(store, 128)
        table = fit_table(count_tokens(store, windows, np.arange(len(windows))), 4, EOS, seed=1)
        assert table.shape == (200, 4) and table.dtype == np.float32 and not table[EOS].any() and np.abs(table).max() <= 1
        embeddings = TableEncoder(table).embed(store.tokens, windows.start, windows.text_length)
        similarity = embeddings @ embeddings.T
        is_same = np.equal.outer(windows.document % 2, windows.document % 2)
        assert similarity[is_same].mean() > 0.7 and similarity[~is_same].mean() < -0.7
        assert np.linalg.norm(embeddings.mean(0)) < 0.1

    def test_refuses_too_few_or_equal_windows(self, tmp_path: Path) -> None:
        store = write_store(tmp_path / "store", [("s", np.array([1, 2, 3]), False)] * 12)
        counts = count_tokens(store, cut_windows(store, WINDOW), np.arange(12))
        with pytest.raises(ValueError, match="need more than 12 windows"):
            fit_table(counts, 12, EOS, seed=1)
        with pytest.raises(ValueError, match="do not differ"):
            fit_table(counts, 2, EOS, seed=1)


class TestWords:
    def test_decodes_every_byte(self) -> None:
        decoder = TokenDecoder(PACK / "tokenizer.json")
        vocabulary = json.loads((PACK / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
        assert decoder.vocab_size == len(vocabulary)
        assert decoder.text(np.array([vocabulary["Ġthe"], vocabulary["Ċ"], vocabulary["A"]])) == " the\nA"
        # é is two bytes; a window that ends within a character loses it.
        assert decoder.text(np.array([vocabulary["Ã"], vocabulary["©"], vocabulary["Ã"]])) == "é"
        assert decoder.text(np.array([EOS])) == ""

    def test_terms_are_telling_whole_words_without_markup(self) -> None:
        statistics = WordStatistics(2)
        for i in range(40):
            shared = f'The <div class="wrapper">garden</div> has &nbsp; \\begin{{align}} https://example.org/page x q my_name f(x) file.txt {i}'
            statistics.add(f"{shared} Tribunal tribunals verdict jury's", 0, i % 2)
            statistics.add(f"{shared} butter oven saucepan", 1, i % 2)
        law, kitchen = statistics.top_terms()
        assert law == ["Tribunal", "verdict"] and kitchen == ["butter", "oven", "saucepan"]

    def test_names_that_one_source_alone_knows_are_no_terms(self) -> None:
        statistics = WordStatistics(2)
        for i in range(30):
            statistics.add("Stacoviak podcast episode listener" if i % 3 else "podcast episode listener", 0, 0 if i % 3 else 1)
            statistics.add("butter oven saucepan", 1, i % 2)
        assert statistics.top_terms()[0] == ["episode", "listener", "podcast"]

    def test_labels_differ(self) -> None:
        labels = labels_of([["a", "b", "c", "d"], ["a", "b", "c", "e"], ["a", "b", "c", "d"], [], []])
        assert labels == ["a, b, c", "a, b, c, e", "a, b, c, d", "cluster 3", "cluster 4"]


class TestStage:
    def test_writes_what_training_and_the_studio_read(self, finished: Path) -> None:
        folder, store = finished / "clusters", TokenStore.open(finished / "tokens" / "generic")
        files = clusters_files(finished)
        assert set(files) == {
            "clusters.json", "clusters.safetensors", "domains.json", "encoder.onnx", "importance.safetensors", "recipe.json", "windows.npy",
        }
        windows = np.load(folder / "windows.npy")
        cut = cut_windows(store, WINDOW)
        assert windows.dtype == np.int64 and np.array_equal(windows[:, :2], np.stack([cut.start, cut.length], axis=1))
        for column, (name, k) in enumerate([("clusters", 3), ("importance", 5)], start=2):
            tensors = read_safetensors(folder / f"{name}.safetensors")
            assert tensors["centroids"].shape == (k, 6) and tensors["centroids"].dtype == np.float32
            tokens = np.bincount(windows[cut.is_training, column], weights=windows[cut.is_training, 1], minlength=k)
            assert np.allclose(tensors["generic_frequency"], tokens / tokens.sum(), atol=1e-6)
            assert tensors["generic_frequency"].sum() == pytest.approx(1, abs=1e-5)

    def test_clusters_are_the_kinds_of_text(self, finished: Path) -> None:
        windows = np.load(finished / "clusters" / "windows.npy")
        cut = cut_windows(TokenStore.open(finished / "tokens" / "generic"), WINDOW)
        # Windows of 32 letters are short, so a few go astray; documents i, i + 3, ... are of one kind.
        full = cut.text_length == WINDOW
        shares = np.zeros((3, 3))
        np.add.at(shares, (cut.document[full] % 3, windows[full, 2]), 1)
        assert shares.max(1).sum() / shares.sum() > 0.8 and sorted(shares.argmax(1)) == [0, 1, 2]

    def test_the_model_read_back_places_windows_alike(self, finished: Path) -> None:
        store = TokenStore.open(finished / "tokens" / "generic")
        windows = np.load(finished / "clusters" / "windows.npy")
        model = ClusterModel.open(finished / "clusters")
        assert model.importance_centroids is not None and len(model.importance_centroids) == 5
        cut = cut_windows(store, WINDOW)
        for start, length, cluster in zip(cut.start, cut.text_length, windows[:, 2]):
            if length:
                assert model.assign(store.tokens[start : start + length]) == cluster
        alone = np.flatnonzero(cut.text_length == 0)
        assert len(alone) and (windows[alone, 2] == windows[alone - 1, 2]).all()

    def test_describes_clusters(self, finished: Path) -> None:
        described = json.loads((finished / "clusters" / "clusters.json").read_text(encoding="utf-8"))
        windows = np.load(finished / "clusters" / "windows.npy")
        is_training = cut_windows(TokenStore.open(finished / "tokens" / "generic"), WINDOW).is_training
        assert described["window_tokens"] == WINDOW and [entry["index"] for entry in described["clusters"]] == [0, 1, 2]
        for entry in described["clusters"]:
            of_cluster = is_training & (windows[:, 2] == entry["index"])
            assert entry["tokens"] == windows[of_cluster, 1].sum() and entry["windows"] == of_cluster.sum()
            kind = next(kind for kind, words in KINDS.items() if entry["top_terms"][0] in words)
            assert set(entry["top_terms"][:5]) <= set(KINDS[kind]) and 5 <= len(entry["top_terms"]) <= TERMS
            # No halves of words that a window's end cut.
            assert set(entry["top_terms"]) <= {word for words in KINDS.values() for word in words}
            assert entry["label"] == ", ".join(entry["top_terms"][:3])
            assert sum(entry["source_shares"].values()) == pytest.approx(1, abs=1e-3) and list(entry["source_shares"])[:3] == entry["sources"]

    def test_counts_the_windows_of_domains(self, finished: Path) -> None:
        counts = json.loads((finished / "clusters" / "domains.json").read_text(encoding="utf-8"))["kitchen"]
        store = TokenStore.open(finished / "tokens" / "domains" / "kitchen.train")
        model = ClusterModel.open(finished / "clusters")
        expected, tokens = np.zeros(3, int), np.zeros(3, int)
        for document in range(store.num_documents):
            ids = store.document(document)[:-1]
            for start in range(0, len(ids), WINDOW):
                piece = ids[start : start + WINDOW]
                expected[model.assign(piece)] += 1
                tokens[model.assign(piece)] += len(piece)
        assert counts["cluster_counts"] == expected.tolist() and counts["cluster_tokens"] == tokens.tolist()
        assert sum(counts["importance_counts"]) == expected.sum() and len(counts["importance_counts"]) == 5
        assert sum(counts["importance_tokens"]) == tokens.sum()

    @pytest.mark.parametrize("function", ["_embeddings", "_centroids", "_placed", "_domain_counts", "describe_clusters"])
    def test_goes_on_after_a_kill_with_the_same_result(self, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
        def killed(*_: Any) -> None:
            raise KeyboardInterrupt

        write_work(tmp_path)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(stage, function, killed)
            stage.run_cluster(config_for(tmp_path))
        kept = clusters_files(tmp_path)
        assert "encoder.onnx" in kept and "clusters.json" not in kept
        stage.run_cluster(config_for(tmp_path))
        assert clusters_files(tmp_path) == clusters_files(finished)

    def test_a_finished_stage_does_nothing(self, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = clusters_files(finished)
        monkeypatch.setattr(stage, "_encoder", lambda *_: pytest.fail("fitted again"))
        stage.run_cluster(config_for(finished))
        assert clusters_files(finished) == before

    def test_refuses_other_settings_and_other_text(self, tmp_path: Path) -> None:
        write_work(tmp_path)
        stage.run_cluster(config_for(tmp_path))
        with pytest.raises(ConfigError, match="other settings or text"):
            stage.run_cluster(config_for(tmp_path, k=2))
        (tmp_path / "clusters" / "recipe.json").unlink()
        with pytest.raises(ConfigError, match="recipe.json is missing"):
            stage.run_cluster(config_for(tmp_path))

    @pytest.mark.parametrize(("documents", "sentence"), [
        ([("s", np.arange(1, 9), True)], "there is no text to cluster"),
        ([("s", np.arange(1, 9), False)], "too little to cluster: embeddings of 6 numbers need more than 1 windows"),
    ])
    def test_too_little_text_is_said(self, tmp_path: Path, documents: list[tuple[str, np.ndarray, bool]], sentence: str) -> None:
        write_store(tmp_path / "tokens" / "generic", [*documents])
        with pytest.raises(CorpusError, match=f"^the text: .*{sentence}"):
            stage.run_cluster(config_for(tmp_path))

    def test_more_clusters_than_windows_is_said(self, tmp_path: Path) -> None:
        write_work(tmp_path)
        with pytest.raises(CorpusError, match="100000 clusters need at least 100000 different points"):
            stage.run_cluster(config_for(tmp_path, k=100_000))

    def test_tokens_are_needed_first(self, tmp_path: Path) -> None:
        with pytest.raises(CorpusError, match="run the tokenize stage"):
            stage.run_cluster(config_for(tmp_path))


class StubSession:
    """What onnxruntime gives for a file that encoder_onnx wrote, computed from its table; `spoil` changes the output."""

    def __init__(self, path: Path, spoil: Any = None) -> None:
        self._table, self._spoil = read_table(path), spoil or (lambda output: output)

    def run(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        ids = inputs["input_ids"]
        assert outputs == ["embedding"] and ids.dtype == np.int64 and ids.ndim == 2
        mean = self._table[ids].mean(1)
        return [self._spoil(mean / np.linalg.norm(mean, axis=1, keepdims=True))]


class TestOwnEncoder:
    def write(self, folder: Path, size: int = 11) -> Path:
        path = folder / "mine.onnx"
        path.write_bytes(encoder_onnx(np.random.default_rng(9).standard_normal((257, size)).astype(np.float32)))
        return path

    def test_is_used_and_copied(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_work(tmp_path)
        path = self.write(tmp_path)
        monkeypatch.setattr(encoder_module, "_open_session", StubSession)
        config = config_for(tmp_path, encoder=str(path))
        stage.run_cluster(config)
        assert (tmp_path / "clusters" / "encoder.onnx").read_bytes() == path.read_bytes()
        assert ClusterModel.open(tmp_path / "clusters").centroids.shape == (3, 11)
        path.write_bytes(encoder_onnx(np.ones((257, 11), np.float32)))
        with pytest.raises(ConfigError, match="other settings or text"):
            stage.run_cluster(config)

    def test_gives_what_our_arithmetic_gives(self, tmp_path: Path) -> None:
        path = self.write(tmp_path)
        store = write_store(tmp_path / "store", [("s", np.arange(1, 101), False), ("s", np.arange(1, 33), False)])
        windows = cut_windows(store, WINDOW)
        own = OnnxEncoder(path, StubSession(path)).embed(store.tokens, windows.start, windows.text_length)
        table = read_table(path)
        assert table is not None and np.allclose(own, TableEncoder(table).embed(store.tokens, windows.start, windows.text_length), atol=1e-6)

    @pytest.mark.parametrize(("spoil", "sentence"), [
        (lambda output: 2 * output, "norm 2, where 1 is expected"),
        (lambda output: np.nan * output, "norm nan, where 1 is expected"),
        (lambda output: output.astype(np.float64), r"gives float64 \[1, 11\]"),
        (lambda output: output[0], r"gives float32 \[11\]"),
        (lambda output: 1 / 0, "failed on a window of 1 tokens: division by zero"),
    ])
    def test_is_refused_when_its_output_is_no_embedding(self, tmp_path: Path, spoil: Any, sentence: str) -> None:
        path = self.write(tmp_path)
        with pytest.raises(ConfigError, match=f"^clusters.encoder: .*{sentence}"):
            OnnxEncoder(path, StubSession(path, spoil))

    def test_is_refused_when_it_maps_something_else(self, tmp_path: Path) -> None:
        path = self.write(tmp_path)
        path.write_bytes(path.read_bytes().replace(b"input_ids", b"token_ids"))
        with pytest.raises(ConfigError, match=r"but it maps token_ids int64 \[1, 'tokens'\] to embedding float32 \[1, 11\]"):
            OnnxEncoder(path, StubSession(path))

    def test_absent_broken_or_without_onnxruntime_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_work(tmp_path)
        with pytest.raises(ConfigError, match="there is no file"):
            stage.run_cluster(config_for(tmp_path, encoder=str(tmp_path / "none.onnx")))
        (tmp_path / "broken.onnx").write_bytes(b"\x0a\xff")
        with pytest.raises(ConfigError, match="cannot be read as an ONNX model"):
            OnnxEncoder(tmp_path / "broken.onnx")
        # None in sys.modules is how Python marks a module as not importable.
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(ConfigError, match="pip install onnxruntime"):
            OnnxEncoder(self.write(tmp_path))

    def test_onnxruntime_equals_our_arithmetic(self, tmp_path: Path) -> None:
        pytest.importorskip("onnxruntime", reason="needs the optional package onnxruntime; the browser test compares with onnxruntime-web")
        path = self.write(tmp_path)
        ids, table = np.arange(1, 200), read_table(path)
        assert table is not None
        ours = TableEncoder(table).embed(ids, np.zeros(1, np.int64), np.array([199]))[0]
        assert np.allclose(OnnxEncoder(path).embed(ids, np.zeros(1, np.int64), np.array([199]))[0], ours, rtol=0, atol=1e-6)


class TestFixture:
    def test_committed_one_is_of_the_committed_pack(self) -> None:
        fixture = json.loads(write_fixture.FIXTURE.read_text(encoding="utf-8"))
        assert fixture["pack_sha256"] == {name: write_fixture.sha256_of(PACK / name) for name in write_fixture.AGREED_FILES}
        assert len(fixture["domains"]) == 10 and sum(map(len, fixture["domains"].values())) == 1121
        assert [entry["text"] for entry in fixture["documents"]][: len(write_fixture.WRITTEN_TEXTS)] == write_fixture.WRITTEN_TEXTS
        # Within about 1e-6 of a border, the order of a float32 sum could decide.
        assert fixture["smallest_margin"] > 1e-5

    def test_holds_the_windows_of_every_test_document(self, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class ByteBackend:
            def encoder(self, _: Any) -> ByteBackend:
                return self

            def encode(self, texts: list[str]) -> list[np.ndarray]:
                return [np.frombuffer(text.encode(), np.uint8).astype(np.int64) + 1 for text in texts]

            def close(self) -> None:
                pass

        pack, domains = tmp_path / "pack", tmp_path / "domains"
        pack.mkdir()
        domains.mkdir()
        for source in (*(finished / "clusters" / name for name in ("encoder.onnx", "clusters.safetensors", "clusters.json")), finished / "tokenizer" / "tokenizer.json"):
            (pack / source.name).write_bytes(source.read_bytes())
        texts = ["short", "a text of more than thirty-two bytes, so of two windows"]
        for part in ("test", "train"):
            (domains / f"law.{part}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
        config = dataclasses.replace(config_for(tmp_path), corpus=CorpusConfig(generic="x", domains=str(domains)))
        monkeypatch.setattr(write_fixture, "load_config", lambda _: config)
        monkeypatch.setattr(write_fixture, "choose_backend", ByteBackend)
        content = write_fixture.write_fixture("any.yaml", str(pack), tmp_path / "fixture.json")
        assert json.loads((tmp_path / "fixture.json").read_text(encoding="utf-8")) == content
        model = ClusterModel.open(pack)
        ids = ByteBackend().encode(texts)
        expected = [[model.assign(ids[0])], [model.assign(ids[1][:32]), model.assign(ids[1][32:])]]
        assert [clusters for _, clusters in content["domains"]["law"]] == expected and list(content["domains"]) == ["law"]
        assert len(content["documents"]) > len(write_fixture.WRITTEN_TEXTS) + 10
