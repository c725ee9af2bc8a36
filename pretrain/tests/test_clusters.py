"""The parts of the cluster stage (windows, encoder, k-means, assignment, words), each against a plain recomputation."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pretrain.clusters import encoder as encoder_module
from pretrain.clusters.assign import NO_CLUSTER, nearest_centroids
from pretrain.clusters.encoder import TableEncoder
from pretrain.clusters.kmeans import spherical_kmeans
from pretrain.clusters.onnx_file import encoder_onnx, read_table
from pretrain.clusters.table import count_tokens, fit_table
from pretrain.clusters.windows import cut_windows
from pretrain.clusters.words import TokenDecoder, WordStatistics, labels_of
from pretrain.pack.errors import PackError

from .cluster_work import EOS, WINDOW, write_store

PACK = Path(__file__).parents[2] / "public" / "packs" / "nano"


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
        embeddings, centroids = (random.standard_normal((count, 5)).astype(np.float32) for count in (200, 7))
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
        own = [random.integers(51, 101, 20) + 50 * (i % 2) for i in range(120)]
        documents = [("s", np.concatenate([random.integers(1, 51, 60), ids]), False) for ids in own]
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
            shared = f'The <div class="wrapper">garden</div> has &nbsp; \\begin{{align}} https://example.org/a x my_name f(x) file.txt {i}'
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
