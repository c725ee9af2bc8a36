"""Early stopping, the fitted vector, distillation, and losses that are no numbers."""
from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from ..config import ConfigError, check
from ..evaluate.distillation import distillation_loss
from ..evaluate.domain_text import TrainingWindows
from ..evaluate.experts import fit_vector, lowest_loss, mixture_vector, most_frequent_cluster
from ..evaluate.fine_tune import EarlyStopping, fine_tune, learning_rate_at
from ..evaluate.model_host import ModelHost, NotFiniteError
from ..evaluate.workbench import Workbench
from ..model.initialization import initialize
from ..model.loss import chunked_loss
from .evaluate_fixture import END_OF_TEXT, VOCAB_SIZE, tiny_config, tiny_work

CPU = torch.device("cpu")


def host_and_text(folder, **fine_tune):
    bench = Workbench(tiny_work(folder, runs=("slm", "pn"), **fine_tune), CPU)
    initialize(bench.small.model, 5)
    return bench, bench.small, bench.text("law")


def test_early_stopping_counts_evaluations_without_improvement_and_nan_is_none():
    stopping = EarlyStopping(patience=2)
    assert [stopping.record(step, loss) for step, loss in enumerate([3.0, 2.0, math.nan])] == [True, True, False]
    assert not stopping.should_stop
    assert not stopping.record(3, 2.0)
    assert stopping.should_stop and stopping.best_step == 1 and stopping.best_loss == 2.0
    never = EarlyStopping(patience=0)
    for step in range(9):
        never.record(step, 1.0)
    assert not never.should_stop


def test_fine_tuning_learns_and_reports_what_it_used(tmp_path):
    bench, host, text = host_and_text(tmp_path, max_steps=30, evaluate_every_steps=10)
    tuned = fine_tune(host, bench.windows("law", 1), text.validation, bench.config.fine_tune, bench.config.train)
    assert tuned.best_loss < tuned.curve[0][1] - 0.5
    assert (tuned.steps, tuned.tokens, tuned.evaluations) == (30, 30 * 2 * 16, 4)
    assert host.held_out_loss(text.validation).loss == tuned.best_loss


def test_the_best_weights_come_back_when_training_makes_things_worse(tmp_path):
    bench, host, text = host_and_text(tmp_path, max_steps=40, evaluate_every_steps=1, patience=3)
    first = fine_tune(host, bench.windows("law", 1), text.validation, bench.config.fine_tune, bench.config.train)
    good = host.weights()

    def worsening(tokens, targets):
        return -host.loss(tokens, targets)

    tuned = fine_tune(host, bench.windows("law", 1), text.validation, bench.config.fine_tune, bench.config.train, worsening)
    assert tuned.best_step == 0 and tuned.steps == 3, "patience ends it after three evaluations"
    assert tuned.curve[-1][1] > tuned.curve[0][1]
    assert all(torch.equal(host.weights()[name], tensor) for name, tensor in good.items())
    assert tuned.best_loss == first.best_loss


def test_a_training_loss_that_is_nan_ends_the_run(tmp_path):
    bench, host, text = host_and_text(tmp_path)
    config = bench.config

    def not_a_number(tokens, targets):
        return host.loss(tokens, targets) * math.nan

    with pytest.raises(NotFiniteError, match="step 1 "):
        fine_tune(host, bench.windows("law", 1), text.validation, config.fine_tune, config.train, not_a_number)


def test_the_learning_rate_warms_up_and_falls(tmp_path):
    settings = tiny_config(tmp_path, max_steps=12, warmup_steps=2, learning_rate=1.0).fine_tune
    assert [learning_rate_at(step, settings) for step in (1, 2, 3, 7, 12)] == [0.5, 1.0, 1.0, 0.6, 0.1]
    constant = tiny_config(tmp_path, max_steps=12, warmup_steps=2, learning_rate=1.0, schedule="constant").fine_tune
    assert [learning_rate_at(step, constant) for step in (1, 2, 12)] == [0.5, 1.0, 1.0]


def test_fitting_the_vector_lowers_the_loss_and_moves_nothing_else(tmp_path):
    bench, host, text = host_and_text(tmp_path, batch_sequences=64)
    network = bench.network
    # Weights large enough for the vector to matter.
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.mul_(1.0 if name.endswith((".E", ".M")) else 8.0)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    start = mixture_vector(network.E, bench.histogram("law"))

    def loss_of(vector):
        host.load({name: tensor.detach() for name, tensor in network.project(vector).items()})
        return host.held_out_loss(text.validation).loss

    fitted = fit_vector(host, network, start, bench.windows("law", 1))
    assert loss_of(fitted.vector) < loss_of(start)
    assert len(fitted.curve) == 24 and fitted.vector.shape == start.shape
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in before.items())


def test_the_vectors_gradient_is_that_of_the_projected_network(tmp_path, monkeypatch):
    """One Adam step from both gives the same vector: through the plain model's gradients, and through the network itself in one graph."""
    bench, host, _ = host_and_text(tmp_path)
    network, start = bench.network, bench.network.E[1].clone()
    tokens, targets = bench.windows("law", 1).next(2)
    vector = start.clone().requires_grad_(True)
    hidden = network.hidden_of_vectors(tokens[None], vector[None]).flatten(0, 2)
    chunked_loss(hidden, network.head_weight, targets.flatten()).backward()
    seen = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self, *a: (seen.append(self.param_groups[0]["params"][0].grad.clone()), step(self, *a)))
    fit_vector(host, network, start, bench.windows("law", 1), steps=1)
    torch.testing.assert_close(seen[0], vector.grad, rtol=1e-4, atol=1e-9)


