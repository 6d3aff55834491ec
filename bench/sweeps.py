"""What sharing saves: all pairs of heads, and edits at the last position, at GPT-2 Small geometry."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from bench.common import CONTRAST, TARGET, random_ids
from bench.heads import spread
from bench.limit import Machine
from bench.peers import Peers
from tests.oracle.hf import Edit
from tests.oracle.models import GPT2_SMALL
from tests.oracle.probe import Probe, Result, Scan

SITES = [(layer, head) for layer in range(GPT2_SMALL.n_layer) for head in range(GPT2_SMALL.n_head)]
PROMPT_TOKENS = 6
LONG_TOKENS = 1024
# Of Hugging Face's model on one prompt, to tell what a loop over all pairs would take.
LOOP_RUNS = 24


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


def pairs(probe: Probe, peers: Peers, machine: Machine) -> dict:
    """All 10,296 pairs with the 144 single heads, beside the runs of a hook loop, of which `LOOP_RUNS` are measured."""
    ids = random_ids(PROMPT_TOKENS, seed=6)
    singles = [[Edit(*site)] for site in SITES]
    both = [[Edit(*a), Edit(*b)] for a, b in itertools.combinations(SITES, 2)]
    asked = [scan(ids, singles + both)]
    found = figures(probe.run(asked))
    runs = 1 + len(singles) + len(both)
    loop = [peers.run("hook_loop", [ids], SITES[:LOOP_RUNS], TARGET).seconds / (1 + LOOP_RUNS) for _ in range(3)]
    return found | {
        "title": f"all {len(both):,} pairs and {len(singles)} single heads, {PROMPT_TOKENS} tokens",
        "limit": machine.limit(probe.explain(asked), GPT2_SMALL).as_dict(),
        "runs": runs,
        "rows_unshared": runs * GPT2_SMALL.n_layer,
        "hook_loop_seconds_a_run": spread(loop),
        "ratio_to_hook_loop": runs * spread(loop)["median"] / found["seconds"],
    }


def last_position(probe: Probe, machine: Machine) -> dict:
    """144 heads edited at the last of 1,024 positions, beside the same edits at all positions."""
    ids = random_ids(LONG_TOKENS, seed=1024)
    at_last = [[Edit(*site, begin=LONG_TOKENS - 1)] for site in SITES]
    cases = {"baseline": [], "last": at_last, "everywhere": [[Edit(*site)] for site in SITES]}
    found = {}
    for name, variants in cases.items():
        asked = [scan(ids, variants)]
        found[name] = figures(probe.run(asked)) | {"limit": machine.limit(probe.explain(asked), GPT2_SMALL).as_dict()}
    tokens = {name: found[name]["packed_tokens_x_layers"] for name in cases}
    beyond = (tokens["everywhere"] - tokens["baseline"]) / (tokens["last"] - tokens["baseline"])
    return found | {
        "title": f"144 heads edited at the last of {LONG_TOKENS} positions, and at all",
        "ratio_of_packed_tokens": tokens["everywhere"] / tokens["last"],
        "ratio_of_packed_tokens_beyond_the_baseline": beyond,
        "ratio_of_seconds": found["everywhere"]["seconds"] / found["last"]["seconds"],
    }
