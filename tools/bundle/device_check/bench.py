"""Times on a device beside its limit and beside plain PyTorch: `bin/device-check --bench`.

The limit of a plan: its products as fast as PyTorch runs each of them alone, at their own shapes and in the same
precision; its attention at the fastest of these rates; or what it reads at the memory's bandwidth, where that is
longer. Everything else is counted as free.
"""

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from device_check.cases import all_heads, make_scan, site
from device_check.programs import Engine
from device_check.reference import Config, Edit, Gpt2, Scan
from device_check.timings import median_and_min, plain_times, products_in

Check = Callable[[], dict[str, Any]]
# M, K, N, and whether the weight lies transposed in memory, as the LM head's does.
Shape = tuple[int, int, int, bool]
SQUARE = (8192, 8192, 8192, False)
# Runs of a product, one behind the other, that are timed as one.
RUNS, READINGS = 20, 3


@dataclass(frozen=True)
class BenchCase:
    name: str
    scans: list[Scan]
    repeats: int
    # What plain PyTorch is asked for beside it.
    peers: tuple[str, ...] = ()


def short_prompts(config: Config, count: int, generator: random.Random) -> list[Scan]:
    heads = all_heads(config)
    return [make_scan(config, generator.randint(4, 16), heads, generator) for _ in range(count)]


def bench_cases(config: Config, on_gpu: bool) -> list[BenchCase]:
    generator = random.Random(13)
    heads = all_heads(config)
    edits = [variant[0] for variant in heads]
    pairs = [sorted(pair, key=site) for pair in itertools.combinations(edits, 2)]
    long = min(config.n_positions, 1024 if on_gpu else 64)
    last = [[replace(edit, begin=long - 1)] for edit in edits]
    unchanged = [[replace(edit, scale=1.0)] for edit in edits]
    prompt = make_scan(config, 6, heads, generator)

    def same_prompt(variants: Sequence[Sequence[Edit]]) -> Scan:
        return Scan(prompt.token_ids, variants, prompt.reads, prompt.target_id, prompt.contrast_id)

    n_prompts = 2000 if on_gpu else 4
    return [
        BenchCase("6 tokens", [prompt], 200 if on_gpu else 3, ("one_batch", "compiled", "loop")),
        BenchCase("6 tokens, every scale 1", [same_prompt(unchanged)], 200 if on_gpu else 3),
        BenchCase("32 tokens", [make_scan(config, 32, heads, generator)], 100 if on_gpu else 1, ("one_batch",)),
        BenchCase(f"{n_prompts} prompts of 4 to 16 tokens", short_prompts(config, n_prompts, generator), 3),
        BenchCase(f"{len(pairs)} pairs, 6 tokens", [same_prompt([*heads, *pairs[: None if on_gpu else 200]])], 10),
        BenchCase(f"{long} tokens", [make_scan(config, long, heads, generator)], 10 if on_gpu else 1),
        BenchCase(f"the last of {long} tokens", [make_scan(config, long, last, generator)], 50 if on_gpu else 1),
        BenchCase(f"{long} tokens, the baseline alone", [make_scan(config, long, [], generator)], 50 if on_gpu else 1),
    ]


def gemm_shapes(explained: dict[str, Any], config: Config) -> dict[Shape, int]:
    """How often the plan runs a product of each shape. The passes of a layer are taken to be of one size."""
    d, counts = config.n_embd, dict[Shape, int]()

    def add(tokens: int, passes: int, k: int, n: int, transposed: bool = False) -> None:
        if tokens:
            shape = (max(1, round(tokens / passes)), k, n, transposed)
            counts[shape] = counts.get(shape, 0) + passes

    for layer in explained["layers"]:
        add(layer["tokens_in"], layer["passes"], d, 3 * d)
        for k, n in ((d, d), (d, 4 * d), (4 * d, d)):
            add(layer["tokens_out"], layer["passes"], k, n)
    last = explained["layers"][-1]
    add(last["tokens_out"], last["passes"], d, config.vocab_size, transposed=True)
    return counts