def test_strategies_choose_as_the_studio_does():
    assert most_frequent_cluster([3, 5, 5, 1]) == 1
    assert lowest_loss([math.nan, 2.0, 1.0, math.inf]) == 2
    with pytest.raises(NotFiniteError):
        lowest_loss([math.nan, math.inf])
    E = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    assert mixture_vector(E, [1, 3]).tolist() == [2.5, 5.0]


def random_batch(rows=1500, students=6, teachers=9, vocabulary=31):
    random = torch.Generator().manual_seed(1)
    draw = lambda *shape: torch.randn(*shape, generator=random, dtype=torch.float64)  # noqa: E731
    targets = torch.randint(-1, vocabulary, (rows,), generator=random)
    hidden, head = draw(rows, students).requires_grad_(True), draw(vocabulary, students).requires_grad_(True)
    return hidden, head, targets, draw(rows, teachers), draw(vocabulary, teachers)


def test_without_the_teacher_distillation_is_the_plain_loss():
    hidden, head, targets, teacher_hidden, teacher_head = random_batch()
    loss = distillation_loss(hidden, head, targets, teacher_hidden, teacher_head, 0.0)
    plain = chunked_loss(hidden, head, targets)
    torch.testing.assert_close(loss, plain)
    gradients = torch.autograd.grad(loss, (hidden, head)), torch.autograd.grad(plain, (hidden, head))
    torch.testing.assert_close(gradients[0], gradients[1])


def test_distillation_is_the_mix_of_both_losses_and_zero_for_the_teacher_itself():
    hidden, head, targets, teacher_hidden, teacher_head = random_batch(rows=40)
    student, teacher = (hidden @ head.t()).log_softmax(-1), (teacher_hidden @ teacher_head.t()).log_softmax(-1)
    counted = targets >= 0
    kl = (teacher.exp() * (teacher - student)).sum(-1)[counted].mean()
    expected = 0.3 * chunked_loss(hidden, head, targets) + 0.7 * kl
    torch.testing.assert_close(distillation_loss(hidden, head, targets, teacher_hidden, teacher_head, 0.7), expected)
    itself = distillation_loss(hidden, head, targets, hidden, head, 1.0)
    assert abs(itself.item()) < 1e-12
    assert torch.autograd.grad(itself, hidden)[0].abs().max() < 1e-12


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_softens_both_models_and_keeps_the_gradient_s_size(temperature):
    hidden, head, targets, teacher_hidden, teacher_head = random_batch(rows=40)
    student, teacher = hidden @ head.t(), teacher_hidden @ teacher_head.t()
    softened = [(logits / temperature).log_softmax(-1) for logits in (student, teacher)]
    kl = (softened[1].exp() * (softened[1] - softened[0])).sum(-1)
    counted = targets >= 0
    expected = 0.3 * chunked_loss(hidden, head, targets) + 0.7 * temperature**2 * kl[counted].mean()
    loss = distillation_loss(hidden, head, targets, teacher_hidden, teacher_head, 0.7, temperature=temperature)
    torch.testing.assert_close(loss, expected)
    # Hinton et al.: with respect to the student's logits, temperature * (softmax(student / temperature) - softmax(teacher / temperature)).
    plain = student.softmax(-1) - functional.one_hot(targets.clamp(min=0), student.shape[1])
    d_logits = (0.3 * plain + 0.7 * temperature * (softened[0].exp() - softened[1].exp())) * counted[:, None] / counted.sum()
    gradients = torch.autograd.grad(loss, (hidden, head))
    torch.testing.assert_close(gradients, (d_logits @ head, d_logits.t() @ hidden))


def test_no_gradient_reaches_the_teacher():
    hidden, head, targets, teacher_hidden, teacher_head = random_batch(rows=40)
    teacher_hidden.requires_grad_(True)
    teacher_head.requires_grad_(True)
    distillation_loss(hidden, head, targets, teacher_hidden, teacher_head, 0.7, temperature=2.0).backward()
    assert teacher_hidden.grad is None and teacher_head.grad is None and hidden.grad is not None


@pytest.mark.parametrize("setting, value", [("weight", 1.5), ("weight", math.nan), ("temperature", 0.0), ("temperature", math.inf)])
def test_a_mix_that_is_none_is_refused_by_name(tmp_path, setting, value):
    with pytest.raises(ConfigError, match=f"run.yaml: fine_tune.distillation_{setting} must be"):
        check(tiny_config(tmp_path, **{f"distillation_{setting}": value}), "run.yaml")


def test_windows_of_two_batches_have_one_shape(tmp_path):
    config = tiny_config(tmp_path)
    host = ModelHost(config.small, VOCAB_SIZE, config, CPU)
    windows = TrainingWindows([np.arange(40)], END_OF_TEXT, config.train.context, 1)
    assert {windows.next(host.sequences)[0].shape for _ in range(5)} == {torch.Size([2, 16])}
