"""The golden trajectories that the studio replays (src/testing/fixtures/golden/method-trajectories.*) are what this package computes from the bundled
pack: the windows, the random weights, the first steps of every method's fine-tuning and all of the phase before it. The trainer's own fine-tuning,
given the studio's schedule, takes the same steps."""
from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import pytest
import torch

from ..evaluate import fine_tune as trainer
from ..evaluate.domain_text import HeldOutText
from ..evaluate.model_host import ModelHost
from ..golden import write_method_trajectories as writer
from ..golden.bundled_pack import small_model
from ..golden.trajectory_windows import B, STEPS, T, Windows, draw_windows, histogram
from ..golden.write_golden import FOLDER
from ..pack.safetensors_file import read_safetensors
from .evaluate_fixture import tiny_config

FIRST_STEPS = 3
TOLERANCE = 1e-9
"""Relative: last digits of float64 differ between releases of PyTorch, and steps multiply them."""


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return json.loads((FOLDER / f"{writer.NAME}.json").read_text())


@pytest.fixture(scope="module")
def windows() -> Windows:
    return Windows(**{name: array.astype(np.int64) for name, array in read_safetensors(FOLDER / f"{writer.NAME}.safetensors").items()})


def assert_figures(what: str, actual: Sequence[float], expected: Sequence[float], tolerance: float = TOLERANCE) -> None:
    """Each within the relative tolerance; NaN fails."""
    assert len(actual) == len(expected), what
    assert all(abs(a / e - 1) <= tolerance for a, e in zip(actual, expected)), f"{what}: {actual} instead of {expected}"


def test_windows_are_those_of_the_sample_text_and_the_reservoir(windows: Windows) -> None:
    drawn = draw_windows()
    for name, array in vars(windows).items():
        assert np.array_equal(getattr(drawn, name), array), name
    assert windows.domain.shape == windows.reservoir.shape == (STEPS, B, T + 1)


def test_settings_choices_and_random_weights_are_the_writer_s(description: dict[str, Any]) -> None:
    assert description["settings"] == writer.SETTINGS
    assert description["histogram"] == histogram()
    assert [run["choice"] for run in description["runs"]] == list(writer.CHOICES)
    ends = writer.ends_of_matrices(writer.random_model())
    assert ends.keys() == description["randomWeights"].keys()
    for name, values in ends.items():
        # Logarithm and cosine may differ in their last digit, and so may the weight, a float32.
        assert_figures(name, values, description["randomWeights"][name], 1e-6)


def test_the_llm_is_trained_as_the_teacher_is(description: dict[str, Any]) -> None:
    llm, distillation = (next(run for run in description["runs"] if run["choice"]["method"] == method) for method in ("LLM", "SLM-d"))
    assert {**llm["phases"][0], "name": "teacher"} == distillation["phases"][0]


# The LLM's steps are the teacher's.
@pytest.mark.parametrize("index", [i for i, choice in enumerate(writer.CHOICES) if choice["method"] != "LLM"])
def test_phases_are_the_golden_ones(description: dict[str, Any], windows: Windows, index: int) -> None:
    golden = description["runs"][index]["phases"]
    phases = writer.phases_of(writer.CHOICES[index], windows, FIRST_STEPS)
    assert [phase.name for phase in phases] == [phase["name"] for phase in golden]
    for phase, expected in zip(phases, golden):
        steps = len(phase.losses)
        assert steps == (STEPS if phase is not phases[-1] else FIRST_STEPS) and len(expected["losses"]) == STEPS
        assert_figures(f"losses of {phase.name}", phase.losses, expected["losses"][:steps])
        assert_figures(f"gradient norms of {phase.name}", phase.gradient_norms, expected["gradientNorms"][:steps])
        known = 2 if steps == STEPS else 1
        assert_figures(f"validation of {phase.name}", phase.validation[:known], expected["validation"][:known])


def test_the_trainer_s_own_fine_tuning_takes_the_golden_steps(
    description: dict[str, Any], windows: Windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32, and its clipping divides by norm + 1e-6."""
    golden = description["runs"][0]["phases"][0]
    start = small_model().float()
    config = tiny_config(tmp_path, max_steps=STEPS, batch_sequences=B, evaluate_every_steps=STEPS)
    settings = writer.SETTINGS
    optimization = dataclasses.replace(
        config.train, context=T, weight_decay=settings["weightDecay"], beta1=settings["beta1"], beta2=settings["beta2"], clip_norm=settings["clipNorm"]
    )
    config = dataclasses.replace(config, train=optimization)
    host = ModelHost(start.shape, start.vocab_size, config, torch.device("cpu"))
    host.load(start.state_dict())
    monkeypatch.setattr(trainer, "learning_rate_at", lambda step, _: writer.learning_rate_at(step))
    losses: list[float] = []

    def recorded_loss(tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        loss = host.loss(tokens, targets)
        losses.append(loss.item())
        return loss

    # The validation windows follow each other.
    validation = HeldOutText(windows.validation[:, 1:].flatten(), 1, int(windows.validation[0, 0]))
    tuned = trainer.fine_tune(host, GoldenBatches(windows.domain), validation, config.fine_tune, optimization, recorded_loss)
    assert_figures("losses", losses, golden["losses"], 1e-5)
    assert_figures("validation", [loss for _, loss in tuned.curve], golden["validation"], 1e-5)


class GoldenBatches:
    """In place of TrainingWindows."""

    def __init__(self, batches: np.ndarray) -> None:
        self._batches = iter(torch.from_numpy(batches))

    def next(self, sequences: int) -> tuple[torch.Tensor, torch.Tensor]:
        batch = next(self._batches)
        assert len(batch) == sequences
        return batch[:, :-1].contiguous(), batch[:, 1:].contiguous()
