"""The golden runs that the studio replays (src/testing/fixtures/golden) are what this package computes: the trainer's own model, loss and
optimizer reproduce the committed files in float64, and the writers write them again. Tensors are stored as float32, so 1e-6 of a tensor's
largest value is their last digits."""
from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ..config import ModelShape, TrainConfig
from ..golden.write_golden import FOLDER, RUNS, write_run
from ..golden.write_projection_golden import random_network, write_projection
from ..model.llama import Llama
from ..model.loss import chunked_loss
from ..pack.safetensors_file import read_safetensors
from ..training.optimizer import make_optimizer

TOLERANCE = 1e-6
RUN_NAMES = [run.name for run in RUNS]


def read_run(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The description and the tensors of a golden run."""
    return json.loads((folder / f"{name}.json").read_text()), read_safetensors(folder / f"{name}.safetensors")


def group(tensors: dict[str, np.ndarray], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it, in float64."""
    return {name[len(prefix) :]: float64(array) for name, array in tensors.items() if name.startswith(prefix)}


def float64(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float64))


def assert_close(what: str, actual: Tensor, expected: Tensor) -> None:
    """Within TOLERANCE of the largest expected value; NaN fails."""
    assert actual.shape == expected.shape, what
    error = ((actual - expected).abs().max() / expected.abs().max()).item()
    assert error <= TOLERANCE, f"{what}: relative error {error:.1e}"


def golden_model(description: dict[str, Any], tensors: dict[str, np.ndarray]) -> Llama:
    """The trainer's model in float64 with the run's initial weights."""
    config = description["config"]
    shape = ModelShape(
        hidden_size=config["hiddenSize"],
        intermediate_size=config["intermediateSize"],
        num_hidden_layers=config["numHiddenLayers"],
        num_attention_heads=config["numAttentionHeads"],
        rms_norm_eps=config["rmsNormEps"],
        rope_theta=config["ropeTheta"],
    )
    assert shape.head_dim == config["headDim"]
    model = Llama(shape, config["vocabSize"]).double()
    model.load_state_dict(group(tensors, "initial/"))
    return model


def golden_optimizer(description: dict[str, Any], model: Llama) -> torch.optim.Optimizer:
    """The trainer's optimizer with the run's settings."""
    settings = description["optimizer"]
    optimizer = make_optimizer(
        model,
        TrainConfig(
            tokens=1, context=1, sequences_per_group=1, groups_per_step=1,
            learning_rate=settings["learningRate"], weight_decay=settings["weightDecay"], beta1=settings["beta1"], beta2=settings["beta2"],
        ),
    )
    assert optimizer.defaults["eps"] == settings["epsilon"]
    return optimizer


def batch_loss(model: Llama, tokens: np.ndarray, targets: np.ndarray) -> Tensor:
    """The trainer's loss of one batch [B, T]."""
    hidden = model.hidden(torch.from_numpy(tokens.astype(np.int64)))
    return chunked_loss(hidden.flatten(0, 1), model.head_weight, torch.from_numpy(targets.astype(np.int64)).flatten())


@pytest.mark.parametrize("name", RUN_NAMES)
def test_logits_and_gradients_are_the_golden_run_s(name: str) -> None:
    description, tensors = read_run(FOLDER, name)
    model = golden_model(description, tensors)
    tokens, targets = tensors["tokens"][0], tensors["targets"][0]
    assert_close("logits", model(torch.from_numpy(tokens.astype(np.int64))), float64(tensors["logits"]))
    batch_loss(model, tokens, targets).backward()
    gradients = group(tensors, "gradient/")
    parameters = dict(model.named_parameters())
    assert parameters.keys() == gradients.keys()
    for key, parameter in parameters.items():
        assert_close(f"gradient of {key}", parameter.grad, gradients[key])


@pytest.mark.parametrize("name", RUN_NAMES)
def test_ten_steps_are_the_golden_run_s(name: str) -> None:
    description, tensors = read_run(FOLDER, name)
    model = golden_model(description, tensors)
    optimizer = golden_optimizer(description, model)
    clip_norm = description["optimizer"]["clipNorm"]
    for step, (loss, norm) in enumerate(zip(description["losses"], description["gradientNorms"], strict=True)):
        optimizer.zero_grad()
        actual_loss = batch_loss(model, tensors["tokens"][step], tensors["targets"][step])
        actual_loss.backward()
        # Not the trainer's clip_grad_norm_, which divides by norm + 1e-6: the studio divides by the norm.
        actual_norm = math.sqrt(sum(parameter.grad.pow(2).sum().item() for parameter in model.parameters()))
        assert math.isclose(actual_loss.item(), loss, rel_tol=TOLERANCE), f"loss of step {step + 1}"
        assert math.isclose(actual_norm, norm, rel_tol=TOLERANCE), f"gradient norm of step {step + 1}"
        for parameter in model.parameters():
            parameter.grad *= min(1.0, clip_norm / actual_norm)
        optimizer.step()
    for key, weight in group(tensors, "final/").items():
        assert_close(f"{key} after the last step", dict(model.named_parameters())[key], weight)


def test_projection_is_the_golden_one() -> None:
    """Against the definition W = sum_r (E[i] M)_r T[r], written out."""
    description, tensors = read_run(FOLDER, "projection")
    network = description["projectedNetwork"]
    model = random_network()
    model.load_state_dict({name: float64(array) for name, array in tensors.items() if not name.startswith("projected/")})
    for expert in range(network["k"]):
        golden = group(tensors, f"projected/{expert}/")
        assert len(golden) == 3 * description["config"]["numHiddenLayers"]
        projected = model.project(model.E[expert])
        for name, weight in golden.items():
            E, M, T = (float64(tensors[key]) for key in ("projected_network.E", name.replace(".weight", ".M"), name.replace(".weight", ".T")))
            assert_close(f"definition of {name}", torch.einsum("m,mh,hoi->oi", E[expert], M, T), weight)
            assert_close(f"{name} of expert {expert}", projected[name], weight)


def test_the_writers_write_the_committed_files(tmp_path: Path) -> None:
    for run in RUNS:
        write_run(run, tmp_path)
    write_projection(tmp_path)
    for name in [*RUN_NAMES, "projection"]:
        (description, tensors), (expected_description, expected) = read_run(tmp_path, name), read_run(FOLDER, name)
        assert tensors.keys() == expected.keys()
        for key, array in expected.items():
            assert tensors[key].dtype == array.dtype
            assert_close(f"{name}: {key}", float64(tensors[key]), float64(array))
        # Last digits of float64 and the version differ between releases of PyTorch.
        for key in ("losses", "gradientNorms"):
            assert np.allclose(description.pop(key, []), expected_description.pop(key, []), rtol=1e-12, atol=0)
        assert {**description, "torch": ""} == {**expected_description, "torch": ""}
