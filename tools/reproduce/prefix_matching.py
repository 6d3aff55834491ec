"""Prefix-matching scores from Hugging Face's own attention patterns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import GPT2LMHeadModel
from transformers.utils import logging


def of_pattern(pattern: Tensor, half: int) -> Tensor:
    """[H, T, T] -> [H]: attention from a token of the second half to what followed it in the first, on average.

    The sequence is BOS and twice the same `half` tokens, T = 1 + 2 half. What followed the earlier copy of the token at
    position i is at i - half + 1 (arXiv 2209.11895, appendix; arXiv 2211.00593, appendix).
    """
    if pattern.shape[-2:] != (1 + 2 * half, 1 + 2 * half):
        raise ValueError(f"pattern is {tuple(pattern.shape)}, expected [H, {1 + 2 * half}, {1 + 2 * half}]")
    position = torch.arange(1 + half, 1 + 2 * half)
    return pattern[:, position, position - half + 1].mean(-1)


@torch.no_grad()
def scores(folder: Path, sequences: Sequence[Sequence[int]], half: int) -> dict[str, float]:
    """Of every head, by label; the mean over the sequences."""
    logging.disable_progress_bar()
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    total = torch.zeros(model.config.n_layer, model.config.n_head)  # [L, H]
    for sequence in sequences:
        attentions = model(torch.tensor([sequence]), output_attentions=True, use_cache=False).attentions
        total += torch.stack([of_pattern(pattern[0], half) for pattern in attentions])
    mean = (total / len(sequences)).tolist()
    return {f"L{layer}H{head}": score for layer, row in enumerate(mean) for head, score in enumerate(row)}
