"""What the benchmark's cases ask of a GPU, and what they would take at what an H100 reaches at best: arithmetic from
its data sheet, nothing of it measured.

    PYTHONPATH=tools/bundle python -m bench.roofline > docs/benchmarks/roofline-h100.md

A case's plan is the engine's own (`Probe.explain`). Its time is the longer of its operations at 80 % of the dense peak,
which is what products reach at best, and its bytes at 90 % of the memory's bandwidth; and 1.5 us for each launch of a
recorded pass. Small products reach far less than large ones: the limit that a run is compared with is measured
(tools/bundle/device_check/limit.py).
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.cases import short_prompts
from bench.common import SINGLES, SITES, random_ids, scan
from device_check.limit import NODE_SECONDS, launches
from tests.oracle.hf import Edit
from tests.oracle.models import GPT2_SMALL, write_random_model
from tests.oracle.probe import Probe, Scan

# NVIDIA H100 SXM5, data sheet: dense FLOP/s, and bytes/s of its memory.
PEAK = {"float32": 66.9e12, "tf32": 494.7e12, "bf16": 989.4e12}
BANDWIDTH = 3.35e12
REACHED, REACHED_OF_BANDWIDTH = 0.8, 0.9
BYTES = {"float32": 4, "tf32": 4, "bf16": 2}
# Packed tokens of a pass on a GPU with enough memory (engine/engine.h).
MAX_PACKED_TOKENS = 65_536
LONG = 1024


def cases() -> dict[str, list[Scan]]:
    pairs = [[Edit(*a), Edit(*b)] for a, b in itertools.combinations(SITES, 2)]
    last = [[Edit(*site, begin=LONG - 1)] for site in SITES]
    short, long = random_ids(6, seed=6), random_ids(LONG, seed=LONG)
    return {
        "6 tokens": [scan(short, SINGLES)],
        "32 tokens": [scan(random_ids(32, seed=32), SINGLES)],
        "2,000 prompts of 4 to 16 tokens": [scan(ids, SINGLES) for ids in short_prompts(2000)],
        "10,296 pairs, 6 tokens": [scan(short, SINGLES + pairs)],
        f"{LONG} tokens": [scan(long, SINGLES)],
        f"the last of {LONG} tokens": [scan(long, last)],
        f"{LONG} tokens, the baseline alone": [scan(long, [])],
    }


def least_seconds(explained: dict, precision: str) -> float:
    flops = explained["gemm_flops"] + explained["attention_flops"] + explained["readout_flops"]
    computed = flops / (REACHED * PEAK[precision])
    moved = BYTES[precision] * explained["elements_moved"] / (REACHED_OF_BANDWIDTH * BANDWIDTH)
    return max(computed, moved) + launches(explained, precision) * NODE_SECONDS


def row(name: str, explained: dict) -> str:
    flops = explained["gemm_flops"] + explained["attention_flops"] + explained["readout_flops"]
    times = [f"{1e3 * least_seconds(explained, precision):.2f}" for precision in PEAK]
    share = explained["attention_flops"] / flops
    cells = [name, f"{flops / 1e9:,.0f}", f"{share:.0%}", f"{4 * explained['elements_moved'] / 1e9:,.2f}"]
    return "| " + " | ".join([*cells, str(launches(explained, "float32")), *times]) + " |"


def main(arguments: Sequence[str]) -> int:
    argparse.ArgumentParser(
        prog="python -m bench.roofline", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args(arguments)
    peaks = ", ".join(f"{peak / 1e12:.1f} ({precision})" for precision, peak in PEAK.items())
    print("# What the cases ask of an H100: arithmetic, not measured\n")
    print(f"Made by `python -m bench.roofline`. Dense peaks in TFLOP/s: {peaks}; memory {BANDWIDTH / 1e12:.2f} TB/s.")
    print(f"The longer of the operations at {REACHED:.0%} of the peak and the bytes at {REACHED_OF_BANDWIDTH:.0%} of")
    print(
        "the bandwidth, and 1.5 us a launch. Bytes are float32's. 144 heads and the baseline, or what the case says.\n"
    )
    print("| case | GFLOP | of it attention | GB moved | launches | float32, ms | tf32, ms | bf16, ms |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        model = write_random_model(Path(folder), GPT2_SMALL, seed=3)
        # Planned, not run: the budget is a GPU's.
        with Probe(model, max_packed_tokens=MAX_PACKED_TOKENS, memory_budget_bytes=2**35) as probe:
            for name, scans in cases().items():
                print(row(name, probe.explain(scans)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
