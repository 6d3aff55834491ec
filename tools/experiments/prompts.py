"""Prompts of the published experiments, for any GPT-2: names and things that are one token of its tokenizer."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from transformers import GPT2TokenizerFast

from tools.demo_model.facts import facts, lines

Line = dict[str, Any]
REFERENCE = {"prompt": "Berlin is the capital of", "target": " Germany", "contrast": " France"}


class Words:
    """The corpus's word lists, as far as they are single tokens."""

    def __init__(self, model: Path) -> None:
        self.tokenizer = GPT2TokenizerFast.from_pretrained(model)
        self.names = self._single("names")
        self.places = self._single("places")
        self.objects = self._single("objects")
        self.templates = lines("ioi_templates")

    def _single(self, kind: str) -> list[str]:
        return [word for word in lines(kind) if len(self.ids(f" {word}")) == 1]

    def ids(self, text: str) -> list[int]:
        return self.tokenizer(text)["input_ids"]


def ioi(words: Words, count: int, seed: int) -> list[Line]:
    """Indirect-object prompts: the target is the name that occurs once, the contrast the other (arXiv 2211.00593). The
    corrupted prompt has three names of its own (its p_ABC), and as many tokens: a name that begins the prompt may be several.
    """
    random = Random(seed)
    made: list[Line] = []
    while len(made) < count:
        template = words.templates[len(made) % len(words.templates)]
        first, second, *others = random.sample(words.names, 5)
        subject, answer = random.sample((first, second), 2)
        slots = {"place": random.choice(words.places), "object": random.choice(words.objects)}
        a, b, c = others
        prompt = template.format(a=first, b=second, s=subject, **slots)
        corrupted = template.format(a=a, b=b, s=c, **slots)
        if len(words.ids(prompt)) != len(words.ids(corrupted)):
            continue
        answers = {"target": f" {answer}", "contrast": f" {subject}"}
        made.append({"prompt": prompt, "corrupted": corrupted, **answers, "template": template})
    return made


def repeated(words: Words, count: int, length: int, seed: int, tokens: list[int] | None = None) -> list[Line]:
    """`count` sequences of `length` random tokens, each twice in a row; drawn from `tokens`, by default from all but
    special ones."""
    random = Random(seed)
    special = set(words.tokenizer.all_special_ids)
    usable = tokens or [i for i in range(len(words.tokenizer)) if i not in special]
    made = []
    for _ in range(count):
        once = random.sample(usable, length)
        made.append({"token_ids": once + once})
    return made


def capitals(words: Words) -> list[Line]:
    """The reference prompt's template with every capital that makes it as long, the country as target where it is one
    token."""
    template = str(REFERENCE["prompt"]).replace("Berlin", "{city}")
    length = len(words.ids(str(REFERENCE["prompt"])))
    made = []
    for fact in facts():
        prompt, target = template.format(city=fact.capital), f" {fact.country}"
        if len(words.ids(prompt)) == length and len(words.ids(target)) == 1 and not fact.article:
            made.append({"prompt": prompt, "target": target, "template": fact.region})
    return made
