"""Our precisions in turns, all that the device computes in, and what each is worth: against our float64, run once."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from bench.cases import HeadsCase
from bench.common import Target, spread
from tests.oracle.probe import Probe, Result, Scan

ROUNDS = 7


def _column(result: Result, scans: list[Scan], name: str) -> np.ndarray:
    """`[prompts x variants]`, without the unedited runs."""
    return np.array(
        [
            result.rows[p, v, scan.read_positions[-1]][name]
            for p, scan in enumerate(scans)
            for v in range(len(scan.variants))
        ]
    )


def compare_precisions(case: HeadsCase, model_dir: Path, target: Target) -> dict:
    scans = case.scans()
    with Probe(model_dir, threads=target.threads, precision="float64") as probe:
        exact = probe.run(scans)
    with Probe(model_dir, device=target.device) as probe:
        names = [name for name in probe.info["precisions"] if name != "float64"]
    with ExitStack() as stack:
        probes = {
            name: stack.enter_context(Probe(model_dir, **replace(target, precision=name).options())) for name in names
        }
        found = {name: probe.run(scans) for name, probe in probes.items()}
        times: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(ROUNDS):
            for name, probe in probes.items():
                times[name].append(probe.run(scans).stats["wall_ns"] / 1e9)
    want = _column(exact, scans, "delta_logit_diff")
    strongest = set(np.argsort(-np.abs(want))[:10])
    figures = {}
    for name, result in found.items():
        effects = _column(result, scans, "delta_logit_diff")
        levels = _column(result, scans, "target_logprob") - _column(exact, scans, "target_logprob")
        figures[name] = spread(times[name]) | {
            "rms_error_of_target_logprob": float(np.sqrt(np.mean(levels**2))),
            "rms_error_of_delta_logit_diff": float(np.sqrt(np.mean((effects - want) ** 2))),
            "spearman": float(spearmanr(effects, want).statistic),
            "top_10_overlap": len(strongest & set(np.argsort(-np.abs(effects))[:10])),
            "batch_invariant": probes[name].info["batch_invariant"],
        }
    return {
        "title": f"precisions: {case.title.rpartition(', ')[0]}",
        "rms_of_delta_logit_diff": float(np.sqrt(np.mean(want**2))),
        "precisions": figures,
    }
