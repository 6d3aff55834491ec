"""What the benchmark's cases share."""

from __future__ import annotations

import platform
import random
import time
from collections.abc import Callable
from pathlib import Path

from tests.oracle.models import GPT2_SMALL

# Any six tokens do: the weights are random.
PROMPT_TOKENS = 6
TARGET, CONTRAST = 4486, 4881
LONG_TOKENS = 1024


def random_ids(n: int, seed: int) -> list[int]:
    generator = random.Random(seed)
    return [generator.randrange(GPT2_SMALL.vocab_size) for _ in range(n)]


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()
