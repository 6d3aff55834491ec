"""Runs our engine through tests/engine/forward/engine_probe."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from tests.oracle.hf import Edit
from tests.oracle.models import ROOT

BUILD_DIR = Path(os.environ.get("ABLATE_BUILD_DIR", ROOT / "build" / "release"))


@dataclass(frozen=True)
class Scan:
    token_ids: Sequence[int]
    variants: Sequence[Sequence[Edit]]
    read_positions: Sequence[int]
    target_id: int = -1
    contrast_id: int = -1
    top_k: int = 0


@dataclass(frozen=True)
class Result:
    # wall_ns, plan_ns, forward_ns, forward_passes, peak_rss_bytes
    stats: dict[str, Any]
    # By (scan, variant, position); variant -1 is the baseline.
    rows: dict[tuple[int, int, int], dict[str, Any]]


class Probe:
    """An engine in a process of its own. `options`: device, precision, threads, max_packed_tokens."""

    def __init__(self, model_dir: Path, **options: Any) -> None:
        self._process = subprocess.Popen(
            [BUILD_DIR / "tests" / "engine_probe"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.info = self._ask({"model_dir": str(model_dir), "device": "cpu", **options})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, scans: Sequence[Scan]) -> Result:
        """All scans as one batch."""
        answer = self._ask({"scans": [asdict(scan) for scan in scans]})
        rows = {}
        for row in answer.pop("rows"):
            key = (row.pop("scan"), row.pop("variant"), row.pop("position"))
            if key in rows:
                raise AssertionError(f"row {key} came twice")
            rows[key] = row
        return Result(answer, rows)

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps(question) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise RuntimeError(f"the engine died with status {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer
