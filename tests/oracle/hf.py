"""Ablations with Hugging Face's GPT-2 and forward pre-hooks, the way labs run them today.

A hook on `transformer.h.L.attn.c_proj` receives the concatenated heads `[batch, T, D]`; head H is the slice
`Dh*H .. Dh*H + Dh - 1` of the last dimension.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from transformers import GPT2LMHeadModel


@dataclass(frozen=True)
class Edit:
    """z' = scale * z + table[entry + entry_stride * position] at one head, for positions begin .. end - 1.

    `entry` -1 adds nothing. `from_donor`: z is another prompt's, at the same head and position.
    """

    layer: int
    head: int
    begin: int = 0
    end: int = 2**31 - 1
    scale: float = 0.0
    entry: int = -1
    entry_stride: int = 0
    from_donor: bool = False


def load(model_dir: str, dtype: torch.dtype) -> GPT2LMHeadModel:
    """The model in evaluation mode with eager attention, computed in `dtype`."""
    model = GPT2LMHeadModel.from_pretrained(model_dir, dtype=torch.float32, attn_implementation="eager")
    return model.to(dtype).eval()


@contextmanager
def edited(model: GPT2LMHeadModel, edits: Sequence[Edit]) -> Iterator[None]:
    """The model with `edits` in force: those that only scale. tests/oracle/runs.py knows all of them."""
    assert all(edit.entry < 0 and not edit.from_donor for edit in edits)
    d_head = model.config.n_embd // model.config.n_head
    handles = []
    for edit in edits:

        def hook(_module, args, edit=edit):
            heads = args[0].clone()
            heads[:, edit.begin : edit.end, edit.head * d_head : (edit.head + 1) * d_head] *= edit.scale
            return (heads,)

        handles.append(model.transformer.h[edit.layer].attn.c_proj.register_forward_pre_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def logits(model: GPT2LMHeadModel, token_ids: Sequence[int], edits: Sequence[Edit] = ()) -> torch.Tensor:
    """`[T, V]`, in the model's own precision."""
    with edited(model, edits):
        return model(torch.tensor([token_ids])).logits[0]


# Of design.md's columns, those that are levels; each but the last two has a `delta_` beside it.
LEVELS = (
    "target_logit",
    "contrast_logit",
    "logit_diff",
    "target_logprob",
    "contrast_logprob",
    "target_prob",
    "prob_diff",
    "kl_divergence",
    "entropy",
)
DELTAS = tuple("delta_" + name for name in LEVELS[:-2])


def levels(y: torch.Tensor, base: torch.Tensor, target: int, contrast: int) -> dict[str, float]:
    """The levels of logits `y` [V] against the baseline's `base` [V], in float64 whatever the logits' type."""
    lp = torch.log_softmax(y.double(), 0)
    base_lp = torch.log_softmax(base.double(), 0)
    d = base_lp - lp
    return {
        "target_logit": y[target].item(),
        "contrast_logit": y[contrast].item(),
        "logit_diff": (y[target].double() - y[contrast].double()).item(),
        "target_logprob": lp[target].item(),
        "contrast_logprob": lp[contrast].item(),
        "target_prob": lp[target].exp().item(),
        "prob_diff": (lp[target].exp() - lp[contrast].exp()).item(),
        "kl_divergence": (base_lp.exp() * (torch.expm1(-d) + d)).sum().item(),
        "entropy": -(lp.exp() * lp).sum().item(),
    }


def measure(y: torch.Tensor, base: torch.Tensor, target: int, contrast: int) -> dict[str, float]:
    """All of design.md's columns of one row: levels, deltas, rank and top-1."""
    row = levels(y, base, target, contrast)
    base_row = levels(base, base, target, contrast)
    row |= {"delta_" + name: row[name] - base_row[name] for name in LEVELS[:-2]}
    row["target_rank"] = int((y > y[target]).sum().item())
    row["target_is_top1"] = row["target_rank"] == 0
    row["top1_id"] = int(y.argmax().item())
    row["top1_preserved"] = row["top1_id"] == int(base.argmax().item())
    return row
