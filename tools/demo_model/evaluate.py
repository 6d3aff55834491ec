"""Measures an exported model: held-out accuracy of each task, and what the ablation of each head does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from tokenizers import ByteLevelBPETokenizer
from torch import Tensor
from transformers import GPT2LMHeadModel

from tools.demo_model import corpus, tokenizer
from tools.demo_model.ablation import ablate_all, last_log_probs
from tools.demo_model.batches import WordLists
from tools.demo_model.corpus import Sentence
from tools.demo_model.reference import reference, template

SEED = 20
SENTENCES = 400  # a task, for accuracy
ABLATION_SENTENCES = 40  # a task, for the heads' effects

Prompts = list[list[int]]
Case = tuple[list[int], list[int]]  # prompt ids, answer ids


def _cases(tokens: ByteLevelBPETokenizer, sentences: Sequence[Sentence]) -> list[Case]:
    return [(tokens.encode(s.prompt).ids, tokens.encode(s.expected).ids) for s in sentences]


def _list_cases(lists: WordLists, count: int, generator: np.random.Generator) -> list[Case]:
    """A list of 4 to 16 words, then 2 to 4 consecutive words of it; the answer is the word that follows them."""
    cases = []
    for _ in range(count):
        size = int(generator.integers(4, 17))
        words = generator.choice(lists.words, size, replace=False).tolist()
        given = int(generator.integers(2, min(5, size)))
        start = int(generator.integers(size - given))
        cases.append((words + words[start : start + given], [words[start + given]]))
    return cases


@torch.no_grad()
def greedy_accuracy(model: GPT2LMHeadModel, cases: Sequence[Case]) -> float:
    """The share of cases in which greedy decoding gives the whole answer."""
    right = np.ones(len(cases), bool)
    for position in range(max(len(answer) for _, answer in cases)):
        rows = [i for i, (_, answer) in enumerate(cases) if position < len(answer)]
        log_probs = last_log_probs(model, [cases[i][0] + cases[i][1][:position] for i in rows])  # [P, V]
        for i, choice in zip(rows, log_probs.argmax(-1).tolist(), strict=True):
            right[i] &= choice == cases[i][1][position]
    return float(right.mean())


def _mean_effect(model: GPT2LMHeadModel, cases: Sequence[Case]) -> Tensor:
    """Mean change of the answer's first token's log-prob without each head -> [L, H]."""
    targets = torch.tensor([answer[0] for _, answer in cases])
    baseline, ablated = ablate_all(model, [prompt for prompt, _ in cases])
    rows = torch.arange(len(cases))
    return (ablated[:, :, rows, targets] - baseline[rows, targets]).mean(-1)


def evaluate(folder: Path) -> dict[str, Any]:
    """All numbers of the model card except those of the training run."""
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokens = tokenizer.load(folder)
    random, generator = Random(SEED), np.random.default_rng(SEED)
    to_country = corpus.held_out_capital_sentences("capital", random)
    to_capital = corpus.held_out_capital_sentences("country", random)
    ioi = corpus.ioi_sentences(SENTENCES, random, held_out=True)
    known, unknown = WordLists(tokens), WordLists(tokens, held_out_words=True)
    cases = {
        "capital_to_country": _cases(tokens, to_country),
        "country_to_capital": _cases(tokens, to_capital),
        "ioi": _cases(tokens, ioi),
        "induction": _list_cases(known, SENTENCES, generator),
        "induction_unseen_words": _list_cases(unknown, SENTENCES, generator),
    }
    effects = {
        "capitals": _mean_effect(model, cases["capital_to_country"][:: len(to_country) // ABLATION_SENTENCES]),
        "ioi": _mean_effect(model, cases["ioi"][:ABLATION_SENTENCES]),
        "induction": _mean_effect(model, cases["induction"][:ABLATION_SENTENCES]),
    }
    names = list(effects)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    return {
        "reference": reference(model, tokens),
        "template": template(model, tokens),
        "held_out": {name: {"accuracy": greedy_accuracy(model, c), "cases": len(c)} for name, c in cases.items()},
        "effects": {name: effect.tolist() for name, effect in effects.items()},
        "spearman": {
            f"{a} ~ {b}": float(spearmanr(effects[a].abs().flatten(), effects[b].abs().flatten()).statistic)
            for a, b in pairs
        },
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": model.config.vocab_size,
        "n_positions": model.config.n_positions,
        "n_embd": model.config.n_embd,
    }
