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


class Linear(nn.Module):
    """x W + b, with W as GPT-2 stores it."""

    def __init__(self, inputs: int, outputs: int, std: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) * std)  # [in, out]
        self.bias = nn.Parameter(torch.zeros(outputs))  # [out]

    def forward(self, x: Tensor) -> Tensor:
        """[N, in] -> [N, out]."""
        return torch.addmm(self.bias, x, self.weight)


class Attention(nn.Module):
    """Causal self-attention over groups of rows."""

    def __init__(self, shape: Shape, std: float, residual_std: float) -> None:
        super().__init__()
        self.heads = shape.n_head
        self.c_attn = Linear(shape.n_embd, 3 * shape.n_embd, std)
        self.c_proj = Linear(shape.n_embd, shape.n_embd, residual_std)

    def forward(self, x: Tensor, sizes: Sequence[tuple[int, int]], drop: Sequence[float]) -> Tensor:
        """[N, D] -> [N, D]; sizes: each group's (B, T); drop: its rows' probability to lose all heads' outputs."""
        parts = self.c_attn(x).split([rows * length for rows, length in sizes])  # each [B T, 3D]
        out = []
        for part, (rows, length), probability in zip(parts, sizes, drop, strict=True):
            q, k, v = part.view(rows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # each [B, H, T, Dh]
            z = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # [B, H, T, Dh]
            if probability:
                z = z * (torch.rand(rows, 1, 1, 1) >= probability)
            out.append(z.transpose(1, 2).reshape(rows * length, -1))
        return self.c_proj(torch.cat(out))


class Mlp(nn.Module):
    """Two linear maps with GPT-2's tanh form of GELU between them."""

    def __init__(self, width: int, std: float, residual_std: float) -> None:
        super().__init__()
        self.c_fc = Linear(width, 4 * width, std)
        self.c_proj = Linear(4 * width, width, residual_std / 2)

    def forward(self, x: Tensor) -> Tensor:
        """[N, D] -> [N, D]."""
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    """Attention and MLP, each behind its layer norm and added to the residual."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        std = 1 / math.sqrt(shape.n_embd)
        residual_std = 0.5 * std / math.sqrt(2 * shape.n_layer)
        self.ln_1 = nn.LayerNorm(shape.n_embd)
        self.ln_2 = nn.LayerNorm(shape.n_embd)
        self.attn = Attention(shape, std, residual_std)
        self.mlp = Mlp(shape.n_embd, std, residual_std)

    def forward(self, x: Tensor, sizes: Sequence[tuple[int, int]], drop: Sequence[float]) -> Tensor:
        """[N, D] -> [N, D]."""
        x = x + self.attn(self.ln_1(x), sizes, drop)
        return x + self.mlp(self.ln_2(x))


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
            x = block(x, sizes, drop)
        return F.linear(self.ln_f(x[wanted]), self.wte)
