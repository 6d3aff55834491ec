"""The 144 single zero-ablations of a model, through Hugging Face's own forward pass and a hook on `c_proj`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import GPT2LMHeadModel


@contextmanager
def without_head(model: GPT2LMHeadModel, layer: int, head: int) -> Iterator[None]:
    """Zeroes the head's slice of the input of `c_proj`, at all positions."""
    width = model.config.n_embd // model.config.n_head
    part = slice(head * width, (head + 1) * width)

    def zero(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        z = inputs[0].clone()  # [B, T, D]
        z[..., part] = 0
        return (z,)

    handle = model.get_submodule(f"transformer.h.{layer}.attn.c_proj").register_forward_pre_hook(zero)
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def last_log_probs(model: GPT2LMHeadModel, prompts: Sequence[Sequence[int]]) -> Tensor:
    """Log-probabilities after each prompt -> [P, V]. Prompts are padded on the right: causality hides the padding."""
    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)  # [P, T]
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt)
    last = torch.tensor([len(prompt) - 1 for prompt in prompts])
    hidden = model.transformer(ids).last_hidden_state[torch.arange(len(prompts)), last]  # [P, D]
    return model.lm_head(hidden).log_softmax(-1)


def ablate_all(model: GPT2LMHeadModel, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """The baseline's log-probs [P, V] and those without each head [L, H, P, V]."""
    layers, heads = model.config.n_layer, model.config.n_head
    baseline = last_log_probs(model, prompts)
    ablated = torch.empty(layers, heads, *baseline.shape)
    for layer in range(layers):
        for head in range(heads):
            with without_head(model, layer, head):
                ablated[layer, head] = last_log_probs(model, prompts)
    return baseline, ablated
