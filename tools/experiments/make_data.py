#!/usr/bin/env python3
"""Writes the data sets of docs/experiments/ for the bundled model. The same seed gives the same files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

from tokenizers import ByteLevelBPETokenizer

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.demo_model import corpus, tokenizer
from tools.demo_model.facts import facts
from tools.demo_model.reference import PROMPT
from tools.reproduce import ioi_prompts

DATA = ROOT / "docs" / "experiments" / "data"
SEED = 4
SENTENCES_A_TEMPLATE, THREE_NAMES_A_TEMPLATE = 4, 20
LISTS, WORDS = 24, 12

Line = dict[str, str]


def indirect_objects(tokens: ByteLevelBPETokenizer) -> tuple[list[Line], list[Line]]:
    """IOI sentences, paired with those whose second subject is the other name; and sentences with three names."""

    def is_single(texts: Sequence[str]) -> list[bool]:
        return [len(tokens.encode(text).ids) == 1 for text in texts]

    templates = ioi_prompts.usable_templates(is_single)
    random = Random(SEED)
    pairs = [
        {
            "prompt": s.prompt,
            "corrupted": ioi_prompts.swapped(s),
            "target": f" {s.indirect}",
            "contrast": f" {s.subject}",
            "template": s.template,
        }
        for s in ioi_prompts.sentences(templates, SENTENCES_A_TEMPLATE, random)
    ]
    three = ioi_prompts.three_names(templates, THREE_NAMES_A_TEMPLATE, random)
    return pairs, [{"prompt": s.prompt, "template": s.template} for s in three]


def capitals(tokens: ByteLevelBPETokenizer) -> list[Line]:
    """The reference prompt's sentence about every capital that makes it as long, and whose country is one token.

    Contrast and corrupted prompt are those of the next one.
    """
    template = PROMPT.replace("Berlin", "{city}")
    length = len(tokens.encode(PROMPT).ids)
    chosen = [
        fact
        for fact in facts()
        if len(tokens.encode(template.format(city=fact.capital)).ids) == length
        and len(tokens.encode(f" {fact.country_phrase}").ids) == 1
    ]
    return [
        {
            "prompt": template.format(city=fact.capital),
            "corrupted": template.format(city=other.capital),
            "target": f" {fact.country}",
            "contrast": f" {other.country}",
        }
        for fact, other in zip(chosen, [*chosen[1:], chosen[0]], strict=True)
    ]


def lists(tokens: ByteLevelBPETokenizer) -> list[Line]:
    """A list of words, then its beginning again: what comes next? The contrast is another word of the list."""
    words = [word for word in corpus.list_words(held_out=False) if len(tokens.encode(f" {word}").ids) == 1]
    random = Random(SEED)
    made = []
    for _ in range(LISTS):
        once = random.sample(words, WORDS)
        given = random.randint(3, WORDS - 1)
        other = random.choice([word for index, word in enumerate(once) if index != given])
        prompt = "".join(f" {word}" for word in [*once, *once[:given]])
        made.append({"prompt": prompt, "target": f" {once[given]}", "contrast": f" {other}"})
    return made


def data_sets() -> dict[str, list[Line]]:
    """By file name."""
    tokens = tokenizer.load(ROOT / "models" / "demo")
    pairs, three = indirect_objects(tokens)
    return {
        "ioi.jsonl": pairs,
        "ioi_three_names.jsonl": three,
        "capitals.jsonl": capitals(tokens),
        "lists.jsonl": lists(tokens),
    }


def as_text(made: Iterable[Line]) -> str:
    """JSON lines."""
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in made)


def main() -> None:
    """Replaces what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--out", type=Path, default=DATA, help="folder of the files")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, made in data_sets().items():
        (options.out / name).write_text(as_text(made), encoding="utf-8")
        print(f"{name}: {len(made)} lines")


if __name__ == "__main__":
    main()
