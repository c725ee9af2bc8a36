"""Windows, splits and bits per byte against figures worked out by hand."""
from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ..corpus.token_store import TokenStore
from ..evaluate.domain_text import HeldOutText, TrainingWindows, capped_documents, held_out_text, load_domain_text, split_training_documents
from ..evaluate.model_host import HeldOutLoss, ModelHost, NotFiniteError
from .evaluate_fixture import END_OF_TEXT, VOCAB_SIZE, tiny_config, tiny_work, write_documents


def test_every_token_and_every_document_end_is_predicted_once(tmp_path):
    write_documents(tmp_path / "text", [b"abc", b"de"])
    text = held_out_text(TokenStore.open(tmp_path / "text"), [0, 1])
    (tokens, targets), = text.batches(2, 4)
    E = END_OF_TEXT
    assert tokens.tolist() == [[E, 97, 98, 99], [E, 100, 101, E]]
    assert targets.tolist() == [[97, 98, 99, E], [100, 101, E, -1]]
    assert text.num_bytes == 5


def test_batches_have_one_shape_and_cover_a_longer_text(tmp_path):
    text = HeldOutText(np.arange(23), 23, END_OF_TEXT)
    batches = list(text.batches(2, 4))
    assert {batch[0].shape for batch in batches} == {torch.Size([2, 4])}
    targets = torch.cat([targets.flatten() for _, targets in batches])
    assert targets[targets >= 0].tolist() == list(range(23))


def test_uniform_model_has_the_entropy_of_the_vocabulary_in_bits_per_byte(tmp_path):
    config = tiny_config(tmp_path)
    write_documents(tmp_path / "text", [b"abc", b"de"])
    host = ModelHost(config.small, VOCAB_SIZE, config, torch.device("cpu"))
    host.load({name: torch.zeros_like(tensor) for name, tensor in host.weights().items()})
    result = host.held_out_loss(held_out_text(TokenStore.open(tmp_path / "text"), [0, 1]))
    # 5 letters and 2 ends of documents, log2(260) bits each, over 5 bytes.
    assert result.tokens == 7
    assert result.bits_per_byte == pytest.approx(7 * math.log2(VOCAB_SIZE) / 5, rel=1e-6)
    assert result.perplexity == pytest.approx(VOCAB_SIZE, rel=1e-5)


def test_bits_per_byte_by_hand():
    held_out = HeldOutLoss(nats=math.log(2) * 12, tokens=4, num_bytes=8, seconds=0.0)
    assert held_out.bits_per_byte == pytest.approx(1.5)
    assert held_out.perplexity == pytest.approx(8.0)


def test_a_nan_weight_is_an_error_and_no_figure(tmp_path):
    config = tiny_config(tmp_path)
    host = ModelHost(config.small, VOCAB_SIZE, config, torch.device("cpu"))
    weights = host.weights()
    weights["model.norm.weight"][3] = math.nan
    host.load(weights)
    with pytest.raises(NotFiniteError):
        host.held_out_loss(HeldOutText(np.arange(9), 9, END_OF_TEXT))


def test_an_epoch_of_training_windows_predicts_every_token():
    documents = [np.arange(start, start + 7) for start in (0, 100, 200)]
    windows = TrainingWindows(documents, END_OF_TEXT, length=5, seed=3)
    tokens, targets = windows.next(5)  # 21 targets: four windows and one that reaches back
    assert set(targets.flatten().tolist()) == {int(token) for document in documents for token in document}
    assert (tokens[:, 1:] == targets[:, :-1]).all()
    again = TrainingWindows(documents, END_OF_TEXT, length=5, seed=3).next(5)
    other = TrainingWindows(documents, END_OF_TEXT, length=5, seed=4).next(5)
    assert torch.equal(again[0], tokens) and not torch.equal(other[0], tokens)
    assert not torch.equal(windows.next(5)[0], tokens)


def test_text_shorter_than_a_window_is_padded_with_ignored_targets():
    tokens, targets = TrainingWindows([np.array([7, 8])], END_OF_TEXT, length=4, seed=1).next(1)
    assert tokens.tolist() == [[END_OF_TEXT, 7, 8, END_OF_TEXT]]
    assert targets.tolist() == [[7, 8, -1, -1]]
    with pytest.raises(ValueError):
        TrainingWindows([], END_OF_TEXT, length=4, seed=1)


def test_validation_is_apart_and_both_stay_within_the_budget(tmp_path):
    config = tiny_work(tmp_path, runs=())
    store = TokenStore.open(tmp_path / "tokens" / "domains" / "law.train")
    assert store.summary["tokens"] > config.fine_tune.tokens, "the fixture must exceed the budget"
    training, validation = split_training_documents(store, config.fine_tune)
    assert sum(map(len, training)) + len(validation.tokens) == config.fine_tune.tokens
    assert 0.05 * config.fine_tune.tokens < len(validation.tokens) < 0.15 * config.fine_tune.tokens
    whole = {bytes(document.tobytes()) for document in training}
    pieces = np.split(validation.tokens, np.flatnonzero(validation.tokens == END_OF_TEXT)[:-1] + 1)
    assert not whole & {bytes(piece.tobytes()) for piece in pieces}
    text = load_domain_text(tmp_path / "tokens" / "domains", "law", config.fine_tune)
    assert text.training_tokens == sum(map(len, training))


def test_a_capped_test_takes_whole_documents(tmp_path):
    write_documents(tmp_path / "text", [b"a" * 30, b"b" * 10, b"c" * 50, b"d" * 10])
    store = TokenStore.open(tmp_path / "text")
    assert capped_documents(store, 0) == [0, 1, 2, 3]
    chosen = capped_documents(store, 45)
    assert 0 < sum(len(store.document(index)) for index in chosen) <= 45
    assert capped_documents(store, 3) == [1], "the shortest when none fits"
