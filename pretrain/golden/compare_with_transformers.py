"""Holds the trainer's Llama against Hugging Face's LlamaForCausalLM: same random weights, same tokens, logits and every gradient in
float32. Needs the transformers package; run it when model/llama.py changes.

    python3 -m pretrain.golden.compare_with_transformers
"""
from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from .write_golden import RUNS, GoldenRun, batches, initial_model, mean_loss

TOLERANCE = 1e-5
"""Of the tensor's largest value: float32 sums in another order."""


def hugging_face_model(run: GoldenRun) -> LlamaForCausalLM:
    shape = run.shape
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=run.vocab_size,
            hidden_size=shape.hidden_size,
            intermediate_size=shape.intermediate_size,
            num_hidden_layers=shape.num_hidden_layers,
            num_attention_heads=shape.num_attention_heads,
            num_key_value_heads=shape.num_attention_heads,
            head_dim=shape.head_dim,
            max_position_embeddings=run.max_positions,
            rms_norm_eps=shape.rms_norm_eps,
            rope_theta=shape.rope_theta,
            tie_word_embeddings=True,
        )
    )


def relative_error(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return ((actual - expected).abs().max() / expected.abs().max()).item()


def compare(run: GoldenRun) -> None:
    random = torch.Generator().manual_seed(run.seed)
    ours = initial_model(run, random).float()
    theirs = hugging_face_model(run)
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    tokens, targets = batches(run, random)
    our_logits, their_logits = ours(tokens[0]), theirs(input_ids=tokens[0]).logits
    mean_loss(our_logits, targets[0]).backward()
    mean_loss(their_logits, targets[0]).backward()
    errors = {"logits": relative_error(our_logits, their_logits)}
    gradients = dict(theirs.named_parameters())
    errors |= {name: relative_error(weight.grad, gradients[name].grad) for name, weight in ours.named_parameters()}
    worst = max(errors, key=errors.__getitem__)
    print(f"{run.name}: {len(errors)} tensors, worst {worst} {errors[worst]:.1e}")
    wrong = {name: error for name, error in errors.items() if not error <= TOLERANCE}
    if wrong:
        raise SystemExit(f"{run.name}: differs from Hugging Face's model: {wrong}")


if __name__ == "__main__":
    for run in RUNS:
        compare(run)
