"""The golden distillation that the studio replays (src/testing/fixtures/golden/distillation.*) is what this package computes: the trainer's own
loss reproduces the committed file in float64, and the writer writes it again. Tolerances are those of test_golden."""
from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from ..evaluate.distillation import distillation_loss
from ..golden.write_distillation_golden import MIXES, NAME, STUDENT, TEACHER, VOCAB_SIZE, write_distillation
from ..golden.write_golden import FOLDER
from ..model.llama import Llama
from .test_golden import TOLERANCE, assert_close, float64, group, read_run


@pytest.mark.parametrize("index", range(len(MIXES)))
def test_the_trainer_s_loss_and_gradients_are_the_golden_ones(index: int) -> None:
    description, tensors = read_run(FOLDER, NAME)
    student, teacher = Llama(STUDENT, VOCAB_SIZE).double(), Llama(TEACHER, VOCAB_SIZE).double()
    student.load_state_dict(group(tensors, "student/"))
    teacher.load_state_dict(group(tensors, "teacher/"))
    tokens, targets = (torch.from_numpy(tensors[name].astype(np.int64)) for name in ("tokens", "targets"))
    hidden, teacher_hidden = (model.hidden(tokens).flatten(0, 1) for model in (student, teacher))
    mix = description["mixes"][index]
    loss = distillation_loss(hidden, student.head_weight, targets.flatten(), teacher_hidden, teacher.head_weight, **mix)
    assert math.isclose(loss.item(), description["losses"][index], rel_tol=TOLERANCE)
    loss.backward()
    gradients = group(tensors, f"gradient/{index}/")
    parameters = dict(student.named_parameters())
    assert parameters.keys() == gradients.keys()
    for key, parameter in parameters.items():
        assert_close(f"gradient of {key}", parameter.grad, gradients[key])
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_the_writer_writes_the_committed_file(tmp_path: Path) -> None:
    write_distillation(tmp_path)
    (description, tensors), (expected_description, expected) = read_run(tmp_path, NAME), read_run(FOLDER, NAME)
    assert tensors.keys() == expected.keys()
    for key, array in expected.items():
        assert tensors[key].dtype == array.dtype
        assert_close(key, float64(tensors[key]), float64(array))
    # Last digits of float64 and the version differ between releases of PyTorch.
    assert np.allclose(description.pop("losses"), expected_description.pop("losses"), rtol=1e-12, atol=0)
    assert {**description, "torch": ""} == {**expected_description, "torch": ""}
