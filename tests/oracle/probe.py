"""Runs our engine through tests/engine/forward/engine_probe."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from tests.oracle.child import Child
from tests.oracle.hf import Edit
from tests.oracle.models import ROOT
from tests.oracle.readout import Answers

BUILD_DIR = Path(os.environ.get("ABLATE_BUILD_DIR", ROOT / "build" / "release"))


@dataclass(frozen=True)
class Scan:
    """engine/types.h's. `target_id` and `contrast_id` are the answers where they are one token each; -1: none."""

    token_ids: Sequence[int]
    variants: Sequence[Sequence[Edit]]
    read_positions: Sequence[int]
    target_id: int = -1
    contrast_id: int = -1
    top_k: int = 0
    donor_token_ids: Sequence[int] = ()
    table: Sequence[Sequence[float]] = ()
    # One, or one for each read position.
    answers: Sequence[Answers] = ()
    reduction: str = "mean_logit"
    effects: bool = False
    compensation: bool = False

    def answers_at(self, index: int) -> Answers:
        """Those of the read position number `index`."""
        if self.answers:
            return self.answers[index if len(self.answers) > 1 else 0]
        return Answers(*((token,) if token >= 0 else () for token in (self.target_id, self.contrast_id)))

    def wire(self) -> dict[str, Any]:
        fields = asdict(self)
        del fields["target_id"], fields["contrast_id"]
        if not self.answers and (self.target_id >= 0 or self.contrast_id >= 0):
            fields["answers"] = [asdict(self.answers_at(0))]
        return fields


@dataclass(frozen=True)
class Result:
    # wall_ns, cost, rows_in, plan_ns, forward_ns, readout_ns, forward_passes, peak_bytes, peak_rss_bytes
    stats: dict[str, Any]
    # By (scan, variant, position); variant -1 is the baseline, -2 the donor.
    rows: dict[tuple[int, int, int], dict[str, Any]]


class Probe:
    """An engine in a process of its own. `options`: those of EngineOptions but for the folder."""

    def __init__(self, model_dir: Path, **options: Any) -> None:
        self._engine = Child([BUILD_DIR / "tests" / "engine_probe"])
        self.info = self._engine.ask({"model_dir": str(model_dir), "device": "cpu", **options})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def run(self, scans: Sequence[Scan]) -> Result:
        """All scans as one batch."""
        answer = self._engine.ask({"scans": [scan.wire() for scan in scans]})
        rows = {}
        for row in answer.pop("rows"):
            key = (row.pop("scan"), row.pop("variant"), row.pop("position"))
            if key in rows:
                raise AssertionError(f"row {key} came twice")
            rows[key] = row
        return Result(answer, rows)

    def explain(self, scans: Sequence[Scan]) -> dict[str, Any]:
        """What all scans as one batch ask of the machine (engine/plan/work.h): "layers", "gemm_flops",
        "attention_flops", "readout_flops", "elements_moved".
        """
        return self._engine.ask({"explain": [scan.wire() for scan in scans]})
