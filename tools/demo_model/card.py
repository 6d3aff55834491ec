"""Writes the model card: `data/card.md`, filled from the numbers in `evaluation.json`. No number is typed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tools.demo_model import corpus
from tools.demo_model.facts import DATA, facts, lines
from tools.demo_model.reference import BLOCK, MOVED

TASKS = {
    "capital_to_country": "capital to country, unseen (template, fact) pairs",
    "country_to_capital": "country to capital, unseen (template, fact) pairs",
    "ioi": "indirect object, unseen pairs of names",
    "induction": "induction, fresh lists of 4 to 16 words",
    "induction_unseen_words": "induction, words that no training list has",
}


def _table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    cells = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in cells)


def _yes(flag: bool) -> str:
    return "yes" if flag else "**no**"


def wanted(numbers: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What the model was meant to reach, what it reached, and whether that is enough."""
    ref, held_out = numbers["reference"], numbers["held_out"]
    prob, rank, contrast_rank = ref["target_prob"], ref["target_rank"], ref["contrast_rank"]
    kept, heads = ref["top1_preserved_by_block"][BLOCK], len(ref["block"])
    moved, blocks = ref["heads_moved"], ref["blocks_with_moved_heads"]
    ioi, induction = held_out["ioi"]["accuracy"], held_out["induction"]["accuracy"]
    target_wanted = f"`{ref['target']}` is top-1, at a probability of 0.4 to 0.95"
    moved_wanted = f"at least 15 heads in at least 5 blocks move the target by more than {MOVED} nats"
    return [
        (target_wanted, f"rank {rank}, {prob:.3f}", rank == 0 and 0.4 <= prob <= 0.95),
        (f"`{ref['contrast']}` is among the top 50", f"rank {contrast_rank}", contrast_rank < 50),
        (f"each single ablation in block {BLOCK} keeps top-1", f"{kept} of {heads}", kept == heads),
        (moved_wanted, f"{moved} heads in {blocks} blocks", moved >= 15 and blocks >= 5),
        ("indirect object: at least 0.9 held out", f"{ioi:.3f}", ioi >= 0.9),
        ("induction: at least 0.8 held out", f"{induction:.3f}", induction >= 0.8),
    ]


def _ablation_fields(ref: dict[str, Any]) -> dict[str, object]:
    """The fields of the reference prompt's ablations."""
    blocks, heads = len(ref["heads_moved_by_block"]), len(ref["block"])
    top_10 = [[f"`{entry['token']}`", f"{entry['prob']:.4f}"] for entry in ref["top_10"]]
    by_block = [
        [f"heads that move the target by more than {MOVED} nats", *ref["heads_moved_by_block"]],
        [f"of {heads} ablations, top-1 kept", *ref["top1_preserved_by_block"]],
    ]
    strongest = [
        [
            f"L{entry['layer']}H{entry['head']}",
            f"{entry['delta_target_logprob']:+.4f}",
            f"{entry['delta_contrast_logprob']:+.4f}",
            _yes(entry["top1_preserved"]),
        ]
        for entry in ref["strongest"]
    ]
    block = [
        [
            f"L{BLOCK}H{row['head']}",
            f"{row['target_logprob']:.4f}",
            f"{row['delta_target_logprob']:+.4f}",
            f"{row['contrast_logprob']:.4f}",
            f"{row['delta_contrast_logprob']:+.4f}",
            _yes(row["top1_preserved"]),
        ]
        for row in ref["block"]
    ]
    target, contrast = f"`{ref['target']}`", f"`{ref['contrast']}`"
    kept = "top-1 kept"
    return {
        "block": BLOCK,
        "block_table": _table(["head", f"log-prob of {target}", "change", f"of {contrast}", "change", kept], block),
        "blocks_moved": ref["blocks_with_moved_heads"],
        "by_block": _table(["block", *range(blocks)], by_block),
        "contrast": ref["contrast"],
        "contrast_logprob": f"{ref['contrast_logprob']:.4f}",
        "contrast_rank": ref["contrast_rank"],
        "heads_lowering": ref["heads_lowering_target"],
        "heads_moved": ref["heads_moved"],
        "heads_raising": ref["heads_raising_contrast"],
        "prompt": ref["prompt"],
        "prompt_length": len(ref["tokens"]),
        "prompt_tokens": ", ".join(f"`{token}`" for token in ref["tokens"]),
        "sites": blocks * heads,
        "strongest": _table(["head", f"change of {target}", f"change of {contrast}", kept], strongest),
        "target": ref["target"],
        "target_logprob": f"{ref['target_logprob']:.4f}",
        "target_rank": ref["target_rank"],
        "threshold": MOVED,
        "top1_preserved": ref["top1_preserved"],
        "top_10": _table(["token", "probability"], top_10),
    }


