"""Holds the engine's rows against plain PyTorch. Tolerances are derived, none is chosen:

* logits and log-probs: twice the largest error that plain PyTorch's own logits (log-probs) of the same scan in the same
  precision on the same device have against float64, plus one unit in the last place of a float32 of that size;
* differences of two: the sum of both; probabilities: p times the log-prob's, with a float32's last place;
* KL divergence: error of both log-probs, weighted by |p - q|, and its square; entropy: weighted by p |1 + log p|;
* ranks, top-1: within the counts that float64's logits give at plus and minus the logits' tolerance;
* and, since in a coarse precision the largest error says little: the root of the mean square of a column's errors, over
  all scans of a model in a precision, is at most twice that of plain PyTorch's, plus a float32's last place.

An engine in float64 must agree with float64 PyTorch to 1e-9: two orders of summation of values below 100.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from device_check.programs import Rows
from device_check.reference import Gpt2, Scan

FLOAT64_TOLERANCE = 1e-9


class Mismatch(Exception):
    """A comparison that failed; the message says which value, found, expected and allowed."""


def last_place(value: Tensor) -> Tensor:
    """One unit in the last place of float32 numbers of this size."""
    return torch.ldexp(torch.ones_like(value), torch.frexp(value.abs()).exponent - 24)


@dataclass
class Exact:
    """Float64 logits and log-probs [R, P, V] of one scan; row 0 is the baseline."""

    logits: Tensor
    logprobs: Tensor


def find_exact(scan: Scan, model: Gpt2) -> Exact:
    logits = model.logits(scan)
    if not bool(logits.isfinite().all()):
        raise Mismatch("plain PyTorch's float64 logits hold NaN or Inf")
    return Exact(logits, logits.log_softmax(2))


@dataclass
class Standard:
    """What plain PyTorch's run of a scan in some precision is off."""

    logit_error: float
    logprob_error: float
    # By column, [R, P].
    errors: dict[str, Tensor]


def find_standard(scan: Scan, exact: Exact, model: Gpt2) -> Standard:
    theirs = model.logits(scan).cpu()
    if not bool(theirs.isfinite().all()):
        raise Mismatch(f"plain PyTorch's {model.precision} logits hold NaN or Inf")
    # In bfloat16 the logits are theirs; whoever reads them takes log-probs in float32.
    logits, logprobs = theirs.double(), theirs.float().log_softmax(2).double()
    wanted, found = (columns_of(scan, *pair) for pair in ((exact.logits, exact.logprobs), (logits, logprobs)))
    return Standard(
        logit_error=float((logits - exact.logits).abs().max()),
        logprob_error=float((logprobs - exact.logprobs).abs().max()),
        errors={name: found[name] - wanted[name] for name in wanted},
    )


def columns_of(scan: Scan, y: Tensor, lp: Tensor) -> dict[str, Tensor]:
    """The columns [R, P] of logits and log-probs [R, P, V]."""
    target, contrast = scan.target_id, scan.contrast_id
    difference = y[..., target] - y[..., contrast]
    d = lp[:1] - lp
    return {
        "target_logit": y[..., target],
        "contrast_logit": y[..., contrast],
        "logit_diff": difference,
        "target_logprob": lp[..., target],
        "contrast_logprob": lp[..., contrast],
        "target_prob": lp[..., target].exp(),
        "delta_logit_diff": difference - difference[:1],
        "delta_target_logprob": lp[..., target] - lp[:1, :, target],
        "kl_divergence": (lp[:1].exp() * (torch.expm1(-d) + d)).sum(2),
        "entropy": -(lp.exp() * lp).sum(2),
    }


def tolerances(scan: Scan, exact: Exact, standard: Standard | None) -> dict[str, Tensor]:
    """Of each of the columns, [R, P]; those of a float64 engine where there is no standard."""
    wanted = columns_of(scan, exact.logits, exact.logprobs)
    if standard is None:
        return {name: torch.full_like(value, FLOAT64_TOLERANCE) for name, value in wanted.items()}
    lp, p = exact.logprobs, exact.logprobs.exp()
    logit_error, logprob_error = 2 * standard.logit_error, 2 * standard.logprob_error
    errors: dict[str, Tensor | float] = {
        "target_logit": logit_error,
        "contrast_logit": logit_error,
        "logit_diff": 2 * logit_error,
        "target_logprob": logprob_error,
        "contrast_logprob": logprob_error,
        "target_prob": p[..., scan.target_id] * logprob_error,
        "delta_logit_diff": 4 * logit_error,
        "delta_target_logprob": 2 * logprob_error,
        "kl_divergence": ((p - p[:1]).abs().sum(2) + 1e-300) * 2 * logprob_error + 2 * logprob_error**2,
        "entropy": (p * (1 + lp).abs()).sum(2) * logprob_error,
    }
    allowed = {name: error + last_place(wanted[name]) for name, error in errors.items()}
    # Where everything is equal, as in a baseline's KL, zero is exact.
    allowed["kl_divergence"][0] = torch.finfo(torch.float64).tiny
    return allowed


