"""What the host does for a GPU's forward passes, for many short prompts in one request: it must be less than the GPU
takes. No GPU is needed.

The device's own thread is timed part by part (bench/host_path.cc). All else - request, tokens, plans for admission,
rows, messages - by a service whose model is so narrow that it computes next to nothing.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
from pathlib import Path

from bench.common import Target
from bench.service import load, server
from tests.oracle.models import Geometry, write_random_model
from tests.oracle.probe import BUILD_DIR

PROMPTS = 2000
PARTS = {
    "plan": "sharing found, chunks cut",
    "build": "indices of the chunks",
    "tables": "indices checked and written for the copy",
    "readouts": "queries and columns of the readouts",
}
NARROW = Geometry(n_layer=12, n_head=12, n_embd=12, n_positions=64, vocab_size=300)


def host_path(prompts: int = PROMPTS, seconds: float = 10) -> dict:
    command = [BUILD_DIR / "bench" / "host_path", "--prompts", str(prompts)]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    with tempfile.TemporaryDirectory() as folder:
        model = write_random_model(Path(folder), NARROW, seed=1)
        with server(model, Target(threads=1)) as address:
            seen = load(address, clients=1, seconds=seconds, prompts=prompts)
    return found | {
        "title": f"the host's part, {prompts:,} prompts in one request, 144 heads and the baseline of each",
        "service_prepare_ns": statistics.median(seen["prepare_ns"]) / prompts,
        "service_outside_engine_ns": statistics.median(seen["added_ns"]) / prompts,
        "service_requests": seen["scans"],
    }


def host_table(found: dict) -> list[str]:
    of_each = {part: found[f"{part}_ns"] / found["prompts"] / 1e3 for part in PARTS}
    total = sum(of_each.values())
    prepared, outside = found["service_prepare_ns"] / 1e3, found["service_outside_engine_ns"] / 1e3
    return [
        "",
        f"## {found['title']}",
        "",
        "| in the thread that owns the device | us a scan |",
        "|---|---|",
        *(f"| {PARTS[part]} | {us:.0f} |" for part, us in of_each.items()),
        f"| together | {total:.0f} |",
        "",
        f"{1e6 / total:,.0f} scans a second on one core; {found['chunks']} forward passes, {found['rows']:,} rows, "
        f"{found['table_bytes'] / 2**20:,.0f} MiB of tables. Prompts have 4 to 16 tokens.",
        "",
        f"A service over a model 12 wide takes {prepared:.1f} us a prompt of 6 tokens until a request is in its queue. "
        f"Beside its engine's runs a scan takes another {outside:.0f} us at least, in other threads: rows, messages, "
        "the socket, and a client that reads them, all on the same cores.",
    ]
