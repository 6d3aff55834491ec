"""Every column of the contract's rows, from logits, for many runs at once; answer sets included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

# Real columns. All but the last have a `delta_` beside them.
LEVELS = (
    "target_logit",
    "contrast_logit",
    "logit_diff",
    "target_logprob",
    "contrast_logprob",
    "target_prob",
    "prob_diff",
)
DELTAS = tuple("delta_" + name for name in LEVELS)
REAL = (*LEVELS, *DELTAS, "kl_divergence", "entropy")
COUNTS = ("target_rank", "target_is_top1", "top1_id", "top1_preserved")

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Answers:
    targets: Sequence[int] = ()
    contrasts: Sequence[int] = ()


def kl(p: torch.Tensor, q: torch.Tensor) -> np.ndarray:
    """KL of the distribution with logits p `[V]` from each of those with logits q `[B, V]`, nats."""
    lp, lq = (torch.log_softmax(y.double(), -1) for y in (p, q))
    d = lp - lq
    return (lp.exp() * (torch.expm1(-d) + d)).sum(-1).numpy()


def _levels(y: torch.Tensor, answers: Answers, reduction: str) -> Columns:
    y = y.double()
    lp = torch.log_softmax(y, -1)

    def reduced(values: torch.Tensor, ids: Sequence[int]) -> torch.Tensor:
        chosen = values[:, list(ids)]
        return chosen.mean(1) if reduction == "mean_logit" else chosen.exp().sum(1).log()

    columns = {}
    if answers.targets:
        columns["target_logit"] = reduced(y, answers.targets)
        columns["target_logprob"] = reduced(lp, answers.targets)
        columns["target_prob"] = columns["target_logprob"].exp()
    if answers.contrasts:
        columns["contrast_logit"] = reduced(y, answers.contrasts)
        columns["contrast_logprob"] = reduced(lp, answers.contrasts)
    if answers.targets and answers.contrasts:
        columns["logit_diff"] = columns["target_logit"] - columns["contrast_logit"]
        columns["prob_diff"] = columns["target_prob"] - columns["contrast_logprob"].exp()
    return {name: values.numpy() for name, values in columns.items()}


def with_deltas(levels: Columns, base: Columns) -> Columns:
    """`levels` and what they are more than those of the run `base`, which holds one row."""
    return levels | {"delta_" + name: values - base[name][0] for name, values in levels.items()}


def measure(y: torch.Tensor, base: torch.Tensor, answers: Answers, reduction: str = "mean_logit") -> Columns:
    """The columns of runs with logits y `[B, V]` beside the unedited run's `base` `[V]`: `[B]` each."""
    columns = with_deltas(_levels(y, answers, reduction), _levels(base[None], answers, reduction))
    lp = torch.log_softmax(y.double(), -1)
    columns["kl_divergence"] = kl(base, y)
    columns["entropy"] = -(lp.exp() * lp).sum(-1).numpy()
    top1 = y.argmax(-1)
    columns["top1_id"] = top1.numpy()
    columns["top1_preserved"] = (top1 == base.argmax()).numpy()
    if answers.targets:
        best = y[:, list(answers.targets)].max(1, keepdim=True).values
        columns["target_rank"] = (y > best).sum(1).numpy()
        columns["target_is_top1"] = columns["target_rank"] == 0
    return columns


def primary_metric(columns: Columns, reduction: str) -> str:
    """The contract's `Manifest.primary_metric`."""
    if "contrast_logprob" not in columns:
        return "target_logprob"
    return "prob_diff" if reduction == "prob_sum" else "logit_diff"
