"""Our engine's runs of one plan, each between two measurements of its limit.

What a machine does changes from minute to minute, a shared one's by a tenth and more: a run is compared with what the
machine could do just before it and just after.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

from bench.common import run_figures, spread
from device_check.limit import Machine
from tests.oracle.models import GPT2_SMALL, Geometry
from tests.oracle.probe import Probe, Result, Scan

GPU_WARM_UPS = 3


class Beside:
    def __init__(self, probe: Probe, scans: Sequence[Scan], machine: Machine, model: Geometry = GPT2_SMALL) -> None:
        self._probe, self._scans, self._machine, self._model = probe, scans, machine, model
        self._explained = probe.explain(scans)
        # On a GPU the second run of a kind of pass measures and records.
        for _ in range(GPU_WARM_UPS if machine.on_gpu else 0):
            probe.run(scans)
        self._results: list[Result] = []
        self._limits = [self._limit()]

    def run(self) -> Result:
        self._results.append(self._probe.run(self._scans))
        self._limits.append(self._limit())
        return self._results[-1]

    def engine(self) -> dict:
        """Times of the runs, and what they took beside."""
        stats = [result.stats for result in self._results]
        plan = statistics.median(s["plan_ns"] for s in stats) / 1e9
        return spread(self._seconds()) | {"plan_seconds": plan} | run_figures(stats[-1])

    def limit(self) -> dict:
        """The median measurement, and "ratio": of each run to the two measurements around it, the median."""
        around = [statistics.mean(limit["seconds"] for limit in pair) for pair in itertools.pairwise(self._limits)]
        ratios = [ours / limit for ours, limit in zip(self._seconds(), around, strict=True)]
        median = sorted(self._limits, key=lambda limit: limit["seconds"])[len(self._limits) // 2]
        return median | {"ratio": statistics.median(ratios)}

    def _seconds(self) -> list[float]:
        return [result.stats["wall_ns"] / 1e9 for result in self._results]

    def _limit(self) -> dict:
        return self._machine.limit(self._explained, self._model)
