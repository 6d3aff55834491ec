"""What an engine promises of its bits, and what it keeps of what it measured."""

import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from device_check.cases import all_heads, make_scan
from device_check.compare import Mismatch
from device_check.programs import Engine, Rows
from device_check.reference import Scan, read_config

# Short rows and ones that attention's own kernel takes only under batch invariance.
LENGTHS = (1, 6, 33, 300, 1024)
# Enough for a pass to be recorded, when its products and launches are measured.
RUNS = 3


def of_scan(rows: Rows, scan: int) -> dict[tuple[int, int], dict[str, Any]]:
    return {key[1:]: row for key, row in rows.items() if key[0] == scan}


def check_same(together: Rows, alone: Sequence[Rows], told: str) -> int:
    """The number of values that are equal in every bit, which all must be."""
    values = 0
    for i, rows in enumerate(alone):
        expected = of_scan(together, i)
        for key, row in of_scan(rows, 0).items():
            for column, value in row.items():
                if value != expected[key][column]:
                    raise Mismatch(f"{told}: {column} of scan {i}, {key}: {value} and {expected[key][column]}")
                values += 1
    return values


def check_batch_invariant(model: Path, device: str, precision: str) -> dict[str, Any]:
    """Each scan alone, twice, and all together: the same bits."""
    config, generator = read_config(model), random.Random(17)
    heads = all_heads(config)
    some = generator.sample(heads, min(12, len(heads)))
    scans: list[Scan] = []
    for length in LENGTHS:
        if length <= config.n_positions:
            scans.append(make_scan(config, length, heads if length <= 33 else some, generator))
            # Rows of one token of their own.
            at_the_end = [[replace(edit, begin=length - 1) for edit in variant] for variant in some]
            scans.append(make_scan(config, length, at_the_end, generator))
    with Engine(model, device, precision, batch_invariant=True) as engine:
        if not engine.info["batch_invariant"]:
            raise Mismatch("the engine does not call itself batch-invariant")
        together, _ = engine.run(scans)
        values = sum(
            check_same(together, [engine.run([scan])[0] for scan in scans], told) for told in ("alone", "once more")
        )
    return {"values_equal": values}


def check_kept_choices(model: Path, device: str, precision: str) -> dict[str, Any]:
    """An engine that measures writes a file, another one takes it, and a damaged one is no reason to stop."""
    config, generator = read_config(model), random.Random(18)
    scans = [make_scan(config, 6, all_heads(config), generator)]
    with tempfile.TemporaryDirectory() as folder:

        def run() -> list[Path]:
            with Engine(model, device, precision, gpu_cache_dir=folder) as engine:
                for _ in range(RUNS):
                    engine.run(scans)
            return list(Path(folder).glob("tuning-*.json"))

        files = run()
        if len(files) != 1:
            raise Mismatch(f"{len(files)} files of what was measured, expected 1")
        written = files[0].read_text()
        content = json.loads(written)
        for kept in ("products", "blocks"):
            if not content[kept]:
                raise Mismatch(f"no {kept} were measured")
        run()
        again = json.loads(files[0].read_text())
        for kept in ("products", "blocks"):
            if [one for one in content[kept] if one not in again[kept]]:
                raise Mismatch(f"{kept} that were kept were measured anew")
        files[0].write_text(written[: len(written) // 2])
        run()
        mended = files[0].read_text()
        if not mended.endswith("}\n"):
            raise Mismatch("a damaged file of what was measured was not replaced")
        return {"products_kept": len(content["products"]), "blocks_kept": len(content["blocks"])}
