"""Muon (Jordan et al., 2024): momentum, made orthogonal by a Newton-Schulz iteration, for matrices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor


def orthogonal(batch: Tensor, steps: int = 5) -> Tensor:
    """The nearest orthogonal matrices, roughly: singular values land in about 0.7 to 1.2. [K, m, n], m <= n."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = batch / (batch.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT  # [K, m, m]
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


class Muon(torch.optim.Optimizer):
    """Updates matrices [m, n]; an [in, 3 in] matrix counts as three, one each for queries, keys and values."""

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Matrices of equal shape go through the iteration together."""
        for group in self.param_groups:
            jobs: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for param in group["params"]:
                state = self.state[param]
                buffer = state.setdefault("momentum", torch.zeros_like(param))
                buffer.lerp_(param.grad, 1 - group["momentum"])
                update = param.grad.lerp(buffer, group["momentum"])  # Nesterov
                pieces = 3 if param.shape[1] == 3 * param.shape[0] else 1
                for weight, part in zip(param.chunk(pieces, 1), update.chunk(pieces, 1), strict=True):
                    if weight.shape[0] > weight.shape[1]:
                        weight, part = weight.T, part.T
                    jobs[tuple(weight.shape)].append((weight, part))
            for (rows, columns), pairs in jobs.items():
                updates = orthogonal(torch.stack([part for _, part in pairs]))  # [K, m, n]
                scale = group["lr"] * (columns / rows) ** 0.5
                for (weight, _), update in zip(pairs, updates, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=scale)
