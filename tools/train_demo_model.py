#!/usr/bin/env python3
"""Trains the bundled model from its corpus, exports it in Hugging Face's layout, measures it and writes its card.

About an hour on one CPU core. A third of it goes to returning memory to the system unless glibc is told not to:
MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_TOP_PAD_=268435456 OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.demo_model import corpus, tokenizer
from tools.demo_model.card import card
from tools.demo_model.evaluate import evaluate
from tools.demo_model.export import export
from tools.demo_model.facts import facts
from tools.demo_model.recipe import Recipe
from tools.demo_model.reference import PROMPT
from tools.demo_model.train import Run, train


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "models" / "demo", help="folder of the exported model")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "demo-model", help="folder of the checkpoint")
    parser.add_argument(
        "--steps", type=int, default=Recipe.steps, help="stop after these, for a trial: the recipe has a schedule"
    )
    parser.add_argument("--seed", type=int, default=Recipe.seed, help="seed of the data and of the weights")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; another number changes the last bits")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint, if there is one")
    parser.add_argument("--export-only", action="store_true", help="export and measure the checkpoint as it stands")
    return parser.parse_args()


def reference_is_held_out() -> bool:
    """Whether the reference prompt's fact was held out of its template."""
    fact = next(fact for fact in facts() if PROMPT.startswith(fact.capital))
    return corpus.fact_is_held_out(PROMPT.replace(fact.capital, "{city}"), fact)


def publish(run: Run, out: Path) -> None:
    """Exports the model, measures the exported files, and writes `evaluation.json` and the card."""
    export(run.model, run.tokenizer, out)
    numbers = evaluate(out)
    numbers["training"] = {
        "steps": run.step,
        "seconds": round(run.seconds, 1),
        "recipe": asdict(run.recipe),
        "reference_held_out": reference_is_held_out(),
    }
    (out / "evaluation.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    (out / "README.md").write_text(card(numbers), encoding="utf-8")


def main() -> None:
    """Trains unless told otherwise, then publishes."""
    options = arguments()
    torch.set_num_threads(options.threads)
    checkpoint = options.work / "checkpoint.pt"
    options.work.mkdir(parents=True, exist_ok=True)
    recipe = replace(Recipe(), steps=options.steps, seed=options.seed)
    run = Run(recipe, tokenizer.train(options.work))
    if (options.resume or options.export_only) and checkpoint.exists():
        run.load(checkpoint)
        print(f"going on from step {run.step}", flush=True)
    if not options.export_only:
        train(run, checkpoint)
    publish(run, options.out)


if __name__ == "__main__":
    main()
