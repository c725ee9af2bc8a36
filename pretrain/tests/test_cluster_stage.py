"""The cluster stage on a small made-up corpus: what it writes, what a kill leaves, what it refuses, and the fixture for the studio."""
from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pretrain.clusters import stage, write_fixture
from pretrain.clusters.assign import ClusterModel
from pretrain.clusters.windows import cut_windows
from pretrain.clusters.words import TERMS
from pretrain.config import ConfigError, CorpusConfig
from pretrain.corpus.documents import CorpusError
from pretrain.corpus.token_store import TokenStore
from pretrain.pack.safetensors_file import read_safetensors

from .cluster_work import KINDS, WINDOW, clusters_files, config_for, write_store, write_work

PACK = Path(__file__).parents[2] / "public" / "packs" / "nano"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder after the stage."""
    work = tmp_path_factory.mktemp("finished")
    write_work(work)
    stage.run_cluster(config_for(work))
    return work


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
            assert sum(entry["source_shares"].values()) == pytest.approx(1, abs=1e-3)
            assert list(entry["source_shares"])[:3] == entry["sources"]

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
    def test_goes_on_after_a_kill_with_the_same_result(
        self, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
    ) -> None:
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
        write_store(tmp_path / "tokens" / "generic", documents)
        with pytest.raises(CorpusError, match=f"^the text: .*{sentence}"):
            stage.run_cluster(config_for(tmp_path))

    def test_more_clusters_than_windows_is_said(self, tmp_path: Path) -> None:
        write_work(tmp_path)
        with pytest.raises(CorpusError, match="100000 clusters need at least 100000 different points"):
            stage.run_cluster(config_for(tmp_path, k=100_000))

    def test_tokens_are_needed_first(self, tmp_path: Path) -> None:
        with pytest.raises(CorpusError, match="run the tokenize stage"):
            stage.run_cluster(config_for(tmp_path))


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
        for name in ("clusters/encoder.onnx", "clusters/clusters.safetensors", "clusters/clusters.json", "tokenizer/tokenizer.json"):
            (pack / Path(name).name).write_bytes((finished / name).read_bytes())
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
