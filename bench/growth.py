"""How the cost of a scan grows with its tokens, its variants and the prompts of a request, at GPT-2 Small geometry."""

from __future__ import annotations

import random

from bench.beside import Beside
from bench.cases import short_prompts, subset
from bench.common import SINGLES, random_ids, scan
from bench.sweeps import PAIRS
from device_check.limit import Machine
from tests.oracle.probe import Probe, Scan

TOKENS = (1, 2, 6, 16, 32, 64, 128)
VARIANTS = (0, 1, 12, 48, 144, 500, 2000)
PROMPTS = (1, 2, 4, 8, 16)
# Short runs are repeated.
ROUNDS, GPU_ROUNDS, LONG_SECONDS = 3, 15, 2.0


def axes() -> dict[str, list[tuple[int, list[Scan]]]]:
    """What grows, and for each of its sizes what is asked."""
    ids = random_ids(6, seed=6)
    many = SINGLES + random.Random(1).sample(PAIRS, max(VARIANTS) - len(SINGLES))
    prompts = short_prompts(max(PROMPTS))
    return {
        "tokens": [(n, [scan(random_ids(n, seed=n), SINGLES)]) for n in TOKENS],
        "variants": [(n, [scan(ids, many[:n] if n > len(SINGLES) else subset(SINGLES, n, seed=n))]) for n in VARIANTS],
        "prompts": [(n, [scan(p, SINGLES) for p in prompts[:n]]) for n in PROMPTS],
    }


def growth(probe: Probe, machine: Machine) -> dict:
    return {
        axis: [{"size": size} | _measure(probe, asked, machine) for size, asked in sizes]
        for axis, sizes in axes().items()
    }


def _measure(probe: Probe, asked: list[Scan], machine: Machine) -> dict:
    """Medians, of one run where it is a long one."""
    ours = Beside(probe, asked, machine)
    if ours.run().stats["wall_ns"] / 1e9 <= LONG_SECONDS:
        for _ in range((GPU_ROUNDS if machine.on_gpu else ROUNDS) - 1):
            ours.run()
    limit = ours.limit()
    return {"seconds": ours.engine()["median"], "limit_seconds": limit["seconds"], "ratio_to_limit": limit["ratio"]}
