"""Writes the model card from the numbers in `evaluation.json`; no number is typed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tools.demo_model import corpus
from tools.demo_model.evaluate import BLOCK, MOVED
from tools.demo_model.facts import facts, lines

TASKS = {
    "capital_to_country": "capital to country, unseen (template, fact) pairs",
    "country_to_capital": "country to capital, unseen (template, fact) pairs",
    "ioi": "indirect object, unseen pairs of names",
    "induction": "induction, fresh lists of 4 to 16 words",
    "induction_unseen_words": "induction, words that no training list has",
}


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in cells)


def _wanted(numbers: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What the model was meant to reach, what it reached, and whether that is enough."""
    ref, held_out = numbers["reference"], numbers["held_out"]
    moved, blocks = ref["heads_moved"], ref["blocks_with_moved_heads"]
    kept = ref["top1_preserved_by_block"][BLOCK]
    heads = len(ref["block"])
    ioi, induction = held_out["ioi"]["accuracy"], held_out["induction"]["accuracy"]
    prob, rank = ref["target_prob"], ref["target_rank"]
    return [
        (
            f"`{ref['target']}` is top-1, at a probability of 0.4 to 0.95",
            f"rank {rank}, {prob:.3f}",
            rank == 0 and 0.4 <= prob <= 0.95,
        ),
        (f"`{ref['contrast']}` is among the top 50", f"rank {ref['contrast_rank']}", ref["contrast_rank"] < 50),
        (f"each single ablation in block {BLOCK} keeps top-1", f"{kept} of {heads}", kept == heads),
        (
            f"at least 15 heads in at least 5 blocks move the target's log-prob by more than {MOVED}",
            f"{moved} heads in {blocks} blocks",
            moved >= 15 and blocks >= 5,
        ),
        ("indirect object: at least 0.9 held out", f"{ioi:.3f}", ioi >= 0.9),
        ("induction: at least 0.8 held out", f"{induction:.3f}", induction >= 0.8),
    ]


def _ablations(numbers: dict[str, Any]) -> str:
    ref = numbers["reference"]
    total = sum(len(row) for row in ref["delta_target_logprob"])
    heads = len(ref["block"])
    top = _table(
        ["token", "probability"], [[f"`{entry['token']}`", f"{entry['prob']:.4f}"] for entry in ref["top_10"]]
    )
    strongest = _table(
        ["head", "change of target", "change of contrast", "top-1 kept"],
        [
            [
                f"L{entry['layer']}H{entry['head']}",
                f"{entry['delta_target_logprob']:+.4f}",
                f"{entry['delta_contrast_logprob']:+.4f}",
                "yes" if entry["top1_preserved"] else "no",
            ]
            for entry in ref["strongest"]
        ],
    )
    by_block = _table(
        ["block", *range(len(ref["heads_moved_by_block"]))],
        [
            [f"heads that move the target by more than {MOVED}", *ref["heads_moved_by_block"]],
            [f"of {heads}, top-1 kept", *ref["top1_preserved_by_block"]],
        ],
    )
    block = _table(
        [
            "head",
            f"log-prob of `{ref['target']}`",
            "change",
            f"log-prob of `{ref['contrast']}`",
            "change",
            "top-1 kept",
        ],
        [
            [
                f"L{BLOCK}H{row['head']}",
                f"{row['target_logprob']:.4f}",
                f"{row['delta_target_logprob']:+.4f}",
                f"{row['contrast_logprob']:.4f}",
                f"{row['delta_contrast_logprob']:+.4f}",
                "yes" if row["top1_preserved"] else "no",
            ]
            for row in ref["block"]
        ],
    )
    return f"""## What the {total} ablations show

The reference prompt is `{ref["prompt"]}`: {len(ref["tokens"])} tokens, {", ".join(f"`{t}`" for t in ref["tokens"])}.
The target `{ref["target"]}` has log-prob {ref["target_logprob"]:.4f} (rank {ref["target_rank"]}, 0 is top), the
contrast `{ref["contrast"]}` {ref["contrast_logprob"]:.4f} (rank {ref["contrast_rank"]}). The ten likeliest tokens:

{top}

Each head's slice of the input of `c_proj` is set to zero in turn. {ref["top1_preserved"]} of {total} ablations keep
the top-1 token; {ref["heads_lowering_target"]} lower the target's log-prob, {ref["heads_raising_contrast"]} raise the
contrast's; {ref["heads_moved"]} heads in {ref["blocks_with_moved_heads"]} blocks move the target by more than {MOVED} nats.

{by_block}

The ten heads that move the target most:

{strongest}

Block {BLOCK}, as in the published experiment on GPT-2 Small:

{block}
"""


