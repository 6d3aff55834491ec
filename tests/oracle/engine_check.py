"""The engine's rows beside the oracle's, in float64 (the same algorithm?) and float32 (as small an error?)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.oracle import readout
from tests.oracle.compare import assert_close, max_abs_diff
from tests.oracle.expected import COMPENSATION, EFFECTS, Expected, Key, Rows, expect
from tests.oracle.probe import Probe, Result, Scan

# Two float64 runs of the same formulas differ in the order of their sums. First-order bound for the deepest model here
# (WIDE: 24 layers of 4 GEMMs over at most 512 terms, logits below 50): 96 * 512 * 2**-53 * 50 = 2.7e-10.
FLOAT64_TOLERANCE = 2.7e-10

REAL = (*readout.REAL, "kl_from_donor", *EFFECTS, *COMPENSATION)
# Logits, log-probs and their deltas, whose error as a whole is compared too.
LEVELS = tuple(f"{token}_{kind}" for token in ("target", "contrast") for kind in ("logit", "logprob"))
RMS = LEVELS + tuple(name for name in readout.DELTAS if not name.endswith(("_prob", "prob_diff")))


def run(model_dir: Path, scans: Sequence[Scan], **options: Any) -> Result:
    with Probe(model_dir, **options) as probe:
        return probe.run(scans)


def unedited_to_zero(expected: Rows, found: Rows) -> Rows:
    """`expected` with the zeros of unedited runs' effects, which stand there as None, in the width that was found."""
    filled = {}
    for key, row in expected.items():
        zeros = {name: np.zeros_like(found[key][name]).tolist() for name, value in row.items() if value is None}
        filled[key] = row | zeros
    return filled


def column(rows: Rows, name: str) -> np.ndarray:
    """Of the rows that have it, in the order of their keys; a row's several numbers one behind the other."""
    values = [np.ravel(rows[key][name]) for key in sorted(rows) if name in rows[key]]
    return np.concatenate(values) if values else np.array([])


def assert_same_columns(found: Rows, expected: Rows) -> None:
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        extra = found[key].keys() ^ row.keys()
        assert extra <= {"top_k"}, (key, extra)


def check_float64(found: Rows, expected: Rows) -> None:
    assert_same_columns(found, expected)
    expected = unedited_to_zero(expected, found)
    for name in REAL:
        want = column(expected, name)
        if want.size:
            assert_close(column(found, name), want, FLOAT64_TOLERANCE, name)
    for name in readout.COUNTS:
        assert column(found, name).tolist() == column(expected, name).tolist(), name


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _check_counts(found: Rows, exact: Mapping[Key, torch.Tensor], scans: Sequence[Scan], error: float) -> None:
    """Ranks and top-1 as float64 has them, up to logits that lie within the error of each other."""
    margin = 2 * error  # both logits of a pair may be off
    for (s, v, p), row in found.items():
        y = exact[s, v, p]
        targets = list(scans[s].answers_at(list(scans[s].read_positions).index(p)).targets)
        if targets:
            best = y[targets].max()
            least, most = ((y > best + shift).sum().item() for shift in (margin, -margin))
            assert least <= row["target_rank"] < most, (s, v, p)  # `most` counts the target itself
            assert row["target_is_top1"] == (row["target_rank"] == 0)
        assert y[row["top1_id"]] >= y.max() - margin, (s, v, p)
        assert row["top1_preserved"] == (row["top1_id"] == found[s, -1, p]["top1_id"])


def _tolerances(exact: Rows, theirs: Rows, logit_error: float) -> dict[str, float]:
    """At most twice Hugging Face's own error, of a logit that of any logit in these rows (`logit_error`), since the
    largest of one token's depends on chance; a value's own rounding to float32 is beyond anybody's power.
    """
    tolerance = {}
    for name in REAL:
        want = column(exact, name)
        if want.size:
            rounding = float(np.spacing(np.float32(np.abs(want).max())))
            error = logit_error if name in ("target_logit", "contrast_logit") else 0.0
            tolerance[name] = 2 * max(error, max_abs_diff(column(theirs, name), want)) + rounding
    # Both levels in a delta may be off by what levels may. (The largest of a few small differences says less of how
    # large they are than their root mean square, which is compared too.) And p = exp(lp) is off by p times what lp
    # is off, as both p in prob_diff are.
    largest = {
        token: np.exp(column(exact, token + "_logprob").max(initial=-np.inf)) for token in ("target", "contrast")
    }
    prob = {token: float(p * tolerance.get(token + "_logprob", 0)) for token, p in largest.items()}
    tolerance["target_prob"] = prob["target"]
    tolerance["prob_diff"] = prob["target"] + prob["contrast"]
    tolerance |= {name: 2 * tolerance[name.removeprefix("delta_")] for name in readout.DELTAS if name in tolerance}
    # Both logits of a difference may be off, and what is said of it in parts is off by what the whole delta may be.
    if "logit_diff" in tolerance:
        levels = tolerance["target_logit"] + tolerance["contrast_logit"]
        tolerance["logit_diff"] = max(tolerance["logit_diff"], levels)
        tolerance["delta_logit_diff"] = 2 * tolerance["logit_diff"]
    return tolerance


def check_float32(found: Rows, exact: Expected, theirs: Expected, scans: Sequence[Scan]) -> dict[str, tuple]:
    """Returns, for each column, our error and Hugging Face's."""
    assert_same_columns(found, exact.rows)
    want_rows, their_rows = unedited_to_zero(exact.rows, found), unedited_to_zero(theirs.rows, found)
    logit_error = max((theirs.logits[key].double() - y).abs().max().item() for key, y in exact.logits.items())
    tolerance, errors = _tolerances(want_rows, their_rows, logit_error), {}
    for name in REAL:
        want, got, their = (column(rows, name) for rows in (want_rows, found, their_rows))
        if not want.size:
            continue
        errors[name] = (max_abs_diff(got, want), max_abs_diff(their, want))
        assert_close(got, want, tolerance[name], name)
        if name in RMS:
            rounding = float(np.spacing(np.float32(np.abs(want).max())))
            assert rms(got - want) <= 2 * rms(their - want) + rounding, name
    _check_counts(found, exact.logits, scans, 2 * logit_error)
    return errors


def check_model(model_dir: Path, scans: Sequence[Scan], *, precision: str, **options: Any) -> dict[str, tuple]:
    """Scans as one batch through the engine and the oracle; returns check_float32's errors."""
    found = run(model_dir, scans, precision=precision, **options).rows
    exact = expect(model_dir, scans, torch.float64)
    if precision == "float64":
        check_float64(found, exact.rows)
        return {}
    return check_float32(found, exact, expect(model_dir, scans, torch.float32), scans)
