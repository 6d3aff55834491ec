"""The numbers that decide what a training run learns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mix:
    """What one step holds, and what one token of a word list weighs against one answer of a sentence."""

    capital_rows: int
    country_rows: int
    ioi_rows: int
    list_tokens: int
    list_weight: float


@dataclass(frozen=True)
class Uncertainty:
    """From a step on, by how much more the capital sentences are uncertain than the corpus makes them."""

    from_step: int
    more_error: float


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run learns."""

    steps: int = 5280
    seed: int = 1
    n_embd: int = 96
    n_positions: int = 128
    early_mix: Mix = Mix(capital_rows=24, country_rows=16, ioi_rows=24, list_tokens=768, list_weight=0.5)
    late_mix: Mix = Mix(capital_rows=28, country_rows=16, ioi_rows=40, list_tokens=384, list_weight=0.15)
    late_from: int = 2700  # by then induction has formed, and the sentences need the weight
    muon_lr: float = 0.02
    adamw_lr: float = 4e-3
    rate_points: tuple[tuple[int, float], ...] = (
        (-1, 0.0),
        (99, 1.0),
        (2808, 1.0),
        (3323, 0.7846989966555183),
        (4099, 0.7846989966555183 / 777),
        (4100, 0.35),
        (4300, 0.35),
        (4420, 0.15),
        (4421, 0.4),
        (4760, 0.4),
        (4999, 0.05145833333333333),
        (5000, 0.3),
        (5280, 0.3),
    )
    curriculum_steps: int = 1200  # until lists reach their full length
    first_words: int = 60  # that lists begin with; all of them at the curriculum's end
    first_longest: int = 12
    text_share: float = 0.25  # of the tokens outside answers, the share that has a loss in a step
    text_weight: float = 0.05
    early_drop: tuple[float, ...] = (0.5, 0.3, 0.15)  # of sentences, never of word lists
    # From the first of these on nothing is dropped, so that heads come to rely on one another; and facts are less and
    # less certain, so that what a head does shows in the log-probs.
    uncertain: tuple[Uncertainty, ...] = (Uncertainty(4100, 0.15), Uncertainty(4420, 0.28))

    def mix(self, step: int) -> Mix:
        """The step's mix."""
        return self.early_mix if step < self.late_from else self.late_mix

    def uncertainty(self, step: int) -> int | None:
        """Which of `uncertain` the step belongs to; None before the first."""
        begun = [i for i, phase in enumerate(self.uncertain) if step >= phase.from_step]
        return begun[-1] if begun else None
