"""What sharing saves: all pairs of heads, and edits at the last position, at GPT-2 Small geometry."""

from __future__ import annotations

import itertools
from pathlib import Path

from bench.beside import Beside
from bench.common import SINGLES, SITES, TARGET, Target, random_ids, scan, spread
from bench.peers import Peers
from device_check.limit import Machine
from tests.oracle.hf import Edit
from tests.oracle.models import GPT2_SMALL
from tests.oracle.probe import Probe, Scan

PROMPT_TOKENS = 6
LONG_TOKENS = 1024
# Of Hugging Face's model on one prompt, to tell what a loop over all pairs would take.
LOOP_RUNS = 24
# Where a run takes milliseconds.
GPU_ROUNDS = 20
# Holds fewer tokens than passes may have at most, so that it is what bounds them.
SMALL_BUDGET_BYTES = 2**29


PAIRS = [[Edit(*a), Edit(*b)] for a, b in itertools.combinations(SITES, 2)]


def measured(probe: Probe, asked: list[Scan], machine: Machine, rounds: int) -> dict:
    """The engine's figures, and the limit."""
    ours = Beside(probe, asked, machine)
    for _ in range(GPU_ROUNDS if machine.on_gpu else rounds):
        ours.run()
    return ours.engine() | {"limit": ours.limit()}


def pairs(probe: Probe, peers: Peers, machine: Machine) -> dict:
    """All 10,296 pairs with the 144 single heads, beside the runs of a hook loop, of which `LOOP_RUNS` are measured."""
    ids = random_ids(PROMPT_TOKENS, seed=6)
    found = measured(probe, [scan(ids, SINGLES + PAIRS)], machine, rounds=3)
    runs = 1 + len(SINGLES) + len(PAIRS)
    loop = [peers.run("hook_loop", [ids], SITES[:LOOP_RUNS], TARGET).seconds / (1 + LOOP_RUNS) for _ in range(3)]
    return found | {
        "title": f"all {len(PAIRS):,} pairs and {len(SINGLES)} single heads, {PROMPT_TOKENS} tokens",
        "hook_loop_runs": runs,
        "rows_unshared": runs * GPT2_SMALL.n_layer,
        "hook_loop_seconds_a_run": spread(loop),
        "ratio_to_hook_loop": runs * spread(loop)["median"] / found["median"],
    }


def long_pairs(model_dir: Path, target: Target, machine: Machine) -> dict:
    """The same on 1,024 tokens, which is far more than fits into memory, under a small budget, which must be kept."""
    asked = [scan(random_ids(LONG_TOKENS, seed=1024), SINGLES + PAIRS)]
    with Probe(model_dir, **target.options(), memory_budget_bytes=SMALL_BUDGET_BYTES) as probe:
        found = measured(probe, asked, machine, rounds=1) | {
            "title": f"all {len(PAIRS):,} pairs and {len(SINGLES)} single heads, {LONG_TOKENS} tokens",
            "memory_budget_bytes": SMALL_BUDGET_BYTES,
            "max_packed_tokens": probe.info["max_packed_tokens"],
        }
    if found["peak_bytes"] > SMALL_BUDGET_BYTES:
        raise SystemExit(f"bench: long-pairs: took {found['peak_bytes']:,} bytes, the budget is {SMALL_BUDGET_BYTES:,}")
    return found


def last_position(probe: Probe, machine: Machine) -> dict:
    """144 heads edited at the last of 1,024 positions, beside the same edits at all positions."""
    ids = random_ids(LONG_TOKENS, seed=1024)
    at_last = [[Edit(*site, begin=LONG_TOKENS - 1)] for site in SITES]
    cases = {"baseline": [], "last": at_last, "everywhere": SINGLES}
    found = {}
    for name, variants in cases.items():
        found[name] = measured(probe, [scan(ids, variants)], machine, rounds=1 if name == "everywhere" else 5)
    tokens = {name: found[name]["packed_tokens_x_layers"] for name in cases}
    beyond = (tokens["everywhere"] - tokens["baseline"]) / (tokens["last"] - tokens["baseline"])
    return found | {
        "title": f"144 heads edited at the last of {LONG_TOKENS} positions, and at all",
        "ratio_of_packed_tokens": tokens["everywhere"] / tokens["last"],
        "ratio_of_packed_tokens_beyond_the_baseline": beyond,
        "ratio_of_seconds": found["everywhere"]["median"] / found["last"]["median"],
    }
