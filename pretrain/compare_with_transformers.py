"""Holds reference_model.py against Hugging Face's LlamaForCausalLM: same random weights, same tokens, logits and every gradient in
float32. Needs the transformers package; run it when reference_model.py changes.

    python3 pretrain/compare_with_transformers.py
"""
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from reference_model import ReferenceModel, mean_loss
from write_golden import RUNS, GoldenRun, batches, initial_model

TOLERANCE = 1e-5
"""Of the tensor's largest value: float32 sums in another order."""


def hugging_face_model(run: GoldenRun) -> LlamaForCausalLM:
    config = run.config
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.num_hidden_layers,
            num_attention_heads=config.num_attention_heads,
            num_key_value_heads=config.num_attention_heads,
            head_dim=config.head_dim,
            max_position_embeddings=config.max_position_embeddings,
            rms_norm_eps=config.rms_norm_eps,
            rope_theta=config.rope_theta,
            tie_word_embeddings=True,
        )
    )


def relative_error(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return ((actual - expected).abs().max() / expected.abs().max()).item()


def compare(run: GoldenRun) -> None:
    random = torch.Generator().manual_seed(run.seed)
    ours: ReferenceModel = initial_model(run, random).float()
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