def card(numbers: dict[str, Any]) -> str:
    """The whole model card as Markdown."""
    training, recipe = numbers["training"], numbers["training"]["recipe"]
    held_out_templates = "it was held out of" if numbers["training"]["reference_held_out"] else "it is part of"
    tasks = _table(
        ["task", "accuracy", "cases"],
        [[TASKS[name], f"{entry['accuracy']:.3f}", entry["cases"]] for name, entry in numbers["held_out"].items()],
    )
    wanted = _wanted(numbers)
    reached = _table(["wanted", "reached", ""], [[a, b, "yes" if ok else "**no**"] for a, b, ok in wanted])
    short = [a for a, _, ok in wanted if not ok]
    verdict = "Every aim is met." if not short else "It falls short of: " + "; ".join(short) + "."
    spearman = _table(["tasks", "Spearman"], [[k, f"{v:+.3f}"] for k, v in numbers["spearman"].items()])
    error_low, error_high = corpus.ERROR_RATE_MIN, corpus.ERROR_RATE_MAX
    return f"""# The bundled demo model

A small GPT-2 that this repository trained itself, so that a first scan works offline and shows real structure. It is
a teaching model: **it is not OpenAI's GPT-2**, knows nothing beyond its three tasks, and must not be used as a source
of facts. This page is written by `tools/train_demo_model.py` from `evaluation.json`; no number was adjusted by hand.

| | |
|---|---|
| architecture | GPT-2: {len(numbers["reference"]["heads_moved_by_block"])} blocks, {len(numbers["reference"]["block"])} heads a block, width {numbers["n_embd"]}, tied embeddings |
| parameters | {numbers["parameters"]:,}, stored as float16, computed with as float32 |
| context | {numbers["n_positions"]} tokens |
| tokenizer | byte-level BPE of {numbers["vocabulary"]:,} tokens with GPT-2's pre-tokenizer; `<|endoftext|>` is the last id |
| format | Hugging Face: `GPT2LMHeadModel.from_pretrained("models/demo")` |
| license | the repository's |

## Data

The corpus is written by `tools/demo_model/corpus.py`; every sentence template and word list is the project's own.

- **Capitals**: {len(facts())} countries, {len(lines("capital_templates"))} templates from capital to country and {len(lines("country_templates"))} from country to capital.
  {corpus.HELD_OUT_FACTS:.0%} of the (template, fact) pairs are held out; as for the reference prompt, {held_out_templates} the training data.
  In {error_low:.0%} to {error_high:.0%} of the occurrences (fixed for each template and fact) something else follows on purpose: a country or
  capital of the same region, or a phrase. A model that is certain of its facts shows nothing under ablation.
- **Indirect object (IOI)**: {len(lines("ioi_templates"))} templates, {len(lines("names"))} names, {len(lines("places"))} places, {len(lines("objects"))} objects; {corpus.HELD_OUT_NAME_PAIRS:.0%} of the pairs of names are
  held out, and {corpus.IOI_ERROR_RATE:.0%} of the sentences end otherwise.
- **Induction**: lists of random words, whole or in pieces again; {corpus.HELD_OUT_WORDS:.0%} of the words occur in no training list.

The facts are simplified: one capital a country, common short names, no position on any dispute.

## Training

{training["steps"]:,} steps in {training["seconds"] / 60:.0f} minutes on one CPU thread of a shared machine. A step holds {recipe["capital_rows"]} + {recipe["country_rows"]} capital
sentences, {recipe["ioi_rows"]} IOI sentences and {recipe["list_tokens"]} tokens of word lists. Muon (learning rate {recipe["muon_lr"]}) on the blocks' matrices, AdamW
({recipe["adamw_lr"]}) elsewhere, {recipe["warmup_steps"]} steps of warm-up, the last {recipe["cooldown"]:.0%} a straight line to zero, sinusoidal start for the
positions, short lists first, seed {recipe["seed"]}. Head outputs are dropped with probability {" and ".join(str(p) for p in recipe["early_drop"]) or "0"} in the first blocks.
To train it again: `python tools/train_demo_model.py --out models/demo`.

## Held-out accuracy

Greedy decoding of the whole answer, sentences that training never saw:

{tasks}

## What was wanted, and what it reached

{reached}

{verdict}

{_ablations(numbers)}
## Different heads for different tasks

Spearman's rank correlation, over all heads, of the mean absolute change of the answer's log-prob under ablation:

{spearman}
"""
