#!/usr/bin/env python3
"""Computes the mean libraries that the bundled model ships with, over prompts of its own training templates.

Needs `ablate` and `ablated` (./run build). The same model and prompts give the same libraries, under the same ids.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from random import Random

from tokenizers import ByteLevelBPETokenizer

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.demo_model import corpus
from tools.demo_model.facts import facts, lines
from tools.demo_model.reference import PROMPT

MODEL = ROOT / "models" / "demo"
SEED = 4
IOI_SENTENCES, WORD_LISTS, THREE_NAME_SENTENCES = 1500, 400, 100

Line = dict[str, str]


def task_lines() -> list[Line]:
    """Prompts of all three tasks as training has them; `template` is the task."""
    random = Random(SEED)
    made = [
        {"prompt": sentence.prompt, "template": "capitals"}
        for kind in ("capital", "country")
        for sentence in corpus.capital_sentences(kind, 1, random)
    ]
    made += [
        {"prompt": sentence.prompt, "template": "ioi"}
        for sentence in corpus.ioi_sentences(IOI_SENTENCES, random, held_out=False)
    ]
    words = corpus.list_words(held_out=False)
    for _ in range(WORD_LISTS):
        chosen = random.sample(words, random.randint(4, 16))
        again = chosen[: random.randint(1, len(chosen))]
        made.append({"prompt": "".join(f" {word}" for word in [*chosen, *again]), "template": "induction"})
    return made


def three_name_lines() -> list[Line]:
    """IOI sentences whose third name is a third one (arXiv 2211.00593's p_ABC); `template` is the sentence's."""
    random = Random(SEED)
    made = []
    for template in lines("ioi_templates"):
        for _ in range(THREE_NAME_SENTENCES):
            first, second, third = random.sample(lines("names"), 3)
            slots = {"place": random.choice(lines("places")), "object": random.choice(lines("objects"))}
            made.append({"prompt": template.format(a=first, b=second, s=third, **slots), "template": template})
    return made


def reference_lines() -> list[Line]:
    """The reference prompt's template with every capital that makes it as long, so that positions mean the same."""
    city = next(fact.capital for fact in facts() if PROMPT.startswith(fact.capital))
    template = PROMPT.replace(city, "{city}")
    tokenizer = ByteLevelBPETokenizer.from_file(str(MODEL / "vocab.json"), str(MODEL / "merges.txt"))
    length = len(tokenizer.encode(PROMPT).ids)
    prompts = [template.format(city=fact.capital) for fact in facts()]
    return [{"prompt": p, "template": template} for p in prompts if len(tokenizer.encode(p).ids) == length]


def compute(prompts: Iterable[Line], name: str, folder: Path, build: Path, *options: str) -> None:
    """One library, and what the server says of it."""
    print(f"{name}:", flush=True)
    subprocess.run(
        [
            *(build / "bin" / "ablate", "means", "compute", "--local", "--model", MODEL, "--device", "cpu"),
            *("--prompts", "-", "--name", name, *options),
        ],
        input="".join(json.dumps(line) + "\n" for line in prompts),
        text=True,
        check=True,
        env={**os.environ, "ABLATE_MEANS_DIR": str(folder)},
    )


def main() -> None:
    """Replaces what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release", help="folder with bin/ablate")
    parser.add_argument("--out", type=Path, default=MODEL / "means", help="folder of the libraries")
    options = parser.parse_args()
    for old in options.out.glob("*.safetensors"):
        old.unlink()
    tasks = task_lines()
    where = (options.out, options.build)
    by_template = ("--mode", "pooled", "--group-by-template")
    compute(tasks, "all three tasks, pooled", *where, "--mode", "pooled")
    compute(tasks, "each task, pooled", *where, *by_template)
    compute(three_name_lines(), "IOI with three names, each template, pooled", *where, *by_template)
    compute(reference_lines(), "prompts like the reference prompt, by position", *where)


if __name__ == "__main__":
    main()
