"""Times on a device beside its limit (limit.py) and beside plain PyTorch, and what the device does in them (idle.py):
`bin/device-check --bench`.
"""

import itertools
import json
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

from device_check.cases import all_heads, make_scan, site
from device_check.compare import Mismatch
from device_check.idle import device_time
from device_check.limit import Machine
from device_check.programs import Engine
from device_check.reference import Config, Edit, Gpt2, Scan, read_config
from device_check.timings import median_and_min, plain_times

Check = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class BenchCase:
    name: str
    scans: list[Scan]
    repeats: int
    # What plain PyTorch is asked for beside it.
    peers: tuple[str, ...] = ()


def longest(config: Config, on_gpu: bool) -> int:
    return min(config.n_positions, 1024 if on_gpu else 64)


def short_prompts(config: Config, count: int, generator: random.Random) -> list[Scan]:
    heads = all_heads(config)
    return [make_scan(config, generator.randint(4, 16), heads, generator) for _ in range(count)]


def bench_cases(config: Config, on_gpu: bool) -> list[BenchCase]:
    generator = random.Random(13)
    heads = all_heads(config)
    edits = [variant[0] for variant in heads]
    pairs = [sorted(pair, key=site) for pair in itertools.combinations(edits, 2)]
    long = longest(config, on_gpu)
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


def traced_cases(config: Config, on_gpu: bool) -> list[BenchCase]:
    """Of the usual ones, as few runs of them as tell enough; of the many prompts a part, which is some passes long. The
    first is for all precisions, the others for the last.
    """
    generator = random.Random(14)
    heads = all_heads(config)
    short = BenchCase("6 tokens", [make_scan(config, 6, heads, generator)], 20 if on_gpu else 2)
    if not on_gpu:
        return [short]
    long = longest(config, on_gpu)
    return [
        short,
        BenchCase("200 prompts of 4 to 16 tokens", short_prompts(config, 200, generator), 3),
        BenchCase(f"{long} tokens", [make_scan(config, long, heads, generator)], 3),
    ]


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


@dataclass(frozen=True)
class Loaded:
    """What the cases of one precision run on, each made when it is first asked for, which is inside a check."""

    engine: Callable[[], Engine]
    machine: Callable[[], Machine]
    plain: Callable[[], Gpt2]


def run_case(case: BenchCase, loaded: Loaded, on_gpu: bool) -> dict[str, Any]:
    engine, plain = loaded.engine(), loaded.plain()
    # The first runs choose, load and record.
    answer = engine.time(case.scans, case.repeats + 2)
    ours = median_and_min(answer["walls_ns"][2:])
    limit = loaded.machine().limit(engine.explain(case.scans), plain.config)
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


def trace_case(case: BenchCase, start: Callable[[], Engine], precision: str, on_gpu: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        with start() as engine:
            answer = engine.trace(case.scans, case.repeats, file)
        trace = json.loads(file.read_bytes())
    found = device_time(trace)
    if on_gpu and found is None:
        raise Mismatch(f"the profiler saw nothing on the device: {trace.get('ERROR', 'it does not tell why')}")
    if found and found["runs_left_out"] >= found["runs"]:
        raise Mismatch(f"{found['runs_left_out']} of {case.repeats} runs have other events than most")
    entry: dict[str, Any] = {
        "case": case.name,
        "precision": precision,
        "prompts": len(case.scans),
        **{name: answer[name] for name in ("forward_passes", "replayed_passes")},
        "device": found,
    }
    return {"idle": [entry]}


def bench_checks(model: Path, device: str, precisions: Sequence[str], on_gpu: bool) -> Iterator[tuple[str, Check]]:
    """Names and checks, to be run one by one. On a GPU also under batch invariance, which an engine may refuse."""
    config = read_config(model)
    usual = bench_cases(config, on_gpu)
    invariant = [replace(case, name=f"{case.name}, batch-invariant", peers=()) for case in usual if case.repeats >= 50]
    # Whoever is traced takes what was measured without a profiler.
    with tempfile.TemporaryDirectory() as kept:
        for precision in precisions:
            machine = cache(partial(Machine, device, precision, small=not on_gpu))
            plain = cache(partial(Gpt2, model, device, precision))
            for cases, options in ((usual, {}), (invariant, {"batch_invariant": True})) if on_gpu else ((usual, {}),):
                with ExitStack() as open_engines:
                    start = partial(Engine, model, device, precision, gpu_cache_dir=kept, **options)
                    loaded = Loaded(cache(lambda s=start, o=open_engines: o.enter_context(s())), machine, plain)
                    for case in cases:
                        yield f"{precision} on {device}: {case.name}", partial(run_case, case, loaded, on_gpu)
            start = partial(Engine, model, device, precision, gpu_cache_dir=kept)
            traced = traced_cases(config, on_gpu)
            for case in traced if precision == precisions[-1] else traced[:1]:
                name = f"{precision} on {device}: {case.name}, what the device does"
                yield name, partial(trace_case, case, start, precision, on_gpu)


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
