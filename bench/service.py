"""What the service adds to the engine: one prompt scanned again and again by 1, 8 and 64 clients over a unix socket.

Beside it, in turns, the engine alone on as many prompts in one batch as there are clients, which is the rate that the
service would have if the device were never idle.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.common import SINGLES, Target, random_ids, scan
from tests.oracle.probe import BUILD_DIR, Probe

CLIENTS = (1, 8, 64)
TOKENS = 6


@contextmanager
def server(model_dir: Path, target: Target) -> Iterator[str]:
    """An `ablated` of our own; its address."""
    with tempfile.TemporaryDirectory(prefix="ablate-bench-") as folder:
        address = f"unix:{folder}/ablated.sock"
        command = [BUILD_DIR / "bin" / "ablated", "--model", model_dir, "--listen", address]
        command += [f"--{name}={value}" for name, value in target.options().items()]
        command += [f"--{kept}-dir=none" for kept in ("means", "jobs", "gpu-cache")]
        command += ["--stop-with-stdin"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            _wait_until_ready(address, process)
            yield address
        finally:
            process.communicate()


def _wait_until_ready(address: str, process: subprocess.Popen) -> None:
    for _ in range(300):
        health = subprocess.run(
            [BUILD_DIR / "bin" / "ablate", "health", "--server", address], capture_output=True, check=False
        )
        if health.returncode == 0:
            return
        if process.poll() is not None:
            raise SystemExit(f"bench: ablated ended with status {process.returncode} before it served")
        time.sleep(0.2)
    raise SystemExit("bench: ablated did not serve within a minute")


def load(address: str, clients: int, seconds: float, prompts: int = 1) -> dict:
    command = [BUILD_DIR / "bench" / "service_load", "--server", address, "--clients", str(clients)]
    command += ["--seconds", str(seconds), "--tokens", str(TOKENS), "--prompts", str(prompts)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def quantile_seconds(sorted_ns: list[int], q: float) -> float | None:
    """None where there are too few values to tell: under 100 for a p99."""
    if len(sorted_ns) < round(1 / (1 - q)):
        return None
    return sorted_ns[int(q * len(sorted_ns))] / 1e9


def compare_service(model_dir: Path, target: Target, seconds: float) -> dict:
    scans = [scan(random_ids(TOKENS, seed=i), SINGLES) for i in range(max(CLIENTS))]
    cases = []
    with Probe(model_dir, **target.options()) as probe, server(model_dir, target) as address:
        for clients in CLIENTS:
            # The first of a size is not timed; the rest are few where a batch takes long.
            rounds = 5 if clients == 1 else 2
            probe.run(scans[:clients])
            before = [probe.run(scans[:clients]).stats["wall_ns"] for _ in range(rounds)]
            # At least some five scans of each client, however many there are.
            seen = load(address, clients, max(seconds, 5 * before[0] / 1e9))
            after = [probe.run(scans[:clients]).stats["wall_ns"] for _ in range(rounds)]
            engine = statistics.median(before + after) / 1e9
            cases.append(
                {
                    "clients": clients,
                    "scans": seen["scans"],
                    "scans_a_second": seen["scans"] / seen["seconds"],
                    "p50_seconds": quantile_seconds(seen["latency_ns"], 0.5),
                    "p99_seconds": quantile_seconds(seen["latency_ns"], 0.99),
                    "added_at_p50_seconds": quantile_seconds(seen["added_ns"], 0.5),
                    "added_at_p99_seconds": quantile_seconds(seen["added_ns"], 0.99),
                    "empty_at_p50_seconds": quantile_seconds(seen["empty_ns"], 0.5),
                    "empty_cold_at_p50_seconds": quantile_seconds(seen["empty_cold_ns"], 0.5),
                    "engine_busy": seen["engine_ns"] / 1e9 / seen["seconds"],
                    "engine_seconds_of_one_batch": engine,
                    "share_of_engine_rate": seen["scans"] / seen["seconds"] / (clients / engine),
                }
            )
    return {"title": f"the service, {TOKENS} tokens, 144 heads and the baseline, over a unix socket", "cases": cases}
