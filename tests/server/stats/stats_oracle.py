"""Drives stats_probe, and the statistics written anew in NumPy, as plainly as possible, to compare it with."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[3]
BUILD_DIR = Path(os.environ.get("ABLATE_BUILD_DIR", ROOT / "build" / "release"))
Floats = NDArray[np.float64]


def cells(values: Any) -> list[float | None]:
    """JSON's form of an array: flat, null for NaN."""
    return [None if np.isnan(value) else float(value) for value in np.asarray(values, dtype=np.float64).ravel()]


def floats(values: list[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


class StatsProbe:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [BUILD_DIR / "tests" / "stats_probe"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def ask(self, op: str, **question: Any) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps({"op": op, **question}) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise RuntimeError(f"stats_probe died with status {self._process.wait()}")
        return json.loads(line)

    def flip_test(self, means: Floats, **options: Any) -> dict[str, Any]:
        """Of means [C, E]."""
        answer = self.ask("flip_test", means=cells(means.T), clusters=len(means), options=options)
        return answer | {"p": floats(answer["p"]), "p_fwer": floats(answer["p_fwer"])}

    def intervals(self, means: Floats, **options: Any) -> tuple[Floats, Floats]:
        """Of means [C, E]."""
        answer = self.ask("intervals", means=cells(means.T), clusters=len(means), options=options)
        return floats(answer["low"]), floats(answer["high"])

    def signs(self, n_clusters: int, flips: int, seed: int) -> Floats:
        """[flips, C]"""
        return np.array(self.ask("flips", clusters=n_clusters, flips=flips, seed=seed)["signs"], dtype=np.float64)

    def times(self, n_clusters: int, resamples: int, seed: int) -> NDArray[np.int64]:
        """[resamples, C]"""
        answer = self.ask("resamples", clusters=n_clusters, resamples=resamples, seed=seed)
        return np.array(answer["times"], dtype=np.int64)


def edge_statistic(values: Floats, min_effect: float) -> float:
    """(|mean| - min_effect) / sem of one entry."""
    values = values[~np.isnan(values)]
    return float((abs(values.mean()) - min_effect) / (values.std(ddof=1) / np.sqrt(len(values))))


def flip_statistics(means: Floats, signs: Floats, min_effect: float) -> tuple[Floats, Floats]:
    """Of the data [E] and of each replicate [F, E], which is written out: flipped about the edge on the mean's side."""
    n_entries = means.shape[1]
    observed = np.empty(n_entries)
    replicates = np.empty((len(signs), n_entries))
    for entry in range(n_entries):
        x = means[:, entry]
        observed[entry] = edge_statistic(x, min_effect)
        edge = np.copysign(min_effect, np.nanmean(x))
        flipped = edge + signs * (x - edge)  # [F, C]
        present = ~np.isnan(x)
        flipped, n = flipped[:, present], present.sum()
        sem = flipped.std(axis=1, ddof=1) / np.sqrt(n)
        replicates[:, entry] = (np.abs(flipped.mean(axis=1)) - min_effect) / sem
    return observed, replicates


def step_down(observed: Floats, replicates: Floats, plus: int) -> tuple[Floats, Floats]:
    """p of each entry and Westfall-Young's by its definition: the maximum over an entry and all that are smaller."""
    total = len(replicates) + plus
    p = (plus + (replicates >= observed).sum(axis=0)) / total
    order = np.argsort(-observed)
    p_fwer = np.empty_like(p)
    largest = 0.0
    for rank, entry in enumerate(order):
        rest = replicates[:, order[rank:]].max(axis=1)
        largest = max(largest, (plus + (rest >= observed[entry]).sum()) / total)
        p_fwer[entry] = largest
    return p, p_fwer


def studentised_interval(values: Floats, times: NDArray[np.int64], coverage: float = 0.95) -> tuple[float, float]:
    """Of one entry [C], from resamples given as counts [B, C], each written out."""
    present = values[~np.isnan(values)]
    mean, sem = present.mean(), present.std(ddof=1) / np.sqrt(len(present))
    t = []
    for counts in times:
        drawn = np.repeat(values, counts)
        drawn = drawn[~np.isnan(drawn)]
        t.append((drawn.mean() - mean) / (drawn.std(ddof=1) / np.sqrt(len(drawn))))
    tail = (1 - coverage) / 2
    low, high = np.quantile(t, [tail, 1 - tail], method="weibull")
    return mean - high * sem, mean - low * sem