def _template_fields(template: dict[str, Any]) -> dict[str, object]:
    """The fields of the means over all capitals in the reference template."""
    rows = [
        ["probability of the true country", f"{template['target_prob']:.3f}"],
        ["it is top-1", f"{template['top1']:.3f}"],
        [f"heads that move it by more than {MOVED} nats", f"{template['heads_moved']:.1f}"],
        ["blocks with such a head", f"{template['blocks_with_moved_heads']:.1f}"],
        ["ablations that keep top-1", f"{template['top1_preserved']:.1f}"],
    ]
    return {"template_prompts": template["prompts"], "template_table": _table(["mean over prompts", ""], rows)}


def _training_fields(training: dict[str, Any]) -> dict[str, object]:
    """The fields of the data and of the training run."""
    recipe = training["recipe"]
    drops = [str(probability) for probability in recipe["early_drop"]]
    names = ("capital_templates", "country_templates", "ioi_templates", "names", "places", "objects")
    copied = ("muon_lr", "adamw_lr", "seed")
    mixes = [recipe["early_mix"], recipe["late_mix"]]
    contents = {
        "sentences, capital to country": "capital_rows",
        "sentences, country to capital": "country_rows",
        "IOI sentences": "ioi_rows",
        "tokens of word lists": "list_tokens",
        "weight of a list's token, an answer's being 1": "list_weight",
    }
    late = recipe["late_from"]
    mix_rows = [[what, *(mix[name] for mix in mixes)] for what, name in contents.items()]
    return {
        **{name: len(lines(name)) for name in names},
        **{name: recipe[name] for name in copied},
        "countries": len(facts()),
        "early_drop": ", ".join(drops) if drops else "0",
        "error_high": f"{corpus.ERROR_RATE_MAX:.0%}",
        "error_low": f"{corpus.ERROR_RATE_MIN:.0%}",
        "held_out_facts": f"{corpus.HELD_OUT_FACTS:.0%}",
        "held_out_pairs": f"{corpus.HELD_OUT_NAME_PAIRS:.0%}",
        "held_out_words": f"{corpus.HELD_OUT_WORDS:.0%}",
        "ioi_error": f"{corpus.IOI_ERROR_RATE:.0%}",
        "mix": _table(["a step holds", f"before step {late:,}", "from then on"], mix_rows),
        "first_uncertain": f"{recipe['uncertain'][0]['from_step']:,}",
        "uncertain": ", ".join(
            f"{phase['more_error']:.0%} more from step {phase['from_step']:,} on" for phase in recipe["uncertain"]
        ),
        "minutes": f"{training['seconds'] / 60:.0f}",
        "rate_points": ", ".join(f"{factor:.3g} at step {step + 1:,}" for step, factor in recipe["rate_points"]),
        "prefixed": f"{corpus.PREFIXED:.0%}",
        "reference_is": "was held out of" if training["reference_held_out"] else "is part of",
        "steps": f"{training['steps']:,}",
    }


def _architecture(numbers: dict[str, Any]) -> str:
    ref = numbers["reference"]
    blocks, heads, width = len(ref["heads_moved_by_block"]), len(ref["block"]), numbers["n_embd"]
    rows = [
        ["architecture", f"GPT-2: {blocks} blocks, {heads} heads a block, width {width}, tied embeddings"],
        ["parameters", f"{numbers['parameters']:,}, stored as float16, computed with as float32"],
        ["context", f"{numbers['n_positions']} tokens"],
        ["tokenizer", f"byte-level BPE of {numbers['vocabulary']:,} tokens, GPT-2's pre-tokenizer"],
        ["format", 'Hugging Face: `GPT2LMHeadModel.from_pretrained("models/demo")`'],
        ["license", "the repository's"],
    ]
    return _table(["", ""], rows)


def card(numbers: dict[str, Any]) -> str:
    """The whole model card as Markdown."""
    aims = wanted(numbers)
    short = [aim for aim, _, reached in aims if not reached]
    tasks = [[TASKS[name], f"{entry['accuracy']:.3f}", entry["cases"]] for name, entry in numbers["held_out"].items()]
    spearman = [[pair, f"{value:+.3f}"] for pair, value in numbers["spearman"].items()]
    fields = {
        **_training_fields(numbers["training"]),
        **_ablation_fields(numbers["reference"]),
        **_template_fields(numbers["template"]),
        "architecture": _architecture(numbers),
        "spearman": _table(["tasks", "Spearman"], spearman),
        "tasks": _table(["task", "accuracy", "cases"], tasks),
        "verdict": "It falls short of: " + "; ".join(short) + "." if short else "It reaches all of it.",
        "wanted": _table(["wanted", "reached", ""], [[aim, what, _yes(reached)] for aim, what, reached in aims]),
    }
    return (DATA / "card.md").read_text(encoding="utf-8").format(**fields)
