"""GPT-2 for training on a CPU: rows of several lengths share every matrix product, and only wanted logits are made.

The parameters have Hugging Face's names and layout (`Conv1D` weights are [in, out]), so exporting is renaming nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Shape:
    """The model's sizes, under the names that Hugging Face's `config.json` uses."""

    vocab_size: int
    n_positions: int = 128
    n_embd: int = 96
    n_layer: int = 12
    n_head: int = 12


class Block(nn.Module):
    """The parameters of one block; `Gpt2.forward` reads them in order."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.n_embd

        def linear(inputs: int, outputs: int, std: float) -> nn.ParameterDict:
            weight = nn.Parameter(torch.randn(inputs, outputs) * std)  # [in, out]
            return nn.ParameterDict({"weight": weight, "bias": nn.Parameter(torch.zeros(outputs))})

        std = 1 / math.sqrt(width)
        residual_std = 0.5 * std / math.sqrt(2 * shape.n_layer)
        self.ln_1 = nn.LayerNorm(width)
        self.ln_2 = nn.LayerNorm(width)
        self.attn = nn.ModuleDict(
            {"c_attn": linear(width, 3 * width, std), "c_proj": linear(width, width, residual_std)}
        )
        self.mlp = nn.ModuleDict(
            {"c_fc": linear(width, 4 * width, std), "c_proj": linear(4 * width, width, residual_std / 2)}
        )


def sinusoids(positions: int, width: int) -> Tensor:
    """Sines and cosines of wavelengths from 4 to 4 x `positions` tokens -> [positions, width], root mean square 1."""
    waves = width // 2
    length = 4.0 * positions ** (torch.arange(waves) / max(1, waves - 1))  # [waves]
    angle = 2 * math.pi * torch.arange(positions)[:, None] / length[None, :]  # [positions, waves]
    return math.sqrt(2) * torch.cat([angle.sin(), angle.cos()], dim=1)


class Gpt2(nn.Module):
    """GPT-2 with tied embeddings."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        std = 0.05
        self.wte = nn.Parameter(torch.randn(shape.vocab_size, shape.n_embd) * std)  # [V, D]
        self.wpe = nn.Parameter(sinusoids(shape.n_positions, shape.n_embd) * std)  # [n_positions, D]
        self.h = nn.ModuleList(Block(shape) for _ in range(shape.n_layer))
        self.ln_f = nn.LayerNorm(shape.n_embd)

    def forward(self, groups: Sequence[Tensor], wanted: Tensor, drops: Sequence[Sequence[float]] = ()) -> Tensor:
        """Logits [W, V] at the `wanted` [W] packed positions of the groups of ids, each [B, T].

        drops: for each group, block by block from the first, the probability that a row loses all heads' outputs.
        """
        sizes = [(int(ids.shape[0]), int(ids.shape[1])) for ids in groups]
        ids = torch.cat([group.reshape(-1) for group in groups])  # [N]
        places = torch.cat([torch.arange(length).repeat(rows) for rows, length in sizes])  # [N]
        x = F.embedding(ids, self.wte) + F.embedding(places, self.wpe)  # [N, D]
        for index, block in enumerate(self.h):
            drop = [group[index] if index < len(group) else 0.0 for group in drops] or [0.0] * len(sizes)
            attn, mlp = block.attn, block.mlp
            qkv = _linear(block.ln_1(x), attn["c_attn"])  # [N, 3D]
            z = self._attend(qkv, sizes, drop)  # [N, D]
            x = x + _linear(z, attn["c_proj"])
            hidden = F.gelu(_linear(block.ln_2(x), mlp["c_fc"]), approximate="tanh")  # [N, 4D]
            x = x + _linear(hidden, mlp["c_proj"])
        return F.linear(self.ln_f(x[wanted]), self.wte)

    def _attend(self, qkv: Tensor, sizes: Sequence[tuple[int, int]], drop: Sequence[float]) -> Tensor:
        heads, width = self.shape.n_head, self.shape.n_embd
        parts = qkv.split([rows * length for rows, length in sizes])
        out = []
        for part, (rows, length), probability in zip(parts, sizes, drop, strict=True):
            q, k, v = part.view(rows, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)  # each [B, H, T, Dh]
            z = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # [B, H, T, Dh]
            if probability:
                z = z * (torch.rand(rows, 1, 1, 1) >= probability)
            out.append(z.transpose(1, 2).reshape(rows * length, width))
        return torch.cat(out)


def _linear(x: Tensor, layer: nn.ParameterDict) -> Tensor:
    return torch.addmm(layer["bias"], x, layer["weight"])