@dataclass
class Worst:
    """Largest error of a column, and the largest share of its tolerance that an error took."""

    error: float = 0.0
    share: float = 0.0


@dataclass
class Report:
    columns: dict[str, Worst] = field(default_factory=dict)
    values: int = 0

    def add(self, name: str, found: Tensor, expected: Tensor, allowed: Tensor, where: str) -> None:
        if found.shape != expected.shape or found.numel() == 0:
            raise Mismatch(f"{where}: {name} has shape {list(found.shape)}, expected {list(expected.shape)}")
        if not bool(found.isfinite().all()):
            raise Mismatch(f"{where}: {name} holds NaN or Inf")
        error = (found - expected).abs()
        share = error / allowed
        worst = self.columns.setdefault(name, Worst())
        worst.error = max(worst.error, float(error.max()))
        worst.share = max(worst.share, float(share.max()))
        self.values += found.numel()
        if not worst.share <= 1:
            at = int(share.argmax())
            got, want, most = (float(t.flatten()[at]) for t in (found, expected, allowed))
            raise Mismatch(
                f"{where}: {name} of row {at // found.shape[1]} (0 is the baseline): found {got!r}, expected {want!r}, "
                f"allowed {most:.3g}"
            )


def check_ranks(rows: Rows, index: int, scan: Scan, exact: Exact, standard: Standard | None, where: str) -> None:
    allowed = FLOAT64_TOLERANCE if standard is None else 2 * 2 * standard.logit_error
    for r in range(exact.logits.shape[0]):
        for i, position in enumerate(scan.reads):
            row, y = rows[index, r - 1, position], exact.logits[r, i]
            above = y - y[scan.target_id]
            # The target itself is as high as itself.
            low, high = int((above > allowed).sum()), int((above >= -allowed).sum()) - 1
            if not low <= row["target_rank"] <= high:
                raise Mismatch(f"{where}: row {r} has target_rank {row['target_rank']}, expected {low} to {high}")
            if float(y.max() - y[row["top1_id"]]) > allowed:
                raise Mismatch(f"{where}: row {r} has top1_id {row['top1_id']}, expected {int(y.argmax())}")


@dataclass
class Pool:
    """The errors of several scans, by column: ours, plain PyTorch's, and a float32's last places."""

    squares: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, ours: Tensor, theirs: Tensor, places: Tensor) -> None:
        sums = self.squares.setdefault(name, [0.0, 0.0, 0.0])
        for i, errors in enumerate((ours, theirs, places)):
            sums[i] += float(errors.square().sum())

    def check(self) -> dict[str, float]:
        """By column, the root of the mean square as a multiple of plain PyTorch's."""
        if not self.squares:
            raise Mismatch("no scan was compared")
        shares = {}
        for name, sums in self.squares.items():
            ours, theirs, places = map(math.sqrt, sums)
            shares[name] = ours / theirs if theirs > 0 else 0.0
            if not ours <= 2 * theirs + places:
                raise Mismatch(f"{name} is off by {shares[name]:.2f} times plain PyTorch's root of the mean square")
        return shares


def number(value: float | None) -> float:
    """JSON has no NaN: what is none comes as null."""
    return math.nan if value is None else value


def check_rows(
    rows: Rows,
    scans: Sequence[Scan],
    exacts: Sequence[Exact],
    standards: Sequence[Standard | None],
    where: str,
    report: Report,
    pool: Pool,
) -> None:
    """Where a scan's standard is None the rows are a float64 engine's, and `pool` gets nothing."""
    wanted = {(s, v, p) for s, scan in enumerate(scans) for v in range(-1, len(scan.variants)) for p in scan.reads}
    if rows.keys() != wanted:
        raise Mismatch(
            f"{where}: {len(rows)} rows, expected {len(wanted)}; first that differs {min(rows.keys() ^ wanted)}"
        )
    for s, (scan, exact, standard) in enumerate(zip(scans, exacts, standards, strict=True)):
        place = f"{where}, scan {s}"
        expected = columns_of(scan, exact.logits, exact.logprobs)
        for name, allowed in tolerances(scan, exact, standard).items():
            values = [[number(rows[s, v, p][name]) for p in scan.reads] for v in range(-1, len(scan.variants))]
            found = torch.tensor(values, dtype=torch.float64)
            report.add(name, found, expected[name], allowed, place)
            if standard is not None:
                pool.add(name, found - expected[name], standard.errors[name], last_place(expected[name]))
        check_ranks(rows, s, scan, exact, standard, place)
