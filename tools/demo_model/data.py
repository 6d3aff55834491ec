"""What a training run reads: the groups of rows of each step, and the held-out rows that its log reports on."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
from tokenizers import ByteLevelBPETokenizer

from tools.demo_model import corpus
from tools.demo_model.batches import Pool, Rows, WordLists
from tools.demo_model.recipe import Recipe


@dataclass(frozen=True)
class Group:
    """Rows of one length, the weight of one of their answer tokens, and their chance to lose a block's attention."""

    rows: Rows
    answer_weight: float
    drop: tuple[float, ...]


class Data:
    """The pools of one run, and its batches."""

    def __init__(self, recipe: Recipe, tokenizer: ByteLevelBPETokenizer) -> None:
        random = Random(recipe.seed)
        self.recipe = recipe
        self.random = np.random.default_rng(recipe.seed)
        self.capital = Pool(corpus.capital_sentences("capital", 40, random), tokenizer)
        self.country = Pool(corpus.capital_sentences("country", 25, random), tokenizer)
        self.ioi = Pool(corpus.ioi_sentences(60_000, random, held_out=False), tokenizer)
        self.lists = WordLists(tokenizer)
        self.uncertain = [  # (capital, country) for each of the recipe's phases
            tuple(
                Pool(corpus.capital_sentences(kind, 10, random, phase.more_error), tokenizer)
                for kind in ("capital", "country")
            )
            for phase in recipe.uncertain
        ]

    def batch(self, step: int) -> list[Group]:
        """The groups of one step; the word lists come last."""
        recipe, mix = self.recipe, self.recipe.mix(step)
        progress = min(1.0, step / max(1, recipe.curriculum_steps))
        lengths, longest = [32, 48], recipe.first_longest + round((24 - recipe.first_longest) * progress)
        kinds = round(recipe.first_words + (len(self.lists.words) - recipe.first_words) * progress)
        if progress == 1.0:
            lengths, longest = [32, 32, 48, 64, 128], 40
        length = int(self.random.choice(lengths))
        lists = self.lists.draw(mix.list_tokens // length, length, longest, self.random, kinds)
        phase = recipe.uncertainty(step)
        capital, country = (self.capital, self.country) if phase is None else self.uncertain[phase]
        sentences = (
            capital.draw(mix.capital_rows, self.random)
            + country.draw(mix.country_rows, self.random)
            + self.ioi.draw(mix.ioi_rows, self.random)
        )
        groups = [Group(rows, 1.0, recipe.early_drop if phase is None else ()) for rows in _joined(sentences)]
        return [*groups, Group(lists, mix.list_weight, ())]


def _joined(groups: list[Rows]) -> list[Rows]:
    """Groups of the same length become one."""
    lengths = sorted({rows.ids.shape[1] for rows in groups})
    return [
        Rows(*(np.concatenate([getattr(rows, name) for rows in same]) for name in ("ids", "answer", "text")))
        for length in lengths
        for same in [[rows for rows in groups if rows.ids.shape[1] == length]]
    ]


def probes(tokenizer: ByteLevelBPETokenizer) -> dict[str, list[Rows]]:
    """Held-out rows for the log."""
    random, generator = Random(7), np.random.default_rng(7)
    pools = {
        "capital": corpus.held_out_capital_sentences("capital", random),
        "country": corpus.held_out_capital_sentences("country", random),
        "ioi": corpus.ioi_sentences(200, random, held_out=True),
    }
    groups = {name: Pool(sentences, tokenizer).draw(200, generator) for name, sentences in pools.items()}
    groups["lists"] = [WordLists(tokenizer).draw(16, 32, 12, generator)]
    return groups
