"""Direct effects and compensation as docs/design.md defines them, from the parts that a run adds up.

All in terms of *frozen* contributions: a part c of the residual, through the final LayerNorm with the unedited run's
scale and without its bias, onto u = W_U[target] - W_U[contrast], W_U centred over the vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from transformers import GPT2LMHeadModel

from tests.oracle.readout import Answers
from tests.oracle.runs import Trace


@dataclass(frozen=True)
class Effects:
    """Of B runs at one position."""

    direct_contribution: torch.Tensor  # [B]
    direct_effect: torch.Tensor  # [B]
    direct_effect_live: torch.Tensor  # [B]
    heads: torch.Tensor  # [B, L, H], without the edited ones
    mlps: torch.Tensor  # [B, L]
    layer_norm: torch.Tensor  # [B]


def head_writes(model: GPT2LMHeadModel, z: torch.Tensor) -> torch.Tensor:
    """What each head adds to the residual, `[..., L, H, D]`, for z `[..., L, H, Dh]`: its rows of `c_proj`."""
    weights = torch.stack([block.attn.c_proj.weight for block in model.transformer.h])  # [L, D, D]
    by_head = weights.detach().unflatten(1, (model.config.n_head, -1))  # [L, H, Dh, D]
    return torch.einsum("...lhe,lhed->...lhd", z, by_head)


def inverse_sigma(model: GPT2LMHeadModel, x: torch.Tensor) -> torch.Tensor:
    """1 / sigma of the final LayerNorm over x `[..., D]`."""
    return (x.var(-1, unbiased=False) + model.config.layer_norm_epsilon).rsqrt()


def unembedding(model: GPT2LMHeadModel) -> torch.Tensor:
    """W_U centred over the vocabulary, `[V, D]`."""
    weight = model.lm_head.weight.detach()
    return weight - weight.mean(0)


@torch.no_grad()
def effects(
    model: GPT2LMHeadModel,
    edited: Trace,
    base: Trace,
    index: int,
    answers: Answers,
    edits: Sequence[Collection[tuple[int, int]]],
) -> Effects:
    """Of the runs of `edited` at position number `index` of the traces; `base` holds the unedited run.

    `edits`: of each run, the heads (layer, head) that it edits at this position.
    """
    w_u = unembedding(model)
    u = w_u[list(answers.targets)].mean(0) - w_u[list(answers.contrasts)].mean(0)
    r, r_edited = base.residual[0, index], edited.residual[:, index]  # [D], [B, D]
    frozen = inverse_sigma(model, r)

    def contribution(part: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        normed = (part - part.mean(-1, keepdim=True)) * scale[..., None] * model.transformer.ln_f.weight
        return normed @ u

    writes, base_writes = head_writes(model, edited.z[:, index]), head_writes(model, base.z[0, index])  # [B, L, H, D]
    is_edited = torch.zeros(writes.shape[:3], dtype=torch.bool)
    for b, sites in enumerate(edits):
        for layer, head in sites:
            is_edited[b, layer, head] = True
    level = contribution(base_writes, frozen)  # [L, H]
    moved = contribution(writes - base_writes, frozen)  # [B, L, H]
    change = ((writes - base_writes) * is_edited[..., None]).sum((1, 2))  # [B, D]

    def logit_diff(x: torch.Tensor) -> torch.Tensor:
        y = model.lm_head(model.transformer.ln_f(x))
        return y[..., list(answers.targets)].mean(-1) - y[..., list(answers.contrasts)].mean(-1)

    return Effects(
        direct_contribution=(level * is_edited).sum((1, 2)),
        direct_effect=(moved * is_edited).sum((1, 2)),
        direct_effect_live=logit_diff(r + change) - logit_diff(r),
        heads=moved * ~is_edited,
        mlps=contribution(edited.mlp[:, index] - base.mlp[0, index], frozen),
        layer_norm=contribution(r_edited, inverse_sigma(model, r_edited)) - contribution(r_edited, frozen),
    )
