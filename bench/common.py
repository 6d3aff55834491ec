"""What the benchmark's parts share."""

from __future__ import annotations

import os
import platform
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from device_check.limit import last_cache_bytes
from tests.oracle.hf import Edit
from tests.oracle.models import GPT2_SMALL
from tests.oracle.probe import Scan


@dataclass(frozen=True)
class Target:
    """What is measured, ours and the peers."""

    device: str = "cpu"
    precision: str = "float32"
    # Of the CPU.
    threads: int = 1

    @property
    def on_gpu(self) -> bool:
        return self.device != "cpu"

    def options(self) -> dict[str, Any]:
        """Of an engine."""
        return {"device": self.device, "precision": self.precision, "threads": self.threads}


# Any will do: the weights are random.
TARGET, CONTRAST = 4486, 4881


SITES = [(layer, head) for layer in range(GPT2_SMALL.n_layer) for head in range(GPT2_SMALL.n_head)]
# Each head zeroed at all positions.
SINGLES = [[Edit(*site)] for site in SITES]


def scan(
    ids: Sequence[int], variants: Sequence[Sequence[Edit]], target: int = TARGET, contrast: int = CONTRAST
) -> Scan:
    """Read at the last position."""
    return Scan(ids, variants, [len(ids) - 1], target, contrast)


def run_figures(stats: dict) -> dict:
    """What a run took beside time, of an engine's statistics."""
    return {
        "forward_passes": stats["forward_passes"],
        "packed_tokens_x_layers": stats["cost"],
        "rows_entering_layers": stats["rows_in"],
        "readout_seconds": stats["readout_ns"] / 1e9,
        "peak_bytes": stats["peak_bytes"],
        "peak_rss_bytes": stats["peak_rss_bytes"],
    }


def spread(times: Sequence[float]) -> dict:
    return {"median": statistics.median(times), "min": min(times), "max": max(times), "runs": len(times)}


def random_ids(n: int, seed: int) -> list[int]:
    generator = random.Random(seed)
    return [generator.randrange(GPT2_SMALL.vocab_size) for _ in range(n)]


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def instructions() -> set[str]:
    """What the processor can do, by the kernel's names: `avx512_bf16`, ..."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return set(line.split())
    return set()


def machine_facts(device: str) -> dict[str, str | int]:
    """What a reader must know of the machine to place the figures."""
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    flags = instructions()
    wanted = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    return {
        "processor": processor(),
        "cores": os.cpu_count() or 0,
        "memory_bytes": pages * page,
        "device": processor() if device == "cpu" else torch.cuda.get_device_name(device),
        "last_cache_bytes": last_cache_bytes(device),
        "instructions": ", ".join(flag for flag in wanted if flag in flags),
        "system": platform.platform(terse=True),
    }
