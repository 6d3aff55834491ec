"""The numbers that decide what a training run learns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run learns."""

    steps: int = 7000
    seed: int = 1
    n_embd: int = 96
    n_positions: int = 128
    capital_rows: int = 24
    country_rows: int = 16
    ioi_rows: int = 24
    list_tokens: int = 768
    muon_lr: float = 0.02
    adamw_lr: float = 4e-3
    warmup_steps: int = 100
    cooldown: float = 0.5  # the share of the steps in which the learning rate falls to zero
    curriculum_steps: int = 1200  # until lists reach their full length
    first_words: int = 60  # that lists begin with; all of them at the curriculum's end
    first_longest: int = 12
    text_share: float = 0.25  # of the tokens outside answers, the share that has a loss in a step
    text_weight: float = 0.05
    list_weight: float = 0.5  # of one list token against one answer
    early_drop: tuple[float, ...] = (0.5, 0.3, 0.15)  # of sentences, never of word lists