class Machine:
    """What the device can do in one precision."""

    def __init__(self, device: str, precision: str) -> None:
        self._device, self._precision = device, precision
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._found: dict[Shape, float] = {}
        small = device == "cpu"
        self.best_rate = 2 * 1024**3 / self.gemm((1024, 1024, 1024, False)) if small else self._square_rate()
        self.bandwidth = self._bandwidth(2**24 if small else 2**28)

    def _square_rate(self) -> float:
        m, k, n, _ = SQUARE
        return 2 * m * k * n / self.gemm(SQUARE)

    def gemm(self, shape: Shape) -> float:
        """Seconds of one product, the best reading; weights take turns, so that none comes from the cache alone."""
        if shape not in self._found:
            m, k, n, transposed = shape
            new = partial(torch.randn, device=self._device, dtype=self._dtype)
            count = max(1, min(8, 2**26 // (k * n)))
            weights = [new(n, k).t() if transposed else new(k, n) for _ in range(count)]
            x = new(m, k)

            def products() -> None:
                for weight, _ in zip(itertools.cycle(weights), range(RUNS), strict=False):
                    torch.mm(x, weight)

            self._found[shape] = self._seconds(products) / RUNS
        return self._found[shape]

    def _bandwidth(self, elements: int) -> float:
        """Bytes a second that a copy reads and writes."""
        source = torch.ones(elements, device=self._device)
        target = torch.empty_like(source)
        return 8 * elements / self._seconds(lambda: target.copy_(source))

    def _seconds(self, run: Callable[[], object]) -> float:
        with products_in(self._precision):
            run()
            times = []
            for _ in range(READINGS):
                self._wait()
                start = time.perf_counter()
                run()
                self._wait()
                times.append(time.perf_counter() - start)
            return min(times)

    def _wait(self) -> None:
        if self._device != "cpu":
            torch.cuda.synchronize()

    def limit(self, explained: dict[str, Any], config: Config) -> dict[str, float]:
        gemms = sum(count * self.gemm(shape) for shape, count in gemm_shapes(explained, config).items())
        attention = explained["attention_flops"] / self.best_rate
        memory = explained["elements_moved"] * (2 if self._precision == "bf16" else 4) / self.bandwidth
        flops = explained["gemm_flops"] + explained["attention_flops"] + explained["readout_flops"]
        return {
            "seconds": max(gemms + attention, memory),
            "gemm_seconds": gemms,
            "attention_seconds": attention,
            "memory_seconds": memory,
            "flops": flops,
        }


def peer_times(plain: Gpt2, scan: Scan, way: str, on_gpu: bool) -> dict[str, Any]:
    """Plain PyTorch on the same scan: all runs in one batch, the same compiled (CUDA graphs), or one run a head."""
    variants = [(), *scan.variants]
    if way == "loop":
        some = variants[: 1 + min(24, len(scan.variants))]
        runs = [plain.prepare(scan, [variant]) for variant in some]
        found = plain_times(lambda: torch.cat([run() for run in runs]), plain, scan, 2)
        scale = len(variants) / len(some)
        return {name: int(value * scale) if name.endswith("_ns") else value for name, value in found.items()}
    run = plain.prepare(scan, variants)
    if way == "compiled":
        run = torch.compile(run, mode="reduce-overhead" if on_gpu else "default")
    return plain_times(run, plain, scan, 30 if on_gpu else 2)


def run_case(case: BenchCase, engine: Engine, machine: Machine, plain: Gpt2, on_gpu: bool) -> dict[str, Any]:
    # The first runs choose, load and record.
    answer = engine.time(case.scans, case.repeats + 2)
    ours = median_and_min(answer["walls_ns"][2:])
    limit = machine.limit(engine.explain(case.scans), plain.config)
    entry: dict[str, Any] = {
        "case": case.name,
        "precision": plain.precision,
        "prompts": len(case.scans),
        "engine": {
            **ours,
            **{name: answer[name] for name in ("plan_ns", "readout_ns", "forward_passes", "peak_bytes")},
        },
        "limit": limit,
        "of_limit": ours["median_ns"] / 1e9 / limit["seconds"],
        "scans_a_second": len(case.scans) / (ours["median_ns"] / 1e9),
        "peers": {way: peer_times(plain, case.scans[0], way, on_gpu) for way in case.peers},
    }
    return {"bench": [entry]}


def bench_checks(model: Path, device: str, precisions: Sequence[str], on_gpu: bool) -> Iterator[tuple[str, Check]]:
    """Names and checks, to be run one by one."""
    for precision in precisions:
        plain, machine = Gpt2(model, device, precision), Machine(device, precision)
        with Engine(model, device, precision) as engine:
            for case in bench_cases(plain.config, on_gpu):
                yield f"{precision} on {device}: {case.name}", partial(run_case, case, engine, machine, plain, on_gpu)


def bench_row(entry: dict[str, Any]) -> list[str]:
    ours = entry["engine"]["median_ns"]
    peers = [
        f"{way} {times['median_ns'] / 1e6:.2f} ({times['median_ns'] / ours:.1f}x)"
        for way, times in entry["peers"].items()
    ]
    return [
        entry["precision"],
        entry["case"],
        f"{ours / 1e6:.3f}",
        f"{entry['engine']['min_ns'] / 1e6:.3f}",
        f"{1e3 * entry['limit']['seconds']:.3f}",
        f"{entry['of_limit']:.2f}x",
        f"{entry['scans_a_second']:,.0f}",
        "; ".join(peers),
    ]
