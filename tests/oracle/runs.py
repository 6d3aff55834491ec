"""Many edited runs of one prompt as one batch through Hugging Face's GPT-2, with every part that it adds up.

The edits are forward pre-hooks on `c_proj`, as in tests/oracle/hf.py; only that each row of the batch has its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from transformers import GPT2LMHeadModel

# Tokens of one batch: some 100 MB of activations at the largest geometry that comes here.
MAX_TOKENS = 4096


@dataclass(frozen=True)
class Patch:
    """z' = scale * z + value[position] at one head, at `positions`."""

    layer: int
    head: int
    positions: Sequence[int]
    scale: float = 0.0
    value: torch.Tensor | None = None  # [T, Dh]


@dataclass(frozen=True)
class Trace:
    """What B runs of a prompt gave at K positions; the heads' outputs are as edited."""

    logits: torch.Tensor  # [B, K, V]
    z: torch.Tensor  # [B, K, L, H, Dh], the input of c_proj
    mlp: torch.Tensor  # [B, K, L, D]
    residual: torch.Tensor  # [B, K, D], the input of ln_f


@contextmanager
def _hooked(model: GPT2LMHeadModel, runs: Sequence[Sequence[Patch]], seen: dict) -> Iterator[None]:
    """The model with run b's patches in force in row b; `seen` gets what passes by."""
    heads = model.config.n_head
    by_layer: dict[int, list[tuple[int, Patch]]] = {}
    for b, patches in enumerate(runs):
        for patch in patches:
            by_layer.setdefault(patch.layer, []).append((b, patch))

    def before_c_proj(layer: int):
        def hook(_module, args):
            z = args[0].clone().unflatten(-1, (heads, -1))  # [B, T, H, Dh]
            for b, patch in by_layer.get(layer, ()):
                at = list(patch.positions)
                new = patch.scale * z[b, at, patch.head]
                z[b, at, patch.head] = new if patch.value is None else new + patch.value[at].to(z.dtype)
            seen["z", layer] = z
            return (z.flatten(-2),)

        return hook

    def behind_mlp(layer: int):
        def hook(_module, _args, output):
            seen["mlp", layer] = output

        return hook

    def before_ln_f(_module, args):
        seen["residual"] = args[0]

    handles = [model.transformer.ln_f.register_forward_pre_hook(before_ln_f)]
    for layer, block in enumerate(model.transformer.h):
        handles.append(block.attn.c_proj.register_forward_pre_hook(before_c_proj(layer)))
        handles.append(block.mlp.register_forward_hook(behind_mlp(layer)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def trace(
    model: GPT2LMHeadModel, ids: Sequence[int], runs: Sequence[Sequence[Patch]], positions: Sequence[int]
) -> Trace:
    """Each of `runs` on the prompt `ids`, at `positions`."""
    layers, at = range(model.config.n_layer), list(positions)
    step = max(1, MAX_TOKENS // len(ids))
    pieces = []
    for first in range(0, len(runs), step):
        part = runs[first : first + step]
        seen: dict = {}
        with _hooked(model, part, seen):
            inputs = torch.tensor([list(ids)] * len(part))
            logits = model(inputs, use_cache=False, logits_to_keep=torch.tensor(at)).logits
        pieces.append(
            Trace(
                logits,
                torch.stack([seen["z", layer][:, at] for layer in layers], 2),
                torch.stack([seen["mlp", layer][:, at] for layer in layers], 2),
                seen["residual"][:, at],
            )
        )
    return Trace(*(torch.cat([getattr(piece, name) for piece in pieces]) for name in Trace.__dataclass_fields__))


def head_outputs(model: GPT2LMHeadModel, ids: Sequence[int]) -> torch.Tensor:
    """z of the unedited run, `[L, H, T, Dh]`: what `resample` and means take their values from."""
    return trace(model, ids, [[]], range(len(ids))).z[0].permute(1, 2, 0, 3)


def folded_value_bias(model: GPT2LMHeadModel) -> torch.Tensor:
    """b_V + ln_1.bias W_V of each head, `[L, H, Dh]`."""
    d = model.config.n_embd
    rows = []
    for block in model.transformer.h:
        weight = block.attn.c_attn.weight[:, 2 * d :]  # [D, D]: Conv1D is (in, out), and the values come last
        rows.append(block.attn.c_attn.bias[2 * d :] + block.ln_1.bias @ weight)
    return torch.stack(rows).detach().unflatten(-1, (model.config.n_head, -1))
