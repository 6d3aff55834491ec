"""What sharing saves: all pairs of heads, and edits at the last position, at GPT-2 Small geometry.

pairs          all 10,296 pairs of heads with the 144 single heads, 6 tokens, beside one run of Hugging Face's model:
               a loop of forward passes would take 10,441 of those
last position  144 heads edited at the last position of 1,024 tokens, beside the same edits at all positions
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import GPT2LMHeadModel

from bench.common import CONTRAST, LONG_TOKENS, PROMPT_TOKENS, TARGET, random_ids, seconds
from tests.oracle.hf import Edit
from tests.oracle.models import GPT2_SMALL
from tests.oracle.probe import Probe, Result, Scan

SITES = [(layer, head) for layer in range(GPT2_SMALL.n_layer) for head in range(GPT2_SMALL.n_head)]


def scan(ids: Sequence[int], variants: Sequence[Sequence[Edit]]) -> Scan:
    return Scan(ids, variants, [len(ids) - 1], TARGET, CONTRAST)


def figures(result: Result) -> dict:
    return {
        "seconds": result.stats["wall_ns"] / 1e9,
        "packed_tokens_x_layers": result.stats["cost"],
        "rows_entering_layers": result.stats["rows_in"],
        "forward_passes": result.stats["forward_passes"],
        "peak_rss_bytes": result.stats["peak_rss_bytes"],
    }


@torch.no_grad()
def one_hf_run(model_dir: Path, ids: Sequence[int]) -> float:
    model = GPT2LMHeadModel.from_pretrained(model_dir, dtype=torch.float32).eval()
    inputs = torch.tensor([ids])
    return statistics.median(seconds(lambda: model(inputs, use_cache=False, logits_to_keep=1)) for _ in range(9))


def pairs(model_dir: Path, threads: int) -> dict:
    ids = random_ids(PROMPT_TOKENS, seed=6)
    singles = [[Edit(*site)] for site in SITES]
    both = [[Edit(*a), Edit(*b)] for a, b in itertools.combinations(SITES, 2)]
    torch.set_num_threads(threads)
    hf_seconds = one_hf_run(model_dir, ids)
    with Probe(model_dir, threads=threads) as probe:
        probe.run([scan(ids, singles)])  # warm
        found = figures(probe.run([scan(ids, singles + both)]))
    runs = 1 + len(singles) + len(both)
    return found | {
        "case": f"all {len(both):,} pairs and {len(singles)} single heads, {PROMPT_TOKENS} tokens",
        "runs": runs,
        "rows_unshared": runs * GPT2_SMALL.n_layer,
        "hf_seconds_of_one_run": hf_seconds,
        "ratio_to_hf_loop": runs * hf_seconds / found["seconds"],
    }


def last_position(model_dir: Path, threads: int) -> dict:
    ids = random_ids(LONG_TOKENS, seed=7)
    with Probe(model_dir, threads=threads) as probe:
        probe.run([scan(ids, [])])  # warm
        baseline = figures(probe.run([scan(ids, [])]))
        last = figures(probe.run([scan(ids, [[Edit(*site, begin=LONG_TOKENS - 1)] for site in SITES])]))
        everywhere = figures(probe.run([scan(ids, [[Edit(*site)] for site in SITES])]))
    beyond = {
        name: {key: figure[key] - baseline[key] for key in ("seconds", "packed_tokens_x_layers")}
        for name, figure in (("last", last), ("everywhere", everywhere))
    }
    return {
        "case": f"144 heads edited at the last of {LONG_TOKENS} positions, and at all",
        "baseline": baseline,
        "last": last,
        "everywhere": everywhere,
        "ratio_of_packed_tokens": everywhere["packed_tokens_x_layers"] / last["packed_tokens_x_layers"],
        "ratio_of_packed_tokens_beyond_the_baseline": beyond["everywhere"]["packed_tokens_x_layers"]
        / beyond["last"]["packed_tokens_x_layers"],
        "ratio_of_seconds": everywhere["seconds"] / last["seconds"],
    }


def as_markdown(report: dict) -> list[str]:
    lines = []
    if "pairs" in report:
        p = report["pairs"]
        lines += [
            "",
            f"## {p['case']}",
            "",
            f"{p['seconds']:.1f} s in {p['forward_passes']} forward passes; {p['rows_entering_layers']:,} rows enter "
            f"layers instead of {p['rows_unshared']:,}; peak memory {p['peak_rss_bytes'] / 2**30:.2f} GiB.",
            f"One run of Hugging Face's model takes {1e3 * p['hf_seconds_of_one_run']:.1f} ms, so {p['runs']:,} of "
            f"them would take {p['runs'] * p['hf_seconds_of_one_run']:.0f} s: {p['ratio_to_hf_loop']:.1f}x.",
        ]
    if "last_position" in report:
        q = report["last_position"]
        lines += [
            "",
            f"## {q['case']}",
            "",
            "| edits | seconds | packed tokens x layers |",
            "|---|---|---|",
            *(
                f"| {name} | {q[key]['seconds']:.2f} | {q[key]['packed_tokens_x_layers']:,} |"
                for name, key in (("none (the baseline)", "baseline"), ("last position", "last"), ("all", "everywhere"))
            ),
            "",
            f"All positions cost {q['ratio_of_packed_tokens']:.1f}x the packed tokens of the last one, "
            f"{q['ratio_of_packed_tokens_beyond_the_baseline']:.0f}x beyond the baseline's own, and "
            f"{q['ratio_of_seconds']:.1f}x the time.",
        ]
    return lines
