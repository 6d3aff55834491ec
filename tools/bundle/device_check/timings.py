"""Times of full scans on the device, beside plain PyTorch's one batch of 145 whole runs on the same device."""

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from torch import Tensor

from device_check.cases import all_heads, make_scan
from device_check.limit import products_in
from device_check.programs import Engines
from device_check.reference import Gpt2, Scan


def median_and_min(samples_ns: list[int]) -> dict[str, int]:
    return {"median_ns": int(statistics.median(samples_ns)), "min_ns": min(samples_ns), "samples": len(samples_ns)}


def engine_times(engines: Engines, scans: list[Scan], repeats: int) -> dict[str, Any]:
    for _ in range(2):
        engines.run(scans, 0)
    answers = [engines.run(scans, 0)[1] for _ in range(repeats)]
    return {
        **median_and_min([answer["wall_ns"] for answer in answers]),
        "forward_median_ns": int(statistics.median(answer["forward_ns"] for answer in answers)),
        "plan_median_ns": int(statistics.median(answer["plan_ns"] for answer in answers)),
        "forward_passes": answers[-1]["forward_passes"],
    }


def plain_times(run: Callable[[], Tensor], plain: Gpt2, scan: Scan, repeats: int) -> dict[str, int]:
    """Of what `prepare` gives, logits: the forward passes alone, since what edits which head lies on the device."""

    def once() -> None:
        run().float().log_softmax(2)[..., scan.target_id].cpu()  # waits for the device

    with products_in(plain.precision):
        return median_and_min([timed(once) for _ in range(repeats + 3)][3:])


def timed(call: Callable[[], None]) -> int:
    start = time.perf_counter_ns()
    call()
    return time.perf_counter_ns() - start


def measure(plain: Gpt2, engines: Engines, on_gpu: bool) -> dict[str, Any]:
    generator = random.Random(11)
    heads = all_heads(plain.config)
    shapes = [(1, 6), (1, 32), (1, 128), (1, 512), (16, 6), (64, 6)] if on_gpu else [(1, 6)]
    repeats = 10 if on_gpu else 3
    results = []
    for prompts, tokens in shapes:
        scans = [make_scan(plain.config, tokens, heads, generator) for _ in range(prompts)]
        entry: dict[str, Any] = {
            "precision": plain.precision,
            "prompts": prompts,
            "tokens": tokens,
            "variants": len(heads),
            "engine": engine_times(engines, scans, repeats),
        }
        if prompts == 1 and tokens <= 128:
            entry["plain_torch_one_batch"] = plain_times(
                plain.prepare(scans[0], [(), *scans[0].variants]), plain, scans[0], repeats
            )
        results.append(entry)
    return {"timings": results}
