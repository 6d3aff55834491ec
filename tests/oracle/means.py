"""Means of heads' outputs over a data set, in float64 with NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import GPT2LMHeadModel

from tests.oracle.runs import head_outputs


@dataclass(frozen=True)
class MeanOptions:
    """The contract's, by its words."""

    mode: str = "positionwise"
    source: str = "clean"
    group_by_template: bool = False
    include_first_position: bool = False


@dataclass(frozen=True)
class Means:
    options: MeanOptions
    prepend_bos: bool
    mean: np.ndarray  # [G, L, H, P, Dh]
    count: np.ndarray  # [G, P]
    templates: list[str] = field(default_factory=lambda: [""])

    def value(self, template: str, layer: int, head: int, length: int) -> torch.Tensor:
        """What a prompt of `length` tokens gets at each position, [T, Dh]."""
        group = self.templates.index(template) if self.options.group_by_template else 0
        rows = self.mean[group, layer, head]
        if self.options.mode == "pooled":
            rows = np.repeat(rows, length, axis=0)
        assert len(rows) >= length
        return torch.from_numpy(rows[:length])


def compute(
    model: GPT2LMHeadModel,
    prompts: Sequence[tuple[Sequence[int], Sequence[int], str]],
    options: MeanOptions,
    prepend_bos: bool,
) -> Means:
    """`prompts`: clean ids, corrupted ids (where the source needs them), template; without BOS."""
    bos = [model.config.bos_token_id] if prepend_bos else []
    groups = sorted({template for _, _, template in prompts}) if options.group_by_template else [""]
    values: dict[tuple[int, int], list[np.ndarray]] = {}  # by group and position: [L, H, Dh] each
    longest = 0
    for clean, corrupted, template in prompts:
        group = groups.index(template) if options.group_by_template else 0
        for ids in {"clean": [clean], "corrupted": [corrupted], "both": [clean, corrupted]}[options.source]:
            z = head_outputs(model, bos + list(ids)).numpy()  # [L, H, T, Dh]
            longest = max(longest, z.shape[2])
            for p in range(z.shape[2]):
                if options.mode == "positionwise":
                    values.setdefault((group, p), []).append(z[:, :, p])
                elif p > 0 or options.include_first_position:
                    values.setdefault((group, 0), []).append(z[:, :, p])
    n_positions = longest if options.mode == "positionwise" else 1
    shape = next(iter(values.values()))[0].shape
    mean = np.zeros((len(groups), *shape[:2], n_positions, shape[2]))
    count = np.zeros((len(groups), n_positions), dtype=np.int64)
    for (group, p), arrays in values.items():
        mean[group, :, :, p] = np.mean(arrays, axis=0)
        count[group, p] = len(arrays)
    return Means(options, prepend_bos, mean, count, groups)
